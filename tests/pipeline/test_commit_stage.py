"""The commit stage: which run tested the commit and what came of it, beside the acceptance; no YES without it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from facts.answering import Answers
from road.project import Project

from pipeline.green import ENV, TESTED, read_from, says

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

FIELDS = {"id", "runNumber", "htmlUrl", "event", "headBranch", "status", "conclusion", "updatedAt"}


@pytest.fixture(scope="module")
def github() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.close()


def evidence(project: Project, commit: str) -> dict[str, Any]:
    """The file, which the newest entry of the acceptance must hold, too."""
    data = (project.root / f".artifacts/commit-stage/{commit}/evidence.json").read_bytes()
    held = {item.name: item.sha256 for item in project.entries(f"package-{commit}")[-1].record.evidence}
    assert held["commit-stage.json"] == hashlib.sha256(data).hexdigest()
    found: dict[str, Any] = json.loads(data)
    assert found["commitStageRun"] is None or set(found["commitStageRun"]) == FIELDS
    return found


def result(project: Project, commit: str) -> dict[str, Any]:
    """The commit stage's result, which the newest entry of the acceptance must hold, too."""
    data = (project.root / f".artifacts/commit-stage/{commit}/result.json").read_bytes()
    held = {item.name: item.sha256 for item in project.entries(f"package-{commit}")[-1].record.evidence}
    assert held["commit-stage-result.json"] == hashlib.sha256(data).hexdigest()
    found: dict[str, Any] = json.loads(data)
    assert (found["headSha"], found["pass"]) == (commit, not found["reasonCodes"])
    return found


def built(project: Project, env: dict[str, str] | None = None) -> None:
    project.json("intake")
    project.json("build", env=env)


def manifest(project: Project, commit: str) -> bytes:
    return (project.root / f".artifacts/release-package/{commit}/manifest.json").read_bytes()


def run_in_manifest(project: Project, commit: str) -> str:
    """The run of the commit stage that the package's manifest names."""
    return str(json.loads(manifest(project, commit))["commitStageRunId"])


def test_this_repositorys_own_signed_test_run_is_the_commit_stage(project: Project) -> None:
    built(project)
    project.json("test")
    (ended,) = [e for e in project.entries(f"package-{project.first}") if e.record.action == "test"][1:]
    project.json("accept")
    said = evidence(project, project.first)
    assert (said["pass"], said["reasons"]) == (True, [])
    assert (said["headSha"], said["testedSha"], said["workflowFile"]) == (project.first, project.first, None)
    assert said["journalEntrySha256"] == ended.sha256
    assert said["commitStageRun"] == {
        "id": f"package-{project.first}#{ended.seq}",
        "runNumber": ended.seq,
        "htmlUrl": None,
        "event": "invoke test",
        "headBranch": None,
        "status": "completed",
        "conclusion": "success",
        "updatedAt": ended.at,
    }
    came = result(project, project.first)
    began = next(
        e for e in project.entries(f"package-{project.first}") if e.seq == ended.record.details["settles"]
    )
    took = datetime.fromisoformat(ended.at) - datetime.fromisoformat(began.at)
    assert came["commitStageSlo"] == {
        "mode": "observe",
        "pass": True,
        "targetSeconds": 300,
        "observedSeconds": round(took.total_seconds(), 3),
    }
    assert [came[f"{part}Required"] for part in ("runtime", "desktop", "infra", "identity")] == [True] + [
        False
    ] * 3
    assert {name for name, how in came["checkResults"].items() if how == "success"} == {
        "determine-scope",
        "fast-feedback",
    }
    view = project.root / f".artifacts/commit-stage/{project.first}/result.json"
    before = view.read_bytes()
    view.write_bytes(before.replace(b"true", b"false"))
    project.json("accept")
    assert view.read_bytes() == before, "a view that was changed is what the journal holds again"


def test_without_a_test_run_the_decision_is_no_and_the_evidence_says_why(project: Project) -> None:
    built(project)
    refused = project.json("accept", code=1)
    assert refused["details"]["reason_codes"] == ["COMMIT_STAGE_FAILED"]
    said = evidence(project, project.first)
    assert (said["pass"], said["reasons"], said["commitStageRun"]) == (False, ["missing"], None)
    came = result(project, project.first)
    assert came["reasonCodes"] == ["CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS"]
    assert (came["checkResults"]["fast-feedback"], came["commitStageSlo"]["observedSeconds"]) == (
        "missing",
        None,
    )


