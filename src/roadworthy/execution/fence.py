"""The fence of a start: what it sends has no effect any more once somebody has settled it.

It is made before the start, which names it, and closed before the second look. Whoever settles another's start
closes its fence, gives what the platform had admitted before that time to have its effect, and only then looks:
what is not there by then never comes. A start without a fence, of before there were any, is settled as ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import RoadworthyError
from ..model import Fence, Maintenance, Plan, RunCommand, Step
from ..wait import pause

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..world import World

SPARE = 600.0
"""Seconds beyond the limits of its steps for which a fence lasts: an upload has no limit of its own."""


def opened(context: World, plan: Plan) -> dict[str, Any]:
    """What a start says of its fence, which is open from now on; {} where it changes nothing."""
    if not plan.steps:
        return {}
    drain = context.config.limits.http
    lasts = SPARE + drain + sum(_longest(context, step) for step in plan.steps)
    fence = context.platform.open_fence(lasts)
    if fence is None:
        context.screen.fact(
            "fence", "none: this key may not make another, so late requests are only waited for"
        )
        return {"fence": {"kind": "none"}}
    return {"fence": {**msgspec.to_builtins(fence), "drain_ms": math.ceil(1000 * drain)}}


def _longest(context: World, step: Step) -> float:
    limits = context.config.limits
    match step:
        case RunCommand():
            return limits.oneoff + limits.http
        case Maintenance():
            return 3 * limits.http
    return limits.release + limits.boot + 3 * limits.http


def given_back(context: World, told: Mapping[str, Any]) -> None:
    """Close a fence whose start was not written; where that fails it ends by itself."""
    if fence := _fence(told):
        with suppress(RoadworthyError):
            context.platform.close_fence(fence)


def closed(context: World, start: Entry) -> dict[str, Any]:
    """Close the fence of a start, for the entry that settles it: how; {} where it has none.

    Raises OutcomeUnknown when nobody can tell whether it is closed.
    """
    fence = _fence(start.record.details)
    return {"fenced": {"how": context.platform.close_fence(fence)}} if fence else {}


def drained(context: World, start: Entry) -> dict[str, Any]:
    """Close the fence of somebody else's start, and let what was admitted before have its effect."""
    told = closed(context, start)
    if told:
        seconds = int(start.record.details["fence"]["drain_ms"]) / 1000
        with context.screen.step(f"giving what start #{start.seq} sent before {seconds:g} s to arrive"):
            pause(seconds)
    return told


def _fence(details: Mapping[str, Any]) -> Fence | None:
    match details.get("fence"):
        case {"kind": "credential", "id": str(name), "expires": str(expires)}:
            return Fence("credential", name, expires)
    return None
