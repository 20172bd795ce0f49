"""Every call of a deploy goes wrong once, in every way, at the place of the road where it is made.

`ROADS` lists the calls of a good deploy, of one alone and of one with its migration under maintenance; the first
test records both and holds the list to it. A call that is made again later has several places, `skip` calls apart.

- What is repeated (`REPEATED`: every read, and writes that are harmless to repeat) goes wrong in one deploy at
  every place, each in another way, and in as many deploys as there are ways the ways move on by one. So every
  call meets every way at every place, in 7 deploys and not in 160. That is the road under maintenance, which has
  all calls of the other one. While the app starts, the dynos are looked at until it is up: with a slow poll that
  is once where one look went wrong.
- A read that stays away from a place on ends the deploy there: one deploy for each place.
- What is not repeated goes wrong alone: one deploy for each place and way. At the second place of a call only the
  ways are tried that end differently.

To a read a reset, a 5xx and their like "after" the effect are the same, so reads meet five ways of seven.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from road.fixtures import living
from road.project import REPOSITORY, Project, migration, until
from road.test_api_faults import KINDS, tokens

RECORDER = REPOSITORY / "tests" / "matrix" / "crashing.py"
MAINTENANCE = "--maintenance"
Call = tuple[str, str]  # method and path, as of a fault
UPLOAD = {("POST", "/slugs"): 1, ("PUT", "/blobs/*"): 1, ("POST", "/releases"): 1}
READS = {
    ("GET", "/releases"): 2,
    ("GET", "/dynos"): 3,
    ("GET", "/slugs/*"): 3,
    ("GET", "/releases/[0-9]*"): 1,
    ("GET", "/formation"): 1,
}
ONE_OFF = {
    ("GET", "/config-vars"): 1,
    ("POST", "/dynos"): 1,
    ("POST", "/log-sessions"): 1,
    ("GET", "/logs/*"): 1,
}
ROADS: Mapping[str, Mapping[Call, int]] = {
    "": {("GET", ""): 3, **READS, **ONE_OFF, **UPLOAD},
    MAINTENANCE: {
        ("GET", ""): 5,
        **READS,
        **UPLOAD,
        ("PATCH", ""): 2,
        **dict.fromkeys(ONE_OFF, 3),
    },
}
"""The calls of a way to deploy, each with the number of its places."""
FENCE: Mapping[Call, int] = {("POST", "/oauth/authorizations"): 1, ("DELETE", "/oauth/authorizations/*"): 1}
"""Before the start, and before its second look."""
LAST_LOOK: Mapping[Call, int] = {("GET", ""): 1, ("GET", "/releases"): 1, ("GET", "/slugs/*"): 1}
"""The places after the end, where a deploy looks for what comes next; what goes wrong there changes nothing."""
FACTS = {
    ("GET", ""): 2,
    ("GET", "/releases"): 1,
    ("GET", "/dynos"): 1,
    ("GET", "/slugs/*"): 2,
    ("GET", "/config-vars"): 1,
    ("GET", "/logs/*"): 1,
}
"""The places before the start, where the database is asked, too; all others of a read come after it."""
OF_READS = ("503", "429", "reset", "hang", "truncated")
AFTER = ("truncated", "lost reply", "503 although done")
OF_WRITES = ("503", "429", "reset", "hang", *AFTER)
ALONE = {
    ("POST", "/releases"): [OF_WRITES],
    ("POST", "/dynos"): [(), OF_WRITES, ("503", "429", "lost reply")],
    ("GET", "/logs/*"): [(), OF_READS, ("503", "reset")],
}
"""What is not repeated, and the ways at each of its places. A stream of log lines is looked at anew, or unknown.

