"""Adopt: take the road with `actions/adopt.py`, and say which release counts from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..compatibility import release_name
from ..execution import run as release
from ..model import Request, Result

if TYPE_CHECKING:
    from ..context import Context


def adopt(context: Context, request: Request, only_plan: bool) -> Result:
    """Take the road, and say which release was adopted."""
    result = release.run(context, request, only_plan=only_plan)
    if not result.seq or result.plan is None or result.code:
        return result
    counts = "" if result.plan.package else ", which counts as no verified package: deploy next"
    return replace(result, line=f"{result.line} as {release_name(result.plan.after['release'])}{counts}")
