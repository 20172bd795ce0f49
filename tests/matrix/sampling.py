"""How much of the matrix one run walks: CRASH_POINTS points of each action (0: every one), drawn by CRASH_SEED."""

from __future__ import annotations

import os
import random

POINTS = int(os.environ.get("CRASH_POINTS", "3"))
SEED = int(os.environ.get("CRASH_SEED", "3"))


def sampled(points: list[str]) -> list[str]:
    """The points to kill at, in their order; the same ones for the same seed."""
    if not POINTS or len(points) <= POINTS:
        return points
    chosen = random.Random(SEED).sample(range(len(points)), POINTS)
    return [points[number] for number in sorted(chosen)]
