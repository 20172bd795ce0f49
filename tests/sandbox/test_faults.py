"""Injected faults: each looks to its caller like the real thing, and hits what it was meant for only."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from roadworthy.errors import UsageError
from roadworthy.sandbox import control
from sandbox.client import Client, until


@pytest.fixture
def app(heroku: Client) -> str:
    return heroku.app()


@pytest.fixture(autouse=True)
def disarmed(folder: Path) -> Iterator[None]:
    yield
    control.clear_faults(folder)


def colour(heroku: Client, app: str, value: str) -> requests.Response:
    return heroku.call("PATCH", f"/apps/{app}/config-vars", {"COLOUR": value})


def exchange(url: str, path: str, key: str) -> tuple[bytes, type[Exception] | None]:
    """What a bare socket reads as the answer to a GET, and how reading ended."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        data = b""
        try:
            while chunk := connection.recv(65536):
                data += chunk
        except OSError as error:
            return data, type(error)
    return data, None


def test_a_status_comes_in_herokus_shape_as_often_as_told_and_without_effect(
    heroku: Client, folder: Path, app: str
) -> None:
    control.set_faults(folder, [{"kind": "status", "status": 503, "count": 2, "method": "PATCH"}])
    for _ in range(2):
        answer = colour(heroku, app, "red")
        assert (answer.status_code, set(answer.json())) == (503, {"id", "message"})
    assert "COLOUR" not in heroku.get(f"/apps/{app}/config-vars")
    assert control.get_faults(folder) == []
    assert colour(heroku, app, "red").ok


def test_a_fault_hits_only_its_method_and_path(heroku: Client, folder: Path, app: str) -> None:
    other = heroku.app()
    fault = {"kind": "status", "method": "PATCH", "path": f"/apps/{app}/*", "status": 500}
    control.set_faults(folder, [fault])
    assert heroku.get(f"/apps/{app}/config-vars")
    assert colour(heroku, other, "red").ok
    assert colour(heroku, app, "red").status_code == 500


def test_the_first_armed_fault_that_matches_is_used(heroku: Client, folder: Path, app: str) -> None:
    control.set_faults(folder, [{"kind": "status", "status": 502}, {"kind": "status", "status": 504}])
    assert [heroku.call("GET", "/apps").status_code for _ in range(3)] == [502, 504, 200]


def test_a_fault_lets_calls_by_first_but_for_those_that_another_one_hits(
    heroku: Client, folder: Path
) -> None:
    faults = [{"kind": "status", "status": 502}, {"kind": "status", "status": 504, "skip": 1, "count": 2}]
    control.set_faults(folder, faults)
    assert heroku.call("GET", "/apps").status_code == 502
    assert [heroku.call("GET", "/apps").status_code for _ in range(4)] == [200, 504, 504, 200]


def test_a_rate_limit_says_when_to_come_back(heroku: Client, folder: Path) -> None:
    control.set_faults(folder, [{"kind": "rate_limit", "seconds": 7}])
    answer = heroku.call("GET", "/apps")
    assert (answer.status_code, answer.json()["id"]) == (429, "rate_limit")
    assert answer.headers["Retry-After"] == "7"


def test_a_delay_answers_late(heroku: Client, folder: Path) -> None:
    control.set_faults(folder, [{"kind": "delay", "seconds": 0.3}])
    begun = time.monotonic()
    assert heroku.call("GET", "/apps").status_code == 200
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("after", [False, True])
def test_a_held_call_goes_on_when_the_faults_are_set_anew(
    heroku: Client, folder: Path, app: str, after: bool
) -> None:
    control.set_faults(folder, [{"kind": "hold", "method": "PATCH", "after": after}])
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(colour, heroku, app, "red")
        until(lambda: control.get_faults(folder) == [])
        if after:
            until(lambda: "COLOUR" in heroku.get(f"/apps/{app}/config-vars"))
        else:
            assert "COLOUR" not in heroku.get(f"/apps/{app}/config-vars")
        assert not answer.done()
        let_go = datetime.now(UTC).isoformat(timespec="microseconds")
        control.clear_faults(folder)
        assert answer.result(10).ok
    assert heroku.get(f"/apps/{app}/config-vars")["COLOUR"] == "red"
    logged = [json.loads(line) for line in (folder / "access.log").read_text().splitlines()]
    held = next(line for line in reversed(logged) if line["status"] == 200)
    assert held["began"] < let_go
    assert (held["at"] < let_go) == after