The first one-off only asks, before anything is begun: what goes wrong there is in STAYS_AWAY.
"""
REPEATED = [(c, n) for c, k in ROADS[MAINTENANCE].items() if c not in ALONE for n in range(k)]
STAYS_AWAY = [(c, n) for c, k in ROADS[""].items() if c[0] == "GET" for n in range(k)]
SHAPES = (
    (r"/releases/\d+$", "/releases/[0-9]*"),
    (r"/slugs/[^/]+$", "/slugs/*"),
    (r"^/blobs/.*", "/blobs/*"),
    (r"^/logs/.*", "/logs/*"),
    (r"^/oauth/authorizations/.*", "/oauth/authorizations/*"),
)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Project]:
    """A project that every test leaves as it wants to be: deployed, migrated and recorded so."""
    for made in living(tmp_path_factory.mktemp("road") / "project", platform):
        made.change_config(('poll = "10ms"', 'poll = "400ms"'))
        made.deployed()
        made.json("migrate")
        yield made


@pytest.fixture
def ready(road: Project, way: str) -> Iterator[Project]:
    """With a tested package, and its migration under maintenance; afterwards everything fits together."""
    number = len(list((road.root / "app" / "migrations").glob("0*.py")))
    revision, down = f"{number + 1:04}", f"{number:04}"
    files = {f"app/migrations/{revision}.py": migration(revision, down)} if way else {}
    road.commit(f"Change {number}", files)
    road.json("test")
    yield road
    road.faults()
    if road.log().open_start():  # the test failed; the next one should not
        settled(road, way)
    assert road.json("evidence.audit")["outcome"] == "succeeded"
    assert len(tokens(road)) == len(set(tokens(road))), "one start made two releases"
    assert road.json("verify")["details"]["differences"] == []
    assert road.runs() == road.git("rev-parse", "HEAD")


def words(way: str) -> tuple[str, ...]:
    return ("deploy", way) if way else ("deploy",)


def fault(call: Call, kind: str, skip: int, **more: int) -> dict[str, object]:
    return {**KINDS[kind], "method": call[0], "path": call[1], "skip": skip, **more}


def arm(project: Project, *faults: Mapping[str, object]) -> None:
    """Log streams are below no app, as blobs are."""
    app = f"/apps/{project.staging}"
    bare = ("/blobs/", "/logs/")
    project.faults_at(
        *({**f, "path": p if (p := str(f["path"])).startswith(bare) else app + p} for f in faults)
    )


def attempts(project: Project) -> list[dict[str, Any]]:
    """What the newest entry says was tried again."""
    found: list[dict[str, Any]] = project.entries()[-1].record.details.get("attempts", [])
    return found


def asked(project: Project, since: int) -> Counter[Call]:
    """How often the platform was asked for each write since so many lines of its access log.

    A call that goes wrong after its effect has two lines.
    """
    app, made = f"/apps/{project.staging}", project.calls()[since:]
    lines = Counter((str(call["method"]), str(call["path"]).removeprefix(app)) for call in made)
    return lines - Counter(
        (str(late["method"]), str(late["path"]).removeprefix(app))
        for early, late in pairwise(made)
        if late.get("fault") and not early.get("fault") and early["path"] == late["path"]
    )


def settled(project: Project, way: str) -> None:
    """Look, then do again what was not done."""
    ran = until(lambda: (ran := project.process("reconcile", "--json")).code != 4 and ran, within=20)
    assert ran.code in (0, 1), ran.text
    project.json(*words(way))


@pytest.mark.parametrize("way", ROADS)
def test_the_calls_of_a_good_deploy_are_those_that_go_wrong_here(ready: Project, way: str, tmp_path: Path):
    notes = tmp_path / "notes"
    env = {**os.environ, "CRASH_NOTES": str(notes)}
    run = (sys.executable, str(RECORDER), *words(way), "--json")
    subprocess.run(run, cwd=ready.root, env=env, capture_output=True, check=True)
    made: Counter[Call] = Counter()
    for kind, _, method, path, *_ in (line.split() + [""] * 2 for line in notes.read_text().splitlines()):
        if kind == "http" and not path.startswith("/api/"):
            path = path.removeprefix(f"/apps/{ready.staging}")
            for form, shape in SHAPES:
                path = re.sub(form, shape, path)
            made[method, path] += 1
    polled = ("GET", "/dynos")
    assert made.pop(polled) >= ROADS[way][polled]
    wanted = Counter({call: number for call, number in ROADS[way].items() if call != polled})
    assert made == wanted + Counter(LAST_LOOK) + Counter(FENCE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_WRITES)
@pytest.mark.parametrize("way", [""])
def test_without_its_fence_nothing_begins_and_with_it_closed_late_all_is_well(
    ready: Project, way: str, kind: str
):
    """No start is written while nobody knows whether there is a fence; closing it is repeated."""
    opening, closing = FENCE
    before, again = ready.kinds(), kind == "429"
    ready.faults_at(fault(opening, kind, 0))
    said = ready.json(*words(way), code=0 if again else 1)
    assert again or "nothing was changed" in said["line"]
    assert again or ready.kinds() == before
    if again:
        ready.commit("Another change")
        ready.json("test")
    ready.faults_at(fault(closing, kind, 0))
    ready.json(*words(way))
    assert ready.armed() == []
    assert ready.entries()[-1].record.details["fenced"]["how"] in ("revoked", "gone")


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(len(OF_WRITES)))
@pytest.mark.parametrize("way", [MAINTENANCE])
def test_everything_that_is_repeated_goes_wrong_at_every_place(ready: Project, way: str, turn: int):
    of = [OF_READS if method == "GET" else OF_WRITES for (method, _), _ in REPEATED]
    ways = [kinds[(number + turn) % len(kinds)] for number, kinds in enumerate(of)]
    known = len(ready.calls())
    arm(ready, *(fault(call, kind, skip) for (call, skip), kind in zip(REPEATED, ways, strict=True)))
    ready.json(*words(way))
    assert ready.armed() == []
    unseen = sum(
        c[1] == "/blobs/*" and kind == "truncated" for (c, _), kind in zip(REPEATED, ways, strict=True)
    )
    tried = attempts(ready)
    first, second = ([a["result"] for a in tried if a["n"] == n] for n in (1, 2))
    assert len(first) == len(second) == len(REPEATED) - unseen  # of an upload nobody reads the answer
    assert set(second) <= {"done", "answered 200", "answered 201"}
    assert len(tried) == len(first) + len(second)
    assert first.count("answered 503") == sum(kind.startswith("503") for kind in ways)
    limited = ("answered 429", "rate-limited: RateLimitExceeded")  # the second is heroku3's word
    assert sum(result in limited for result in first) == ways.count("429")
    made = asked(ready, known)
    assert (made["POST", "/releases"], made["POST", "/dynos"]) == (1, 3)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "skip"), STAYS_AWAY, ids=str)
@pytest.mark.parametrize("way", [""])
def test_a_read_that_stays_away_ends_in_the_truth(ready: Project, way: str, call: Call, skip: int):
    before, known = ready.kinds(), len(ready.calls())
    arm(ready, fault(call, "503", skip, count=99))
    ran = ready.process("deploy", "--json")
    ready.faults()
    told, made = ready.kinds()[len(before) :], asked(ready, known)
    if skip < FACTS.get(call, 0):
        assert (ran.code, told) in ((1, []), (3, ["refused deploy"])), ran.text
        if call == ("GET", "/logs/*"):  # looked at once, and then it is unknown: nothing was tried again
            assert attempts(ready) == []
            assert "answered 503" in ran.text
        else:
            assert not told or attempts(ready)
        assert not made - Counter(
            {("POST", "/dynos"): 9, ("POST", "/log-sessions"): 9}
        )  # it asks the database
        ready.json("deploy")
    else:
        assert (ran.code, told) == (4, ["start deploy", "note deploy"]), ran.text
        assert [a["n"] for a in attempts(ready)][:2] == [1, 2]
        assert {a["result"] for a in attempts(ready)} == {"answered 503"}
        assert made["POST", "/releases"] == 1
        settled(ready, way)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "skip", "kind"),
    [
        (call, skip, kind)
        for call, places in ALONE.items()
        for skip, kinds in enumerate(places)
        for kind in kinds
    ],
    ids=str,
)
@pytest.mark.parametrize("way", [MAINTENANCE])
def test_what_is_not_repeated_goes_wrong_alone(ready: Project, way: str, call: Call, skip: int, kind: str):
    before, known = ready.kinds(), len(ready.calls())
    code = 4 if is_unknown(call, kind) else 0
    arm(ready, fault(call, kind, skip))
    run = ready.process if code else ready.invoke  # only a process that is gone can be reconciled
    ran = run(*words(way), "--json")
    assert ran.code == code, ran.text
    assert ready.armed() == []
    told, tried, made = ready.kinds()[len(before) :], attempts(ready), asked(ready, known)
    noted = ["note deploy"] if code and call[0] == "POST" else []
    assert told == ["start deploy", *(noted if code else ["end deploy"])]
    assert bool(tried) == (call[0] == "POST")
    for once in (("POST", "/releases"), ("POST", "/dynos")):
        again = once == call and kind == "429"  # that one surely did not happen
        assert made[once] <= ROADS[way][once] + again, "asked again without a look"
    if code and call[0] == "POST":
        assert made[call] == skip + 1
    if code:
        settled(ready, way)


def is_unknown(call: Call, kind: str) -> bool:
    """Nobody can tell, from the answer or a look, whether it happened."""
    if call == ("POST", "/releases"):  # it is looked for, and what is not there may still come
        return kind in ("503", "reset", "hang")
    if call == ("POST", "/dynos"):  # it has nothing by which it could be found
        return kind != "429"
    return kind in ("503", "429")
