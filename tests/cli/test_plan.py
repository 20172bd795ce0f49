"""`--plan` changes nothing, anywhere: no file of the project, of HOME or of /tmp, no entry and no changing call."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.collection import Collection
from road.fixtures import living, platform
from road.project import KEYS, Project, Ran, migration

from roadworthy.tasks import mount

__all__ = ["platform"]

# What changes no environment, no journal, no registry and no key. It looks, and may leave a report of what it saw.
READS = {
    "status", "history", "why", "verify", "smoke", "decide", "guards.explain", "lock.status", "evidence.audit",
    "sandbox.status", "sandbox.logs", "sandbox.env", "parity.run", "parity.compare", "promote.policy",
    "promote.request",
}  # fmt: skip
ENGINE = '#!/bin/sh\ncase "$*" in *version*) echo 27.0.1;; *) echo "$@" >> "$0.ran";; esac\n'
WATCHED = ("root", "home", "tmp", "bin")


def names(collection: Collection) -> set[str]:
    """Every command, as a person types it."""
    return set(collection.task_names)


def snapshot(project: Project, places: list[Path]) -> dict[str, object]:
    """Every file below these places: its time, size and bytes; and the platform's changing calls."""
    seen: dict[str, object] = {}
    for place in places:
        for folder, folders, files in os.walk(place):
            for name in (*folders, *files):
                path = Path(folder, name)
                about = path.lstat()
                data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                seen[str(path)] = (about.st_mtime_ns, about.st_size, hashlib.sha256(data).hexdigest())
    # The sandbox's access log has every call that changes something, and it is ended with the module.
    seen["calls"] = (project.sandbox / "access.log").read_bytes()
    return seen


class Watched:
    """A project whose every command has a HOME and a /tmp of its own."""

    def __init__(self, project: Project, place: Path) -> None:
        self.project = project
        self.places = [project.root, *(place / name for name in WATCHED[1:])]
        for folder in self.places[1:]:
            folder.mkdir()
        engine = place / "bin" / "docker"
        engine.write_text(ENGINE)
        engine.chmod(0o755)
        self.environ = {
            **KEYS,
            "HOME": str(place / "home"),
            "XDG_STATE_HOME": str(place / "home" / "state"),
            "TMPDIR": str(place / "tmp"),
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DOCKERHUB_USERNAME": "me",
            "DOCKERHUB_TOKEN": "secret",
            "COLOUR": "red",
        }

    def plan(self, *words: str, alone: bool = False) -> Ran:
        """Run it with --plan, `alone` as a process of its own, and see that nothing is another afterwards."""
        before = snapshot(self.project, self.places)
        ran = (self.project.process if alone else self.project.invoke)(*words, "--plan", env=self.environ)
        after = snapshot(self.project, self.places)
        assert {
            k: (before.get(k), after.get(k))
            for k in before.keys() | after.keys()
            if before.get(k) != after.get(k)
        } == {}, ran.text
        assert "internal error" not in ran.text
        return ran


