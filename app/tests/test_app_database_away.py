from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from capecontrol import probe
from conftest import Migrate, Serve


@pytest.fixture
def hanging_url() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"postgres://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/d"


@pytest.fixture
def refusing_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"postgres://u:hunter2@127.0.0.1:{port}/d"


def assert_degraded(serve: Serve, url: str) -> None:
    client = serve(url, ENV="test")
    answer = client.get("/api/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "degraded"
    assert answer.json()["database_connected"] is False
    assert answer.json()["database_revision"] is None
    version = client.get("/api/version")
    assert (version.status_code, version.json()["databaseRevision"]) == (200, None)
    page = client.get("/")
    assert page.status_code == 200 and "egraded" in page.text


def test_health_is_degraded_when_the_database_is_gone_and_healthy_when_it_is_back(
    serve: Serve, migrate: Migrate, tmp_path: Path
) -> None:
    folder = tmp_path / "db"
    folder.mkdir()
    url = f"sqlite:///{folder}/app.db"
    migrate(url, "head")
    client = serve(url)
    assert client.get("/api/health").status_code == 200
    folder.rename(tmp_path / "elsewhere")
    assert_degraded(serve, url)
    assert client.get("/api/health").status_code == 503
    (tmp_path / "elsewhere").rename(folder)
    assert client.get("/api/health").status_code == 200
    assert "None yet" in client.get("/").text


def test_health_is_degraded_when_the_file_is_no_database(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("no database" * 100)
    assert_degraded(serve, f"sqlite:///{tmp_path}/app.db")


def test_health_is_degraded_when_the_database_refuses(
    serve: Serve, refusing_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "capecontrol")
    assert_degraded(serve, refusing_url)
    said = [record.getMessage() for record in caplog.records if record.name == "capecontrol"]
    assert len(said) == 1 and said[0].startswith("database away: OperationalError")
    assert "hunter2" not in caplog.text


def test_health_answers_in_time_when_the_database_hangs(
    serve: Serve, hanging_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probe.DEADLINE < 2
    monkeypatch.setattr(probe, "DEADLINE", 0.3)
    client = serve(hanging_url)
    began = time.monotonic()
    assert client.get("/api/health").json()["status"] == "degraded"
    assert time.monotonic() - began >= 0.3


def test_what_cannot_be_saved_is_said_and_kept(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    client.get("/")
    form = {
        "title": "Brakes",
        "asset": "Truck 7",
        "priority": "low",
        "csrf_token": client.cookies["csrf_token"],
    }
    assert client.post("/work-orders", data=form).status_code == 503
    assert "not migrated yet" in client.get("/").text
