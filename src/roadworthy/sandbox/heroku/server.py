"""One sandbox server: takes the folder, serves, and leaves nothing behind.

Invariants:
- A folder has one server: whoever holds the lock on `server.lock`. It is freed by the kernel however we end.
- `server.json` says where we are; it is written when we answer, and removed when we end in order.
- On SIGTERM or SIGINT every process that we started ends before we do; what a killed server left running is
  ended at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ...errors import UsageError
from ...processes import start_time
from ...wait import until
from ..control import KEY_FILE, LOCK_FILE, SERVER_FILE, marker_of
from ..processes.databases import Databases
from ..processes.faults import Connections, Faults
from ..processes.gate import AccessLog, Gate, RateLimit
from ..processes.leftovers import sweep
from ..processes.logs import LogStore
from ..processes.postmaster import end_postmaster
from .api import build
from .api.authorizations import may
from .platform import Platform
from .rendezvous import Rendezvous, make_certificate
from .slugs import remove_parts
from .state import Addon, Setting, State
from .words import LOGPLEX, PLATFORM

LOOKED_AT = 0.5
"""Seconds after which a lock on the folder is not just somebody's look."""


def run(folder: Path, *, port: int, engine: str, boot_timeout: float, registry: str = "") -> None:
    """Serve until told to end. Raises UsageError when the folder or the port is another's."""
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    with _owned(folder):
        asyncio.run(_serve(folder, port, engine, boot_timeout, registry))


async def _serve(folder: Path, port: int, engine: str, boot_timeout: float, registry: str) -> None:
    marker = marker_of(folder)
    end_postmaster(folder / "postgres" / "data")
    sweep(marker)
    for name in ("slugs", "apps"):
        (folder / name).mkdir(exist_ok=True)
        remove_parts(folder / name)
    make_certificate(folder)
    state = State(folder / "state.sqlite")
    listener = _listen(port, state)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    databases = Databases(folder / "db", engine)
    if engine == "postgres" or state.one(Addon, engine="postgres"):
        from ..processes.postgres import PostgresCluster

        databases.cluster = await PostgresCluster.start(folder / "postgres", marker)
    logs = LogStore(folder / "logs", PLATFORM, LOGPLEX)
    platform = Platform(folder, state, logs, databases, marker, boot_timeout, registry)
    rendezvous = Rendezvous(folder)
    connections = Connections()
    server = _Server(
        uvicorn.Config(
            _app(platform, rendezvous, connections, url, _key(folder)),
            http=_tracked(connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, setattr, server, "should_exit", True)
    try:
        await platform.start()
        _announce(folder, url)
        await server.serve(sockets=[listener])
    finally:
        await rendezvous.stop()
        await platform.stop()
        (folder / SERVER_FILE).unlink(missing_ok=True)


def _app(platform: Platform, rendezvous: Rendezvous, connections: Connections, url: str, key: str) -> ASGIApp:
    api, limit = build(), RateLimit()
    log = AccessLog(platform.folder / "access.log")
    faults = Faults(Gate(api, key, limit, log, partial(may, platform.state)), connections, log)
    api.state.platform = platform
    api.state.rendezvous = rendezvous
    api.state.url = url
    api.state.limit = limit
    api.state.faults = faults
    api.state.creating = asyncio.Lock()
    api.state.uploading = set()
    api.state.log_sessions = {}
    return faults


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to us: uvicorn would raise them again before the dynos have ended."""
        yield


def _tracked(connections: Connections) -> type[H11Protocol]:
    class Tracked(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.opened(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    return Tracked


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    with (folder / LOCK_FILE).open("a") as lock:

        def take() -> bool | None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return True

        # Whoever looks whether a server runs shares the lock for an instant: that is no other server.
        if not until(take, within=LOOKED_AT, every=0.01):
            raise UsageError(f"another sandbox server runs on {folder}")
        (folder / SERVER_FILE).unlink(missing_ok=True)
        yield


def _listen(port: int, state: State) -> socket.socket:
    """Listen on the port; on the one of last time, or any, when it is 0. Raises UsageError: it is taken."""
    last = state.one(Setting, id="port")
    wanted = [port] if port else [int(last.value), 0] if last else [0]
    for candidate in wanted:
        # asyncio turns Nagle off only for sockets that name TCP; else each reply waits 40 ms for an ACK.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(512)
        except OSError as error:
            listener.close()
            if candidate == wanted[-1]:
                raise UsageError(f"port {candidate} cannot be used: {error.strerror}") from error
            continue
        state.put(Setting("port", str(listener.getsockname()[1])))
        return listener
    raise AssertionError("the loop returns or raises")


def _key(folder: Path) -> str:
    path = folder / KEY_FILE
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        part.write_text(secrets.token_hex(20))
        part.replace(path)
    return path.read_text().strip()


def _announce(folder: Path, url: str) -> None:
    part = folder / f"{SERVER_FILE}.part"
    part.write_text(json.dumps({"url": url, "pid": os.getpid(), "started": start_time(os.getpid())}))
    part.replace(folder / SERVER_FILE)
