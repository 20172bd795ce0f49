"""Accept that entries of a journal were lost: a signed note, after which the journal goes on at a higher number.

It is the last resort, when nobody can put back what was there. The note says which entry was known to be the
newest, and where that was known from, so that every audit tells of it for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..execution.signing import require
from ..journal import lock
from ..journal.entry import ACCEPTS_LOSS, JournalError, Record
from ..journal.known import PAGE, Head, JournalLost, Known
from ..lost import newest_on_platform, refuse_if_lost
from ..model import Outcome, Result
from ..record import evidence_of

if TYPE_CHECKING:
    from ..context import Context

SPARE: Final = 100
STEP: Final = 1000
"""The journal goes on behind a full thousand at least this far away: more may be lost than is known here."""


def accept(context: Context, environment: str, why: str) -> Result:
    """Write down, signed, that entries of the environment's journal were lost, where that is so.

    Raises UsageError when another journal lies in its place: there is nothing that it could go on from.
    """
    place = f"{context.target}/{environment}"
    lost = _lost(context, environment)
    if lost is None:
        return Result(Outcome.SUCCEEDED, f"nothing to accept: {place} has all entries that are known")
    if lost.another:
        raise UsageError(
            f"{lost}: the journal found there is a different one and cannot continue the lost one"
        )
    require(context, environment, (ACCEPTS_LOSS,))
    head = _newest(lost.head, newest_on_platform(context, environment))
    on = ((head.seq + SPARE) // STEP + 1) * STEP + 1
    context.changes(f"accept the loss of entries of {place} up to #{head.seq}, and continue it at #{on}")
    said = {
        "lost": {"seq": head.seq, "sha256": head.sha256, "from": _plain(head.told)},
        "goes_on_at": on,
        "change": {"id": "", "why": why},
        "actor": lock.this_process(),
    }
    log = context.log(environment, known=Known())
    try:
        entry = log.append(
            Record("note", "loss", ACCEPTS_LOSS, environment, context.target, "none", "", said)
        )
    except JournalError:
        if _lost(context, environment):
            raise
        return Result(Outcome.SUCCEEDED, f"somebody else has just accepted the loss: {place} continues")
    line = f"#{entry.seq} of {place} accepts the loss of entries up to #{head.seq}; it continues at #{on}: {PAGE}"
    evidence = evidence_of(context, environment, entry)
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=evidence, next=("invoke status",))


def _lost(context: Context, environment: str) -> JournalLost | None:
    log = context.log(environment)
    try:
        log.head()
        refuse_if_lost(context, log)
    except JournalLost as lost:
        return lost
    return None


def _newest(known: Head, released: Head | None) -> Head:
    return released if released and released.seq > known.seq else known


def _plain(told: str) -> str:
    """The same in the letters that an entry may say it with."""
    return told.encode("ascii", "replace").decode()[:200]
