"""The sandbox's log: one append-only text file per app, in the form `time source[origin]: text`.

Invariants:
- one event is one line; a process cannot forge another, because every control character is escaped here
  and nowhere else;
- a line counts once its newline is on disk: an unterminated tail (a crash in the middle of a write) is never
  shown, and is cut off by the next writer;
- an app takes at most `2 * FILE_LIMIT` bytes: a full file becomes `<app>.log.1`, replacing the one before;
- nothing is lost silently: what could not be written or followed is counted in an `Error L10` line, as
  the platform does.

One process and one thread write; any process may read.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

from ...errors import UsageError

TEXT_LIMIT = 10_000
"""Characters of one log line's text."""
FILE_LIMIT = 8 * 1024 * 1024
BACKLOG = 5_000
"""Lines that one follower may lag behind before it loses the oldest."""
_BLOCK = 64 * 1024

_APP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LINE = re.compile(r"(\S{32}) ([a-z]{1,40})\[([\w.-]{1,80})\]: (.*)", re.ASCII | re.DOTALL)
_NOT_IN_ORIGIN = re.compile(r"[^\w.-]", re.ASCII)

# C0 without tab, DEL, C1, line and paragraph separators, and the marks that reorder what a terminal shows.
_CONTROL = [*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F)]
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in [*_CONTROL, *range(0x2066, 0x206A)]}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event: `at` in UTC, `source` app or the platform, `origin` like `web.1`, `router`, `api`, `run.4821`."""

    at: datetime
    source: str
    origin: str
    text: str

    def render(self) -> str:
        """The line as it is printed: `2026-11-20T18:30:00.123456+00:00 app[web.1]: text`."""
        return f"{self.at.isoformat(timespec='microseconds')} {self.source}[{self.origin}]: {self.text}"


def neutral(text: str) -> str:
    """Text that can only ever be one line: control characters as escapes, no lone surrogates, bounded."""
    text = text[:TEXT_LIMIT]
    if text.isprintable():  # by far the most, and by far the quickest
        return text
    return text.translate(_ESCAPES).encode("utf-8", "replace").decode()[:TEXT_LIMIT]


class _Backlog:
    """What one follower has not read yet."""

    def __init__(self, app: str, source: str | None, origin: str | None) -> None:
        self.app, self.source, self.origin = app, source, origin
        self.lines: deque[LogLine] = deque(maxlen=BACKLOG)
        self.dropped = 0
        self.news = asyncio.Event()

    def offer(self, line: LogLine) -> None:
        if _matches(line, self.source, self.origin):
            self.dropped += len(self.lines) == BACKLOG
            self.lines.append(line)
            self.news.set()


class LogStore:
    """The logs of all apps in one folder.

    `platform` is the source of the platform's own lines, `own` the origin of what the log says of itself.
    """

    def __init__(self, folder: Path, platform: str = "platform", own: str = "log") -> None:
        self._folder, self.platform, self._own = folder, platform, own
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, int] = {}
        self._unwritten: dict[str, int] = {}
        self._followers: WeakSet[_Backlog] = WeakSet()

    def append(self, app: str, source: str, origin: str, text: str) -> None:
        """Write one line, stamped now. Never raises for a full disk (see the invariants).

        Raises UsageError for an app name that cannot be a file name, or an unknown source.
        """
        self.extend(app, source, origin, (text,))

    def extend(self, app: str, source: str, origin: str, texts: Iterable[str]) -> None:
        """Write several lines of one origin with one write."""
        if source not in ("app", self.platform):
            raise UsageError(f"unknown log source {source!r}: app and {self.platform} are the two there are")
        path = self._path(app)
        origin = _NOT_IN_ORIGIN.sub("_", origin)[:80] or "_"
        at = datetime.now(UTC)
        clean = [neutral(text) for text in texts]
        prefix = LogLine(at, source, origin, "").render()
        data = "".join(f"{prefix}{text}\n" for text in clean)
        lost = self._unwritten.pop(app, 0)
        if lost:
            data = f"{self._overflow(lost).render()}\n{data}"
        try:
            self._write(app, path, data.encode())
        except OSError:
            self._unwritten[app] = lost + len(clean)
        for follower in [follower for follower in self._followers if follower.app == app]:
            for text in clean:
                follower.offer(LogLine(at, source, origin, text))

    def tail(
        self, app: str, *, num: int = 100, source: str | None = None, origin: str | None = None
    ) -> list[LogLine]:
        """The last `num` matching lines, oldest first."""
        path = self._path(app)
        found: list[LogLine] = []
        for file in (path, _rotated(path)):
            with closing(_backwards(file)) as lines:
                for raw in lines:
                    if len(found) >= num:
                        return found[::-1]
                    line = _parse(raw)
                    if line and _matches(line, source, origin):
                        found.append(line)
        return found[::-1]

    def follow(
        self, app: str, *, source: str | None = None, origin: str | None = None
    ) -> AsyncGenerator[LogLine, None]:
        """Every matching line from this call on (not from the first step): tail, then follow, loses none."""
        self._path(app)
        backlog = _Backlog(app, source, origin)
        self._followers.add(backlog)
        return self._drain(backlog)

    def close(self) -> None:
        """Close the files; a later append opens them again."""
        while self._files:
            os.close(self._files.popitem()[1])

    async def _drain(self, backlog: _Backlog) -> AsyncGenerator[LogLine, None]:
        while True:
            await backlog.news.wait()
            if backlog.dropped:
                backlog.dropped, lost = 0, backlog.dropped
                yield self._overflow(lost)
            while backlog.lines:
                yield backlog.lines.popleft()
            backlog.news.clear()

    def _overflow(self, lost: int) -> LogLine:
        text = f"Error L10 (output buffer overflow): {lost} messages dropped"
        return LogLine(datetime.now(UTC), self.platform, self._own, text)

    def _path(self, app: str) -> Path:
        if not _APP.fullmatch(app):
            raise UsageError(f"{app!r} is not an app name: lower-case letters, digits and dashes")
        return self._folder / f"{app}.log"

    def _write(self, app: str, path: Path, data: bytes) -> None:
        fd = self._files.get(app)
        if fd is None:
            fd = self._files[app] = _open(path)
        size = os.fstat(fd).st_size
        if size and size + len(data) > FILE_LIMIT:
            path.replace(_rotated(path))
            os.close(self._files.pop(app))
            fd = self._files[app] = _open(path)
            size = 0
        try:
            if os.write(fd, data) == len(data):
                return
        except OSError:
            os.ftruncate(fd, size)
            raise
        os.ftruncate(fd, size)
        raise OSError("short write")


def _open(path: Path) -> int:
    """Open for appending, after cutting off what a killed writer left unfinished."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = end = os.fstat(fd).st_size
        while end:
            start = max(0, end - _BLOCK)
            newline = os.pread(fd, end - start, start).rfind(b"\n")
            end = start + newline + 1 if newline >= 0 else start
            if newline >= 0:
                break
        if end < size:
            os.ftruncate(fd, end)
    except OSError:
        os.close(fd)
        raise
    return fd


def _rotated(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _backwards(path: Path) -> Generator[bytes, None, None]:
    """The terminated lines of a file, last first, reading block by block; none if there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        position, rest, terminated = file.seek(0, os.SEEK_END), b"", False
        while position:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            rest, *lines = (file.read(step) + rest).split(b"\n")
            for line in reversed(lines):
                if terminated:
                    yield line
                terminated = True
        if terminated:
            yield rest


def _parse(raw: bytes) -> LogLine | None:
    match = _LINE.fullmatch(raw.decode("utf-8", "replace"))
    if not match:
        return None
    try:
        return LogLine(datetime.fromisoformat(match[1]), match[2], match[3], match[4])
    except ValueError:
        return None


def _matches(line: LogLine, source: str | None, origin: str | None) -> bool:
    return (source is None or line.source == source) and (origin is None or line.origin == origin)
