"""A call that a deploy makes can go wrong, and the deploy still ends in the truth, and soon.

Every call, at every place and in every way, is in test_every_call.py; here a few, quickly, and what stays wrong.
"""

import pytest

from road.project import Project, until

KINDS = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "rate_limit", "seconds": 1},
    "reset": {"kind": "reset"},
    "lost reply": {"kind": "reset", "after": True},
    "503 although done": {"kind": "status", "status": 503, "after": True},
    "hang": {"kind": "hang"},
    "truncated": {"kind": "truncate"},
}
pytestmark = pytest.mark.timeout(60)  # a deploy whose bounds do not hold would wait for minutes
NEVER_DONE = ("500", "503")  # of a release: nobody can tell that from a lost reply


def tokens(project: Project) -> list[str]:
    """The start that each of our releases on the platform carries."""
    said = (str(release["description"]) for release in project.releases())
    return [text.rpartition("(")[2] for text in said if "roadworthy" in text]


def truly(project: Project, commit: str) -> None:
    """The journal, the platform and the app agree that `commit` runs, and no start made two releases."""
    assert project.runs() == commit
    assert project.json("verify")["details"]["differences"] == []
    assert len(tokens(project)) == len(set(tokens(project)))


@pytest.mark.later(1)
@pytest.mark.parametrize("path", ["/releases", "/releases/[0-9]*"])
def test_a_read_that_goes_wrong_is_repeated_and_counted(project: Project, path):
    project.json("test")
    project.faults({**KINDS["truncated"], "method": "GET", "path": path})
    project.json("deploy")
    attempts = project.entries()[-1].record.details["attempts"]
    assert [a["n"] for a in attempts][:2] == [1, 2]
    truly(project, project.first)


@pytest.mark.later(1)
@pytest.mark.parametrize(("method", "path"), [("POST", "/slugs"), ("PUT", "/blobs/*")])
def test_an_upload_that_goes_wrong_is_repeated_because_it_changes_nothing(project: Project, method, path):
    project.json("test")
    project.faults({**KINDS["503"], "method": method, "path": path})
    project.json("deploy")
    attempts = project.entries()[-1].record.details["attempts"]
    assert [a["n"] for a in attempts] == [1, 2]
    truly(project, project.first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["500", "503", "lost reply"])
def test_a_release_is_asked_for_once_and_then_looked_for(project: Project, kind):
    project.json("test")
    project.faults({**KINDS[kind], "method": "POST", "path": "/releases"})
    deploy = project.process("deploy", "--json")
    asked = [c for c in project.calls() if (c["method"], c["path"][-9:]) == ("POST", "/releases")]
    if kind not in NEVER_DONE:
        assert deploy.said["code"] == 0
        assert len(asked) <= 2
        assert len(tokens(project)) == 1
        return truly(project, project.first)
    assert len(asked) == 1
    assert deploy.said["code"] == 4, deploy.text
    assert project.kinds() == ["start deploy", "note deploy"]
    assert "invoke reconcile" in project.json("deploy", code=4)["line"]
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.kinds() == ["start deploy", "note deploy", "failed deploy"]
    project.json("deploy")
    return truly(project, project.first)


def test_an_upload_that_never_works_failed_and_changed_nothing(project: Project):
    project.deployed()
    project.commit("Second")
    project.json("test")
    project.faults({**KINDS["503"], "method": "POST", "path": "/slugs", "count": 99})
    said = project.json("deploy", code=1)
    assert "nothing was released" in said["reasons"][0]
    assert said["line"].endswith("nothing was changed")
    assert project.kinds()[-2:] == ["start deploy", "failed deploy"]
    assert [a["n"] for a in project.entries()[-1].record.details["attempts"]] == [1, 2, 3]
    truly(project, project.first)


def test_a_platform_that_asks_for_patience_beyond_the_bound_is_not_waited_for(project: Project):
    project.json("test")
    project.faults({"kind": "rate_limit", "seconds": 3600, "method": "POST", "path": "/releases"})
    said = project.json("deploy", code=1)
    assert "429" in said["reasons"][0]
    assert project.kinds() == ["start deploy", "failed deploy"]
    assert tokens(project) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/formation", pytest.param("/releases/[0-9]*", marks=pytest.mark.slow)])
def test_a_platform_that_cannot_be_seen_after_the_release_is_unknown_and_then_reconciled(
    project: Project, path
):
    project.json("test")
    project.faults({**KINDS["503"], "method": "GET", "path": path, "count": 99})
    deploy = project.process("deploy", "--json")
    assert deploy.said["code"] == 4, deploy.text
    project.faults()
    project.json("reconcile")
    assert project.kinds() == ["start deploy", "note deploy", "end deploy"]
    truly(project, project.first)


@pytest.mark.slow
def test_a_lost_reply_that_cannot_be_looked_up_is_unknown_not_failed(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 1, "method": "POST", "path": "/slugs"})
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    project.faults(
        {**KINDS["lost reply"], "method": "POST", "path": "/releases"},
        {**KINDS["503"], "method": "GET", "path": "/releases", "count": 99},
    )
    out, err = deploy.communicate()
    assert deploy.returncode == 4, out + err
    project.faults()
    assert project.kinds() == ["start deploy", "note deploy"]
    project.json("reconcile")
    truly(project, project.first)


def test_an_api_that_is_away_ends_the_command_before_anything_is_written(project: Project):
    project.json("test")
    project.faults({**KINDS["503"], "method": "GET", "path": "", "count": 99})
    said = project.json("deploy", code=1)
    assert "503" in said["line"]
    assert "\n" not in said["line"]
    assert project.entries() == []
