"""How long a release took: what is measured of which run, and what is not measured at all."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.decision.decide import Deployment
from roadworthy.decision.times import Job, Times, of_release, slowest
from roadworthy.journal.entry import Entry, Record
from roadworthy.spans import seconds

STAGES = {
    "intake": "intake",
    "build": "build",
    "test": "build",
    "accept": "verification",
    "release": "release",
}
NAMES = ("queue", "overall", "test", "build", "verification", "deploy")


def clock(second: float) -> str:
    return f"2030-01-01T{int(second) // 3600:02}:{int(second) // 60 % 60:02}:{second % 60:09.6f}Z"


def run(*actions: tuple[str, float, float] | tuple[str, float, float, dict[str, Any]]) -> list[Entry]:
    """A package's journal: each action with the seconds at which it began and ended, and what its end says."""
    entries: list[Entry] = []
    for action, began, ended, *more in actions:
        said: dict[str, Any] = {"kind": "end", **(more[0] if more else {})}
        kind, details = said.pop("kind"), {"settles": len(entries) + 1, **said}
        for one, at, told in (("start", began, {}), (kind, ended, details)):
            record = Record(one, STAGES[action], action, "package", "sandbox", "none", "", told)
            entries.append(Entry(record, len(entries) + 1, "", clock(at), "", "", ""))
    return entries


FOR_PROD, FOR_STAGING = {"for": "prod"}, {"for": "staging"}
ACTIONS = (
    ("intake", 0, 1, FOR_PROD),
    ("build", 2, 12),
    ("test", 13, 43),
    ("accept", 50, 70, FOR_PROD),
    ("release", 71, 72),
)
ONE_GO = run(*ACTIONS)
DEPLOYED = Deployment(3, 4, clock(100), clock(130), 7)


def measured(
    entries: list[Entry], deployed: Deployment | None = DEPLOYED, **more: Any
) -> dict[str, float | None]:
    times = of_release(entries, "prod", deployed, **{"replay": False, "failed": False, **more})
    return {name: getattr(times, name) for name in NAMES}


def test_a_release_in_one_go_has_the_time_of_each_stage():
    assert measured(ONE_GO) == {
        "queue": 28, "overall": 130, "test": 30, "build": 10, "verification": 20, "deploy": 30,
    }  # fmt: skip


def test_what_comes_between_the_release_and_its_deployment_is_no_release():
    assert measured(run(*ACTIONS, ("test", 80, 90)))["queue"] == 28


def test_before_its_deployment_a_release_was_in_no_queue():
    assert measured(ONE_GO, None) == {
        "queue": None, "overall": 72, "test": 30, "build": 10, "verification": 20, "deploy": None,
    }  # fmt: skip
    assert measured([], None) == dict.fromkeys(NAMES)


def test_a_release_begins_with_the_newest_intake_for_its_own_environment():
    first = run(("intake", 0, 1, FOR_STAGING), ("build", 2, 12), ("intake", 60, 61, FOR_PROD))
    assert measured(first)["overall"] == 130 - 60
    later = run(("intake", 0, 1, FOR_PROD), ("build", 2, 12), ("intake", 60, 61, FOR_STAGING))
    assert measured(later)["overall"] == 130


def test_a_replay_begins_with_its_acceptance_and_what_was_before_is_not_of_its_run():
    again = run(*ACTIONS, ("accept", 5000, 5040, FOR_PROD), ("release", 5050, 5051))
    later = Deployment(9, 10, clock(5060), clock(5090), 8)
    assert measured(again, later, replay=True) == {
        "queue": 9, "overall": 90, "test": None, "build": None, "verification": 40, "deploy": 30,
    }  # fmt: skip
    assert measured(again, DEPLOYED, replay=True)["overall"] == 51, "what ran already was not deployed again"
    assert measured(again, DEPLOYED)["queue"] == 28, "a later release was not waited with"


def test_what_did_not_end_well_is_named_and_so_is_a_deployment():
    entries = run(("intake", 0, 1, FOR_PROD), ("test", 2, 3, {"kind": "failed"}))
    assert of_release(entries, "prod", None, replay=False, failed=False).failed == {"test"}
    assert of_release(entries, "prod", None, replay=False, failed=True).failed == {"test", "deploy"}
    mended = run(("intake", 0, 1, FOR_PROD), ("test", 2, 3, {"kind": "failed"}), ("test", 4, 5))
    assert of_release(mended, "prod", None, replay=False, failed=False).failed == frozenset()


def test_the_slowest_three_come_first_and_of_equals_the_earlier_one():
    jobs = [
        Job(name, (clock(0), clock(took)), "success")
        for name, took in (("a", 1.9), ("b", 5), ("c", 1.9), ("d", 9))
    ]
    unknown = Job("e", (clock(0), None), "failure")
    found = slowest([*jobs, unknown])
    assert [(job["name"], job["durationSeconds"]) for job in found] == [("d", 9), ("b", 5), ("a", 1)]
    assert found[0] == {"name": "d", "conclusion": "success", "status": "completed", "durationSeconds": 9}
    assert Times().slowest == () and slowest([unknown]) == ()


@pytest.mark.parametrize(
    ("span", "took"),
    [
        ((clock(0), clock(0)), 0),
        ((clock(0), clock(1.5)), 1.5),
        (("2030-01-01T02:00:00+02:00", "2030-01-01T00:00:01Z"), 1),
        ((clock(1), clock(0)), None),
        ((None, clock(0)), None),
        ((clock(0), None), None),
        (("", clock(0)), None),
        (("2030-01-01T00:00:00", clock(0)), None),
        (("yesterday", clock(0)), None),
    ],
)
def test_only_a_span_that_makes_sense_is_measured(span: tuple[str | None, str | None], took: float | None):
    assert seconds(span) == took
