"""One's turn: nothing begins while an open start holds the environment, for its outcome decides what may come next.

A living holder is waited for, and only as long as somebody asked for. Of one that is proven dead, what it left
open is settled first, by looking at the platform; then it is our turn. No clock ends a hold.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ..errors import Held, OutcomeUnknown
from ..journal import lock
from ..journal.store import Folder
from ..wait import until
from .holding import fate

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..model import Request
    from ..world import World

FOLDER_POLL: Final = (
    0.2  # seconds between two looks into a folder; a bucket is asked as often as the platform
)
CI_POLL: Final = 15.0  # seconds between two questions about a holder's run: GitHub counts them


def take(context: World, log: Log, request: Request, deadline: float, *, settle: bool) -> None:
    """Return when nothing holds the environment of `request`.

    With `request.wait` a living holder is waited for until `deadline`, a moment of time.monotonic(), and what
    a dead one left open is settled, unless `settle` says that nothing may be written. Raises HeldBy while the
    holder may live, OutcomeUnknown while the outcome of a dead one is not known.
    """
    while start := log.open_start():
        holder = lock.holder(start)
        seen = fate(context, holder)
        if seen.dead:
            if not (settle and request.wait):
                raise OutcomeUnknown(lock.held(holder, seen))
            _let_arrive(context, log, start, deadline)
            _take_over(context, log, request, start)
        elif time.monotonic() >= deadline:
            raise lock.HeldBy(holder, seen, request.wait)
        else:
            _wait_for(context, log, request, start, deadline)


def _wait_for(context: World, log: Log, request: Request, start: Entry, deadline: float) -> None:
    """Until `start` is settled or its holder is dead. Raises HeldBy at the deadline."""
    holder = lock.holder(start)
    ask_ci_at = time.monotonic() + CI_POLL

    def look() -> bool | None:
        nonlocal ask_ci_at
        if log.open_start() != start or lock.lives(holder) is False:
            return True
        if time.monotonic() < ask_ci_at:
            return None
        ask_ci_at = time.monotonic() + CI_POLL
        return fate(context, holder).dead or None

    every = FOLDER_POLL if isinstance(context.store, Folder) else context.config.targets[context.target].poll
    with context.screen.step(f"waiting for {request.environment}, at most {request.wait:g} s") as say:
        say(f"locked by {holder}")
        if until(look, within=deadline - time.monotonic(), every=every) is None:
            raise lock.HeldBy(holder, fate(context, holder), request.wait)


def _let_arrive(context: World, log: Log, start: Entry, deadline: float) -> None:
    """Wait for as long as a request may take, since the holder was seen to be dead.

    When it died nobody knows, so its last request may have been sent just before. Raises OutcomeUnknown when the
    deadline comes first: what may still arrive is not settled.
    """
    within = context.config.limits.http
    short = time.monotonic() + within > deadline
    with context.screen.step(f"waiting {within:g} s for late requests of start #{start.seq}"):
        left = min(within, max(deadline - time.monotonic(), 0.0))
        gone = until(lambda: log.open_start() != start or None, within=left, every=FOLDER_POLL)
    if short and not gone:
        said = lock.held(lock.holder(start), lock.seen_here(lock.holder(start)))
        raise OutcomeUnknown(f"{said}; its last request may still arrive within {within:g} s")


def _take_over(context: World, log: Log, request: Request, start: Entry) -> None:
    """Settle what a dead holder left open. Raises OutcomeUnknown when even looking cannot tell."""
    from .reconcile import reconcile

    context.screen.line(
        f"the {start.record.action} of {request.environment} (journal #{start.seq}) was interrupted"
    )
    try:
        settled = reconcile(context, request.environment)
    except Held:
        return  # somebody else has settled it and begun, or the proof does not hold any more: look again
    except OutcomeUnknown:
        if log.open_start() == start:
            raise
        return  # another one who waited has settled it
    if settled:
        for reason in settled.reasons:
            context.screen.line(f"  {reason}")
        context.screen.line(f"{settled.line} (evidence {settled.evidence})")
