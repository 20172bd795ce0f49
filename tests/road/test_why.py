"""Why: what ran then, who sent it, why, and what was asked before; all from the journal."""

import itertools

import pytest

from road.project import KEYS, Project
from road.test_wait import give_up, hold


def test_it_names_what_runs_with_everything_that_stood_before_it(project: Project):
    project.deployed()
    said = project.json("why")["details"]
    start, end = project.entries()[-2:]
    assert (said["commit"], said["digest"], said["action"]) == (project.first, end.record.digest, "deploy")
    assert (said["started"], said["verified"]) == (start.at, end.at)
    assert (
        said["who"] == f"{start.record.details['actor']['user']} on {start.record.details['actor']['host']}"
    )
    assert said["tested"].startswith("success: ")
    assert {v["outcome"] for v in said["verdicts"]} == {"pass", "n/a"}
    assert {c["outcome"] for c in said["checks"]} == {"passed"}
    assert said["end"].endswith(f"/{end.seq:08d}.json")


def test_it_answers_for_a_moment_between_two_releases(project: Project):
    project.deployed()
    between = project.entries()[-1].at.replace("Z", "+00:00")
    project.commit("Second")
    project.deployed()
    assert project.json("why", "--at", between)["details"]["commit"] == project.first
    assert project.json("why")["details"]["from"] == project.first


@pytest.mark.later
def test_a_release_to_production_names_its_certificate(project: Project):
    project.released()
    project.deployed()
    project.json("certify")
    project.json("deploy", "--env=prod", "--why=because of the audit", "--change=WO-12", env=KEYS)
    said, status = project.json("why", "--env=prod")["details"], project.json("status")
    rows = {environment["environment"]: environment for environment in status["details"]["environments"]}
    told = [(row["stage"], row["state"], row["entry"]) for row in said["stages"]]
    assert told == [(row["stage"], row["state"], row["entry"]) for row in rows["prod"]["stages"]]
    passed = [row["stage"] for row in said["stages"] if row["state"] == "done"]
    assert passed == ["intake", "build", "verification", "release", "deploy"]
    times = [(row["began"], row["ended"]) for row in said["stages"] if row["state"] == "done"]
    assert all(began <= ended for began, ended in times)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(times))
    assert all(row["entry"] in project.invoke("why", "--env=prod").out for row in said["stages"])
    assert (said["change"], said["why"]) == ("WO-12", "because of the audit")
    assert said["certified"].startswith("staging #")


def completion(project: Project, *words: str) -> tuple[str, str]:
    (row,) = [row for row in project.json("why", *words)["details"]["stages"] if row["stage"] == "completion"]
    return row["state"], row["entry"]


def test_each_moment_has_the_completion_that_stood_then(project: Project):
    project.released()
    project.deployed()
    project.json("migrate")
    before = project.entries()[-1].at
    first = project.json("complete")["seq"]
    then = project.entries()[-1].at
    project.json("replay")
    ends = [e.seq for e in project.entries() if (e.record.kind, e.record.action) == ("end", "complete")]
    assert ends[0] == first
    assert completion(project, "--at", before) == ("not reached", "")
    assert completion(project, "--at", then) == ("done", f"staging #{first}")
    assert completion(project) == ("done", f"staging #{ends[1]}")


@pytest.mark.later
def test_an_action_that_was_open_at_a_moment_is_open_then(project: Project):
    project.json("ship")
    start = hold(project)
    give_up(project, start)
    then = project.entries()[start.seq - 1].at
    rows = project.json("why", "--at", then)["details"]["stages"]
    assert ("deploy", "open", f"staging #{start.seq}") in [
        (row["stage"], row["state"], row["entry"]) for row in rows
    ]


def test_before_anything_ran_and_for_no_time_at_all_it_says_so(untouched: Project):
    assert "nothing had been deployed" in untouched.json("why", "--at=2020-02-29", code=2)["line"]
    for wrong in ("2026-02-30", "yesterday", "2026-11-01T10:00:00", "2026-11-01\n"):
        assert "--at" in untouched.json("why", f"--at={wrong}", code=2)["line"]
