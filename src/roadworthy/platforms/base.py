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
from types import ModuleType
from typing import Any, Protocol

from ..config import Config
from ..drivers import DRIVERS
from ..mask import Mask
from ..model import Claim, Fence, Observed, Package, Paths, PlatformRelease, Receipt, Sought, Step

Progress = Callable[[str], None]
"""Called with what comes next, before it is done. It may raise: then nothing more is to be done."""


class Platform(Protocol):
    """What every driver does; `tests/contract` holds each to it. `app` is the platform's own name of the app.

    Every read is repeated after a transient fault, within its time limit, and raises Unreachable when nobody
    answered, UsageError for an unknown app or a wrong credential, CheckFailed for any other refusal.
    """

    def url(self, app: str) -> str:
        """The base address where the app answers, without a slash at its end. A read."""
        ...

    def observe(self, app: str) -> Observed:
        """What runs now: releases newest first, processes, maintenance, the newest release's package. A read.

        It may be some moments old, and the list of releases may end before the first. A process that died since it
        started is there as `crashed`.
        """
        ...

    def package_of(self, app: str, release: PlatformRelease) -> tuple[str, str]:
        """(digest, commit) of a release's package; ("", "") when the platform no longer has it. A read."""
        ...

    def named(self, app: str, text: str) -> PlatformRelease | None:
        """The release that a person means by `text`, None where that is no name of a release here. A read.

        Raises UsageError when it is one, and the app has no such release (any more).
        """
        ...

    def accepts(self, app: str, package: Package) -> str:
        """Why the app cannot be given this package, and what to do then; "" when it can. Asks nobody."""
        ...

    def apply(self, app: str, step: Step, *, token: str, progress: Progress) -> Receipt:
        """Do one step to its end. `token` marks the effect, so that `find` recognises it afterwards.

        A release ends when its processes are up; settings end when the release that has them is up; a command ends
        with its exit status, whatever it is. `progress` is called before each thing that changes something: when it
        raises, nothing more is done. A request that the platform surely did not take (429, no connection) is
        repeated, and so is what is harmless twice (maintenance, an upload). A release, a change of settings and a
        command are sent once: after a lost answer the effect is looked for by its mark, and a command's cannot be.

        Raises CheckFailed when it surely did not work: refused, never sent, failed, or died while it started, then
        with its last lines. Raises OutcomeUnknown when the effect may be there, or is not settled in time. Raises
        UsageError for an unknown app or a wrong credential. Never Unreachable.
        """
        ...

    def open_fence(self, lasts: float) -> Fence | None:
        """Make what the changes of one start depend on; `apply` uses it from now on, for at most `lasts` seconds.

        None where the platform has none to give to this driver's credential. Raises CheckFailed or UsageError when
        it could not be made: nothing was changed.
        """
        ...

    def close_fence(self, fence: Fence) -> str:
        """Close it: no request that `apply` sent under it and that arrives from now on has an effect.

        Says how: `revoked`, or `gone` of one that was closed or had ended before. Twice is harmless. Raises
        OutcomeUnknown when nobody can tell whether it is closed.
        """
        ...

    def find(self, app: str, claim: Claim) -> Sought:
        """The release that a start made, by what it claimed. A read.

        Absent only when surely no such release exists. CannotTell when the list of releases ends before the claim's
        `before`, or when several releases may be the one.
        """
        ...

    def repository(self, app: str) -> str:
        """Where the app's images lie (`registry/name`). Asks nobody. Raises UsageError when it can have none."""
        ...

    def query(self, app: str, command: str) -> Receipt:
        """Run a one-off process that only reads, and give its exit status and output, without the app's secrets.

        It may be started again after a lost answer. Raises OutcomeUnknown when its end was not seen in time, and
        CheckFailed when it was surely not started.
        """
        ...

    def logs(self, app: str, since: datetime, release: PlatformRelease | None = None) -> Sequence[bytes]:
        """The app's log lines, oldest first; with `release`, from where the log itself says that it began.

        A read. Raises CheckFailed when they do not reach back to `since`.
        """
        ...

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock was ahead of the platform's at its last answer; None for untold."""
        ...

    def take_attempts(self) -> list[dict[str, Any]]:
        """Every call since the last time that had to be repeated or was refused: evidence, bounded. Asks nobody."""
        ...

    def config(self, app: str) -> Mapping[str, str]:
        """The app's settings with their values, which are secrets. A read."""
        ...

    def mask(self, app: str) -> Mask:
        """What hides the app's settings and the driver's own credential in a text that is to be quoted. A read."""
        ...


def open_platform(config: Config, paths: Paths, environ: Mapping[str, str]) -> Platform:
    """The driver of the configured target, with its address and credential; only its platform's is imported.

    Raises UsageError where the address or the credential is missing.
    """
    opened: Platform = _of(config).opened(config, paths, environ)
    return opened


def apps_opened(config: Config, paths: Paths, credential: str, apps: Sequence[str]) -> tuple[str, ...]:
    """Those of these apps that the target's platform shows to whoever holds `credential`.

    Of a sandbox that is down, none. Raises CheckFailed when the platform does not tell.
    """
    shown: tuple[str, ...] = _of(config).apps_opened(config, paths, credential, apps)
    return shown


def _of(config: Config) -> ModuleType:
    return import_module(f"{__package__}.{DRIVERS[config.targets[config.target].platform]}")
