"""Kill -9 before and after every effect of every action: resuming always ends in the truth."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from road.project import ended

from .site import ACTIONS, site

pytestmark = pytest.mark.matrix
ON_ONE_SITE = 16
SELDOM = 0.1
"""Part of the points that a run may miss: how often it polls is not the same each time."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", [*ACTIONS, "reconcile"])
def test_killed_at_every_point_between_two_effects(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with site(tmp_path / "clean") as clean:
        points = clean.points(action)
    kills = 0
    for first in range(0, len(points), ON_ONE_SITE):
        with site(tmp_path / f"{first}") as place:
            for point in points[first : first + ON_ONE_SITE]:
                words = place.prepare(action)
                upgrades = place.upgrades()
                ran = ended(place.start(words, point))
                assert ran.code in (0, -signal.SIGKILL), f"{point}: {ran.text}"
                kills += ran.code != 0
                try:
                    place.resume(words, upgrades)
                except AssertionError as error:
                    raise AssertionError(f"killed at {point}: {error}") from error
    with capsys.disabled():
        print(f"\n{action}: {kills} kills at {len(points)} points")
    assert kills >= (1 - SELDOM) * len(points)
