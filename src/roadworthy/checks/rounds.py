"""Which checks are asked of a package, and one round of those that change nothing, asked once each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..config import HARMLESS
from . import http

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