def test_an_own_test_run_is_in_the_manifest_only_where_it_came_before_the_build(project: Project) -> None:
    built(project)
    project.json("test")
    project.json("build")
    assert run_in_manifest(project, project.first) == "", "a manifest is never written again"
    second = project.commit("Second")
    project.json("test")
    built(project)
    project.json("accept")
    assert run_in_manifest(project, second) == evidence(project, second)["commitStageRun"]["id"]


@pytest.mark.parametrize("conclusion", ["success", "failure"])
@pytest.mark.parametrize("gate", ["commit", "pull-request"])
def test_the_manifest_names_the_run_of_githubs_check(
    project: Project, github: Answers, gate: str, conclusion: str
) -> None:
    commit = read_from(github, project, gate)
    says(github, commit, commit if gate == "commit" else TESTED, conclusion=conclusion)
    built(project, ENV)
    assert run_in_manifest(project, commit) == "42"
    project.json("accept", env=ENV, code=0 if conclusion == "success" else 1)
    assert evidence(project, commit)["commitStageRun"]["id"] == 42


def test_building_again_asks_github_nothing_and_leaves_the_manifest(
    project: Project, github: Answers
) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    built(project, ENV)
    before = manifest(project, commit)
    github.asked.clear()
    says(github, commit, commit, runs=0)
    (project.root / f".artifacts/release-package/{commit}/manifest.json").unlink()
    project.json("build", env=ENV)
    assert (manifest(project, commit), github.asked) == (before, [])


@pytest.mark.parametrize(
    ("env", "tested", "why"),
    [
        ({"GITHUB_TOKEN": ""}, "", "GITHUB_TOKEN is not set"),
        (ENV, "b" * 40, "GitHub answered 404"),
    ],
)
def test_a_github_that_cannot_be_asked_fails_no_build_and_is_asked_again_by_acceptance(
    project: Project, github: Answers, env: dict[str, str], tested: str, why: str
) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, tested or commit)
    project.json("intake")
    ran = project.invoke("build", env=env)
    assert (ran.code, run_in_manifest(project, commit)) == (0, ""), ran.text
    assert f"the manifest names no run of the commit stage: {why}" in " ".join(ran.text.split())
    project.json("accept", env=env, code=1)
    says(github, commit, commit)
    project.json("accept", env=ENV)
    assert evidence(project, commit)["commitStageRun"]["id"] == 42
    assert run_in_manifest(project, commit) == ""


@pytest.mark.parametrize("gate", ["commit", "pull-request"])
def test_githubs_check_and_its_run_are_the_commit_stage(project: Project, github: Answers, gate: str) -> None:
    commit = read_from(github, project, gate)
    tested = commit if gate == "commit" else TESTED
    says(github, commit, tested)
    built(project)
    assert project.json("accept", env=ENV)["details"]["decision"] == "YES"
    said = evidence(project, commit)
    assert (said["pass"], said["headSha"], said["testedSha"]) == (True, commit, tested)
    assert said["pullRequest"] == (None if gate == "commit" else 7)
    assert said["workflowFile"] == "commit-stage.yml"
    assert said["commitStageRun"] == {
        "id": 42,
        "runNumber": 17,
        "htmlUrl": "https://github.com/o/r/actions/runs/42",
        "event": "merge_group",
        "headBranch": "gh-readonly-queue/main/pr-7",
        "status": "completed",
        "conclusion": "success",
        "updatedAt": "2026-01-02T03:00:01Z",
    }
    assert result(project, commit)["commitStageSlo"]["observedSeconds"] == 301


def test_a_red_check_is_a_no_with_its_run(project: Project, github: Answers) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit, conclusion="failure")
    built(project)
    assert project.json("accept", env=ENV, code=1)["details"]["decision"] == "NO"
    said = evidence(project, commit)
    assert (said["pass"], said["reasons"]) == (False, ["failure"])
    assert said["commitStageRun"]["conclusion"] == "failure"
    assert result(project, commit)["checkResults"]["fast-feedback"] == "failure"


