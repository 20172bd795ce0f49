"""The real Heroku command line (npm `heroku` 11) against the sandbox.

ROADWORTHY_HEROKU_CLI says where its program is; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.sandbox import control
from roadworthy.sandbox.heroku import client
from sandbox.client import WEB, Client, tar, until

PROGRAM = os.environ.get("ROADWORTHY_HEROKU_CLI", "")
pytestmark = [
    pytest.mark.heroku_cli,
    pytest.mark.skipif(not PROGRAM, reason="ROADWORTHY_HEROKU_CLI does not name the Heroku CLI's program"),
]


class CommandLine:
    """`heroku …` for one app, in an environment that knows nothing but the sandbox."""

    def __init__(self, folder: Path) -> None:
        self.env = {"PATH": os.environ["PATH"], "TERM": "dumb", **client.variables(folder)}
        self.folder = folder

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PROGRAM, *words, "--app", "autorisen"] if "--" not in words else [PROGRAM, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=self.folder,
        )

    def __call__(self, *words: str, status: int = 0, stdin: str | None = None) -> str:
        """What the command printed, on both streams; its exit status must be `status`."""
        process = self.start(*words, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        try:
            output, errors = process.communicate(stdin, timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            pytest.fail(f"heroku {' '.join(words)} did not end: {output} {errors}")
        assert process.returncode == status, f"heroku {' '.join(words)}: {output} {errors}"
        return output + errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("sandbox")
    client = Client(control.up(path, apps=["autorisen"]))
    processes = {"web": "python web.py", "worker": "sleep 600"}
    client.release("autorisen", client.slug("autorisen", processes=processes, commit="1" * 40))
    slug = client.slug("autorisen", tar({"web.py": WEB, "more": ""}), processes, commit="2" * 40)
    client.running("autorisen", client.release("autorisen", slug)["version"])
    yield path
    control.down(path)


@pytest.fixture(scope="module")
def ours(folder: Path) -> Client:
    return Client(control.up(folder))


@pytest.fixture(scope="module")
def heroku(folder: Path) -> CommandLine:
    line = CommandLine(folder)
    line("apps:info")  # the first command in a new home shows a notice about the terms of service
    return line


def test_releases_are_listed(heroku: CommandLine) -> None:
    shown = heroku("releases")
    assert "Current: v5" in shown
    assert re.search(r"v4\s+Deploy 11111111", shown)
    versions = [release["version"] for release in json.loads(heroku("releases", "--json", "-n", "2"))]
    assert versions == [5, 4]


def test_a_release_is_shown_with_its_config(heroku: CommandLine) -> None:
    shown = heroku("releases:info", "v4")
    assert "Deploy 11111111" in shown
    assert "DATABASE_URL" in shown
    assert "Couldn't find that release" in heroku("releases:info", "v99", status=2)


def test_a_rollback_makes_a_release(heroku: CommandLine, ours: Client) -> None:
    assert "done, v6" in heroku("rollback", "v4")
    assert ours.get("/apps/autorisen/releases/6")["description"] == "Rollback to v4"
    ours.running("autorisen", 6)
    assert "done, v7" in heroku("rollback")


def test_config_vars_are_set_and_shown(heroku: CommandLine, ours: Client) -> None:
    version = ours.get("/apps/autorisen/releases")[-1]["version"]
    assert f"done, v{version + 1}" in heroku("config:set", "COLOUR=blue", "SHAPE=round one")
    assert re.search(r"COLOUR:\s+blue", heroku("config"))
    assert heroku("config:get", "SHAPE") == "round one\n"
    heroku("config:unset", "COLOUR")
    assert "COLOUR" not in ours.get("/apps/autorisen/config-vars")


def test_dynos_are_listed_and_scaled(heroku: CommandLine, ours: Client) -> None:
    assert "now running worker at 2:Basic" in heroku("ps:scale", "worker=2")
    assert "now running worker at 1:Basic" in heroku("ps:scale", "worker-1")
    until(lambda: [row["state"] for row in ours.get("/apps/autorisen/dynos")] == ["up", "up"])
    assert heroku("ps:scale").split() == ["web=1:Basic", "worker=1:Basic"]
    shown = heroku("ps")
    assert re.search(r"=== web \(Basic\): python web.py \(1\)\n\nweb\.1: up", shown), shown
    heroku("ps:scale", "worker=0")


def test_a_restart_replaces_the_dynos(heroku: CommandLine, ours: Client) -> None:
    before = ours.get("/apps/autorisen/dynos/web.1")["id"]
    heroku("ps:restart")
    until(lambda: [(row["id"] == before) for row in ours.get("/apps/autorisen/dynos")] == [False])


def test_a_command_runs_attached_with_its_input_and_exit_status(heroku: CommandLine) -> None:
    command = ("run", "--exit-code", "--no-tty", "--app", "autorisen", "--")
    assert "hello from run." in heroku(*command, "echo hello from $DYNO")
    assert "Process exited with code 7" in heroku(*command, "sh -c 'exit 7'", status=7)
    shown = heroku(*command, "wc -l; echo counted", stdin="one\ntwo\n")
    assert re.search(r"^2\ncounted$", shown, re.MULTILINE), shown
    assert "same" in heroku("run", "--no-tty", "--app", "autorisen", "--", "echo same")


def test_a_command_runs_detached_into_the_log(heroku: CommandLine) -> None:
    shown = heroku("run:detached", "--app", "autorisen", "--", "echo quietly; exit 3")
    dyno = re.search(r"run\.\d+", shown)
    assert dyno, shown
    until(lambda: "Process exited with status 3" in heroku("logs", "--dyno-name", dyno[0]))
    assert f"app[{dyno[0]}]: quietly" in heroku("logs", "--dyno-name", dyno[0])


def test_logs_are_shown_by_number_and_source(heroku: CommandLine) -> None:
    assert len(heroku("logs", "--num", "3").splitlines()) == 3
    lines = heroku("logs", "--source", "app", "--num", "1500").splitlines()
    assert lines
    assert all(" app[" in line for line in lines)


def test_logs_are_followed(heroku: CommandLine, ours: Client) -> None:
    process = heroku.start("logs", "--tail")
    assert process.stdout and process.stderr
    clock = threading.Timer(30, process.kill)
    clock.start()
    try:
        assert process.stdout.readline()
        ours.post("/apps/autorisen/dynos", {"command": "echo late news"})
        assert any("late news" in line for line in process.stdout)
    finally:
        process.kill()
        clock.cancel()
        process.communicate()


def test_the_app_is_shown(heroku: CommandLine, ours: Client) -> None:
    shown = heroku("apps:info")
    assert "=== autorisen" in shown
    assert ours.get("/apps/autorisen")["web_url"] in shown
    assert "sandbox-sqlite:file" in shown


def test_maintenance_is_turned_on_and_off(heroku: CommandLine, ours: Client) -> None:
    heroku("maintenance:on")
    assert ours.get("/apps/autorisen")["maintenance"] is True
    heroku("maintenance:off")
    assert ours.get("/apps/autorisen")["maintenance"] is False


def test_a_wrong_key_is_refused(heroku: CommandLine) -> None:
    stranger = CommandLine(heroku.folder)
    stranger.env["HEROKU_API_KEY"] = "wrong"
    assert "HEROKU_API_KEY is invalid" in stranger("releases", status=1)
