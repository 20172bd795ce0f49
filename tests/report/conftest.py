"""A real terminal (a pty) to look at, and check results to show."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from roadworthy.checks.http import CheckResult


class Terminal:
    """A terminal of `columns` columns; `stream` writes to it, `seen` is what it got once it is closed."""

    def __init__(self, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream: TextIO = open(theirs, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a descriptor
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._ours, 65536)
            except OSError:  # how Linux says that the last writer is gone
                return
            if not part:
                return
            self._parts.append(part)

    def so_far(self) -> str:
        return b"".join(self._parts).decode()

    def seen(self) -> str:
        self.close()
        return self.so_far().replace("\r\n", "\n")

    def close(self) -> None:
        if not self.stream.closed:
            self.stream.close()
            self._thread.join()
            os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Terminal]]:
    """Open terminals; all are closed when the test ends. The environment is that of a usual one."""
    for name in ("NO_COLOR", "LC_ALL", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    opened: list[Terminal] = []

    def start(columns: int = 100) -> Terminal:
        opened.append(Terminal(columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def result() -> Callable[..., CheckResult]:
    """A check result; a reason makes it a failed one."""

    def build(name: str = "health", reason: str = "", **fields: Any) -> CheckResult:
        values: dict[str, Any] = {
            "method": "GET",
            "url": f"http://127.0.0.1:5000/api/{name}",
            "outcome": "failed" if reason else "passed",
            "status": 200,
            "millis": 12,
            "attempts": 1,
            "at": "2030-01-01T00:00:00Z",
        }
        return CheckResult(name=name, reason=reason, **{**values, **fields})

    return build
