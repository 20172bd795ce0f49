"""What a driver brings to its contract suite: a platform that really runs, and the means to trouble it.

The suite knows only these words. A driver's site turns them into those of its own platform.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

from roadworthy.config import Limits
from roadworthy.model import Package
from roadworthy.platforms.base import Platform

Call = Literal["release", "command", "settings", "close", "observe"]
"""The request that a verb's effect, or its look, rests on."""

Trouble = Literal[
    "lost before", "lost after", "cut short", "throttled", "refused", "hangs", "never settles", "fails"
]
"""The answer is lost and there is no effect; or there is one; the answer is cut short, after the effect; the
platform wants it later; it refuses; it never answers; what was released stays in provisioning; or fails."""

App = Literal["serves", "dies at boot", "dies later"]
"""What a package's process does. One that dies later does so when `/die` is asked."""

LIMITS = Limits(http=5.0, release=10.0, boot=10.0, oneoff=20.0)  # type: ignore[arg-type]
SECRET = "canary-4f1c9a7e2b"  # the value of a setting that nothing may show


class Site(ABC):
    """A platform on this machine. One serves a whole module of tests; each test makes its own apps."""

    absent_release: str
    """A name that a release of the platform could have, and that none has here."""

    @abstractmethod
    def close(self) -> None:
        """End it and everything that it started."""

    @abstractmethod
    def app(self) -> str:
        """A new app that runs nothing."""

    @abstractmethod
    def driver(self, *, limits: Limits = LIMITS, credential: str = "", reachable: bool = True) -> Platform:
        """A driver of it, with its own credential unless another is given; or one whose platform is not there."""

    @abstractmethod
    def package(self, folder: Path, does: App = "serves") -> Package:
        """A package that was never made before."""

    @abstractmethod
    def trouble(self, app: str, call: Call, trouble: Trouble, *, count: int = 1) -> None:
        """Trouble the next `count` such requests about the app."""

    @abstractmethod
    def calm(self) -> None:
        """Take every trouble away."""

    @abstractmethod
    def others_change(self, app: str, count: int = 1) -> None:
        """Somebody else changes the app, past roadworthy: each change makes a release."""

    @abstractmethod
    def many_lines(self, app: str) -> None:
        """Let the app say more lines than the platform keeps."""
