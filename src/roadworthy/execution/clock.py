"""Whose clock is right: before anything begins, this machine's is compared with the platform's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..errors import Refused
from ..journal.entry import CLOCKS_DIFFER, clock_of, says_why

if TYPE_CHECKING:
    from ..journal.log import Log
    from ..world import World

_LOOKED_AT: Final = 50  # entries: more than a few actions write


def refuse_wrong_clock(context: World, log: Log, environment: str) -> None:
    """Raise Refused when this clock is far from that of the platform's last answer.

    An entry that such a clock dates would stand before or after all others for years. Nothing is written, not even
    the refusal. A person who knows better says so first: `invoke evidence.clock`.
    """
    ahead = context.platform.clock_ahead
    if ahead is None or abs(ahead) <= CLOCKS_DIFFER or _said_so(log, context.now()):
        return
    how = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    raise Refused(
        f"this machine's clock says {context.now():%Y-%m-%dT%H:%M:%SZ}, {how} the platform's: correct it; "
        f'if it is right, run `invoke evidence.clock --env {environment} --why "…"`, then this command again'
    )


def _said_so(log: Log, now: datetime) -> bool:
    """Whether a person has just said, signed, that this clock is right: one of the newest entries is their word."""
    for entry in islice(log.backwards(), _LOOKED_AT):
        said = datetime.fromisoformat(clock_of(entry)[:19]).replace(tzinfo=UTC)
        if abs(now - said) > timedelta(seconds=CLOCKS_DIFFER):
            return False
        if entry.record.action == "clock" and says_why(entry):
            return True
    return False
