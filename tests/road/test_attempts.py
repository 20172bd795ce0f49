"""What had to be tried again is in the evidence, however the action ends; and it never changes how it ends."""

import subprocess

import pytest

from road.project import REPOSITORY, Project, ended, until
from road.test_api_faults import KINDS, truly
from roadworthy.journal.log import Log

NOTHING_SEEN = (
    {**KINDS["503"], "method": "POST", "path": "/releases"},
    {**KINDS["503"], "method": "GET", "path": "/releases", "skip": 1, "count": 2},
)
"""The release is refused; the look afterwards meets two 503s, then finds nothing."""
AT_FIRST = (NOTHING_SEEN[0], {**NOTHING_SEEN[1], "skip": 4})
"""The same of a first deploy: where no journal is known yet, the platform is asked whether one was lost."""
ASKED_AGAIN = ["answered 503", "answered 503", "answered 503", "done"]


def audited(project: Project) -> None:
    """Both auditors find the journal whole."""
    project.json("evidence.audit")
    folder = project.root / ".release" / "journal" / "sandbox" / "staging"
    words = (REPOSITORY / "scripts/audit.sh", folder, "--trust", project.root / ".release/keys")
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def unknown(project: Project) -> None:
    project.json("test")
    project.faults(*AT_FIRST)
    deploy = ended(project.start("deploy", "--json"))
    assert deploy.code == 4, deploy.text
    assert project.armed() == []


def test_an_unknown_outcome_leaves_a_note_of_what_was_tried_again(project: Project):
    unknown(project)
    assert project.kinds() == ["start deploy", "note deploy"]
    start, note = project.entries()
    assert [a["result"] for a in note.record.details["attempts"]] == ASKED_AGAIN
    assert note.record.details["start"] == start.seq
    assert "POST /apps" in note.record.details["reason"]
    assert (note.record.digest, note.record.stage) == (start.record.digest, start.record.stage)
    audited(project)


@pytest.mark.later
def test_a_start_with_a_note_still_holds_and_is_reconciled(project: Project):
    unknown(project)
    assert ", token 1; to find out" in project.json("lock.status")["line"]
    assert "did not finish: its process is gone; to find out" in project.json("deploy", code=4)["line"]
    rows = project.json("history")["details"]["entries"]
    assert [(row["kind"], row["action"]) for row in rows] == [("note", "deploy"), ("start", "deploy")]
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.kinds() == ["start deploy", "note deploy", "failed deploy"]
    project.json("deploy")
    truly(project, project.first)
    audited(project)


@pytest.mark.later
def test_an_unknown_outcome_with_nothing_tried_again_leaves_no_note(project: Project):
    project.json("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    deploy = ended(project.start("deploy", "--json"))
    assert deploy.code == 4, deploy.text
    assert project.kinds() == ["start deploy"]


@pytest.mark.later(1)
@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt(), SystemError("odd")])
def test_a_note_that_cannot_be_written_changes_no_outcome(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    append, tried = Log.append, []

    def full(self, record, **rest):
        if record.kind == "note":
            tried.append(record)
            raise error
        return append(self, record, **rest)

    monkeypatch.setattr(Log, "append", full)
    project.json("test")
    project.faults(*NOTHING_SEEN)
    said = project.json("deploy", code=4)
    assert said["outcome"] == "unknown"
    assert "invoke reconcile --env staging" in said["line"]
    assert len(tried) == 1
    assert project.kinds() == ["start deploy"]


@pytest.mark.later
def test_an_outcome_that_cannot_be_written_leaves_its_attempts_in_a_note(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    append = Log.append

    def refusing(self, record, **rest):
        if record.kind == "end":
            raise OSError("the disk was full for a moment")
        return append(self, record, **rest)

    project.json("test")
    project.faults({**KINDS["503"], "method": "POST", "path": "/slugs"})
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", refusing)
        project.json("deploy", code=4)
    assert project.kinds() == ["start deploy", "note deploy"]
    assert [a["n"] for a in project.entries()[-1].record.details["attempts"]][:2] == [1, 2]
    audited(project)


@pytest.mark.later
def test_one_who_was_given_up_notes_what_was_tried_again(project: Project):
    project.json("test")
    project.faults(
        {**KINDS["503"], "method": "POST", "path": "/slugs"},
        {"kind": "delay", "seconds": 0.7, "method": "PUT", "path": "/blobs/*"},
    )
    deploy = project.start("deploy", "--json")
    until(lambda: [c["path"][-6:] for c in project.calls()].count("/slugs") == 2)
    said = project.json("lock.unlock", "--token", "1", "--reason", "it is taken for dead")
    ran = ended(deploy)
    if "settled by its own holder" in said["line"]:  # while the unlock waited for what was sent
        assert ran.code == 1, ran.text
        assert project.kinds() == ["start deploy", "failed deploy"]
    else:
        assert ran.code == 5, ran.text
        assert project.kinds() == ["start deploy", "abandon deploy", "note deploy"]
    assert [a["n"] for a in project.entries()[-1].record.details["attempts"]][:2] == [1, 2]
    audited(project)


def test_a_refusal_says_what_was_tried_again(project: Project):
    project.faults({**KINDS["503"], "method": "GET", "path": "/releases"})
    said = project.json("deploy", code=3)  # it was never tested
    assert said["outcome"] == "refused"
    assert project.kinds() == ["refused deploy"]
    results = [a["result"] for a in project.entries()[-1].record.details["attempts"]]
    assert results == ["answered 503", "done"]
    project.json("deploy", code=3)
    assert "attempts" not in project.entries()[-1].record.details
    audited(project)
