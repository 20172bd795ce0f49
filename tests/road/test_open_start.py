"""A start that is open: every command that meets it says which it is, whose, since when, and what to do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from road.project import Project
from road.test_wait import ELSEWHERE, give_up, hold
from roadworthy.journal.entry import Entry, Record
from roadworthy.journal.lock import Fate, Holder, held, holder, this_process

RECONCILE = "to find out what happened, run `invoke reconcile --env staging`"
GONE = f"its process is gone; {RECONCILE}"
WHY = ("--why", "x")
ROAD = {
    "deploy": (),
    "migrate": (),
    "rollback": (),
    "certify": (),
    "complete": (),
    "ship": (),
    "replay": (),
    "adopt": WHY,
    "config": ("--unset", "COLOUR", *WHY),
}
"""Commands that would act on the environment: they stop."""
READS = ("history", "why", "smoke", "guards.explain", "intake", "accept", "decide", "lock.status")
"""Commands that go on: a line more, and the exit code of always. The decision is NO: what will run is not known."""


def gone() -> dict[str, object]:
    """What a process said of itself that is no more."""
    with subprocess.Popen((sys.executable, "-S", "-c", "")) as process:
        pass
    return {"pid": process.pid, "started": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Project:
    """A project whose commit was accepted, deployed and completed, so that every command has what it needs."""
    project = Project(tmp_path_factory.mktemp("open") / "project", platform)
    project.json("ship")
    return project


@pytest.fixture
def left(place: Project) -> Iterator[Entry]:
    """A deploy whose process was killed."""
    start = hold(place, **gone())
    yield start
    give_up(place, start)


def sentence(start: Entry) -> str:
    who = holder(start)
    assert str(who).startswith(f"deploy #{start.seq} (") and f"since {start.at})" in str(who)
    return f"sandbox/staging: {who} did not finish: {GONE}"


def both(project: Project, *words: str, code: int) -> tuple[str, str]:
    """What a command shows to a person, and what it says beside and in its one JSON object."""
    shown, asked = project.invoke(*words), project.invoke(*words, "--json")
    assert (shown.code, asked.code, asked.said["code"]) == (code, code, code), shown.text + asked.text
    return shown.text, asked.text


@pytest.mark.parametrize("command", ROAD)
def test_a_command_that_would_act_stops_at_what_a_dead_one_left(place: Project, left: Entry, command: str):
    for text in both(place, command, *ROAD[command], code=4):
        assert sentence(left) in text
    assert place.entries()[-1] == left


@pytest.mark.parametrize("command", READS)
def test_a_command_that_reads_goes_on_and_says_so(place: Project, left: Entry, command: str):
    for text in both(place, command, code=1 if command == "decide" else 0):
        if command == "lock.status":
            assert f"{holder(left)} did not finish: its process is gone, " in text
            assert f", token {left.seq}; {RECONCILE}" in text
        else:
            assert sentence(left) in text


def test_evidence_is_made_all_the_same_and_says_so(place: Project, left: Entry, tmp_path: Path):
    for text in both(place, "evidence.anchor", "--to", str(tmp_path / "anchor"), code=0):
        assert sentence(left) in text
    ran = place.invoke("evidence.export", "--release", "2", "--to", str(tmp_path / "out"), "--json")
    assert (ran.code, ran.said["code"]) == (0, 0), ran.text
    assert sentence(left) in ran.err


def test_status_says_so_in_its_reasons(place: Project, left: Entry):
    for text in both(place, "status", code=1):
        assert f"staging: {sentence(left)}" in text
    row = place.json("status", code=1)["details"]["environments"][0]
    assert (row["state"], row["open"], row["held"]) == ("open", f"deploy #{left.seq}", sentence(left))


def test_verify_does_not_succeed_while_nobody_knows_the_outcome(place: Project, left: Entry):
    for text in both(place, "verify", code=4):
        assert sentence(left) in text
    said = place.json("verify", code=4)
    assert (said["outcome"], said["details"]) == ("unknown", {"differences": []})


def test_verify_names_what_differs_beside_it(place: Project, left: Entry):
    place.mood(health="ill")
    said = place.json("verify", code=4)
    place.mood()
    assert any("check" in reason for reason in said["reasons"])
    assert said["line"] == sentence(left)


def test_verify_says_so_also_where_the_platform_cannot_be_seen(place: Project, left: Entry):
    link = place.root / ".release" / "sandbox"
    there = link.readlink()
    link.unlink()
    said = place.json("verify", code=4)
    link.symlink_to(there)
    assert (said["line"], len(said["reasons"])) == (sentence(left), 1)
    assert "invoke sandbox.up" in said["reasons"][0]


def test_verify_of_a_first_deploy_that_was_cut_off(project: Project):
    start = hold(project, **gone())
    assert project.json("verify", code=4)["line"] == sentence(start)


def test_a_living_holder_is_to_be_waited_for(place: Project):
    start = hold(place)
    wait = f"locked by {holder(start)}: its process is running; wait for it, for example with `--wait 10m`"
    try:
        for command in ("deploy", "reconcile", "verify"):
            assert place.json(command, code=5)["line"].endswith(wait)
        for command in ("history", "why", "smoke", "guards.explain"):
            text = place.invoke(command).out
            assert wait in text
            assert "reconcile" not in text
    finally:
        give_up(place, start)


def test_of_one_who_cannot_be_seen_reconcile_and_unlock_are_offered(place: Project):
    start = hold(place, **ELSEWHERE)
    do = (
        "; wait for it, for example with `--wait 10m`; if you know that it is dead, run `invoke reconcile "
        f"--env staging` on its machine, or `invoke lock.unlock --env staging --token {start.seq} --reason …` "
        "anywhere"
    )
    try:
        for command, code in (("deploy", 5), ("verify", 5), ("lock.status", 0)):
            assert "this machine cannot see whether it still runs" in place.json(command, code=code)["line"]
            assert place.json(command, code=code)["line"].endswith(do)
        assert do in place.invoke("history", "--json").err.replace("...", "…")
    finally:
        give_up(place, start)


def test_a_ship_waits_for_who_works_there_before_it_verifies(place: Project, monkeypatch: pytest.MonkeyPatch):
    from roadworthy.pipeline import ship

    came: list[Entry] = []
    true = ship._verified

    def somebody_came_in(*args):
        came.append(hold(place, **gone()))
        return true(*args)

    monkeypatch.setattr(ship, "_verified", somebody_came_in)
    said = place.json("ship", code=4)
    assert said["line"].endswith("run `invoke reconcile --env staging`")
    give_up(place, came.pop())
    place.json("ship", "--wait", "20s")
    settled = ["failed deploy", "start complete", "end complete"]
    assert place.kinds()[-3:] == settled, "what the dead one left was settled, and looked at again"


def test_what_a_dead_one_left_of_a_package_is_given_up_with_a_line(project: Project):
    commit = project.first
    where = f"package-{commit}"
    words = ("intake", "intake", where, "sandbox", "none", "")
    start = project.log(where).append(Record("start", *words, {"actor": {**this_process(), **gone()}}))
    line = project.json("lock.status", "--commit", commit)["line"]
    assert line.endswith("; run its command again")
    ran = project.invoke("intake", "--json")
    assert ran.code == 0
    said = f"sandbox/{where}: {holder(start)} did not finish: its process is gone; "
    assert f"{said}abandoning it and starting intake" in ran.err
    assert project.kinds(where) == ["start intake", "abandon intake", "start intake", "end intake"]


def test_of_a_package_that_a_living_one_holds_nothing_but_waiting_is_said(project: Project):
    who = Holder("sandbox/package-abc", "build", 3, "T", "", "", "", "", 0, 0, "", "", 0)
    assert held(who, Fate(True, "its process is running")).endswith("is running; wait until it ends")
    assert "; if you know that it is dead, run its command again on its machine, or `invoke lock" in held(who)
