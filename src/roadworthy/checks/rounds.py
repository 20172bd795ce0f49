"""Which checks are asked of a package, one round of those that change nothing, asked once each, and how often."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..config import HARMLESS
from . import http
from .degradation import TOO_MANY

SLOWEST: Final = 60.0  # seconds between two rounds, however often an app says 429

if TYPE_CHECKING:
    from ..config import Config, HttpCheck
    from ..model import Observed, Package


def checks_of(config: Config, package: Package) -> Sequence[HttpCheck]:
    """The checks of the components that a package consists of: what is no part of it is not asked.

    A package from before there were several components is the first one's.
    """
    first = config.package.component
    ours = {"" if part.component == first else part.component for part in package.each}
    return [check for check in config.checks if check.component in ours]


def ask_round(
    config: Config, observed: Observed, package: Package, environ: Mapping[str, str]
) -> Sequence[http.CheckResult]:
    """Ask a package's checks of GET, HEAD and OPTIONS side by side, without a second try: each fault is counted.

    It is over within `limits.http`. `environ` has the variables that checks send.
    """
    within = config.limits.http
    checks = [check for check in checks_of(config, package) if check.method in HARMLESS]
    deadline = time.monotonic() + within
    return http.run(
        checks,
        observed.url,
        commit=package.commit,
        deadline=deadline,
        retry=False,
        timeout=within,
        others=observed.urls,
        environ=environ,
    )


class Pace:
    """The pause after each round: `every` seconds, longer for good after a 429, and what Retry-After says."""

    def __init__(self, every: float) -> None:
        self._every, self._pause = every, every
        self._not_before = 0.0

    def after(self, results: Sequence[http.CheckResult]) -> None:
        """Learn from a round that has just ended."""
        if any(r.status == TOO_MANY and r.outcome != "passed" for r in results):
            self._every = min(max(2 * self._every, 0.1), max(self._every, SLOWEST))
        wanted = max((r.retry_after for r in results), default=0.0)
        self._pause = max(self._every, wanted)
        self._not_before = time.monotonic() + wanted

    @property
    def due(self) -> bool:
        """False while the app still wants to be left alone."""
        return time.monotonic() >= self._not_before

    def __call__(self) -> float:
        """Seconds until the next round."""
        return self._pause
