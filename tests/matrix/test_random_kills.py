"""Kill -9 at random instants of random actions, on a folder and on S3: the points nobody thought of.

CRASH_KILLS says how many kills each store gets, CRASH_SEED at which instants; a failure names both.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from road.project import ended

from .conftest import Journal, Tell
from .sampling import SEED
from .site import ACTIONS, MAINTENANCE, Act, Site, site

pytestmark = pytest.mark.matrix
KILLS = int(os.environ.get("CRASH_KILLS", "8"))
ON_ONE_SITE = 20
ALONE = 5
"""One site in so many is for deploys under maintenance alone, the others for everything else."""
STARTING = 0.6
"""Part of a command's time in which it imports and reads: killing it there proves little."""
OPEN = 1 / 6
"""Part of the kills that must leave an open start; of 300 between 0.5 and 1 of a command's time, 59 did."""


@pytest.mark.timeout(300 + 30 * KILLS)
@pytest.mark.parametrize("kept_in", ["folder", "s3"])
def test_killed_at_random_instants(
    kept_in: str, tmp_path: Path, request: pytest.FixtureRequest, tell: Tell
) -> None:
    journal: Journal = request.getfixturevalue(kept_in)
    chance = random.Random(SEED)
    kills = inside = number = 0
    took: dict[str, float] = {}
    while kills < KILLS:
        number += 1
        assert number < KILLS, "the commands end before they can be killed"
        actions = ACTIONS if number % ALONE else (MAINTENANCE,)
        with site(tmp_path / f"{number}", journal()) as place:
            for _ in range(min(ON_ONE_SITE, KILLS - kills)):
                action, part = chance.choice(actions), chance.uniform(STARTING, 1.0)
                took[action] = took.get(action) or _took(place, action)
                act = place.prepare(action)
                upgrades = place.upgrades()
                code = _killed(place, act, part * took[action])
                kills += code == -signal.SIGKILL
                if code != -signal.SIGKILL:  # it had ended: the machine is faster by now
                    took[action] *= 0.8
                inside += place.project.log(act.place).open_start() is not None
                try:
                    place.resume(act, upgrades)
                except AssertionError as error:
                    said = f"{action} killed after {part:.3f} of {took[action]:.2f} s (kill {kills}, seed {SEED})"
                    raise AssertionError(f"{said}: {error}") from error
    tell(f"{kept_in}: {kills} kills at random instants, {inside} of them with an open start")
    assert inside >= int(OPEN * KILLS)


def _took(place: Site, action: str) -> float:
    act = place.prepare(action)
    began = time.monotonic()
    ran = ended(place.start(act))
    assert ran.code == act.code, ran.text
    return time.monotonic() - began


def _killed(place: Site, act: Act, after: float) -> int:
    process = place.start(act)
    time.sleep(after)
    process.kill()
    return ended(process).code