@pytest.mark.parametrize("gate", ["commit", "pull-request"])
def test_what_github_cannot_tell_is_a_no_with_its_reason(
    project: Project, github: Answers, gate: str
) -> None:
    commit = read_from(github, project, gate)
    says(github, commit if gate == "commit" else "b" * 40, commit, runs=2)
    built(project)
    refused = project.json("accept", env=ENV, code=1)
    assert refused["details"]["reason_codes"] == ["COMMIT_STAGE_FAILED"]
    said = evidence(project, commit)
    assert (said["pass"], said["commitStageRun"], said["testedSha"]) == (False, None, None)
    why = "GitHub names 2 workflow runs" if gate == "commit" else "GitHub answered 404"
    assert said["reasons"][0].startswith(why)
    assert any(why in reason for reason in refused["reasons"])


def test_without_a_token_nothing_is_assumed(project: Project, github: Answers) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    built(project)
    project.json("accept", env={"GITHUB_TOKEN": ""}, code=1)
    assert evidence(project, commit)["reasons"][0].startswith("GITHUB_TOKEN is not set")


def test_a_time_that_is_enforced_and_was_not_met_is_a_no(project: Project) -> None:
    project.change_config(('commit = "5m"', 'commit = "1ms"'))
    built(project)
    project.json("test")
    observed = project.git("rev-parse", "HEAD")
    assert project.json("accept")["details"]["decision"] == "YES"
    assert result(project, observed)["commitStageSlo"]["pass"] is False
    project.change_config(('mode = "observe"', 'mode = "enforce"'))
    enforced = project.git("rev-parse", "HEAD")
    built(project)
    project.json("test")
    refused = project.json("accept", code=1)
    assert refused["details"]["reason_codes"] == ["COMMIT_STAGE_FAILED"]
    assert "COMMIT_STAGE_SLO_NOT_MET" in refused["reasons"][0]
    came = result(project, enforced)
    assert (came["pass"], came["reasonCodes"]) == (False, ["COMMIT_STAGE_SLO_NOT_MET"])
    assert came["checkResults"]["fast-feedback"] == "success"
    project.json("release", code=3)
    codes = decided(project, enforced)["reasonCodes"]
    assert codes[:2] == ["COMMIT_STAGE_FAILED", "COMMIT_STAGE_SLO_NOT_MET"]


def test_an_enforced_time_that_github_does_not_tell_is_a_no(project: Project, github: Answers) -> None:
    project.change_config(('mode = "observe"', 'mode = "enforce"'))
    commit = read_from(github, project, "commit")
    says(github, commit, commit, started=None)
    built(project)
    project.json("accept", env=ENV, code=1)
    came = result(project, commit)
    assert came["reasonCodes"] == ["COMMIT_STAGE_SLO_NOT_MET"]
    assert (came["commitStageSlo"]["observedSeconds"], came["commitStageSlo"]["pass"]) == (None, None)


def test_a_green_commit_without_its_documentation_is_no_success(project: Project, github: Answers) -> None:
    project.deployed()
    read_from(github, project, "commit")
    commit = project.commit("Another rule", {"guards/another.py": "RULE = 1\n"})
    says(github, commit, commit)
    project.json("intake", code=1)
    codes = decided(project, commit, env=ENV)["reasonCodes"]
    assert codes[:2] == ["COMMIT_STAGE_FAILED", "DOCS_DRIFT_BLOCKING_NOT_PASS"]
    came = json.loads((project.root / f".artifacts/commit-stage/{commit}/result.json").read_text())
    assert (came["pass"], came["reasonCodes"]) == (False, ["DOCS_DRIFT_BLOCKING_NOT_PASS"])
    assert came["checkResults"]["fast-feedback"] == "success"


def decided(project: Project, commit: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The release decision on a commit that may not be released."""
    project.json("decide", "--commit", commit, env=env, code=1)
    found: dict[str, Any] = json.loads(
        (project.root / f".artifacts/release/{commit}/decision.json").read_text()
    )
    return found


def test_where_github_is_the_commit_stage_ship_runs_no_tests_of_its_own(
    project: Project, github: Answers
) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    project.json("ship", env=ENV)
    actions = [entry.record.action for entry in project.entries(f"package-{commit}")]
    assert "test" not in actions and "release" in actions
    decision, production = (
        json.loads((project.root / f".artifacts/{name}.json").read_text())
        for name in (f"release/{commit}/decision", f"production/{commit}/result")
    )
    assert (decision["releaseable"], decision["production"]) == (True, production["decision"])
    timing = json.loads((project.root / f".artifacts/pipeline/{commit}/timing.json").read_text())
    assert timing["metrics"]["commitStageSeconds"] is None, "it was no job of this run"
    assert timing["metrics"]["queueDelaySeconds"] is not None
