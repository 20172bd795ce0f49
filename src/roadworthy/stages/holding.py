"""Who holds an environment, and how a hold is given up by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..model import Outcome, Result

if TYPE_CHECKING:
    from ..context import Context


def status(context: Context, environment: str) -> Result:
    """Who holds the environment, from where, since when; whether that process is proven dead."""
    from ..journal import lock

    start = context.log(environment).open_start()
    if start is None:
        return Result(Outcome.SUCCEEDED, f"nobody holds {environment}")
    holder = lock.holder(start)
    dead = "; that process is gone" if lock.proven_dead(holder) else ""
    return Result(Outcome.SUCCEEDED, f"{environment} is held by {holder} (token {holder.token}){dead}")


def unlock(context: Context, environment: str, token: int, reason: str) -> Result:
    """Write a signed `abandon` for the open start with this token; its outcome stays what the platform shows."""
    from ..journal import lock
    from ..journal.entry import Record

    log = context.log(environment)
    start = log.open_start()
    if start is None:
        raise UsageError(f"nobody holds {environment}")
    if token != start.seq:
        raise UsageError(
            f"--token {token} does not hold {environment}: `invoke lock.status --env {environment}`"
        )
    if not reason.strip() or not reason.isprintable():
        raise UsageError("--reason is missing: say in one line why the holder is surely dead")
    details = {"settles": start.seq, "reason": reason.strip(), "actor": lock.this_process()}
    record = start.record
    entry = log.append(
        Record(
            "abandon",
            record.stage,
            record.action,
            environment,
            context.target,
            record.subject,
            record.digest,
            details,
        )
    )
    line = f"#{start.seq} of {environment} is abandoned; see `invoke verify --env {environment}`"
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq)
