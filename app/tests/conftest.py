"""Real databases, real servers on real sockets. PostgreSQL joins in when DATABASE_URL_POSTGRES names one."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from alembic import command
from alembic.config import Config
from starlette.types import ASGIApp, Receive, Scope, Send

PACKAGE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PACKAGE))

from capecontrol.settings import read  # noqa: E402  found by the line above
from capecontrol.web import make_app  # noqa: E402
from capecontrol.work_orders import Board  # noqa: E402

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PATIENCE = 20  # seconds, for a machine that is busy with other things
Serve = Callable[..., httpx.Client]
Migrate = Callable[[str, str], None]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/app.db"
        return
    server = os.environ.get("DATABASE_URL_POSTGRES")
    if not server:
        pytest.skip("DATABASE_URL_POSTGRES names no PostgreSQL database to begin from")
    import psycopg

    name = f"capecontrol_{secrets.token_hex(6)}"
    with psycopg.connect(server.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a new, empty SQLite database, where the kind of database changes nothing."""
    return f"sqlite:///{tmp_path}/app.db"


@pytest.fixture
def migrate(monkeypatch: pytest.MonkeyPatch) -> Migrate:
    """Bring a database to a revision, forward or back."""

    def run(url: str, revision: str) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        back = revision.startswith("-")
        (command.downgrade if back else command.upgrade)(Config(PACKAGE / "alembic.ini"), revision)

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, dict[str, ASGIApp]]]:
    """One uvicorn for all tests, and the apps that it serves, by the Host that a client asks for."""
    apps: dict[str, ASGIApp] = {}

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[dict(scope["headers"])[b"host"].decode()](scope, receive, send)

    config = uvicorn.Config(front, log_config=None, http="h11", ws="none", lifespan="off")
    running = uvicorn.Server(config)
    # asyncio turns Nagle off only where the protocol is named; with it each answer waits 40 ms for an ack.
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", apps
        running.should_exit = True
        thread.join()


@pytest.fixture
def serve(server: tuple[str, dict[str, ASGIApp]]) -> Iterator[Serve]:
    """Serve the app; gives a client of it. Config vars are keyword arguments."""
    address, apps = server
    with ExitStack() as stack:

        def start(url: str, **config: str) -> httpx.Client:
            host = f"app{len(apps)}.test"
            settings = read({"DATABASE_URL": url, **config})
            board = Board(settings.database)
            stack.callback(board.close)
            apps[host] = make_app(settings, board)
            client = httpx.Client(base_url=address, headers={"Host": host}, timeout=PATIENCE)
            return stack.enter_context(client)

        yield start


def listens(port: int | None) -> bool:
    """Whether anything takes connections on this port."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.01)


@contextmanager
def process(package: Path, config: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """`python -m capecontrol` in the folder of a package, once it listens; killed at the end."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), **config}
    command = [sys.executable, "-m", "capecontrol"]
    output = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=package, env=environ, stdout=output, stderr=output, text=True
    ) as running:
        try:
            wait_until(lambda: running.poll() is not None or listens(port))
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
                yield running, client
        finally:
            running.kill()
