"""A PostgreSQL cluster of the sandbox's own, where the server programs are installed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from roadworthy.errors import UsageError
from roadworthy.sandbox import control
from sandbox.client import Client

INSTALLED = shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = pytest.mark.skipif(not INSTALLED, reason="PostgreSQL's server programs are not installed")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the user `postgres` may enter, as pytest's own may not be."""
    path = Path(tempfile.mkdtemp(prefix="roadworthy-"))
    path.chmod(0o755)
    yield path / "sandbox"
    control.down(path / "sandbox")
    shutil.rmtree(path)


def url(place: Path, app: str) -> str:
    heroku = Client(control.up(place, apps=["autorisen", "capecraft"], database="postgres"))
    found: str = heroku.get(f"/apps/{app}/config-vars")["DATABASE_URL"]
    return found


def postmaster(place: Path) -> int:
    return int((place / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def test_each_app_has_a_database_that_no_other_may_enter(place: Path) -> None:
    assert url(place, "autorisen").startswith("postgres://autorisen:")
    with psycopg.connect(url(place, "autorisen")) as database:
        database.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    other = url(place, "capecraft").rpartition("/")[0] + "/autorisen"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(other)


def test_the_data_outlives_a_killed_sandbox(place: Path) -> None:
    with psycopg.connect(url(place, "autorisen")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
    orphan, address = postmaster(place), control.up(place)
    os.kill(address.pid, signal.SIGKILL)
    os.waitpid(address.pid, 0)
    with psycopg.connect(url(place, "autorisen")) as database:
        assert database.execute("SELECT answer FROM kept").fetchall() == [(42,)]
    assert postmaster(place) != orphan


def test_no_password_is_on_a_command_line_or_in_a_log(place: Path) -> None:
    secret = url(place, "autorisen").rpartition("@")[0].rpartition(":")[2]
    root = (place / "postgres-password").read_text()
    words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    logs = [(place / "postgres/postgres.log").read_bytes(), (place / "server.log").read_bytes()]
    for text in (secret.encode(), root.encode()):
        assert text
        assert not any(text in line for line in words + logs)


def test_it_listens_on_loopback_only(place: Path) -> None:
    port = url(place, "autorisen").rpartition("/")[0].rpartition(":")[2]
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A" and int(address.rpartition(":")[2], 16) == int(port):
                listening.append(address.rpartition(":")[0])
    assert listening == ["0100007F"]


def test_down_ends_it_also_after_the_sandbox_was_killed(place: Path) -> None:
    address, database = control.up(place, database="postgres"), postmaster(place)
    with closing(
        psycopg.connect(url(place, "autorisen"))
    ):  # PostgreSQL waits for its clients if asked politely
        os.kill(address.pid, signal.SIGKILL)
        os.waitpid(address.pid, 0)
        assert control.down(place) is True
    with pytest.raises(FileNotFoundError):
        postmaster(place)
    assert not Path(f"/proc/{database}/cwd").exists()


def test_a_sqlite_app_keeps_its_database_in_a_sandbox_that_turned_to_postgres(place: Path) -> None:
    control.down(place)
    control.up(place, apps=["small"], database="sqlite")
    assert url(place, "small").startswith("sqlite:///")
    assert url(place, "autorisen").startswith("postgres://")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_folder_that_postgres_may_not_enter_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(UsageError, match="the user postgres may not enter"):
        control.up(tmp_path / "sandbox", database="postgres")
    assert control.status(tmp_path / "sandbox") is None
