"""What may follow what. Pure: the same rules judge an entry that was read and a record that is to be written.

The state of a log is its head and the open `start`, if there is one. At most one start is open at a time,
and only an `end`, `failed` or `abandon` that names it closes it. Time and policy never go back along a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from roadworthy.errors import OutcomeUnknown, RoadworthyError
from roadworthy.journal.entry import (
    CLOCKS_DIFFER,
    NO_PREV,
    SEQ_LIMIT,
    SETTLING,
    Entry,
    JournalError,
    Record,
    clock_of,
    says_why,
)
from roadworthy.journal.lock import HeldBy, holder
from roadworthy.journal.policy import Named, named_by


class State(msgspec.Struct, frozen=True):
    """Where a log stands: the head's number, digest, time and policy, and the start that holds the environment.

    `at` orders the entries; `clock` is what the clock of the head's writer said.
    """

    seq: int = 0
    sha256: str = NO_PREV
    open: Entry | None = None
    at: str = ""
    policy: Named = (0, "")
    clock: str = ""


def admit(state: State, record: Record) -> None:
    """May `record` be written now?

    Raises HeldBy for a `start` while another is open; OutcomeUnknown when the start that the record settles
    holds the environment no longer (the fence against late writers); JournalError for a senseless record.
    """
    settles = record.details.get("settles")
    if state.seq >= SEQ_LIMIT:
        raise JournalError(f"the log is full at {SEQ_LIMIT} entries")
    if record.kind not in SETTLING:
        if settles is not None:
            raise JournalError(f"a {record.kind} settles nothing, but names start {settles}")
        if record.details.get("receipts"):
            raise JournalError(f"a {record.kind} tells of an effect, which needs a start before it")
        if record.kind == "start" and state.open is not None:
            raise HeldBy(holder(state.open))
        if record.kind == "start" and _refusals(record):
            raise JournalError("it starts what one of its guards refused")
        return
    if type(settles) is not int or not 1 <= settles <= state.seq:
        raise JournalError(f"its {record.kind} names no start in `settles`")
    if state.open is None or state.open.seq != settles:
        now = f"start {state.open.seq} does" if state.open else "nothing does"
        raise OutcomeUnknown(
            f"start {settles} does not hold {record.target}/{record.environment} (any more), {now}: "
            f"its {record.kind} was not written. Look at the platform, then `invoke reconcile`"
        )
    began = state.open.record
    if record.kind != "abandon" and (record.stage, record.action) != (began.stage, began.action):
        raise JournalError(f"its {record.kind} is of another action than start {settles}")
    if record.kind != "abandon" and began.digest and record.digest != began.digest:
        raise JournalError(f"its {record.kind} is about another package than start {settles}")


def _refusals(record: Record) -> bool:
    verdicts = record.details.get("verdicts")
    found = verdicts if isinstance(verdicts, (list, tuple)) else ()
    return any(isinstance(one, Mapping) and one.get("outcome") == "refuse" for one in found)


def seconds_behind(state: State, clock: str) -> int:
    """By how many seconds a clock is behind that of the head's writer; less than 0 when it is ahead."""
    if not state.clock:
        return 0
    return round(
        (datetime.fromisoformat(state.clock[:19]) - datetime.fromisoformat(clock[:19])).total_seconds()
    )


def follow(state: State, entry: Entry) -> State:
    """The state after `entry`. Raises JournalError when it cannot be the next one."""
    if entry.seq != state.seq + 1:
        raise JournalError(f"it says that it is entry {entry.seq}")
    if entry.prev != state.sha256:
        raise JournalError("it does not follow the entry before it: `prev` is another digest")
    if entry.at < state.at:
        raise JournalError(f"its time {entry.at} is before that of the entry before it")
    clock = clock_of(entry)
    if (behind := seconds_behind(state, clock)) > CLOCKS_DIFFER and not says_why(entry):
        raise JournalError(
            f"its clock is {behind} s behind that of the entry before it, and it does not say why"
        )
    policy = named_by(entry.record)
    if policy[0] < state.policy[0] or (policy[0] == state.policy[0] and policy != state.policy):
        raise JournalError(
            f"it was written under policy {policy[0]}, after policy {state.policy[0]} was in force"
        )
    try:
        admit(state, entry.record)
    except JournalError:
        raise
    except RoadworthyError as error:
        raise JournalError(f"its {entry.record.kind} cannot stand here: {error}") from error
    still_open = state.open
    if entry.record.kind == "start":
        still_open = entry
    elif entry.record.kind in SETTLING:
        still_open = None
    return State(entry.seq, entry.sha256, still_open, entry.at, policy, clock)