@pytest.fixture
def watched(tmp_path: Path, platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(
        sys, "dont_write_bytecode", True
    )  # the interpreter's own caches are no change of ours
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for made in living(tmp_path / "project", platform):
        yield Watched(made, tmp_path)


COMMANDS = {
    "intake": ("intake",),
    "build": ("build",),
    "test": ("test",),
    "accept": ("accept",),
    "release": ("release",),
    "deploy": ("deploy",),
    "migrate": ("migrate",),
    "rollback": ("rollback",),
    "config": ("config", "--set", "COLOUR"),
    "certify": ("certify",),
    "adopt": ("adopt", "--why", "it is ours"),
    "complete": ("complete",),
    "ship": ("ship", "--log"),
    "replay": ("replay",),
    "reconcile": ("reconcile",),
    "rehearse": ("rehearse",),
    "lock.unlock": ("lock.unlock", "--token", "1", "--reason", "it is dead"),
    "sandbox.up": ("sandbox.up",),
    "sandbox.down": ("sandbox.down",),
    "sandbox.faults": ("sandbox.faults", "--set", "none"),
    "evidence.keys": ("evidence.keys", "--name", "new"),
    "evidence.revoke": ("evidence.revoke", "new", "--why", "it was lost"),
    "guards.approve": ("guards.approve", "--why", "I read them"),
    "evidence.anchor": ("evidence.anchor",),
    "evidence.clock": ("evidence.clock", "--why", "it is set by GPS"),
    "evidence.accept-loss": ("evidence.accept-loss", "--why", "the bucket was emptied"),
    "evidence.export": ("evidence.export", "--release", "2", "--to", "export"),
    "parity.stamp": ("parity.stamp", "--update"),
    "parity.baseline": ("parity.baseline", "--version", "1.0.0"),
    "dockerhub.release": ("dockerhub.release", "--repository", "127.0.0.1:9/team/app"),
    "dockerhub.push": ("dockerhub.push", "--repository", "127.0.0.1:9/team/app"),
    "dockerhub.build": ("dockerhub.build", "--repository", "127.0.0.1:9/team/app"),
    "dockerhub.local": ("dockerhub.local",),
    "dockerhub.login": ("dockerhub.login", "--repository", "127.0.0.1:9/team/app"),
    "dockerhub.logout": ("dockerhub.logout", "--repository", "127.0.0.1:9/team/app"),
}


def test_every_command_that_changes_something_takes_plan_and_is_tried_here(tmp_path: Path) -> None:
    every = mount(tmp_path)
    assert names(every) == READS | COMMANDS.keys()
    for name in names(every):
        options = {argument.name for argument in every[name].get_arguments()}
        assert ("plan" in options) == (name in COMMANDS), name


def test_of_a_commit_that_is_not_built_nothing_is_built_or_written(watched: Watched) -> None:
    for name, words in COMMANDS.items():
        watched.plan(*words)
        assert not (watched.project.root / ".release" / "packages").exists(), name
    ran = watched.plan("deploy")
    assert ran.code == 2
    assert "is not built" in ran.text and "invoke build" in ran.text
    assert watched.plan("ship", alone=True).code == 0
    assert "would intake" in watched.plan("ship").text
    assert watched.project.json("deploy", code=3)["line"] == "refused by ci_is_green", (
        "without it, it is built"
    )
    assert "refused by ci_is_green" in watched.plan("deploy").text


@pytest.mark.later
def test_where_everything_was_done_nothing_is_written_either(watched: Watched) -> None:
    project = watched.project
    project.released()
    assert project.json("ship")["code"] == 0
    project.json("certify")
    first = project.first
    migrated = {"app/migrations/0002.py": migration("0002", "0001"), "docs/x.md": "x"}
    second = project.commit("Second", migrated)
    project.released()
    said = {name: watched.plan(*words) for name, words in COMMANDS.items()}
    assert {name for name, ran in said.items() if ran.code == 0} >= {
        "intake", "build", "accept", "release", "test", "deploy", "ship", "certify", "complete", "config",
        "migrate",
        "reconcile", "evidence.keys", "evidence.anchor", "evidence.export", "sandbox.up", "sandbox.down",
        "sandbox.faults", "rehearse", "dockerhub.local", "dockerhub.build", "dockerhub.login", "dockerhub.logout",
    }, {name: ran.text for name, ran in said.items() if ran.code}  # fmt: skip
    for name in ("deploy", "ship", "rehearse", "evidence.anchor", "dockerhub.local", "sandbox.down"):
        assert "nothing was changed" in said[name].text, said[name].text
    assert second[:12] in said["deploy"].text
    project.json("deploy")
    project.json("migrate")
    ran = watched.plan("rollback")
    assert (ran.code, first[:12] in ran.text) == (0, True), ran.text
    for name in ("replay", "lock.unlock", "adopt", "ship", "reconcile"):
        watched.plan(*COMMANDS[name])


def test_a_start_that_is_open_is_neither_settled_nor_given_up(watched: Watched) -> None:
    project = watched.project
    project.json("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    project.process("deploy")
    assert project.kinds() == ["start deploy"]
    assert "would look at staging" in watched.plan("reconcile").text
    assert "would abandon #1 of staging" in watched.plan(*COMMANDS["lock.unlock"]).text
    assert watched.plan("deploy", "--wait", "1s").code == 4
    assert project.kinds() == ["start deploy"]


def test_bytes_that_only_the_store_has_are_brought_by_the_command_and_not_by_its_plan(
    watched: Watched,
) -> None:
    project = watched.project
    project.released()
    project.json("deploy")
    project.commit("Second")
    project.released()
    project.json("deploy")
    packages = project.root / ".release" / "packages"
    for file in packages.glob("*.*"):
        file.unlink()
    for words in (
        ("rollback",),
        ("deploy", "--commit", project.first),
        ("accept",),
        ("replay", "--sha", project.first),
    ):
        watched.plan(*words)
        assert list(packages.glob("*.tgz")) == []
    project.json("rollback")
    assert project.runs() == project.first
