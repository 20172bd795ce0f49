"""Finding processes by what the kernel knows of them (/proc), for those that no parent can wait for any more.

A process is ended only through a pidfd that was opened before it was identified, so a pid that is used again
is never hit. What cannot be read (another user's process, one that just ended) is not ours.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_recent_ports: list[int] = []


def end_carriers(variable: str, signum: int = signal.SIGKILL, wait: float = 0.0) -> list[int]:
    """Signal every process whose environment holds `NAME=value`, and wait up to `wait` seconds for each."""
    needle = b"\0" + variable.encode() + b"\0"
    own = os.getpid()
    found: list[tuple[int, int]] = []
    deadline = time.monotonic() + wait
    try:
        for pid in _pids():
            # Looked at before it is held: nearly every process is somebody else's.
            if pid == own or needle not in _environ(pid):
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


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None when there is none. From proc(5), field 22."""
    fields = _stat(pid)
    return fields[19].decode() if fields else None


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and nobody waited for it yet; False when there is none."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in (b"Z", b"X")


def works_in(pid: int, folder: Path) -> bool:
    """Whether the folder is the process's working folder; False when that cannot be read."""
    try:
        return (_PROC / str(pid) / "cwd").readlink() == folder.resolve()
    except OSError:
        return False


def free_port() -> int:
    """A loopback port that is free now and was not handed out lately.

    It lies below the range from which the kernel takes the local ports of outgoing connections; else a
    connection of our own could sit on it before the process binds. Raises OSError when there is none.
    """
    for _ in range(1000):
        port = random.randrange(10_000, 32_000)
        if port in _recent_ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _recent_ports.append(port)
            del _recent_ports[:-500]
            return port
    raise OSError("no free port between 10000 and 32000 on 127.0.0.1")


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - names, not paths


def _environ(pid: int) -> bytes:
    return b"\0" + _read(pid, "environ") + b"\0"


def _read(pid: int, name: str) -> bytes:
    """A file of a process, b"" when it cannot be read: with the kernel's own calls, for there are hundreds."""
    try:
        file = os.open(f"{_PROC}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts: list[bytes] = []
    try:
        while part := os.read(file, 1 << 16):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(file)
    return b"".join(parts)


def _states() -> Iterator[tuple[int, str, int, int]]:
    """Pid, state letter, parent and process group of each process."""
    for pid in _pids():
        if fields := _stat(pid):
            yield pid, fields[0].decode(), int(fields[1]), int(fields[2])


def _stat(pid: int) -> list[bytes]:
    """The fields of proc(5)'s `stat` from the third on; none when there is no such process."""
    # The command's name is in parentheses and may hold any character, so count from the last one.
    return _read(pid, "stat").rpartition(b")")[2].split()
