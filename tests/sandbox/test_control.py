"""Starting, asking and ending a sandbox, also when it was killed, raced or misled."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from roadworthy.errors import UsageError
from roadworthy.processes import start_time
from roadworthy.sandbox import control
from roadworthy.sandbox.heroku import client, server
from sandbox.client import Client, tar, until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    control.down(tmp_path)


def carriers(folder: Path) -> list[int]:
    """Processes that carry the sandbox's mark, or name its folder on their command line."""
    mark, name, found = control.marker_of(folder).encode(), os.fsencode(folder), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() or name in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def test_up_makes_the_apps_and_is_idempotent(place: Path) -> None:
    first = control.up(place, apps=["autorisen"])
    assert control.up(place, apps=["autorisen", "capecraft"]) == first
    shown = control.status(place)
    assert shown is not None
    assert [(app.name, app.release, app.processes) for app in shown.apps] == [
        ("autorisen", 3, {}),
        ("capecraft", 3, {}),
    ]
    assert (shown.url, shown.pid) == (first.url, first.pid)
    assert requests.get(shown.apps[0].web_url, timeout=10).status_code == 503


def test_an_app_is_told_its_public_address_as_long_as_up_says_so(place: Path) -> None:
    answers = "import http.server, os\nclass A(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n"
    answers += "  said = (self.headers['Host'] + ' ' + self.headers['X-Forwarded-Proto']).encode()\n"
    answers += "  self.send_response(200); self.end_headers(); self.wfile.write(said)\n"
    answers += "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), A).serve_forever()\n"
    public = {"autorisen": "https://dev.example.com"}
    heroku = Client(control.up(place, apps=["autorisen"], forwarded=public))
    slug = heroku.slug("autorisen", tar({"web.py": answers}), {"web": "python -I web.py"})
    heroku.release("autorisen", slug)
    shown = control.status(place)
    assert shown is not None
    until(lambda: requests.get(shown.apps[0].web_url, timeout=10).ok)
    assert requests.get(shown.apps[0].web_url, timeout=10).text == "dev.example.com https"
    control.up(place, forwarded={"autorisen": ""})
    assert requests.get(shown.apps[0].web_url, timeout=10).text.endswith(" http")


def test_down_ends_everything_and_says_whether_there_was_something(place: Path) -> None:
    heroku = Client(control.up(place, apps=["autorisen"]))
    heroku.running("autorisen", heroku.release("autorisen", heroku.slug("autorisen"))["version"])
    heroku.post("/apps/autorisen/dynos", {"command": "sleep 60"})
    until(lambda: len(carriers(place)) >= 3)  # while a process begins, Linux shows nothing of its environment
    assert control.down(place) is True
    assert carriers(place) == []
    assert control.status(place) is None
    assert control.down(place) is False
    assert control.down(place / "never") is False


def test_what_it_knew_it_knows_after_a_restart_at_the_same_address(place: Path) -> None:
    address = control.up(place, apps=["autorisen"])
    heroku = Client(address)
    release = heroku.release("autorisen", heroku.slug("autorisen"))
    heroku.patch("/apps/autorisen/config-vars", {"COLOUR": "blue"})
    heroku.running("autorisen", release["version"] + 1)
    apps, releases = heroku.get("/apps"), heroku.get("/apps/autorisen/releases")
    control.down(place)
    again = control.up(place)
    assert (again.url, again.api_key) == (address.url, address.api_key)
    heroku = Client(again)
    assert (heroku.get("/apps"), heroku.get("/apps/autorisen/releases")) == (apps, releases)
    until(lambda: heroku.seen("autorisen", "COLOUR") == "blue")
    assert "Set COLOUR config vars" in heroku.logs("autorisen")


def test_a_killed_server_loses_nothing_and_leaves_nothing_running(place: Path) -> None:
    address = control.up(place, apps=["autorisen"])
    heroku = Client(address)
    version = heroku.release("autorisen", heroku.slug("autorisen"))["version"]
    heroku.running("autorisen", version)
    releases = heroku.get("/apps/autorisen/releases")
    orphans = set(carriers(place)) - {address.pid}
    (place / "slugs" / "half.part").write_bytes(b"x")
    os.kill(address.pid, signal.SIGKILL)
    os.waitpid(address.pid, 0)
    assert control.status(place) is None
    heroku = Client(control.up(place))
    assert heroku.get("/apps/autorisen/releases") == releases
    heroku.running("autorisen", version)
    assert not (place / "slugs" / "half.part").exists()
    assert orphans
    assert not orphans & set(carriers(place))


