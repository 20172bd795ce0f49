"""A journal that was emptied, cut off, put back or is another one: every command says so, and none writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from road.project import Project

KNOWN_FROM = {
    "memory": "this machine has read it",
    "tags": "the tag roadworthy/sandbox/staging/4 anchors it",
    "platform": "carries its token",
}
COMMANDS = (
    ("status",),
    ("history",),
    ("why",),
    ("verify",),
    ("deploy",),
    ("deploy", "--plan"),
    ("ship",),
    ("rollback",),
    ("adopt", "--why", "it is ours"),
    ("migrate",),
    ("config", "--set", "COLOUR"),
    ("certify",),
    ("reconcile",),
    ("decide",),
    ("test",),
    ("evidence.anchor",),
    ("evidence.clock", "--why", "it is right"),
    ("evidence.audit",),
)


def files(project: Project) -> dict[str, bytes]:
    folder = project.root / ".release/journal"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def spoiled(project: Project, how: str, old: Path) -> None:
    """Do to the journal of staging what somebody did to the bucket. It had four entries; two releases."""
    journal = project.root / ".release/journal"
    place = journal / "sandbox/staging"
    if how == "emptied":
        shutil.rmtree(journal)
    elif how == "cut off":
        for seq in (2, 3, 4):
            (place / f"{seq:08d}.json").unlink()
    elif how == "an old copy":
        shutil.rmtree(journal)
        shutil.copytree(old, journal)
    elif how == "another store":
        release = project.root / "release.toml"
        release.write_text(release.read_text())
        (journal / "sandbox").rename(journal / "moved")


def walk(project: Project, how: str, source: str, tmp_path: Path) -> None:
    """Each command names the loss, twice, and what there is stays as it is."""
    state = str(tmp_path / source)
    env = {"COLOUR": "red", **({} if source == "memory" else {"XDG_STATE_HOME": state})}
    there = files(project)
    for words in (*COMMANDS, *COMMANDS[:3]):
        ran = project.invoke(*words, env=env)
        assert ran.code == 1, (how, source, ran)
        upto = 3 if source == "platform" else 4
        assert f"the journal sandbox/staging lost entries up to #{upto}: " in ran.text, (how, source, ran)
        assert KNOWN_FROM[source] in ran.text and "docs/runbooks/lost-journal.md" in ran.text, (
            how,
            source,
            ran,
        )
        assert "invoke adopt" not in ran.text, (how, source, ran)
        left = {name for name in files(project) if not name.startswith("beats/")}
        assert left == {name for name in there if not name.startswith("beats/")}, (how, source, ran)
        shutil.rmtree(
            state, ignore_errors=True
        )  # what a fresh clone learns from a spoiled journal is not asked


@pytest.fixture
def twice(project: Project, tmp_path: Path) -> Project:
    """Two releases on staging, the third tested; `old` is the journal as it was after the first one."""
    project.deployed()
    shutil.copytree(project.root / ".release/journal", tmp_path / "old")
    project.commit("Second")
    project.deployed()
    project.commit("Third")
    project.json("test")
    return project


def test_a_fresh_clone_sees_by_the_platform_that_the_journal_was_emptied(
    twice: Project, tmp_path: Path
) -> None:
    """The way on: nothing but a signed act begins anew, and it is shown for ever."""
    commit = twice.git("rev-parse", "HEAD~1")
    spoiled(twice, "emptied", tmp_path / "old")
    walk(twice, "emptied", "platform", tmp_path)
    env = {"XDG_STATE_HOME": str(tmp_path / "fresh")}
    why = "the bucket was emptied, INC-9"
    assert "--why is missing" in twice.json("evidence.accept-loss", env=env, code=2)["line"]
    planned = twice.json("evidence.accept-loss", "--why", why, "--plan", env=env)["line"]
    assert "would accept the loss of entries of sandbox/staging up to #3, and continue it at #1001" in planned
    assert files(twice) == {}
    assert twice.json("evidence.accept-loss", "--why", why, env=env)["seq"] == 1
    again = twice.json("evidence.accept-loss", "--why", why, env=env)
    assert again["line"].startswith("nothing to accept: sandbox/staging has all")
    assert len(twice.entries()) == 1
    # This machine remembers entry 4, which is among those that were given up.
    assert twice.json("status", code=1)["details"]["environments"][0]["state"] == "drift"
    assert twice.json("evidence.accept-loss", "--why", why)["line"].startswith("nothing to accept: ")
    twice.json("test")
    twice.json("adopt", "--why", "it ran before")
    twice.json("deploy")
    assert [entry.seq for entry in twice.entries()] == [1, 1001, 1002, 1003, 1004]
    assert "(roadworthy staging#1003 " in twice.releases()[-1]["description"]
    audited = twice.invoke("evidence.audit")
    assert audited.code == 0 and "accepted losses of entries: 1" in audited.text
    assert (
        "#1 accepts the loss of entries up to #3, known from release v" in audited.text
        and why in audited.text
    )
    assert commit != twice.runs() == twice.git("rev-parse", "HEAD")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["emptied", "cut off", "an old copy", "another store"])
def test_whoever_knows_better_notices_that_a_journal_lost_entries(
    twice: Project, tmp_path: Path, how: str
) -> None:
    twice.json("evidence.anchor")
    spoiled(twice, how, tmp_path / "old")
    walk(twice, how, "tags", tmp_path)
    twice.git("tag", "-d", "roadworthy/sandbox/staging/4")
    walk(twice, how, "platform", tmp_path)
    walk(twice, how, "memory", tmp_path)


@pytest.mark.later
def test_what_lies_in_the_place_of_a_lost_journal_cannot_go_on_from_it(
    twice: Project, tmp_path: Path
) -> None:
    """A fork: an old copy was put back, and somebody who did not know better went on with it."""
    spoiled(twice, "an old copy", tmp_path / "old")
    twice.log()  # held against nothing here, as on a machine that knows nothing
    for number in range(4):
        from journal.making import record

        forked = record("note", environment="staging", number=number)
        from roadworthy.journal.known import Known

        context = twice.context()
        context.log("staging", known=Known()).append(forked)
    said = twice.json("status", code=1)
    assert "holds another #4" in str(said["reasons"])
    said = twice.json("evidence.accept-loss", "--why", "x", code=2)
    assert "cannot continue the lost one" in said["line"]
    assert twice.json("evidence.audit", code=1)["reasons"][0].startswith("the journal sandbox/staging lost")
