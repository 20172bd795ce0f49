"""Ending a PostgreSQL server that a killed sandbox left running. It needs no server.

The sweep would find it too, but SIGTERM makes PostgreSQL wait for its clients, and SIGKILL leaves a pid file
that stops the next start. The pid file is believed only for a process that works in this very data folder.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from ...processes import is_zombie, works_in

PATIENCE = 5.0
"""Seconds for each way to end."""


def end_postmaster(data: Path) -> int | None:
    """End the server of this data folder; its pid, or None where none runs.

    A fast shutdown first, then an immediate one: both keep the data, as PostgreSQL recovers from its log.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().splitlines()[0])
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError, IndexError):
        return None
    try:
        if not works_in(pid, data):
            if is_zombie(pid):  # nobody waited for it yet; PostgreSQL would take it for a running server
                file.unlink()
            return None
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signum)
            if select.select([pidfd], [], [], PATIENCE)[0]:
                break
    finally:
        os.close(pidfd)
    return pid
