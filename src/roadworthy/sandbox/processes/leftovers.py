"""What a killed sandbox left running: its processes carry its name in their environment, and are ended by that."""

from __future__ import annotations

import signal
import time

from ...errors import UsageError
from ...processes import end_carriers

MARKER = "ROADWORTHY_SANDBOX"
"""The environment variable that every process of a sandbox carries; its value names the sandbox."""
GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL for what is swept, and again until it has to be gone."""


def sweep(marker: str) -> list[int]:
    """End every process left over from a killed server of this marker; returns their pids.

    SIGTERM first, so that a database file is closed well; SIGKILL after GRACE. Blocks until all are gone.
    """
    if not marker:
        raise UsageError("an empty sandbox marker would match processes of every sandbox")
    ended: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        while found := end_carriers(f"{MARKER}={marker}", signum, max(0.0, deadline - time.monotonic())):
            ended += [pid for pid in found if pid not in ended]
            if time.monotonic() >= deadline:
                break
    return sorted(ended)
