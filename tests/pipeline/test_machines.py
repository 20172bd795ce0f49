"""Each stage as a job on a machine of its own: what goes from one to the next is the journal and its store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from road.project import KEYS, Project, ended

from roadworthy.journal.entry import Entry, Record

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

Machine = Callable[[], Project]


def package(project: Project, commit: str) -> list[Entry]:
    return project.entries(f"package-{commit}")


def kinds(project: Project, commit: str) -> list[str]:
    return project.kinds(f"package-{commit}")


def files(project: Project) -> list[str]:
    return sorted(path.name for path in (project.root / ".artifacts").rglob("*.json"))


def through_staging(machine: Machine) -> None:
    """Deploy, migrate, complete and certify on staging, each elsewhere."""
    for words in ("intake", "build", "test", "accept", "release", "deploy", "migrate", "complete", "certify"):
        machine().json(words)


def test_each_stage_is_a_job_on_a_machine_of_its_own(project: Project, machine: Machine):
    commit = project.first
    through_staging(machine)
    machine().json("accept", "--env", "prod")
    machine().json("deploy", "--env", "prod", env=KEYS)
    machine().json("migrate", "--env", "prod", "--approval", "WO-17", env=KEYS)
    machine().json("complete", "--env", "prod", env=KEYS)
    last = machine()
    assert last.json("decide", "--env", "prod")["line"].startswith(f"YES: {commit[:12]}")
    assert files(last) == ["decision.json", "result.json", "result.json", "timing.json"]
    assert project.runs("prod") == commit
    digests = {e.record.digest for e in package(project, commit) if e.record.digest}
    assert len(digests) == 1
    assert digests == {e.record.digest for e in project.entries("prod") if e.record.kind == "end"}


def test_acceptance_takes_the_bytes_from_the_store_and_never_builds(project: Project, machine: Machine):
    machine().json("intake")
    built = machine().json("build")["details"]
    third = machine()
    third.json("test")
    kept = third.root / ".release" / "packages" / f"{project.first}.tgz"
    assert kept.is_file()
    kept.unlink()  # and its description with it: nothing of the package is here
    kept.with_suffix(".json").unlink()
    (project.root / ".release/journal/packages" / built["digest"]).unlink()
    assert "it is lost" in third.json("accept", code=2)["line"]
    assert not kept.exists()
    assert kinds(project, project.first)[-1] == "end test"


def test_bytes_that_changed_in_the_store_are_refused_before_they_run(project: Project, machine: Machine):
    machine().json("intake")
    digest = machine().json("build")["details"]["digest"]
    stored = project.root / ".release/journal/packages" / digest
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(data)
    for stage in ("test", "accept", "deploy"):
        said = machine().json(stage, code=2)
        assert "other bytes in the store" in said["line"], stage
    assert project.calls() == []
    assert kinds(project, project.first)[-1] == "end build"


def test_a_replay_on_a_fresh_machine_builds_nothing(project: Project, machine: Machine):
    through_staging(machine)
    before = len(package(project, project.first))
    fresh = machine()
    said = fresh.json("replay", "--sha", project.first)
    assert next(row["stage"] for row in said["details"]["stages"]) == "build"
    acted = [e.record.action for e in package(project, project.first)[before:]]
    assert acted == ["accept", "accept"]  # a start and an end
    decision = json.loads((fresh.root / f".artifacts/release/{project.first}/decision.json").read_text())
    assert (decision["releaseable"], decision["headSha"]) == (True, project.first)


def test_an_older_commit_is_replayed_to_staging_and_then_to_production(project: Project, machine: Machine):
    through_staging(machine)
    second = project.commit("Second")
    assert project.json("ship")["outcome"] == "succeeded"
    assert project.runs() == second
    fresh = machine()
    fresh.json("replay", "--sha", project.first)
    fresh.json("certify")
    said = machine().json("replay", "--env", "prod", "--sha", project.first, "--approval", "WO-17", env=KEYS)
    assert said["line"].startswith(f"replayed {project.first[:12]}")
    assert (project.runs(), project.runs("prod")) == (project.first, project.first)
    for env in ("staging", "prod"):
        other = machine()
        other.json("decide", "--env", env, "--commit", project.first)
        decision = json.loads((other.root / f".artifacts/release/{project.first}/decision.json").read_text())
        assert (decision["replayMode"], decision["commitStage"]) == (True, "REPLAY"), env


def test_what_was_never_built_or_never_released_is_not_replayed(project: Project, machine: Machine):
    other = machine()
    for stage, command in (("intake", "intake"), ("build", "build"), ("verification", "test")):
        said = machine().json("replay", "--sha", project.first, code=3)
        assert f"a replay builds nothing: {stage}: not reached" in said["line"]
        assert said["next"][0].startswith(f"invoke {command} ")
        other.json(command)
    assert project.calls() == []


STAGES = ("intake", "build", "test", "accept", "release")
TOO_EARLY = {"build": "INTAKE_MISSING", "accept": "BUILD_MISSING", "release": "ACCEPTANCE_MISSING"}


@pytest.mark.parametrize("left_out", ["intake", "build", "accept"])
def test_a_stage_left_out_stops_the_next_by_name(project: Project, machine: Machine, left_out: str):
    after = {"intake": "build", "build": "accept", "accept": "release"}[left_out]
    for stage in STAGES[: STAGES.index(left_out)]:
        machine().json(stage)
    assert TOO_EARLY[after] in machine().json(after, code=3)["line"]


def test_without_its_release_no_package_goes_to_production(project: Project, machine: Machine):
    project.json("ship")
    project.json("certify")
    second = project.commit("Second")
    for stage in ("intake", "build", "test", "accept", "deploy", "certify"):
        project.json(stage)
    said = machine().json("deploy", "--env", "prod", env=KEYS, code=3)
    assert said["line"] == "refused by package_is_released"
    assert "RELEASE_MISSING" in said["reasons"][0]
    project.json("release")
    assert project.runs("prod") == ""
    machine().json("deploy", "--env", "prod", env=KEYS)
    assert project.runs("prod") == second


def test_each_stage_twice_is_once(project: Project, machine: Machine):
    for stage in STAGES:
        machine().json(stage)
    before = kinds(project, project.first)
    for stage in ("intake", "build", "accept", "release"):
        assert "already" in machine().json(stage)["line"], stage
    assert kinds(project, project.first) == before


@pytest.mark.parametrize("stage", ["intake", "build", "test", "accept", "release"])
def test_two_machines_at_once_do_each_stage_once_or_one_is_held(
    project: Project, machine: Machine, stage: str
):
    for before in STAGES[: STAGES.index(stage)]:
        project.json(before)
    both = [one.start(stage, "--json") for one in (machine(), machine())]

    codes = sorted(ended(process).code for process in both)
    assert codes in ([0, 0], [0, 5])
    entries = package(project, project.first)
    opened = 0
    for entry in entries:  # never two at once
        opened += {"start": 1, "note": 0}.get(entry.record.kind, -1)
        assert opened in (0, 1)
    assert opened == 0
    assert project.json(stage)["outcome"] == "succeeded"


ELSEWHERE = {"user": "ci", "host": "runner-7", "boot_id": "b", "pid_namespace": "n", "pid": 7, "started": 7}


def held_elsewhere(project: Project, commit: str, action: str, stage: str, digest: str = "") -> Any:
    """Another machine has begun an action on this package and is heard of no more."""
    place = f"package-{commit}"
    subject = f"slug:{commit}" if digest else "none"
    record = Record("start", stage, action, place, "sandbox", subject, digest, {"actor": ELSEWHERE})
    return project.log(place).append(record)


def test_a_package_that_a_lost_machine_holds_is_given_up_by_a_person(project: Project, machine: Machine):
    project.json("intake")
    start = held_elsewhere(project, project.first, "build", "build")
    said = machine().json("build", code=5)["line"]
    assert f"invoke lock.unlock --commit {project.first} --token {start.seq} --reason" in said
    assert "runner-7" in machine().json("lock.status", "--commit", project.first)["line"]
    unlock = ("lock.unlock", "--commit", project.first, "--token")
    assert "does not hold" in project.json(*unlock, "1", "--reason", "x", code=2)["line"]
    line = project.json(*unlock, str(start.seq), "--reason", "the runner was destroyed")["line"]
    assert line.endswith("run its command again")
    assert "is not locked" in project.json("lock.status", "--commit", project.first)["line"]
    project.json("build")
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def test_a_stage_that_fails_on_one_machine_is_free_for_the_next(
    project: Project, machine: Machine, tmp_path: Path
):
    """Its runner is gone, so nobody could see whether it is dead: it must have given the package up itself."""
    machine().json("intake")
    broken = machine()
    (broken.root / ".release" / "packages").write_text("a file where the folder belongs")
    assert "cannot be kept" in broken.json("build", code=2)["line"]
    assert kinds(project, project.first)[-2:] == ["start build", "abandon build"]
    assert "UsageError" in package(project, project.first)[-1].record.details["reason"]
    machine().json("build")


def test_a_no_that_comes_while_a_release_begins_takes_it_away(project: Project, monkeypatch):
    """Another machine's acceptance says NO after the release has read its YES: the release is not written."""
    for stage in ("intake", "build", "test", "accept"):
        project.json(stage)
    from roadworthy.facts import package as packages

    really = packages.recorded
    digest = package(project, project.first)[-1].record.digest

    def says_no(*given: Any) -> Any:
        start = held_elsewhere(project, project.first, "accept", "verification", digest)
        place, subject = f"package-{project.first}", f"slug:{project.first}"
        failed = {"settles": start.seq, "decision": "NO"}
        record = Record("failed", "verification", "accept", place, "sandbox", subject, digest, failed)
        project.log(place).append(record)
        return really(*given)

    monkeypatch.setattr(packages, "recorded", says_no)
    assert "ACCEPTANCE_DECISION_NOT_YES" in project.json("release", code=3)["line"]
    monkeypatch.undo()
    project.json("accept")
    project.json("release")
    assert "STAGES_OUT_OF_ORDER" not in project.json("decide", code=1)["line"]
