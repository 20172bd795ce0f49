"""What an entry says before it is signed: its place in the chain, and a time that never goes back."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from ..errors import Refused
from .chain import State, seconds_behind
from .entry import CLOCKS_DIFFER, Entry, JournalError, Record

_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class ClockBehind(Refused):
    """A clock is far behind the newest entry's: either of the two is wrong, and a person has to say which."""

    def __init__(self, folder: str, state: State, clock: str) -> None:
        place = folder.rpartition("/")[2]
        commit = place.removeprefix("package-")
        name = f"--commit {commit}" if commit != place else f"--env {place}"
        super().__init__(
            f"this machine's clock says {clock[:19]}Z, that of the newest entry of {folder}, #{state.seq}, said "
            f"{state.clock[:19]}Z: set this clock right; if it is right, run `invoke evidence.clock {name} --why …`"
        )


def draft(record: Record, folder: str, state: State, keyid: str, now: datetime) -> Entry:
    """The entry that `record` becomes behind `state` of the log `folder`, without its digest.

    Raises ClockBehind for a start on a clock far behind the head's; JournalError for a time without a zone.
    """
    if now.tzinfo is None:
        raise JournalError("the clock gave a time without a zone")
    # Two machines' clocks differ. Readers hold that time never goes back, so ours comes after the head's; what
    # our clock really said is kept beside it.
    clock = now.astimezone(UTC).strftime(_TIME)
    at = max(clock, _next(state.at))
    told = {} if at == clock else {"clock": clock}
    behind = seconds_behind(state, clock)
    if behind > CLOCKS_DIFFER and not record.details.get("clock_why"):
        if record.kind == "start":
            raise ClockBehind(folder, state, clock)
        # What became of something is written down in any case.
        told["clock_why"] = f"this machine's clock is {behind} s behind that of the entry before it"
    record = replace(record, details={**record.details, **told})
    nonce = os.urandom(16).hex()
    return Entry(record, state.next, state.sha256, at, nonce, keyid, sha256="")


def _next(at: str) -> str:
    """The next microsecond; "" before the first entry."""
    if not at:
        return ""
    try:
        return (datetime.strptime(at, _TIME) + timedelta(microseconds=1)).strftime(_TIME)
    except OverflowError:  # the last one that can be written
        return at
