"""Certify: take the road with `actions/certify.py`, and leave the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..execution import run as release
from ..model import Outcome, Request, Result

if TYPE_CHECKING:
    from pathlib import Path

    from ..context import Context


def certify(context: Context, request: Request, only_plan: bool) -> Result:
    """Take the road and, when it succeeded, leave the certificate."""
    result = release.run(context, request, only_plan=only_plan)
    if result.outcome is not Outcome.SUCCEEDED or not result.seq:
        return result
    path = write(context, result)
    until = result.details["expires"]
    return replace(result, line=f"{result.line}: {context.shown(path)}, until {until}")


def write(context: Context, result: Result) -> Path:
    """Write the certificate that the journal now holds to `.release/<app>_certified`, whole or not at all."""
    from ..files import write_atomically

    if result.plan is None:
        raise ValueError("a certification has a plan")
    log = context.log(result.plan.request.environment)
    entry = next(e for e in log.backwards() if e.seq == result.seq)
    name = entry.record.details["certificate"]
    digest = next(e.sha256 for e in entry.record.evidence if e.name == name)
    path: Path = context.paths.state / name
    write_atomically(path, log.evidence(digest))
    return path
