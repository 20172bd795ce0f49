"""Kill -9 between the effects of a release of two components: never a half of it that the journal calls whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from road.growing import add, agreed, audited, releases
from road.project import Project, Ran, ended, until

from roadworthy.sandbox import control

from .conftest import Tell
from .sampling import SEED, sampled
from .site import RUNNER, points_in

pytestmark = pytest.mark.matrix
APPS = ("staging", "staging worker")
ON_ONE_SITE = 16


def _run(project: Project, *words: str, at: str = "") -> Ran:
    environ = {**os.environ, "CRASH_AT": at, "CRASH_NOTES": str(project.root.parent / "notes")}
    return ended(
        subprocess.Popen(
            (sys.executable, str(RUNNER), *words, "--json"),
            cwd=project.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def _prepare(project: Project, action: str) -> tuple[str, str]:
    """The commit to deploy, and the one that runs in the end; of `sick` the second component dies."""
    runs = project.runs()
    commit = project.commit("Next", of="worker", **({"boot": "die"} if action == "sick" else {}))
    project.json("test")
    return commit, runs if action == "sick" else commit


def _resume(project: Project, action: str, wanted: str) -> None:
    said = until(lambda: (ran := project.invoke("reconcile", "--json")).code != 4 and ran, within=20)
    last = project.entries()[-1]
    running = [project.runs(app) for app in APPS]
    if said.code == 0 and last.record.kind == "end":
        assert len(set(running)) == 1, f"{running} was called whole"
    if "invoke rollback --env staging" in said.said["next"]:
        project.json("rollback")
    project.json("deploy", code=1 if action == "sick" else 0)
    assert [project.runs(app) for app in APPS] == [wanted, wanted]
    assert project.json("verify")["details"]["differences"] == []
    assert project.json("evidence.audit")["outcome"] == "succeeded"
    for app in APPS:
        told = [r["description"] for r in project.releases(app) if "roadworthy" in r["description"]]
        made = Counter(text.rpartition("(")[2] for text in told)
        assert all(number == 1 for number in made.values()), made


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("action", ["deploy", "sick"])
def test_a_release_of_two_components_that_was_killed_ends_in_the_truth(
    action: str, tmp_path: Path, tell: Tell
) -> None:
    found: list[str] = []
    left = ["until the first site tells"]
    kills = 0
    while left:
        folder = tmp_path / f"{len(left)}"
        folder.mkdir()
        control.up(folder / "platform", boot_timeout=5)
        try:
            project = Project(folder / "project", folder / "platform", ("worker",))
            project.deployed()
            if not found:
                _prepare(project, action)
                _run(project, "deploy")
                found = points_in(folder / "notes")
                left = sampled(found)
            for point in left[:ON_ONE_SITE]:
                _, wanted = _prepare(project, action)
                killed = _run(project, "deploy", at=point).code
                kills += killed == -signal.SIGKILL
                try:
                    _resume(project, action, wanted)
                except AssertionError as error:
                    raise AssertionError(f"{action} killed at {point}: {error}") from error
        finally:
            control.down(folder / "platform")
        left = left[ON_ONE_SITE:]
    tell(f"{action} of two components: {kills} kills at {len(found)} points (seed {SEED})")
    assert kills


def _back(project: Project, to: str) -> None:
    """Settle a rollback that was killed, and go back again once nothing is starting any more."""
    until(lambda: (ran := project.invoke("reconcile", "--json")).code != 4 and ran, within=20)

    def settled() -> bool:
        dynos = [d for app in APPS for d in project.api("GET", f"/apps/{project.app(app)}/dynos")]
        return all(dyno["state"] != "starting" for dyno in dynos)

    until(settled, within=10)
    project.json("rollback", "--to", to)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("worker", ["is there before and after", "is added"])
def test_a_rollback_of_components_that_was_killed_releases_each_once(
    worker: str, tmp_path: Path, tell: Tell
) -> None:
    added = worker == "is added"
    found: list[str] = []
    left = ["until the first site tells"]
    kills = 0
    while left:
        folder = tmp_path / f"{len(left)}"
        folder.mkdir()
        control.up(folder / "platform", boot_timeout=5)
        try:
            project = Project(folder / "project", folder / "platform", () if added else ("worker",))
            project.deployed()
            second = add(project) if added else project.commit("Second")
            project.deployed()
            if not found:
                _run(project, "rollback")
                found = points_in(folder / "notes")
                left = sampled(found)
            for point in left[:ON_ONE_SITE]:
                project.json("deploy", "--commit", second)
                before = releases(project, APPS)
                kills += _run(project, "rollback", at=point).code == -signal.SIGKILL
                _back(project, project.first)
                where = f"killed at {point}"
                assert [project.runs(app) for app in APPS] == [
                    project.first,
                    second if added else project.first,
                ], where
                made = [now - was for now, was in zip(releases(project, APPS), before, strict=True)]
                assert made == [1, int(not added)], where
                agreed(project)
                audited(project)
        finally:
            control.down(folder / "platform")
        left = left[ON_ONE_SITE:]
    tell(
        f"rollback of two components, the worker {worker}: {kills} kills at {len(found)} points (seed {SEED})"
    )
    assert kills
