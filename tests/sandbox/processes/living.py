"""What the tests of the runtime share: a loop that checks for leftovers, a tiny app, and a client."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from roadworthy.processes import free_port
from roadworthy.sandbox.heroku.words import PLATFORM, WORDS
from roadworthy.sandbox.processes.limits import Limits
from roadworthy.sandbox.processes.logs import LogStore
from roadworthy.sandbox.processes.runtime import AppRuntime, Instance, Runnable

MARKER = f"test-{os.getpid()}"
QUICK = Limits(first_byte=2.0, idle=2.0, drain=2.0, grace=1.0, backoff=(0.0, 0.2, 0.4))

APP = r"""
import os, signal, socket, sys, threading, time

def respond(connection, status, body, extra=b""):
    connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + extra
                       + b"Connection: close\r\n\r\n" + body)

def answer(connection):
    with connection, connection.makefile("rb") as stream:
        line = stream.readline().split()
        if not line:
            return
        while stream.readline() not in (b"\r\n", b""):
            pass
        path = line[1]
        if path.startswith(b"/die/"):
            os._exit(int(path[5:]))
        if path.startswith(b"/slow/"):
            time.sleep(int(path[6:]) / 1000)
        respond(connection, os.environ.get("STATUS", "200 OK").encode(), os.environ.get("V", "").encode())

if "STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(float(os.environ.get("BOOT", "0")))
if "DIE" in os.environ:
    print("Traceback: no way", file=sys.stderr)
    sys.exit(int(os.environ["DIE"]))
if "DEAF" in os.environ:
    time.sleep(60)
with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=100) as server:
    print("listening", flush=True)
    while True:
        threading.Thread(target=answer, args=[server.accept()[0]], daemon=True).start()
"""


def children() -> set[str]:
    """Pids of this process's children, zombies too."""
    lists = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return {pid for pids in lists for pid in pids}


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test; afterwards no child process and no unclosed socket may be left."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        before = children()
        gc.freeze()  # what was there before need not be looked through
        asyncio.run(test(*args, **kwargs))
        gc.collect()
        gc.unfreeze()
        assert children() <= before, "a child process was left"

    return run


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> float:
    """Poll until the condition holds; returns how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not so within {seconds} s")
        await asyncio.sleep(0.002)
    return time.monotonic() - began


class World:
    """A runtime on a free port, with a release folder that holds the tiny app."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "release"
        self.folder.mkdir(exist_ok=True)
        (self.folder / "app.py").write_text(APP)
        self.logs = LogStore(folder / "logs", PLATFORM)
        self.port = free_port()
        self.runtime = AppRuntime(
            "demo",
            port=self.port,
            marker=MARKER,
            logs=self.logs,
            words=WORDS,
            **{"limits": QUICK, **settings},
        )

    def release(self, version: int, processes: Mapping[str, str] | None = None, **env: str) -> Runnable:
        processes = processes or {"web": "exec python -I -S app.py", "worker": "exec sleep 60"}
        return Runnable(version, self.folder, processes, {"V": f"v{version}", **env})

    def states(self) -> list[tuple[int, str, str]]:
        return [(dyno.version, dyno.name, dyno.state) for dyno in self.runtime.instances()]

    def dyno(self, name: str) -> Instance:
        return next(dyno for dyno in self.runtime.instances() if dyno.name == name)

    def text(self, dyno: str | None = None) -> list[str]:
        return [line.text for line in self.logs.tail("demo", num=100_000, origin=dyno)]

    async def serve(self, version: int = 1, web: int = 1, **env: str) -> None:
        await self.runtime.switch(self.release(version, **env), {"web": web})
        await until(lambda: self.states() == [(version, f"web.{n + 1}", "up") for n in range(web)])

    async def get(self, path: str = "/") -> tuple[int, bytes]:
        async with connected(self.port) as (reader, writer):
            return await request(reader, writer, path)


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncIterator[World]:
    it = World(folder, **settings)
    await it.runtime.start()
    try:
        yield it
    finally:
        await it.runtime.stop()
        it.logs.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = "/"
) -> tuple[int, bytes]:
    """One GET on a connection that stays open; anything but a whole response raises."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: demo.test\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(int(length.partition(b":")[2]))
