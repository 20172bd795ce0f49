"""Where a command runs: other folders, other clones, full disks, dead servers, and errors nobody thought of."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from invoke import Collection
from msgspec.structs import replace
from road.project import NOT_INHERITED, Project, Ran

from roadworthy.execution import run as release
from roadworthy.sandbox import control
from roadworthy.tasks import mount

from .spoiling import file

CLEAN = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
SECRET = "tJ7-a-secret-that-must-not-be-shown"


def run(words: tuple[str, ...], cwd: Path, **env: str) -> Ran:
    done = subprocess.run(words, cwd=cwd, env={**CLEAN, **env}, capture_output=True, text=True, timeout=60)
    return Ran(done.returncode, done.stdout, done.stderr)


def invoke(project: Project, *words: str, **env: str) -> Ran:
    """The real command, as a process of its own."""
    return run((sys.executable, "-m", "invoke", *words), project.root, **env)


def elsewhere(project: Project, root: Path) -> Project:
    """The same apps and the same state, worked on from another clone."""
    other = copy.copy(project)
    other.root = root
    (root / ".release").mkdir()
    for path in (project.root / ".release").iterdir():
        (root / ".release" / path.name).symlink_to(path)
    return other


@pytest.mark.slow
def test_a_command_works_from_a_folder_below(living: Project):
    ran = run((sys.executable, "-m", "invoke", "deploy", "--plan", "--json"), living.root / "app")
    assert (ran.code, ran.said["outcome"]) == (0, "succeeded"), ran.text


@pytest.mark.later
def test_a_detached_head_is_deployed_as_any_other(living: Project, tmp_path: Path):
    living.git("clone", "-q", str(living.root), str(tmp_path / "clone"))
    other = elsewhere(living, tmp_path / "clone")
    other.git("checkout", "-q", "--detach", living.first)
    assert "already runs" in other.json("deploy", "--plan")["line"]


def test_a_shallow_clone_is_deployed_as_any_other(living: Project, tmp_path: Path):
    living.git("clone", "-q", "--depth=1", f"file://{living.root}", str(tmp_path / "clone"))
    other = elsewhere(living, tmp_path / "clone")
    assert other.json("deploy", "--plan")["outcome"] == "succeeded"
    said = other.json("deploy", "--commit", living.first, code=2)
    assert said["line"] == f"commit '{living.first}' is unknown here: check it, or git fetch --unshallow"


def test_an_ambiguous_commit_is_not_guessed(living: Project, tmp_path: Path):
    living.git("clone", "-q", str(living.root), str(tmp_path / "clone"))
    other = elsewhere(living, tmp_path / "clone")
    tree = other.git("rev-parse", "HEAD^{tree}")
    seen: dict[str, str] = {}
    for number in range(5000):  # 4 hex digits: two of a few hundred commits begin alike
        sha = other.git("commit-tree", tree, "-m", str(number))
        if sha[:4] in seen:
            break
        seen[sha[:4]] = sha
    said = other.json("deploy", "--commit", sha[:4], code=2)
    assert said["line"] == f"commit '{sha[:4]}' is ambiguous, 2 commits begin with it: give more characters"


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INVOKE_RUN_ECHO", "1"),
        ("INVOKE_TASKS_DEDUPE", "0"),
        ("INVOKE_RUN_SHELL", "/nope"),
        ("INVOKE_RUN_DRY", "1"),
    ],
)
def test_no_setting_of_invoke_opens_production(living: Project, name: str, value: str):
    before = living.calls("prod")
    ran = invoke(living, "deploy", "--env=prod", "--json", **{name: value})
    assert (ran.code, ran.said["outcome"]) == (2, "refused"), ran.text
    assert living.calls("prod") == before
    with file(".env", f"{name}={value}\nINVOKE_TASKS_DEDUPE=0\n".encode())(living):
        assert invoke(living, "deploy", "--env=prod", "--json").said["outcome"] == "refused"


def test_a_server_that_was_killed_is_one_line(tmp_path: Path):
    project = Project(tmp_path / "project", tmp_path / "sandbox")
    try:
        here = control.find(project.sandbox)
        assert here is not None
        os.kill(here.pid, signal.SIGKILL)
        os.waitpid(here.pid, 0)
        said = project.json("deploy", code=2)
        assert said["line"] == "the sandbox is not up: run `invoke sandbox.up`"
        assert project.kinds() == []
        status = project.json("status", code=1)
        assert [row["state"] for row in status["details"]["environments"]] == ["unknown", "unknown"]
        assert (
            project.json("sandbox.status", code=1)["line"]
            == "the sandbox is not running: run `invoke sandbox.up`"
        )
        assert project.json("sandbox.up")["outcome"] == "succeeded"  # and its state survived
    finally:
        control.down(project.sandbox)


def test_a_taken_port_is_one_line(living: Project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {"ROADWORTHY_STATE": ".release/second"}
        said = living.json("sandbox.up", f"--port={port}", env=env, code=2)
    assert str(port) in said["line"] and "Traceback" not in said["line"]
    assert control.find(living.root / ".release" / "second" / "sandbox") is None


def on_a_full_disk(place: Path, words: tuple[str, ...], **env: str) -> Ran:
    """The command, with a full file system at `place` that holds what `place` held.

    Where an ordinary user may mount nothing, files have a limit instead, which fails as a full disk does.
    """
    copy = f"cp -a {place} {place}.copy; mount -t tmpfs -o size=64k full {place}; mv {place}.copy/* {place}"
    fill = f"rm -rf {place}.copy; cat /dev/zero >{place}/.0123456789abcdef.part"
    spaces = ("unshare", "-Urm", "sh", "-c")
    if run((*spaces, "true"), place).code:
        return run(("prlimit", "--fsize=600", *words), place, **env)
    return run((*spaces, f'({copy}; {fill}) 2>/dev/null; exec "$@"', "sh", *words), place, **env)


FULL = "(No space left on device|File too large)"


def test_a_full_disk_under_the_evidence_folder_is_one_line(living: Project, tmp_path: Path):
    (tmp_path / "evidence").mkdir()
    words = (sys.executable, "-m", "invoke", f"--search-root={living.root}", "smoke", "--json")
    ran = on_a_full_disk(tmp_path / "evidence", words, EVIDENCE_DIR=str(tmp_path / "evidence"))
    assert ran.code == 2, ran.text
    assert re.search(rf"smoke_.*\.json cannot be written in evidence/: {FULL}", ran.said["line"])
    assert list((tmp_path / "evidence").iterdir()) == []


def test_a_full_disk_under_the_journal_stops_a_deploy_before_it_began(living: Project):
    before = living.kinds(), living.releases(), living.runs()
    journal = living.root / ".release" / "journal" / "sandbox" / "staging"
    words = (sys.executable, "-m", "invoke", f"--search-root={living.root}", "deploy", "--json")
    ran = on_a_full_disk(journal, words)
    assert ran.code == 1, ran.text
    assert re.search(f"cannot write .*: {FULL}$", ran.said["line"])
    assert (living.kinds(), living.releases(), living.runs()) == before


def test_a_link_in_place_of_the_certificate_is_not_written_through(living: Project, tmp_path: Path):
    certificate = living.root / ".release" / f"{living.staging}_certified"
    before, target = certificate.read_bytes(), tmp_path / "target"
    target.write_text("mine")
    certificate.unlink()
    certificate.symlink_to(target)
    ran = living.invoke("certify", "--json")
    certificate.unlink()
    certificate.write_bytes(before)
    assert ran.code in (1, 2), ran.text
    assert "symbolic link" in ran.said["line"] + str(ran.said.get("reasons"))
    assert target.read_text() == "mine"


def test_a_private_key_does_not_go_into_the_project(living: Project):
    said = invoke(living, "evidence.keys", "--folder=.", "--json").said
    assert said["code"] == 2 and said["line"].startswith("a private key must not be in the project")
    assert not (living.root / "release").exists()


NEEDED = {"evidence.revoke": ("release.pub", "--why=lost")}  # words that are asked for first


def tasks_of(collection: Collection) -> list[str]:
    return sorted(collection.task_names)


@pytest.mark.parametrize("task", tasks_of(mount(Path(__file__).parents[2])))
def test_every_command_tells_an_error_as_one_json_object(living: Project, task: str):
    with file("release.toml", b"schema = 2\n")(living):
        # A state of its own: what needs no configuration, such as sandbox.down, would else do its work.
        words = (task, *NEEDED.get(task, ()), "--json")
        ran = living.invoke(*words, env={"ROADWORTHY_STATE": ".release/none"})
    assert ran.code == 2, ran.text
    assert ran.said["outcome"] == "failed" and ran.said["code"] == 2
    assert ran.said["line"].startswith("release.toml:1: ")


def broken(*_: object, **__: object) -> None:
    local = SECRET
    raise RuntimeError(f"it holds {local}")


def test_an_error_nobody_thought_of_is_one_line_without_its_text(
    living: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(release, "read_facts", broken)
    before = living.kinds()
    ran = living.invoke("deploy", "--json")
    assert (ran.code, ran.said["code"], ran.said["outcome"]) == (1, 1, "failed")
    assert ran.said["line"].startswith("internal error: RuntimeError at test_surroundings.py:")
    assert "Traceback" not in ran.text and SECRET not in ran.text
    assert living.kinds() == before
    seen = living.invoke("deploy", env={"ROADWORTHY_DEBUG": "1"})
    assert "Traceback" in seen.err and seen.code == 1


def test_after_the_start_such_an_error_leaves_the_outcome_unknown(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    from roadworthy.actions import deploy

    project.json("test")
    with monkeypatch.context() as patch:
        patch.setattr(deploy, "ACTION", replace(deploy.ACTION, confirm=broken))
        ran = project.invoke("deploy", "--json")
    assert (ran.code, ran.said["outcome"]) == (4, "unknown")
    assert "is unknown: RuntimeError. Run `invoke reconcile --env staging`" in ran.said["line"]
    assert SECRET not in ran.text and "Traceback" not in ran.text
    assert project.kinds() == ["start deploy"]


def test_invoke_itself_passes_our_codes_on(living: Project):
    for words, code in (
        (("deplyo",), 2),
        (("deploy", "--env=nope"), 2),
        (("history", "--limit=x"), 2),
        (("--list",), 0),
    ):
        ran = invoke(living, *words)
        assert ran.code == code, ran.text
        assert "Traceback" not in ran.text
        if code:
            assert len([line for line in ran.text.splitlines() if line]) == 1, ran.text
    with contextlib.suppress(json.JSONDecodeError):
        assert json.loads(invoke(living, "deplyo", "--json").out)["code"] == 2
