"""One round of questions: each is asked once, side by side, and only what changes nothing is asked."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from roadworthy import config
from roadworthy.checks import rounds
from roadworthy.checks.rounds import Pace, ask_round, checks_of
from roadworthy.config import HttpCheck
from roadworthy.model import Observed, Package

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "c" * 40


def asked(url: str, *checks: HttpCheck, http: float = 5.0, **parts: Observed) -> list[tuple[str, str, int]]:
    whole = config.read(ROOT)
    asking = replace(whole, checks=checks, limits=replace(whole.limits, http=http))
    observed = Observed(url, False, (), (), parts=parts)
    return [(r.name, r.outcome, r.attempts) for r in ask_round(asking, observed, together(*parts), {})]


def together(*components: str) -> Package:
    """The package of a commit with these components; of none, one from before there were several."""
    parts = tuple(Package(COMMIT, "d" * 64, 1, component=name) for name in components)
    return Package.together(parts) if parts else Package(COMMIT, "d" * 64, 1)


def test_a_fault_is_counted_and_not_asked_again(serve: Any, reply: Any) -> None:
    server = serve(lambda request: reply(503, {}))
    assert asked(server.url, HttpCheck("a", "/")) == [("a", "failed", 1)]
    assert len(server.requests) == 1


def test_only_what_changes_nothing_is_asked(serve: Any, reply: Any) -> None:
    server = serve(lambda request: reply(200, {}))
    checks = [
        HttpCheck(method, "/", method=method) for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE")
    ]
    assert [name for name, *_ in asked(server.url, *checks)] == ["GET", "HEAD", "OPTIONS"]
    assert sorted(request.method for request in server.requests) == ["GET", "HEAD", "OPTIONS"]


def test_an_answer_that_does_not_come_is_a_failure_within_the_limit(serve: Any) -> None:
    server = serve(lambda request: request.hang())
    assert [found[:2] for found in asked(server.url, HttpCheck("a", "/"), http=0.2)] == [("a", "failed")]
    assert len(server.requests) == 1


def test_each_component_is_asked_at_its_own_address(serve: Any, reply: Any) -> None:
    web, worker = (serve(lambda request: reply(200, {})) for _ in range(2))
    seen = {name: Observed(url, False, (), ()) for name, url in (("web", web.url), ("worker", worker.url))}
    checks = (HttpCheck("a", "/"), HttpCheck("b", "/b", component="worker"))
    assert asked(web.url, *checks, **seen) == [("a", "passed", 1), ("b", "passed", 1)]
    assert [r.path for r in web.requests] == ["/"] and [r.path for r in worker.requests] == ["/b"]


def test_the_checks_of_a_component_that_is_no_part_of_the_package_are_not_asked() -> None:
    whole = config.read(ROOT)
    checks = (HttpCheck("a", "/"), HttpCheck("b", "/b", component="worker"))
    asking = replace(whole, checks=checks)
    first = whole.package.component
    for components, names in (
        ((), ["a"]),
        ((first,), ["a"]),
        (("worker",), ["b"]),
        ((first, "worker"), ["a", "b"]),
    ):
        assert [check.name for check in checks_of(asking, together(*components))] == names


def test_a_429_makes_the_pace_slower_for_good_and_a_retry_after_is_kept(
    serve: Any, reply: Any, monkeypatch: Any
) -> None:
    now = [100.0]
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def round_of(*answer: Any) -> Any:
        monkeypatch.setattr(rounds.time, "monotonic", time.monotonic)
        observed = Observed(serve(lambda r: reply(*answer)).url, False, (), ())
        seen = ask_round(replace(config.read(ROOT), checks=(HttpCheck("a", "/"),)), observed, together(), {})
        monkeypatch.setattr(rounds.time, "monotonic", lambda: now[0])
        return seen

    pace = Pace(2.0)
    pace.after(round_of(200, {}))
    assert (pace(), pace.due) == (2.0, True)
    pace.after(round_of(429, {}))
    assert (pace(), pace.due) == (4.0, True)
    pace.after(round_of(503, {}, "Retry-After: 30"))
    assert (pace(), pace.due) == (30.0, False)
    now[0] += 30
    assert pace.due
    pace.after(round_of(200, {}, "Retry-After: 30"))  # what passes asks for nothing
    assert pace() == 4.0
    for _ in range(9):
        pace.after(round_of(429, {}, "Retry-After: 99999999999999999999"))
    assert pace() == 3600.0
    pace.after(round_of(200, {}))
    assert pace() == rounds.SLOWEST
