"""Eight processes deploy eight packages to one environment at once: one at a time wins, and effects never mix."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from road.project import Project, ended

from roadworthy.journal.entry import Entry
from roadworthy.record import token

from .conftest import Journal, Tell
from .site import Act, Site, site

pytestmark = pytest.mark.matrix
RACERS = 8
HOLDS = (0.9, 0.0)
"""Seconds for which the winner of a round holds the environment at least: until all have come, or not at all."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept_in", ["folder", "s3", "azure"])
def test_of_eight_deploys_at_once_one_at_a_time_wins(
    kept_in: str, tmp_path: Path, request: pytest.FixtureRequest, tell: Tell
) -> None:
    journal: Journal = request.getfixturevalue(kept_in)
    won: list[int] = []
    with site(tmp_path / "site", journal()) as place:
        for number, seconds in enumerate(HOLDS):
            won.append(_race(place, number, seconds))
    tell(f"{kept_in}: {RACERS} racers in {len(HOLDS)} rounds, winners one after another: {won}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept_in", ["folder", "s3", "azure"])
def test_of_eight_deploys_that_wait_all_win_one_after_another(
    kept_in: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    journal: Journal = request.getfixturevalue(kept_in)
    with site(tmp_path / "site", journal()) as place:
        assert _race(place, 0, 0.5, "--wait", "4m") == RACERS


def _race(place: Site, number: int, seconds: float, *wait: str) -> int:
    project = place.project
    commits = [project.commit(f"Racer {number}.{n}") for n in range(RACERS)]
    for commit in commits:
        project.json("test", "--commit", commit)
    before, called = len(project.entries()), len(project.calls())
    if seconds:
        project.faults({"kind": "delay", "seconds": seconds, "method": "POST", "path": "/slugs"})
    racers = [place.start(Act("deploy", ("deploy", "--commit", commit, *wait))) for commit in commits]
    ran = [ended(racer, within=240) for racer in racers]
    codes = [r.code for r in ran]
    winners = [commit for commit, code in zip(commits, codes, strict=True) if code == 0]
    assert winners, codes
    assert sorted(set(codes)) == ([0] if wait else [0, 5]), [r.text for r in ran]
    entries = project.entries()[before:]
    starts = [entry for entry in entries if entry.record.kind == "start"]
    assert [e.seq for e in starts] == sorted({e.seq for e in starts})
    ends = [e for e in entries if e.record.kind == "end"]
    assert len(ends) == len(winners)
    _effects_do_not_mix(project, entries, project.calls()[called:])
    place.wanted = str(ends[-1].record.details["to"]["commit"])
    assert place.wanted in winners
    place.check(Act("deploy", ("deploy",)))
    return len(winners)


def _effects_do_not_mix(project: Project, entries: list[Entry], calls: list[dict[str, Any]]) -> None:
    """Each changing call lies between one start and its settling, and each release is of the start around it.

    The clocks of the journal and of the access log are one machine's.
    """
    spans = [
        (start, next(e for e in entries if e.record.details.get("settles") == start.seq))
        for start in entries
        if start.record.kind == "start"
    ]
    for (_, settled), (start, _) in itertools.pairwise(spans):
        assert settled.seq < start.seq
        assert settled.at <= start.at
    made = {int(r["version"]): str(r["description"]) for r in project.releases()}
    seen: dict[int, set[int]] = {}
    for call in calls:
        if call["path"].endswith(("/log-sessions", "/dynos")):
            continue  # a question, also one that asks the database by a one-off process
        at = call["at"].replace("+00:00", "Z")
        around = [start for start, settled in spans if start.at <= at <= settled.at]
        assert len(around) == 1, json.dumps(call)
        if call["path"].endswith("/releases"):
            assert call["status"] == 201
            seen.setdefault(around[0].seq, set()).add(int(call["release"]))
    for start, settled in spans:
        versions = seen.pop(start.seq, set())
        assert len(versions) == (settled.record.kind == "end")
        for version in versions:
            assert made[version].endswith(f"({token(start)})")
    assert not seen
