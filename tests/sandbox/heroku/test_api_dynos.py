"""Dynos and logs: one-off commands, attached and detached, restart and stop; log sessions."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.client import Client, until


@pytest.fixture(scope="module")
def app(heroku: Client) -> str:
    name = heroku.app()
    heroku.release(name, heroku.slug(name, processes={"web": "python web.py", "worker": "sleep 60"}))
    return name


def attach(folder: Path, url: str) -> ssl.SSLSocket:
    """Connect as the Heroku CLI does, but believing only the sandbox's own certificate."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    context = ssl.create_default_context(cafile=str(folder / "rendezvous-cert.pem"))
    raw = socket.create_connection((parts.hostname, parts.port), timeout=10)
    connection = context.wrap_socket(raw, server_hostname=parts.hostname)
    connection.sendall(parts.path.lstrip("/").encode() + b"\r\n")
    return connection


def read_all(connection: ssl.SSLSocket) -> bytes:
    data = b""
    with connection:
        while chunk := connection.recv(65536):
            data += chunk
    return data


def test_a_detached_command_runs_with_the_release_and_ends_in_the_log(heroku: Client, app: str) -> None:
    body = {"command": "echo $HEROKU_RELEASE_VERSION $EXTRA; exit 3", "env": {"EXTRA": "more"}}
    dyno = heroku.post(f"/apps/{app}/dynos", body)
    assert dyno["name"].startswith("run.")
    assert (dyno["type"], dyno["attach_url"], dyno["release"]["version"]) == ("run", None, 4)
    log = until(lambda: (text := heroku.logs(app, dyno=dyno["name"])) and "exited" in text and text)
    assert f" app[{dyno['name']}]: v4 more\n" in log
    assert f" heroku[{dyno['name']}]: Process exited with status 3\n" in log


def test_an_attached_command_talks_over_tls_and_closes_at_its_end(
    heroku: Client, app: str, folder: Path
) -> None:
    dyno = heroku.post(f"/apps/{app}/dynos", {"command": "cat; echo end; exit 4", "attach": True})
    connection = attach(folder, dyno["attach_url"])
    connection.sendall(b"first\n")
    connection.sendall(b"second\n\x04")
    assert read_all(connection) == b"rendezvous\r\nfirst\nsecond\nend\n"
    assert "Process exited with status 4" in until(
        lambda: heroku.logs(app, dyno=dyno["name"], source="heroku")
    )


def test_output_waits_for_the_caller(heroku: Client, app: str, folder: Path) -> None:
    command = "head -c 300000 /dev/zero | tr '\\0' x"
    dyno = heroku.post(f"/apps/{app}/dynos", {"command": command, "attach": True})
    assert read_all(attach(folder, dyno["attach_url"])) == b"rendezvous\r\n" + b"x" * 300_000


def test_a_caller_who_leaves_ends_the_process(heroku: Client, app: str, folder: Path) -> None:
    dyno = heroku.post(f"/apps/{app}/dynos", {"command": "sleep 60", "attach": True})
    connection = attach(folder, dyno["attach_url"])
    assert connection.recv(100) == b"rendezvous\r\n"
    connection.close()
    until(lambda: dyno["name"] not in [row["name"] for row in heroku.get(f"/apps/{app}/dynos")])


def test_a_wrong_secret_gets_nothing_and_a_right_one_works_once(
    heroku: Client, app: str, folder: Path
) -> None:
    dyno = heroku.post(f"/apps/{app}/dynos", {"command": "cat", "attach": True})
    assert read_all(attach(folder, dyno["attach_url"][:-1] + "?")) == b""
    right = attach(folder, dyno["attach_url"])
    assert right.recv(100) == b"rendezvous\r\n"
    assert read_all(attach(folder, dyno["attach_url"])) == b""
    right.close()


@pytest.mark.parametrize("body", [{}, {"command": ""}, {"command": "a\0b"}, {"command": "x" * 20_000},
                                  {"command": "true", "env": {"A-B": "1"}}])  # fmt: skip
def test_a_command_that_cannot_be_is_refused(heroku: Client, app: str, body: dict[str, object]) -> None:
    answer = heroku.call("POST", f"/apps/{app}/dynos", body)
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


def test_without_code_there_is_nothing_to_run(heroku: Client) -> None:
    answer = heroku.call("POST", f"/apps/{heroku.app()}/dynos", {"command": "true"})
    assert answer.status_code == 422
    assert "has no code yet" in answer.json()["message"]


def test_a_restart_replaces_dynos_and_stop_ends_a_one_off(heroku: Client) -> None:
    app = heroku.app()
    heroku.release(app, heroku.slug(app))

    def up() -> str:
        rows = heroku.get(f"/apps/{app}/dynos")
        return next((row["id"] for row in rows if row["name"] == "web.1" and row["state"] == "up"), "")

    first = until(up)
    assert heroku.get(f"/apps/{app}/dynos/{first}") == heroku.get(f"/apps/{app}/dynos/web.1")
    heroku.delete(f"/apps/{app}/dynos/web.1")
    second = until(lambda: (now := up()) != first and now)
    heroku.delete(f"/apps/{app}/dynos")
    until(lambda: (now := up()) != second and now)
    for end in ("stop", "restart"):
        name = heroku.post(f"/apps/{app}/dynos", {"command": "sleep 60"})["name"]
        path = f"/apps/{app}/dynos/{name}"
        heroku.post(f"{path}/actions/stop", None) if end == "stop" else heroku.delete(path)
        until(lambda path=path: heroku.call("GET", path).status_code == 404)


def test_a_log_session_shows_the_last_lines_of_a_source_or_dyno(heroku: Client, app: str) -> None:
    assert "app[web.1]: listening as web.1" in until(lambda: heroku.logs(app, dyno="web"))
    assert all("[web.1]: " in line for line in heroku.logs(app, dyno="web").splitlines())
    assert heroku.logs(app, dyno_name="web.1", source="app").count("\n") == 1
    assert all(" heroku[" in line for line in heroku.logs(app, source="heroku").splitlines())
    assert heroku.logs(app, lines=2).splitlines() == heroku.logs(app).splitlines()[-2:]


def test_a_log_session_ends_for_those_who_do_not_have_its_url(heroku: Client, app: str) -> None:
    url = heroku.post(f"/apps/{app}/log-sessions", {})["logplex_url"]
    assert requests.get(url, timeout=10).ok
    assert requests.get(url[:-1], timeout=10).status_code == 404


def test_a_tail_goes_on_as_server_sent_events(heroku: Client, app: str) -> None:
    url = heroku.post(f"/apps/{app}/log-sessions", {"tail": True, "lines": 1, "source": "app"})["logplex_url"]
    with requests.get(url, headers={"Accept": "text/event-stream"}, stream=True, timeout=10) as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        lines = events.iter_lines(decode_unicode=True)
        assert next(lines) == "retry: 10"
        heroku.post(f"/apps/{app}/dynos", {"command": "echo news of the day"})
        assert any("news of the day" in line and line.startswith("data: ") for line in lines)
