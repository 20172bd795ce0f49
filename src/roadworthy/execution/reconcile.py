"""Reconcile: settle an open start by looking at the platform, so that nothing is guessed.

A release is recognised by its token in the platform's own description, or as the one of its image that is newer
than what the start saw; a migration by the database's revision.
What cannot be told stays unknown. What is not there is looked for a while: the last request of a process that
was killed may still be on its way, and "nothing was changed" must stay true. A deploy with a degradation window
is watched again, for the whole of it: nobody knows what the killed process had seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from .. import actions
from ..action import Action, Effect
from ..actions import watch
from ..actions.migrate import missing
from ..actions.running import look, package_of, wait_for_start
from ..errors import CheckFailed, OutcomeUnknown
from ..facts.observe import observe
from ..facts.revision import revision_of
from ..journal import lock
from ..journal.claims import claim
from ..lost import refuse_if_lost
from ..model import Confirmation, Outcome, Plan, PlatformRelease, Receipt, Result
from ..platforms.mark import made_so_far
from ..record import recorded, releases
from ..wait import side_by_side, until
from . import fence
from . import run as release
from .signing import require_settling

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..world import World

T = TypeVar("T")
# A killed process's last request is given time to arrive: so many looks, `poll` apart, for at most so many seconds.
# Looks and not only seconds, for each is a request to the same platform, sent after that one: where it is near, ten
# answers come within half a second; where it is far or slow, each takes longer. How long ago the holder died is not
# known: its last beat says that it lived then, and silence since then proves nothing.
LOOKS: Final = 10
NOTHING: Final = "the platform has no release from it: nothing was changed"
ON_ITS_WAY: Final = 2.0


def reconcile(context: World, environment: str) -> Result | None:
    """Settle the open start of an environment; None when there is none.

    Raises Held while its holder may live, Refused when this command's key may not settle it, OutcomeUnknown when
    even looking cannot tell.
    """
    from .holding import fate

    log = context.log(environment)
    start = log.open_start()
    refuse_if_lost(context, log)
    if start is None:
        return None
    holder = lock.holder(start)
    seen_of_it = fate(context, holder)
    if not seen_of_it.dead:
        raise lock.HeldBy(holder, seen_of_it)
    require_settling(context, start)
    context.changes(f"look at {environment} and settle the {start.record.action} of journal #{start.seq}")
    fence.drained(context, start)
    plan = recorded(start)
    receipts: tuple[Receipt, ...] = ()
    action = actions.named(start.record.action)
    if action.effect is Effect.RELEASES:
        found = _found(context, plan, start)
        receipts = tuple(
            Receipt("release", 0, one.order, one.artifact, component)
            for component, one in found.items()
            if one is not None and one.status != "failed"
        )
        there = any(found.values())
        seen = _released(context, plan, found, receipts) if there else _never_released(context, plan)
    elif action.effect is Effect.DATABASE:
        seen = _migrated(context, action, plan)
    else:
        seen = action.confirm(context, plan, ())
    result = release.settle(context, action, plan, start, receipts, seen)
    if result.outcome is Outcome.SUCCEEDED:
        return replace(result, line=f"settled: {result.line} had succeeded")
    if action.again or seen.problems == _nothing_changed(action, plan, seen):
        return replace(result, outcome=Outcome.SUCCEEDED, line=_untouched(plan, start), code=0)
    lost = (action.lost,) if action.lost else ()
    return replace(result, line=f"settled: {result.line}", reasons=(*result.reasons, *lost))


def _nothing_changed(action: Action, plan: Plan, seen: Confirmation) -> tuple[str, ...]:
    """The problems of an action that surely never had an effect."""
    if action.effect is Effect.RELEASES:
        return (NOTHING,)
    started_at = plan.before.get("revision", "")
    return seen.problems if started_at == seen.details.get("revision", ()) else ()


def _untouched(plan: Plan, start: Entry) -> str:
    """Whoever asks for the settling of a start that came to nothing has not failed: it is settled."""
    return f"settled: {start.record.action} #{start.seq} of {plan.app} changed nothing"


def _found(context: World, plan: Plan, start: Entry) -> dict[str, PlatformRelease | None]:
    """The release that the start made of each component, once there is one; None of one that does not come."""
    apps = {"": plan.app, **context.config.apps(plan.request.environment)}
    told = plan.after.get("components", ({"name": ""},))
    if gone := [one["name"] for one in told if one["name"] not in apps]:
        raise OutcomeUnknown(
            f"{start.record.action} #{start.seq} includes {', '.join(gone)}, which release.toml no longer "
            f"declares: reconcile from a checkout of {plan.request.commit[:12]}"
        )
    names = [one["name"] for one in told if "release" not in one]
    if changed := plan.after.get("vars"):
        names = [changed.get("component", "")]
    found: dict[str, PlatformRelease | None] = dict.fromkeys(names)

    def look() -> bool | None:
        unseen = [name for name, made in found.items() if not made]
        find = [partial(context.platform.find, apps[name], claim(start, name)) for name in unseen]
        found.update(zip(unseen, map(made_so_far, side_by_side(find)), strict=True))
        return all(found.values()) or None

    _on_its_way(context, look)
    return found


def _on_its_way(context: World, look: Callable[[], T | None]) -> T | None:
    within = min(ON_ITS_WAY, context.config.limits.release)
    every = context.config.targets[context.target].poll
    return until(look, within=within, every=every, looks=LOOKS)


def _never_released(context: World, plan: Plan) -> Confirmation:
    problems = [NOTHING]
    if plan.request.maintenance and observe(context, plan.request.environment).maintenance:
        problems = [f"nothing was released, but {plan.app} is in maintenance mode: deploy again"]
    return Confirmation(tuple(problems))


def _released(
    context: World,
    plan: Plan,
    found: Mapping[str, PlatformRelease | None],
    receipts: tuple[Receipt, ...],
) -> Confirmation:
    problems: list[str] = []
    for component, made in found.items():
        of = f" of component {component}" if component else f" of {plan.app}"
        if made is None:
            problems.append(f"the platform has no release{of}: it was interrupted before")
        elif made.status == "pending":
            raise OutcomeUnknown(f"{made.name}{of} is still pending: run the command again later")
        elif made.status != "succeeded":
            problems.append(f"{made.name}{of} is {made.status} on the platform")
    if problems:
        return Confirmation(tuple(problems))
    wait_for_start(context, plan.request.environment, package_of(plan))
    expected = releases(plan, receipts)
    seen = look(context, plan, expected)
    if plan.request.maintenance and plan.pending:
        revision = _revision(context, plan)
        missed = (*seen.problems, *missing(plan, revision))
        seen = Confirmation(missed, {**seen.details, "revision": revision}, seen.attach)
    return watch.through(context, plan, expected, seen)


def _revision(context: World, plan: Plan) -> str | None:
    """Where the database is now, once no one-off process runs any more."""
    if busy := _busy(context, plan.app):
        raise OutcomeUnknown(
            f"{', '.join(busy)} of {plan.app} still runs: run the command again when it has ended"
        )
    try:
        return revision_of(context, plan.app)
    except CheckFailed as error:
        raise OutcomeUnknown(f"cannot read the database revision of {plan.app}: {error}") from error


def _busy(context: World, app: str) -> list[str]:
    """The one-off processes that run; who only asks for the revision, as we do, changes nothing."""
    asking = context.config.commands.revision
    return [
        d.name for d in context.platform.observe(app).processes if d.type == "run" and d.command != asking
    ]


def _migrated(context: World, action: Action, plan: Plan) -> Confirmation:
    revision = _revision(context, plan)
    if plan.pending and missing(plan, revision):
        _on_its_way(context, lambda: _busy(context, plan.app) or None)
        revision = _revision(context, plan)
    details: dict[str, Any] = {"revision": revision}
    if action.again:
        return Confirmation((action.again,), details)
    if not missing(plan, revision):
        return Confirmation((), details | ({"seen": True} if plan.after.get("seen") else {}))
    return Confirmation((f"the database is at {revision}: migrate again",), details)
