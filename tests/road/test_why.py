"""Why: what ran then, who sent it, why, and what was asked before; all from the journal."""

import itertools

from road.project import KEYS, Project


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


def test_a_release_to_production_names_its_certificate(project: Project):
    project.released()
    project.deployed()
    project.json("certify")
    project.json("deploy", "--env=prod", "--why=because of the audit", "--change=WO-12", env=KEYS)
    said = project.json("why", "--env=prod")["details"]
    named = [row["stage"] for row in said["stages"]]
    assert named == ["intake", "build", "verification", "release", "deploy", "post-deploy verification"]
    times = [(row["began"], row["ended"]) for row in said["stages"]]
    assert all(began <= ended for began, ended in times)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(times))
    assert all(row["entry"] in project.invoke("why", "--env=prod").out for row in said["stages"])
    assert (said["change"], said["why"]) == ("WO-12", "because of the audit")
    assert said["certified"].startswith("staging #")


def test_what_was_completed_twice_was_complete_the_first_time(project: Project):
    project.released()
    project.deployed()
    project.json("migrate")
    first = project.json("complete")["seq"]
    project.json("replay")
    (row,) = [row for row in project.json("why")["details"]["stages"] if row["stage"] == "completion"]
    assert row["entry"] == f"#{first}"


def test_before_anything_ran_and_for_no_time_at_all_it_says_so(untouched: Project):
    assert "nothing had been deployed" in untouched.json("why", "--at=2020-02-29", code=2)["line"]
    for wrong in ("2026-02-30", "yesterday", "2026-11-01T10:00:00", "2026-11-01\n"):
        assert "--at" in untouched.json("why", f"--at={wrong}", code=2)["line"]