def test_down_finds_what_a_killed_server_left(place: Path) -> None:
    address = control.up(place, apps=["autorisen"])
    heroku = Client(address)
    heroku.running("autorisen", heroku.release("autorisen", heroku.slug("autorisen"))["version"])
    os.kill(address.pid, signal.SIGKILL)
    os.waitpid(address.pid, 0)
    assert carriers(place)
    assert control.down(place) is True
    assert carriers(place) == []


def test_a_release_that_was_under_way_when_the_server_was_killed_has_failed(place: Path) -> None:
    address = control.up(place, apps=["autorisen"])
    heroku = Client(address)
    slug = heroku.slug("autorisen", processes={"web": "python web.py", "release": "sleep 60"})
    assert heroku.release("autorisen", slug)["status"] == "pending"
    os.kill(address.pid, signal.SIGKILL)
    os.waitpid(address.pid, 0)
    heroku = Client(control.up(place))
    assert heroku.get("/apps/autorisen/releases")[-1]["status"] == "failed"
    assert "was cut off by a restart" in heroku.logs("autorisen")


def test_a_pid_file_alone_is_never_trusted(place: Path) -> None:
    """A stranger whose pid is in the file is neither taken for the server nor ended."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        told = {"url": "http://127.0.0.1:1", "pid": stranger.pid, "started": start_time(stranger.pid)}
        (place / control.SERVER_FILE).write_text(json.dumps(told))
        (place / control.KEY_FILE).write_text("key")
        assert control.status(place) is None
        assert control.down(place) is False
        assert control.up(place).pid != stranger.pid
        # The lock is held now, but the process that the file names did not start when it says.
        (place / control.SERVER_FILE).write_text(json.dumps({**told, "started": "1"}))
        assert control.status(place) is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        for pid in carriers(place):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not control._is_locked(place))


def test_two_at_once_start_one_server(place: Path) -> None:
    code = "import pathlib, sys; from roadworthy.sandbox import control; "
    code += "print(control.up(pathlib.Path(sys.argv[1]), apps=['autorisen']).pid)"
    command = [sys.executable, "-c", code, str(place)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    pids = {racer.communicate()[0] for racer in racers}
    assert len(pids) == 1
    assert [racer.returncode for racer in racers] == [0, 0, 0]


def test_a_taken_port_is_one_line(place: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used: Address already in use") as caught:
            control.up(place, port=port)
    assert "\n" not in str(caught.value)
    assert carriers(place) == []


def test_a_running_sandbox_does_not_move(place: Path) -> None:
    address = control.up(place)
    port = int(address.url.rpartition(":")[2])
    assert control.up(place, port=port) == address
    with pytest.raises(UsageError, match="already runs at"):
        control.up(place, port=port + 1)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        control.up(tmp_path / "file" / "sandbox")


def test_an_app_name_that_cannot_be_is_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="Name must start with a letter"):
        control.up(place, apps=["../up"])


def test_secrets_are_for_their_owner_only_and_in_no_words(place: Path) -> None:
    address = control.up(place)
    assert address.api_key not in repr(address)
    for name in (control.KEY_FILE, "rendezvous-key.pem", "state.sqlite", "server.log", "access.log"):
        path = place / name
        if path.exists():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, name
    words = (Path("/proc") / str(address.pid) / "cmdline").read_bytes()
    assert address.api_key.encode() not in words


def test_the_environment_points_clients_here(place: Path) -> None:
    with pytest.raises(UsageError, match="no sandbox runs"):
        client.variables(place)
    address = control.up(place)
    found = client.variables(place)
    assert (found["HEROKU_HOST"], found["HEROKU_API_KEY"]) == (address.url, address.api_key)
    assert all(Path(found[name]).is_relative_to(place) for name in ("HOME", "XDG_DATA_HOME"))
    assert Path(found["NODE_EXTRA_CA_CERTS"]).is_file()


def test_control_imports_no_server() -> None:
    slow = {"starlette", "uvicorn", "sqlite3", "asyncio"}
    code = f"import sys, roadworthy.sandbox.control; print(*{slow} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_whoever_only_looks_whether_a_server_runs_is_no_other_server(tmp_path: Path) -> None:
    lock = (tmp_path / control.LOCK_FILE).open("a")
    fcntl.flock(lock, fcntl.LOCK_SH)
    looking = threading.Timer(0.1, lock.close)
    looking.start()
    with server._owned(tmp_path):
        assert lock.closed
        with pytest.raises(UsageError, match="another sandbox server runs"), server._owned(tmp_path):
            pass
    looking.join()
