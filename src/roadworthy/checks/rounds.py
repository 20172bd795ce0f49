"""One round of questions that change nothing, asked once each: what is repeated before and after a deploy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import HARMLESS
from . import http

if TYPE_CHECKING:
    from ..config import Config
    from ..model import Observed


def ask_round(config: Config, observed: Observed, commit: str) -> Sequence[http.CheckResult]:
    """Ask the checks of GET, HEAD and OPTIONS side by side, without a second try: each fault is counted.

    It is over within `limits.http`.
    """
    within = config.limits.http
    checks = [check for check in config.checks if check.method in HARMLESS]
    deadline = time.monotonic() + within
    return http.run(
        checks,
        observed.url,
        commit=commit,
        deadline=deadline,
        retry=False,
        timeout=within,
        others=observed.urls,
    )
