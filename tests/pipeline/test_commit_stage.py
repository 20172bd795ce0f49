"""Which run tested the commit: written beside the acceptance, and no YES without it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
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


def built(project: Project) -> None:
    project.json("intake")
    project.json("build")


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


def test_without_a_test_run_the_decision_is_no_and_the_evidence_says_why(project: Project) -> None:
    built(project)
    refused = project.json("accept", code=1)
    assert refused["details"]["reason_codes"] == ["COMMIT_STAGE_FAILED"]
    said = evidence(project, project.first)
    assert (said["pass"], said["reasons"], said["commitStageRun"]) == (False, ["missing"], None)


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


def test_a_red_check_is_a_no_with_its_run(project: Project, github: Answers) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit, conclusion="failure")
    built(project)
    assert project.json("accept", env=ENV, code=1)["details"]["decision"] == "NO"
    said = evidence(project, commit)
    assert (said["pass"], said["reasons"]) == (False, ["failure"])
    assert said["commitStageRun"]["conclusion"] == "failure"


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
