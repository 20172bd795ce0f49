"""Waiting is looking again until a deadline; nothing here sleeps for a guessed time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Pause = Callable[[float], object]
pause: Pause = threading.Event().wait  # ends at Ctrl-C at once, as time.sleep does


def until(
    look: Callable[[], T | None],
    *,
    within: float,
    every: float,
    looks: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    pause: Pause = pause,
) -> T | None:
    """Call `look` every `every` seconds until it returns something; None when `within` seconds are over.

    The first look is at once and the last is at the deadline, so that nothing is missed in between, or the one
    that makes `looks` of them.
    """
    deadline = clock() + within
    while True:
        looks -= 1
        last = clock() >= deadline or looks <= 0
        seen = look()
        if seen is not None or last:
            return seen
        pause(max(0.0, min(every, deadline - clock())))
