"""A clock that is wrong begins nothing, and says both times; a person's word goes on, signed."""

import io
import time
from datetime import UTC, datetime, timedelta

import pytest

from road.project import KEYS, Project
from roadworthy.context import Context
from roadworthy.journal.entry import Record
from roadworthy.platforms.heroku import api
from roadworthy.report.terminal import Screen

YEARS = timedelta(days=730)


def dated_ahead(project: Project, place: str = "staging") -> None:
    """Somebody whose clock is two years ahead notes something."""
    context = Context(
        project.root, Screen(json=True, stream=io.StringIO()), {}, now=lambda: datetime.now(UTC) + YEARS
    )
    context.log(place).append(Record("note", "deploy", "deploy", place, "sandbox", "none", "", {}))


@pytest.mark.later
def test_after_an_entry_from_the_future_a_word_goes_on_and_one_is_enough(project: Project):
    project.deployed()
    dated_ahead(project)
    releases, kinds = project.releases(), project.kinds()
    second = project.commit("Second")
    project.json("test")
    for command in (("deploy",), ("config", "--set", "COLOUR"), ("certify",), ("rollback",)):
        ran = project.invoke(*command, "--json", env={"COLOUR": "red"})
        if ran.code == 2:  # there is nothing to roll back to
            continue
        assert ran.code == 3, ran.text
        said = ran.said["line"]
        assert "this machine's clock says 20" in said and "set this clock right" in said
        assert "invoke evidence.clock --env staging --why" in said
    assert (project.releases(), project.kinds()) == (releases, kinds), "nothing was begun"
    assert project.json("status")["outcome"] == "succeeded"
    assert "--why is missing" in project.json("evidence.clock", code=2)["line"]
    project.json("evidence.clock", "--why", "ntp was off on ci-3")
    note = project.entries()[-1].record
    assert (note.kind, note.details["clock_why"]) == ("note", "ntp was off on ci-3")
    assert project.json("deploy")["outcome"] == "succeeded"
    assert project.json("migrate")["outcome"] == "succeeded"
    assert project.runs() == second
    entries = project.entries()
    assert [e.at for e in entries] == sorted({e.at for e in entries}), "no two have one time"
    assert entries[-1].record.details["clock"] < entries[-1].at
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def test_a_package_too_goes_on_after_a_word(project: Project):
    project.json("intake")
    commit = project.git("rev-parse", "HEAD")
    dated_ahead(project, f"package-{commit}")
    said = project.json("build", code=3)["line"]
    assert f"invoke evidence.clock --commit {commit} --why" in said
    project.json("evidence.clock", "--commit", commit, "--why", "ntp was off on ci-3")
    assert project.json("build")["outcome"] == "succeeded"


@pytest.mark.later(1)
@pytest.mark.parametrize("ahead", [-605, 605, 63_072_000])
def test_a_clock_that_the_platform_contradicts_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, ahead: int
):
    project.deployed()
    kinds = project.kinds()
    monkeypatch.setattr(api, "wall_clock", lambda: time.time() + ahead)
    for command in (
        ("migrate",),
        ("deploy", "--env", "prod"),
    ):  # the second would be refused by guards as well
        said = project.json(*command, code=3, env=KEYS)["line"]
        assert f" s {'ahead of' if ahead > 0 else 'behind'} the platform's: correct it; " in said
    assert (project.kinds(), project.entries("prod")) == (kinds, [])
    project.json("evidence.clock", "--why", "the platform's clock is wrong, its status page says so")
    assert project.json("migrate")["outcome"] == "succeeded"
    assert project.json("config", "--set", "COLOUR", env={"COLOUR": "red"})["outcome"] == "succeeded"


def test_a_clock_that_differs_a_little_is_nobodys_fault(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.deployed()
    monkeypatch.setattr(api, "wall_clock", lambda: time.time() - 590)
    assert project.json("migrate")["outcome"] == "succeeded"
