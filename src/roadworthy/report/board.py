"""The live table of a pipeline's stages: which are done and how long each took, which one runs, which are to come.

It only says what to draw; spinner.py draws it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 25  # of a stage's name


class Board:
    """`begin` is said of each stage in turn; the one before it has then ended well."""

    def __init__(self, names: Sequence[str], *, unicode: bool) -> None:
        self._names = names
        self._done, self._todo = ("✓", "·") if unicode else ("ok", "-")
        self._took: dict[str, float] = {}
        self._now = ""
        self._began = 0.0

    def begin(self, name: str) -> None:
        """This stage runs from now on."""
        if self._now:
            self._took[self._now] = time.monotonic() - self._began
        self._now, self._began = name, time.monotonic()

    def lines(self, frame: str, phrase: str) -> list[str]:
        """One line a stage; `frame` stands before the one that runs, and `phrase` behind it."""
        return [self._line(name, frame, phrase) for name in self._names]

    def _line(self, name: str, frame: str, phrase: str) -> str:
        if name == self._now:
            seconds = time.monotonic() - self._began
            return f"  {frame:<2} {name:<{WIDTH}} {seconds:>6.1f} s  {phrase}"
        if name in self._took:
            return f"  {self._done:<2} {name:<{WIDTH}} {self._took[name]:>6.1f} s"
        return f"  {self._todo:<2} {name}"
