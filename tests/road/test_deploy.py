"""Deploy, end to end on the sandbox."""

from road.project import Project


def test_a_deploy_is_journalled_before_it_changes_anything_and_after_it_was_seen(project: Project):
    said = project.deployed()
    assert project.kinds() == ["start deploy", "end deploy"]
    start, end = project.entries()
    changes = [call for call in project.calls() if not call["path"].endswith("log-sessions")]
    assert [call["path"].rpartition("/")[2] for call in changes] == ["slugs", "releases"]
    assert start.at[:-1] < changes[0]["at"].removesuffix("+00:00") < changes[-1]["at"] < end.at
    assert project.runs() == project.first
    assert said["evidence"].endswith("00000002.json")
    assert end.record.details["settles"] == start.seq
    assert end.record.digest == start.record.digest == said["plan"]["package"]["digest"]


def test_what_already_runs_is_left_alone(project: Project):
    project.deployed()
    before = project.calls()
    said = project.json("deploy")
    assert "already runs" in said["line"]
    assert project.kinds() == ["start deploy", "end deploy"]
    assert project.calls() == before