@pytest.mark.parametrize("after", [False, True])
def test_a_hang_never_answers(heroku: Client, folder: Path, app: str, after: bool) -> None:
    control.set_faults(folder, [{"kind": "hang", "method": "PATCH", "after": after}])
    with pytest.raises(requests.ReadTimeout):
        heroku.session.patch(f"{heroku.url}/apps/{app}/config-vars", json={"COLOUR": "red"}, timeout=0.3)
    assert ("COLOUR" in heroku.get(f"/apps/{app}/config-vars")) is after


def test_a_reset_is_a_tcp_reset(heroku: Client, folder: Path) -> None:
    control.set_faults(folder, [{"kind": "reset"}])
    assert exchange(heroku.url, "/apps", control.up(folder).api_key) == (b"", ConnectionResetError)


@pytest.mark.parametrize("kind", ["status", "reset", "rate_limit"])
def test_after_means_that_the_effect_is_there_and_only_the_reply_is_lost(
    heroku: Client, folder: Path, app: str, kind: str
) -> None:
    control.set_faults(folder, [{"kind": kind, "method": "PATCH", "after": True}])
    try:
        assert colour(heroku, app, "red").status_code in (429, 503)
    except requests.ConnectionError:
        assert kind == "reset"
    assert heroku.get(f"/apps/{app}/config-vars")["COLOUR"] == "red"
    assert len(heroku.get(f"/apps/{app}/releases")) == 4
    last = [json.loads(line) for line in (folder / "access.log").read_text().splitlines()][-2:]
    assert [(entry["status"], entry.get("fault")) for entry in last] == [(200, None), (None, kind)]
    assert {entry["release"] for entry in last} == {4}


def test_a_truncated_body_ends_before_its_announced_length(heroku: Client, folder: Path, app: str) -> None:
    control.set_faults(folder, [{"kind": "truncate"}])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        heroku.call("GET", "/account")
    control.set_faults(folder, [{"kind": "truncate", "method": "PATCH"}])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        colour(heroku, app, "red")
    assert heroku.get(f"/apps/{app}/config-vars")["COLOUR"] == "red"
    control.set_faults(folder, [{"kind": "truncate"}])
    data, ended = exchange(heroku.url, "/account", control.up(folder).api_key)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert ended is None
    assert 0 < len(body) < length


def test_an_upload_can_be_cut(heroku: Client, folder: Path, app: str) -> None:
    slug = heroku.post(f"/apps/{app}/slugs", {"process_types": {}})
    control.set_faults(folder, [{"kind": "reset", "method": "PUT", "path": "/blobs/*"}])
    with pytest.raises(requests.ConnectionError):
        requests.put(slug["blob"]["url"], data=b"x" * 100_000, timeout=10)
    assert heroku.get(f"/apps/{app}/slugs/{slug['id']}")["size"] is None


def test_a_release_can_be_stuck_pending(heroku: Client, folder: Path, app: str) -> None:
    good = heroku.release(app, heroku.slug(app))
    heroku.running(app, good["version"])
    slug = heroku.slug(app)
    control.set_faults(folder, [{"kind": "release_pending", "path": "/apps/*/releases", "method": "POST"}])
    stuck = heroku.release(app, slug)
    assert (stuck["status"], stuck["current"]) == ("pending", False)
    following = heroku.release(app, slug)
    heroku.running(app, following["version"])
    assert heroku.get(f"/apps/{app}/releases/{stuck['version']}")["status"] == "pending"


def test_a_release_can_fail(heroku: Client, folder: Path, app: str) -> None:
    good = heroku.release(app, heroku.slug(app))
    slug = heroku.slug(app)
    control.set_faults(folder, [{"kind": "release_failed", "path": "/apps/*/releases", "method": "POST"}])
    failed = heroku.release(app, slug)
    until(lambda: heroku.get(f"/apps/{app}/releases/{failed['version']}")["status"] == "failed")
    heroku.running(app, good["version"])
    assert "Release failed (injected)" in heroku.logs(app)


@pytest.mark.parametrize(
    "fault",
    [{}, {"kind": "earthquake"}, {"kind": "status", "status": 200}, {"kind": "delay", "seconds": -1},
     {"kind": "reset", "count": 0}, {"kind": "reset", "colour": "red"}],
)  # fmt: skip
def test_a_fault_that_is_none_is_refused(folder: Path, fault: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the sandbox refused PUT /_sandbox/faults"):
        control.set_faults(folder, [fault])
    assert control.get_faults(folder) == []


def test_what_only_the_sandbox_has_is_never_hit(heroku: Client, folder: Path) -> None:
    control.set_faults(folder, [{"kind": "reset", "count": 1000}])
    assert control.status(folder) is not None
    with pytest.raises((requests.ConnectionError, http.client.HTTPException)):
        heroku.get("/apps")
