"""Kill -9 before and after the effects of every action: resuming always ends in the truth.

CRASH_POINTS says at how many points of each action; 0 at every one.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from road.project import ended

from .conftest import Tell
from .sampling import SEED, sampled
from .site import ACTIONS, MAINTENANCE, site

pytestmark = pytest.mark.matrix
ON_ONE_SITE = 16
SELDOM = 0.1
"""Part of the points that a run may miss: how often it polls is not the same each time."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("action", [*ACTIONS, MAINTENANCE, "reconcile"])
def test_killed_at_points_between_two_effects(action: str, tmp_path: Path, tell: Tell) -> None:
    found: list[str] = []
    points = left = ["until the first site tells"]
    kills = 0
    while left:
        with site(tmp_path / f"{len(left)}") as place:
            if not found:
                found = place.points(action)
                points = left = sampled(found)
            for point in left[:ON_ONE_SITE]:
                act = place.prepare(action)
                upgrades = place.upgrades()
                ran = ended(place.start(act, point))
                assert ran.code in (act.code, -signal.SIGKILL), f"{point}: {ran.text}"
                kills += ran.code == -signal.SIGKILL
                try:
                    place.resume(act, upgrades)
                except AssertionError as error:
                    raise AssertionError(f"{action} killed at {point}: {error}") from error
        left = left[ON_ONE_SITE:]
    tell(f"{action}: {kills} kills at {len(points)} of {len(found)} points (seed {SEED})")
    assert kills >= (1 - SELDOM) * len(points) - 1
