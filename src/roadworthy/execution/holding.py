"""Who holds an environment, whether that is proven dead, and how a hold is given up by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .. import git
from ..errors import RoadworthyError, UsageError
from ..journal import lock
from ..journal.entry import Record, place_of
from ..model import Outcome, Result
from . import fence
from .signing import require_settling

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.lock import Fate, Holder
    from ..journal.log import Log
    from ..world import World


def fate(context: World, holder: Holder) -> Fate:
    """What this machine sees of the holder's process, else what GitHub says about its run.

    A process that is seen to run counts as alive whatever becomes of its run; so does all that cannot be told.
    """
    here = lock.seen_here(holder)
    if here.alive is not None or not holder.ci_run or context.config.github is None:
        return here
    from .. import http
    from ..facts.github import run_state

    token, limit = context.environ.get("GITHUB_TOKEN", ""), context.config.limits.http
    try:
        with http.session(limit) as session:
            state = run_state(
                context.config.github, holder.ci_run, holder.ci_attempt, holder.ci_url, token, session, limit
            )
    except RoadworthyError as error:
        return lock.Fate(None, f"cannot tell whether its CI run is over: {error}")
    return lock.Fate(state != "completed", f"GitHub says its run is {state}")


def said_of(context: World, start: Entry | None) -> str:
    """The sentence about an open start, with all that can be known of its holder; "" when none is open."""
    if start is None:
        return ""
    holder = lock.holder(start)
    return lock.held(holder, fate(context, holder))


def say_open(context: World, log: Log) -> None:
    """A line about the start that is open in this journal, for a command that it does not stop.

    GitHub is not asked: what only reads the journal answers without a network, too. The platform is, whether the
    journal lost entries; where it cannot be asked, nothing is said. Raises JournalLost.
    """
    from ..lost import refuse_if_lost

    refuse_if_lost(context, log)
    if start := log.open_start():
        holder = lock.holder(start)
        context.screen.line(lock.held(holder, lock.seen_here(holder)))


def place_held(context: World, env: str, commit: str | None) -> str:
    """The journal that a person means: a package's where they name its commit, else an environment's."""
    return place_of(git.resolve(context.paths.root, commit)) if commit else context.config.name_of(env)


def status(context: World, place: str) -> Result:
    """Who has locked an environment or a package, since when, its last heartbeat and whether it is proven dead."""
    start = context.log(place).open_start()
    if start is None:
        return Result(Outcome.SUCCEEDED, f"{place} is not locked")
    holder = lock.holder(start)
    seen = fate(context, holder)
    silent = _silent(context, start)
    heard = "no heartbeat yet" if silent is None else f"last heartbeat {silent} s ago"
    known = lock.Fate(seen.alive, f"{seen.said}, {heard}, token {holder.token}")
    line = lock.held(holder, known)
    details = {
        "holder": {k: v for k, v in msgspec.to_builtins(holder).items() if v},
        "last_heard_of_seconds_ago": silent,
        "proven_dead": seen.dead,
        "said": seen.said,
    }
    return Result(Outcome.SUCCEEDED, line, details=details)


def _silent(context: World, start: Entry) -> int | None:
    """Seconds since the holder's last beat by the store's clock, which may differ from ours; None for no beat."""
    try:
        beat = context.store.last_beat(f"{start.record.target}/{start.record.environment}", start.seq)
    except RoadworthyError:  # it is only information: who holds must be told all the same
        return None
    return None if beat is None else max(0, round(context.now().timestamp() - beat))


def unlock(context: World, place: str, token: int, reason: str, *, unfenced: bool = False) -> Result:
    """Write a signed `abandon` for the open start with this token; its outcome stays what the platform shows.

    Its fence is closed first, so that nothing it sent arrives later. Raises OutcomeUnknown when nobody can tell
    whether it is; with `unfenced` the start is given up all the same, and what it sent may still have its effect.
    """
    from ..lost import refuse_if_lost

    log = context.log(place)
    start = log.open_start()
    if start is None:
        raise UsageError(f"{place} is not locked")
    refuse_if_lost(context, log)
    if token != start.seq:
        raise UsageError(f"--token {token} does not hold the lock of {place}: see `invoke lock.status`")
    if not reason.strip() or not reason.isprintable():
        raise UsageError("--reason is missing: state in one line how you know that the holder is dead")
    require_settling(context, start)
    context.changes(f"abandon #{start.seq} of {place}")
    fenced = {} if unfenced else fence.drained(context, start)
    if log.open_start() != start:  # its holder lived, could change nothing more, and said so
        return Result(
            Outcome.SUCCEEDED,
            f"#{start.seq} of {place} was settled by its own holder meanwhile",
            next=_look(place),
        )
    details = {"settles": start.seq, "reason": reason.strip(), "actor": lock.this_process(), **fenced}
    record = start.record
    entry = log.append(
        Record(
            "abandon",
            record.stage,
            record.action,
            place,
            context.target,
            record.subject,
            record.digest,
            details,
        )
    )
    then = "run its command again" if place.startswith("package-") else f"see `invoke verify --env {place}`"
    line = f"#{start.seq} of {place} is abandoned; {then}"
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, next=_look(place))


def _look(place: str) -> tuple[str, ...]:
    return () if place.startswith("package-") else (f"invoke verify --env {place}",)
