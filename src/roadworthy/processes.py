"""Finding processes by what the kernel knows of them (/proc), for those that no parent can wait for any more.

A process is ended only through a pidfd that was opened before it was identified, so a pid that is used again
is never hit. What cannot be read (another user's process, one that just ended) is not ours.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import UsageError

MARKER = "ROADWORTHY_SANDBOX"
"""The environment variable that every process of a sandbox carries; its value names the sandbox."""
GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL for what is swept, and again until it has to be gone."""

_PROC = Path("/proc")


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


def end_carriers(variable: str, signum: int = signal.SIGKILL, wait: float = 0.0) -> list[int]:
    """Signal every process whose environment holds `NAME=value`, and wait up to `wait` seconds for each."""
    needle = b"\0" + variable.encode() + b"\0"
    own = os.getpid()
    found: list[tuple[int, int]] = []
    deadline = time.monotonic() + wait
    try:
        for pid in _pids():
            if pid == own:
                continue
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            if needle in _environ(pid):
                found.append((pid, pidfd))
            else:
                os.close(pidfd)
        for _, pidfd in found:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signum)
        for _, pidfd in found:
            select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))
    finally:
        for _, pidfd in found:
            os.close(pidfd)
    return [pid for pid, _ in found]


def children() -> set[int]:
    """The processes whose parent is this one."""
    own = os.getpid()
    return {pid for pid, _, parent, _ in _states() if parent == own}


def group_is_alive(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return any(state not in "ZX" and member == group for _, state, _, member in _states())
    return False


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - names, not paths


def _environ(pid: int) -> bytes:
    try:
        return b"\0" + (_PROC / str(pid) / "environ").read_bytes() + b"\0"
    except OSError:
        return b""


def _states() -> Iterator[tuple[int, str, int, int]]:
    """Pid, state letter, parent and process group of each process."""
    for pid in _pids():
        with suppress(OSError, IndexError, ValueError):
            # The command's name is in parentheses and may hold any character, so count from the last one.
            fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            yield pid, fields[0].decode(), int(fields[1]), int(fields[2])
