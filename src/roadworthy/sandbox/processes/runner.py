"""One real process of an app: started, listened to, watched and ended.

Invariants:
- the process leads its own session and group; when it is dead, so is everything it started: the group by
  signal, and what left the group by what it carries in its environment;
- its death is seen by the kernel's own notice (a pidfd), never by polling;
- the leader stays a zombie until its group is gone, so the group's number cannot belong to anyone else when
  it is signalled;
- cancelling the task that lives here kills and reaps first: no way out leaves a child or an open fd;
- output is read in small pieces, with pauses, and waits in the pipe when nobody takes it:
  memory stays bounded and other work goes on, whatever is printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...packages import start_commands
from ...processes import end_carriers, group_is_alive
from .logs import TEXT_LIMIT

Sink = Callable[[bytes], Awaitable[None]]

_PIECE = 16 * 1024
_AFTER_END = 1024 * 1024
_LAST_WORDS = 5.0
"""Seconds for whoever takes the output of a dead process to take the rest of it."""
_SHORT = 0.001


class LineSink:
    """Cuts a stream into lines for the log: bounded length, invalid UTF-8 replaced."""

    def __init__(self, write: Callable[[list[str]], None]) -> None:
        self._write = write
        self._rest = b""

    async def __call__(self, data: bytes) -> None:
        """Write the whole lines of the next piece of the stream."""
        began = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) >= TEXT_LIMIT:
            lines.append(self._rest[:TEXT_LIMIT])
            self._rest = self._rest[TEXT_LIMIT:]
        if lines:
            self._write([piece for line in lines for piece in _pieces(line)])
        # A chatty process must not starve the router: it gets at most half of the event loop.
        spent = time.monotonic() - began
        await asyncio.sleep(spent if spent > _SHORT else 0)

    def finish(self) -> None:
        """Write what came without a newline at the end."""
        if self._rest:
            self._write(_pieces(self._rest))
            self._rest = b""


def _pieces(line: bytes) -> list[str]:
    line = line.removesuffix(b"\r")
    cuts = range(0, max(1, len(line)), TEXT_LIMIT)
    return [line[cut : cut + TEXT_LIMIT].decode("utf-8", "replace") for cut in cuts]


class Process:
    """A started command. Must be made inside a running event loop.

    `exited` is set the moment the leader dies, to its exit status (128 + n when signal n killed it). Raises
    OSError or ValueError when the kernel will not start it (folder gone, environment too large, a NUL byte).
    """

    def __init__(
        self,
        command: str,
        *,
        folder: Path,
        env: Mapping[str, str],
        output: Sink,
        carries: str = "",
        stdin: asyncio.StreamReader | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.overstayed = False
        self._carries = carries
        self._deadline = 0.0
        self._over = self._reaped = False
        self._popen = subprocess.Popen(
            start_commands.words(command, folder),
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._readable = asyncio.Event()
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            self.kill()
            self._reap()
            self._close_pipes()
            raise
        loop.add_reader(self._pidfd, self._died)
        self._life = loop.create_task(self._live(output, stdin), name=f"process {self.pid}")

    async def wait(self) -> int:
        """Exit status, once all output is delivered and nothing of the process is left."""
        await asyncio.shield(self._life)
        return self.exited.result()

    async def end(self, grace: float) -> int:
        """SIGTERM to the whole group, SIGKILL to what is left after `grace` seconds; then as `wait`.

        `overstayed` tells whether the second was needed.
        """
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + grace
        self.signal(signal.SIGTERM)
        timer = loop.call_at(self._deadline, self._overstay)
        status = await self.wait()
        timer.cancel()  # not when this call is cancelled: the process is ended all the same
        return status

    def kill(self) -> None:
        """SIGKILL to the whole group, now."""
        self.signal(signal.SIGKILL)

    def signal(self, signum: int) -> None:
        """Send a signal to the whole group, if there still is one."""
        if not self._reaped:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    def _overstay(self) -> None:
        self.overstayed = True
        self.kill()

    def _died(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if info and not self.exited.done():
            killed = info.si_code != os.CLD_EXITED
            self.exited.set_result(128 + info.si_status if killed else info.si_status)

    async def _live(self, output: Sink, stdin: asyncio.StreamReader | None) -> None:
        loop = asyncio.get_running_loop()
        listening = loop.create_task(self._listen(output))
        tasks: list[asyncio.Future[None]] = [listening]
        if stdin is not None:
            tasks.append(loop.create_task(self._feed(stdin)))
        try:
            either: list[asyncio.Future[Any]] = [self.exited, listening]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
            await asyncio.shield(self.exited)
            while loop.time() < self._deadline and group_is_alive(self.pid):
                await asyncio.sleep(0.01)  # nothing announces that a group is empty
            self._end_all()
            self._over = True
            self._readable.set()
            await asyncio.wait([listening], timeout=_LAST_WORDS)
        finally:
            self._end_all()
            loop.remove_reader(self._pidfd)
            self._reap()
            os.close(self._pidfd)
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                self._close_pipes()

    def _end_all(self) -> None:
        self.kill()
        for _ in range(3):  # a stray may have forked while it was looked for
            if not self._carries or not end_carriers(self._carries, wait=0.2):
                break

    def _reap(self) -> None:
        status = self._popen.wait()
        self._reaped = True
        if not self.exited.done():
            self.exited.set_result(status if status >= 0 else 128 - status)

    def _close_pipes(self) -> None:
        for pipe in (self._popen.stdout, self._popen.stdin):
            if pipe:
                pipe.close()

    async def _listen(self, output: Sink) -> None:
        """Deliver output up to its end: no writer left, or all dead and the pipe empty."""
        assert self._popen.stdout is not None
        loop, fd, late = asyncio.get_running_loop(), self._popen.stdout.fileno(), 0
        os.set_blocking(fd, False)
        while late < _AFTER_END:
            try:
                data = os.read(fd, _PIECE)
            except BlockingIOError:
                if self._over:
                    return
                self._readable.clear()
                loop.add_reader(fd, self._readable.set)
                try:
                    await self._readable.wait()
                finally:
                    loop.remove_reader(fd)
                continue
            if not data:
                return
            late += len(data) * self._over
            try:
                await output(data)
            except OSError:
                # Nobody listens any more: do what a terminal does when it is closed.
                self.signal(signal.SIGHUP)
                self._popen.stdout.close()
                return

    async def _feed(self, stdin: asyncio.StreamReader) -> None:
        """Copy `stdin` to the process until either ends."""
        assert self._popen.stdin is not None
        loop, fd = asyncio.get_running_loop(), self._popen.stdin.fileno()
        os.set_blocking(fd, False)
        writable = asyncio.Event()
        with self._popen.stdin, suppress(OSError):
            while data := await stdin.read(_PIECE):
                while data:
                    try:
                        data = data[os.write(fd, data) :]
                    except BlockingIOError:
                        writable.clear()
                        loop.add_writer(fd, writable.set)
                        try:
                            await writable.wait()
                        finally:
                            loop.remove_writer(fd)
