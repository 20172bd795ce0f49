"""What may follow what. Pure: the same rules judge an entry that was read and a record that is to be written.

The state of a log is its head and the open `start`, if there is one. At most one start is open at a time,
and only an `end`, `failed` or `abandon` that names it closes it. Time and policy never go back along a log.
Entries are numbered without a gap, but where a signed note accepts that those between were lost: it says at which
number the log goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from ..errors import OutcomeUnknown, RoadworthyError
from .entry import (
    ACCEPTS_LOSS,
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
from .lock import HeldBy, holder
from .policy import Named, named_by


class State(msgspec.Struct, frozen=True):
    """Where a log stands: the head's number, digest, time and policy, and the start that holds the environment.

    `at` orders the entries; `clock` is what the clock of the head's writer said. `lost` has, for each note that
    accepts a loss, its number and the one at which the log goes on.
    """

    seq: int = 0
    sha256: str = NO_PREV
    open: Entry | None = None
    at: str = ""
    policy: Named = (0, "")
    clock: str = ""
    lost: tuple[tuple[int, int], ...] = ()

    @property
    def next(self) -> int:
        """The number of the next entry."""
        return self.lost[-1][1] if self.lost and self.lost[-1][0] == self.seq else self.seq + 1

    def gave_up(self, seq: int) -> bool:
        """Is an entry of that number among those that were accepted as lost?"""
        return any(note <= seq < on for note, on in self.lost)

    def down_from(self, seq: int) -> Iterator[int]:
        """The numbers of the entries from `seq` to the first, without those that were lost."""
        for note, on in reversed(self.lost):
            if seq >= on:
                yield from range(seq, on - 1, -1)
                seq = note
        yield from range(seq, 0, -1)


def goes_on_at(record: Record, seq: int) -> int | None:
    """At which number the log goes on after entry `seq`, where that accepts a loss; None where it does not.

    Raises JournalError when what it says of what was lost is malformed.
    """
    if (record.kind, record.action) != ("note", ACCEPTS_LOSS):
        return None
    match record.details:
        case {
            "lost": {"seq": int(last), "sha256": str(sha256), "from": str(source), **rest},
            "goes_on_at": int(on),
        }:
            numbers = type(last) is type(on) is int and seq <= last < on <= SEQ_LIMIT
            if (
                not rest
                and numbers
                and re.fullmatch("[0-9a-f]{12,64}", sha256)
                and re.fullmatch("[ -~]{1,200}", source)
            ):
                return on
    raise JournalError("what it says of the entries that were lost is malformed")


def admit(state: State, record: Record) -> None:
    """May `record` be written now?

    Raises HeldBy for a `start` while another is open; OutcomeUnknown when the start that the record settles
    holds the environment no longer (the fence against late writers); JournalError for a senseless record.
    """
    settles = record.details.get("settles")
    if state.next > SEQ_LIMIT:
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
    if entry.seq != state.next:
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
    on = goes_on_at(entry.record, entry.seq)
    lost = state.lost if on is None else (*state.lost, (entry.seq, on))
    return State(entry.seq, entry.sha256, still_open, entry.at, policy, clock, lost)
