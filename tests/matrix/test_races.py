"""Eight processes deploy eight packages to one environment at once: one wins, and effects never mix."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from road.project import Project, Ran, ended, until

from roadworthy.journal.claims import token
from roadworthy.journal.entry import Entry
from roadworthy.journal.lock import holder
from roadworthy.sandbox import control

from .conftest import Journal, Tell
from .site import Act, Site, site

pytestmark = pytest.mark.matrix
RACERS = 8
QUESTIONS = ("/log-sessions", "/dynos")
"""Ends of calls that only ask, also those that ask the database by a one-off process: others may ask meanwhile."""
PATIENT = (('http = "1s"', 'http = "60s"'), ('release = "1s"', 'release = "60s"'))
"""Whoever is held on purpose must not give up."""
Racer = subprocess.Popen[str]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept_in", ["folder", "s3", "azure"])
def test_of_eight_deploys_at_once_one_wins_and_seven_are_told_who(
    kept_in: str, tmp_path: Path, request: pytest.FixtureRequest, tell: Tell
) -> None:
    journal: Journal = request.getfixturevalue(kept_in)
    with site(tmp_path / "site", journal()) as place:
        place.project.change_config(*PATIENT)
        for after in (False, True):
            with _race(place) as race:
                _one_wins(race, after)
    tell(f"{kept_in}: {RACERS} racers, one winner and {RACERS - 1} refused, in each of two rounds")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept_in", ["folder", "s3"])
def test_of_eight_deploys_that_wait_none_goes_over_a_newer_one_and_the_newest_stays(
    kept_in: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each has its turn, but who has it after a newer commit is superseded."""
    journal: Journal = request.getfixturevalue(kept_in)
    with site(tmp_path / "site", journal()) as place:
        place.project.change_config(*PATIENT)
        with _race(place, "--wait", "4m") as race:
            control.clear_faults(place.project.sandbox)
            codes = {}
            for commit, racer in zip(race.commits, race.racers, strict=True):
                ran = ended(racer, within=240)
                assert ran.code in (0, 6), ran.text
                codes[commit] = ran.code
            acted = [_commit(start) for start in _that_acted(race)[0]]
            assert acted == sorted(acted, key=race.commits.index)
            assert acted[-1] == race.commits[-1]
            assert set(acted) == {commit for commit, code in codes.items() if code == 0}


class Race(NamedTuple):
    """Racers whom the platform holds before they can decide; `before` is how long the journal was then."""

    project: Project
    commits: list[str]
    racers: list[Racer]
    before: int

    def entries(self) -> list[Entry]:
        return self.project.entries()[self.before :]


@contextmanager
def _race(place: Site, *wait: str) -> Iterator[Race]:
    """Eight deploys, each of a package of its own, that are let go together; afterwards everything must hold."""
    project = place.project
    commits = [project.commit(f"Racer {n}") for n in range(RACERS)]
    for commit in commits:
        project.json("test", "--commit", commit)
    before, called = len(project.entries()), len(project.calls())
    # Reading the facts comes before the start in the journal: nobody holds the environment yet.
    project.faults({"kind": "hold", "method": "GET", "path": "/releases", "count": RACERS})
    racers = [place.start(Act("deploy", ("deploy", "--commit", commit, *wait))) for commit in commits]
    try:
        until(lambda: not project.armed(), within=60)
        assert len(project.entries()) == before
        yield (race := Race(project, commits, racers, before))
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    _effects_do_not_mix(race, project.calls()[called:])
    place.wanted = str(race.entries()[-1].record.details["to"]["commit"])
    assert place.wanted in commits
    place.check(Act("deploy", ("deploy",)))


def _one_wins(race: Race, after: bool) -> None:
    """The winner is held inside its effect, or just `after` it, until the seven others have ended."""
    project = race.project
    project.faults({"kind": "hold", "method": "POST", "path": "/releases", "after": after})
    until(lambda: len(_running(race.racers)) == 1 and not project.armed(), within=120)
    (winner,) = _running(race.racers)
    (start,) = race.entries()
    assert _commit(start) == race.commits[race.racers.index(winner)]
    assert holder(start).pid == winner.pid
    for racer in race.racers:
        if racer is not winner:
            _is_told_who_holds(ended(racer), start)
    assert _running([winner]), "the winner was not held until the others had ended"
    control.clear_faults(project.sandbox)
    ran = ended(winner)
    assert ran.code == 0, ran.text
    assert [e.record.kind for e in race.entries()] == ["start", "end"]


def _running(racers: list[Racer]) -> list[Racer]:
    return [racer for racer in racers if racer.poll() is None]


def _is_told_who_holds(ran: Ran, start: Entry) -> None:
    assert ran.code == 5, ran.text
    assert f"locked by {holder(start)}" in ran.said["line"]
    assert f"--token {start.seq} " in ran.said["line"]


def _commit(start: Entry) -> str:
    return str(start.record.details["to"]["commit"])


# ---- effects ---------------------------------------------------------------------------------------------


def _effects_do_not_mix(race: Race, calls: list[dict[str, Any]]) -> None:
    """By the platform's own access log: each start has its slug and its release, and then comes the next start.

    A call may have its effect at any time from its beginning to its reply.
    """
    effects = [call for call in calls if not call["path"].endswith(QUESTIONS) and "fault" not in call]
    starts, ends = _that_acted(race)
    effects.sort(key=lambda call: str(call["began"]))
    for call, following in itertools.pairwise(effects):
        assert call["at"] < following["began"], json.dumps([call, following])
    assert [(c["method"], c["path"].rpartition("/")[2], c["status"]) for c in effects] == [
        ("POST", "slugs", 201),
        ("POST", "releases", 201),
    ] * len(starts), json.dumps(effects)
    _tokens_rise(race.project, starts, [int(call["release"]) for call in effects[1::2]])
    for start, end, slug, release in zip(starts, ends, effects[::2], effects[1::2], strict=True):
        # The clocks of the journal and of the access log are one machine's.
        assert start.at <= _utc(slug["began"]) < _utc(release["at"]) <= end.at


def _that_acted(race: Race) -> tuple[list[Entry], list[Entry]]:
    """The starts that changed something, and their ends; each other one saw that it came too late.

    Who waits and decides anew may be overtaken once more.
    """
    acted, ends = [], []
    entries = race.entries()
    for start, settled in zip(entries[::2], entries[1::2], strict=True):
        assert (start.record.kind, settled.record.details["settles"]) == ("start", start.seq)
        if settled.record.kind == "end":
            acted.append(start)
            ends.append(settled)
        else:
            assert "nothing was changed: run the command again" in settled.record.details["problems"][0]
    return acted, ends


def _tokens_rise(project: Project, starts: list[Entry], versions: list[int]) -> None:
    """In the order in which the platform made the releases, each carries the token of the next start."""
    assert versions == sorted(set(versions))
    made = {int(r["version"]): str(r["description"]) for r in project.releases()}
    tokens = [made[version].rpartition("(")[2].removesuffix(")") for version in versions]
    assert tokens == [token(start) for start in starts]
    numbers = [int(text.partition("#")[2].partition(" ")[0]) for text in tokens]
    assert all(number < later for number, later in itertools.pairwise(numbers)), tokens


def _utc(at: str) -> str:
    return at.replace("+00:00", "Z")
