"""What would refuse later is asked first: the guards of every action that one command will take.

The guards of an action that is still to come see the facts as they will be once the one before it has succeeded:
the package runs, and nothing drifted. What can change in between is asked again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .. import actions, guard
from ..action import Takes
from ..errors import RoadworthyError
from ..model import Deployed, Fact, Facts, Plan, Verdict

if TYPE_CHECKING:
    from ..world import World


def judge_ahead(context: World, plan: Plan, facts: Facts) -> tuple[Verdict, ...]:
    """The verdicts on `plan`, with the refusals of what `plan.request.then` names; each guard is there once."""
    each = each_ahead(context, plan, facts)
    _, verdicts = next(each)
    found = {verdict.guard: verdict for verdict in verdicts}
    for _, asked in each:
        for verdict in guard.refusals(asked):
            known = found.get(verdict.guard)
            if known is None or known.outcome != "refuse":
                found[verdict.guard] = verdict
    return tuple(found.values())


def each_ahead(context: World, plan: Plan, facts: Facts) -> Iterator[tuple[str, tuple[Verdict, ...]]]:
    """The action of `plan` and then each that its request names, with all that the guards say of it."""
    yield plan.request.action, guard.judge(context, plan, facts)
    if not plan.request.then:
        return
    will_be = facts if plan.already else _after(plan, facts)
    for action in plan.request.then:
        request = replace(plan.request, action=action, to="", then=())
        try:
            ahead = actions.named(action).plan(request, will_be, context.config)
        except RoadworthyError as error:
            yield action, (Verdict(action, "refuse", str(error), f"{action} can be planned", ""),)
            continue
        yield action, guard.judge(context, ahead, will_be)


def _after(plan: Plan, facts: Facts) -> Facts:
    """The facts once a deploy or a migration has ended well."""
    package, history, seen = plan.package, facts.history.value, facts.observed.value
    if actions.named(plan.request.action).takes is not Takes.COMMIT or package is None:
        return facts
    parts = {
        part.component: replace(seen.of(part.component), digest=part.digest, commit=part.commit)
        for part in package.parts
    }
    runs = Deployed(package, 0, "", 0, "", history.revision)
    return replace(
        facts,
        history=Fact("history", replace(history, deployed=(runs, *history.deployed[:1]), complete=0)),
        observed=Fact("observed", replace(seen, digest=package.digest, commit=package.commit, parts=parts)),
        drift=Fact("drift", ()),
    )
