"""Waiting is looking again until a deadline, never sleeping for a guessed time; what can go on at once does."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

Pause = Callable[[float], object]
pause: Pause = threading.Event().wait  # ends at Ctrl-C at once, as time.sleep does


def until(
    look: Callable[[], T | None],
    *,
    within: float,
    every: float | Callable[[], float],
    looks: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    pause: Pause = pause,
) -> T | None:
    """Call `look` every `every` seconds until it returns something; None when `within` seconds are over.

    `every` may be asked anew before each pause.

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
        seconds = every() if callable(every) else every
        pause(max(0.0, min(seconds, deadline - clock())))


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each of `calls` returns, in their order; all are made at once. Raises the first one's error, if any."""
    if len(calls) == 1:
        return [calls[0]()]
    returned: dict[int, T] = {}
    raised: dict[int, BaseException] = {}

    def make(number: int) -> None:
        try:
            returned[number] = calls[number]()
        except BaseException as error:  # noqa: BLE001 - it is raised where it was waited for
            raised[number] = error

    # Daemon threads and not a pool: whoever interrupts us need not wait for them.
    threads = [threading.Thread(target=make, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[min(raised)]
    return [returned[number] for number in range(len(calls))]
