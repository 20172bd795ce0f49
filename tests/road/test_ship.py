"""Ship: every step in its order; the first that does not succeed ends it, and the log is kept."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from road.project import KEYS, Project
from roadworthy.decision.lines import LINES
from roadworthy.journal.entry import Entry


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("ship_*.log"))


def result_of(project: Project, start: Entry, end: Entry) -> Any:
    """The in-toto test result that the end of a test run attaches: about its package, and resting on its start."""
    assert [item.name for item in end.record.evidence] == ["test-output.txt", "test-result.json"]
    file = project.root / ".release/journal/evidence" / end.record.evidence[1].sha256
    statement = json.loads(file.read_bytes())
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": end.record.subject, "digest": {"sha256": end.record.digest}}]
    assert statement["predicate"]["configuration"][1]["digest"] == {"sha256": start.sha256}
    return statement["predicate"]


def test_a_ship_tests_builds_deploys_migrates_and_verifies(project: Project):
    ran = project.invoke("ship", "--log")
    assert ran.code == 0, ran.text
    acted = [f"{kind} {action}" for action in ("deploy", "migrate", "complete") for kind in ("start", "end")]
    assert project.kinds() == [*acted, "note ship"]
    assert (project.runs(), project.revision()) == (project.first, "0001")
    (log,) = logs(project.root / ".release" / "logs")
    noted = project.entries()[-1].record
    assert noted.details["log"]["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert noted.evidence[0].sha256 == noted.details["log"]["sha256"]
    assert f"shipped {project.first[:12]}" in log.read_text()
    assert f"shipped {project.first[:12]}" in ran.out.splitlines()[-1]
    tested = [e for e in project.log(f"package-{project.first}").entries() if e.record.action == "test"]
    assert result_of(project, *tested)["result"] == "PASSED"
    assert log.name.startswith(f"ship_{project.staging}_20")
    assert log.name.endswith("Z.log")


@pytest.mark.slow
def test_a_second_ship_of_the_same_commit_finds_everything_done(project: Project):
    project.json("ship")
    kinds, package = project.kinds(), f"package-{project.first}"
    before = project.kinds(package)
    stages = project.json("ship")["details"]["stages"]
    assert [row["outcome"] for row in stages] == ["succeeded"] * 8
    assert (project.kinds(), project.kinds(package)) == (kinds, before)


@pytest.mark.slow
def test_a_replay_of_what_runs_deploys_nothing_and_its_decision_says_that_it_is_one(project: Project):
    project.json("ship")
    kinds, calls, releases = project.kinds(), project.calls(), project.releases()

    def decision() -> tuple[bool, str]:
        file = project.root / f".artifacts/release/{project.first}/decision.json"
        said = json.loads(file.read_bytes())
        return said["replayMode"], said["commitStage"]

    assert decision() == (False, "YES")
    project.json("replay", "--sha", project.first)
    assert project.releases() == releases
    assert not [
        call for call in project.calls()[len(calls) :] if call["path"].endswith(("/slugs", "/releases"))
    ]
    assert project.kinds() == [*kinds, "start complete", "end complete"]
    for words in (), ("decide",), ("ship",):
        if words:
            project.json(*words)
        assert decision() == (True, "REPLAY"), words
    start, end = project.entries()[-2:]
    assert start.record.details["replay"] is True
    held = {item.name: item.sha256 for item in end.record.evidence}["decision.json"]
    assert json.loads(project.log().evidence(held))["replayMode"] is True


@pytest.mark.later
def test_a_ship_says_json_once(project: Project):
    said = project.json("ship", "--log")
    assert said["outcome"] == "succeeded"


def test_tests_that_fail_end_it_and_their_words_are_in_the_log(project: Project):
    project.change_config(('"python -S -c pass"', "\"sh -c 'echo two tests failed; exit 3'\""))
    ran = project.invoke("ship", "--log")
    assert ran.code == 1
    assert project.kinds() == ["note ship"]
    (log,) = logs(project.root / ".release" / "logs")
    assert f"the tests of {project.git('rev-parse', 'HEAD')[:12]} exited with 3" in log.read_text()
    assert re.search("verification +[0-9.]+ s +the tests of", log.read_text())
    assert "not reached" in log.read_text()
    assert project.calls() == []


@pytest.mark.later
def test_of_tests_that_never_stop_talking_the_last_words_are_kept(project: Project):
    project.change_config(('"python -S -c pass"', '"yes and on"'), ('oneoff = "5s"', 'oneoff = "500ms"'))
    assert "did not end within" in project.json("test", code=1)["line"]
    last = project.log(f"package-{project.git('rev-parse', 'HEAD')}").entries()[-1].record
    assert last.evidence[0].size == 1 << 20


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("command", "words"), [("no-such-program", "exited with 127"), ("sleep 60", "did not end within")]
)
def test_tests_that_do_not_start_or_end_are_failed_tests(project: Project, command, words):
    project.change_config(('"python -S -c pass"', f'"{command}"'), ('oneoff = "5s"', 'oneoff = "300ms"'))
    assert words in project.json("test", code=1)["line"]
    commit = project.git("rev-parse", "HEAD")
    start, last = project.log(f"package-{commit}").entries()
    assert (last.record.kind, last.record.details["ended"][:9]) == ("failed", words[:9])
    assert result_of(project, start, last)["result"] == "FAILED"
    assert "ci_is_green" in project.json("deploy", code=3)["line"]


def test_a_migration_that_fails_ends_it_with_the_log_kept(project: Project):
    project.mood(migrate_fails_at="0001")
    ran = project.invoke("ship", "--log")
    assert ran.code == 1
    assert project.kinds()[-2:] == ["failed migrate", "note ship"]
    (log,) = logs(project.root / ".release" / "logs")
    assert "no such column" in log.read_text()


def test_a_refusal_ends_it_with_its_own_exit_code(project: Project):
    (project.root / "app" / "web.py").write_text("changed")
    assert project.json("ship", code=3)["line"] == "refused by tree_is_clean"


def test_the_log_goes_to_evidence_dir(project: Project, tmp_path: Path):
    place = tmp_path / "evidence"
    assert project.invoke("ship", "--log", env={"EVIDENCE_DIR": str(place)}).code == 0
    assert len(logs(place)) == 1
    project.json("smoke", env={"EVIDENCE_DIR": str(place)})
    assert len(list(place.glob("smoke_*.json"))) == 1


def test_an_evidence_folder_that_cannot_be_written_stops_it_before_anything_is_done(
    project: Project, tmp_path
):
    (tmp_path / "file").write_text("")
    said = project.json("ship", "--log", env={"EVIDENCE_DIR": str(tmp_path / "file")}, code=2)
    assert "cannot be written" in said["line"]
    assert project.entries() == []
    assert project.calls() == []


@pytest.mark.slow
def test_an_unknown_outcome_ends_it_with_the_log_kept(project: Project):
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    ran = project.process("ship", "--log", "--json")
    assert ran.said["code"] == 4
    assert project.kinds() == ["start deploy", "note ship"]
    (log,) = logs(project.root / ".release" / "logs")
    assert "still pending" in log.read_text()


@pytest.mark.slow
def test_a_plan_shows_what_every_action_that_is_left_would_be_asked(project: Project):
    words = ("ship", "--env", "prod", "--plan")

    def plan(*more: str, code: int = 0) -> tuple[dict[str, dict[str, str]], dict]:
        said = project.json(*words, *more, env=KEYS, code=code)
        plans = {
            one["action"]: {v["guard"]: v["outcome"] for v in one["verdicts"]}
            for one in said["details"]["plans"]
        }
        return plans, said

    plans, said = plan()
    assert (plans, said["details"]["left"]) == ({}, list(LINES))
    assert said["details"]["unknown"].startswith("deploy, migrate, complete: not known before build: ")
    project.json("intake", "--env", "prod")
    project.json("build", "--env", "prod")
    plans, said = plan(code=3)
    assert plans["deploy"]["package_is_released"] == plans["deploy"]["ci_is_green"] == "not asked"
    assert said["line"] == (
        "would be refused by staging_is_certified, migration_is_approved; nothing was changed"
    )
    project.json("ship")
    project.json("certify")
    plans, said = plan(code=3)
    assert list(plans) == ["deploy", "migrate", "complete"]
    assert (plans["migrate"]["migration_is_approved"], plans["complete"]["package_is_running"]) == (
        "refuse",
        "pass",
    )
    assert said["next"][0].endswith(f"invoke ship --env prod --commit {project.first} --approval REF")
    plans, said = plan("--approval", "CR-1")
    assert "refuse" not in {outcome for one in plans.values() for outcome in one.values()}
    assert said["line"] == f"would deploy {project.first[:12]}, and the stages after it; nothing was changed"
    assert project.kinds("prod") == []
    project.json("ship", "--env", "prod", "--approval", "CR-1", env=KEYS)
    assert plan()[1]["line"].startswith("would leave as it is what is complete: ")
