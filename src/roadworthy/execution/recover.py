"""Going back by itself: what the road does when a deploy, a completion or a change of config vars has failed.

It is no way around the road: what puts things back is a request like any other, with its own guards, start and end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .. import actions
from ..action import Effect
from ..errors import Held, OutcomeUnknown, RoadworthyError
from ..facts.observe import observe
from ..model import Facts, Outcome, Plan, Request, Result
from ..record import numbers

if TYPE_CHECKING:
    from ..world import World

    Run = Callable[[World, Request], Result]
    """The road itself: `release.run`."""


def recover(context: World, facts: Facts, failed: Result, run: Run) -> Result:
    """Go back by itself to what was so before the failed action; the bound is `limits.rollback`.

    Nothing is done when the failed deploy never changed what the platform runs, or when there is nothing to
    go back to. The rollback takes the same road, with its own guards, start and end.
    """
    plan = failed.plan
    action = actions.named(plan.request.action) if plan else None
    if plan is None or action is None or action.undo is None or plan.request.automatic:
        return failed
    try:
        observed = observe(context, plan.request.environment)
    except (RoadworthyError, KeyboardInterrupt) as error:
        what = str(error) or "interrupted"
        return replace(failed, line=f"{failed.line}; cannot see what runs now ({what}): run `invoke status`")
    untouched = observed.current is None or numbers(observed) == numbers(facts.observed.value)
    if action.effect is Effect.RELEASES and untouched:
        return replace(failed, line=f"{failed.line}; nothing was changed")
    undo = action.undo(plan, facts)
    if undo is None:
        return replace(failed, line=f"{failed.line}; there is no verified package to roll back to")
    began = time.monotonic()
    context.screen.line(undo.doing)
    # Nobody is waited for: who came in between acts on what is there now, and going back would undo that.
    asked, going = replace(undo.request, automatic=True, then=(), wait=0.0), undo.undoing
    try:
        result = run(context, asked)
    except (OutcomeUnknown, Held) as error:
        kind = Held if isinstance(error, Held) else OutcomeUnknown
        raise kind(f"{failed.line}; then {going}: {error}") from error
    except RoadworthyError as error:
        return replace(failed, line=f"{failed.line}; {going} failed too: {error}")
    except KeyboardInterrupt:
        return replace(failed, line=f"{failed.line}; interrupted before {going}: {undo.by_hand}")
    took, bound = time.monotonic() - began, context.config.limits.rollback
    details = {**failed.details, "rollback": {"seq": result.seq, "millis": round(1000 * took)}}
    if result.outcome is not Outcome.SUCCEEDED:
        return replace(
            failed, details=details, line=f"{failed.line}; {going} {result.outcome}: {result.line}"
        )
    late = f", over the limit of {bound:.0f} s" if took > bound else ""
    line = f"{failed.line}; {undo.done} in {took:.1f} s{late}, verified healthy"
    return replace(failed, details=details, line=line)


def kept_out(context: World, plan: Plan, failed: Result) -> Result:
    """Say it when a deploy under maintenance ended with people still kept out."""
    if not plan.request.maintenance:
        return failed
    try:
        if not observe(context, plan.request.environment).maintenance:
            return failed
    except (RoadworthyError, KeyboardInterrupt):
        return replace(failed, line=f"{failed.line}; cannot see whether {plan.app} is in maintenance mode")
    return replace(
        failed, line=f"{failed.line}; {plan.app} is still in maintenance mode: deploy a package that works"
    )
