"""Drivers: one file each, behind a Protocol of few verbs. `apply` is the only one that changes anything.

A driver lets out `CheckFailed` (it surely did not work), `Unreachable` (a read that nobody answered),
`OutcomeUnknown` (it may have worked: look before doing anything else) and `UsageError` (no such app, wrong
key). `apply` never lets out `Unreachable`: it says whether the effect may be there. It never retries a write
without a look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

from ..config import Config
from ..mask import Mask
from ..model import Claim, Observed, Paths, PlatformRelease, Receipt, Step
from . import DRIVERS

Progress = Callable[[str], None]
"""Called with what comes next, before it is done. It may raise: then nothing more is to be done."""


class Platform(Protocol):
    """What every driver can do. `app` is always the platform's own name of the app."""

    def url(self, app: str) -> str:
        """The base address where the app answers."""
        ...

    def observe(self, app: str) -> Observed:
        """What runs now: releases newest first, dynos, maintenance, the newest release's package."""
        ...

    def package_of(self, app: str, release: PlatformRelease) -> tuple[str, str]:
        """(digest, commit) of a release's package; ("", "") when the platform no longer has it."""
        ...

    def apply(self, app: str, step: Step, *, token: str, progress: Progress) -> Receipt:
        """Do one step to its end. `token` marks the effect, so that it can be recognised afterwards."""
        ...

    def find(self, app: str, claim: Claim) -> PlatformRelease | None:
        """The release that a start made, by what it claimed, or None when surely no such release exists."""
        ...

    def repository(self, app: str) -> str:
        """Where the app's images lie (`registry/name`). Raises UsageError when it can have none."""
        ...

    def query(self, app: str, command: str) -> Receipt:
        """Run a one-off process that only reads, and give its exit status and output."""
        ...

    def logs(self, app: str, since: datetime) -> Sequence[bytes]:
        """The app's log lines; raises CheckFailed when they do not reach back to `since`."""
        ...

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock was ahead of the platform's at its last answer; None for untold."""
        ...

    def take_attempts(self) -> list[dict[str, Any]]:
        """Every call since the last time that had to be repeated or was refused: evidence, bounded."""
        ...

    def config(self, app: str) -> Mapping[str, str]:
        """The app's config vars."""
        ...

    def mask(self, app: str) -> Mask:
        """What hides the app's config vars and the driver's own credential in a text that is to be quoted."""
        ...


def open_platform(config: Config, paths: Paths, environ: Mapping[str, str]) -> Platform:
    """The driver of the configured target, with its address and credential; only its platform's is imported.

    Raises UsageError where the address or the credential is missing.
    """
    driver = import_module(f"{__package__}.{DRIVERS[config.targets[config.target].platform]}")
    opened: Callable[[Config, Paths, Mapping[str, str]], Platform] = driver.opened
    return opened(config, paths, environ)
