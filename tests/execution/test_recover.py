"""Going back by itself: when it is done, what is asked for, and what the failed result says of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from roadworthy.errors import Held, OutcomeUnknown, RoadworthyError, UsageError
from roadworthy.execution import recover as module
from roadworthy.model import (
    Deployed,
    Fact,
    History,
    Observed,
    Outcome,
    Package,
    Plan,
    PlatformRelease,
    Request,
    Result,
)

NEW, OLD, OLDER = (Package(c * 40, c * 64, 1) for c in "abc")
BEFORE, AFTER = (
    Observed("", False, (PlatformRelease(n, "succeeded", True, "", "", "", datetime.now(UTC), f"v{n}"),), ())
    for n in (7, 8)
)
HISTORY = History(tuple(Deployed(p, 7 - n, "", 7 - n, "") for n, p in enumerate((OLD, OLDER))))
PLAN = Plan(Request("deploy", "prod", commit=NEW.commit, wait=60.0), "capecraft", (), NEW, {}, {})
FAILED = Result(Outcome.FAILED, "it failed", PLAN, seq=8, evidence="8.json", details={"x": 1}, code=1)
WELL = Result(Outcome.SUCCEEDED, "it went back", seq=10, evidence="10.json")


class Going:
    """`recover` on a platform that shows `seen`, with a road that ends in `came`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Request] = []
        self.seen: Any = AFTER
        self.bound = 60.0
        monkeypatch.setattr(module, "observe", lambda *_: self._raised(self.seen))

    @staticmethod
    def _raised(value: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    def back(self, failed: Result = FAILED, came: Any = WELL, history: History = HISTORY) -> Result:
        def run(context: object, request: Request) -> Result:
            self.asked.append(request)
            return self._raised(came)  # type: ignore[no-any-return]

        config = SimpleNamespace(limits=SimpleNamespace(rollback=self.bound))
        context: Any = SimpleNamespace(config=config, screen=SimpleNamespace(line=lambda text: None))
        facts: Any = SimpleNamespace(history=Fact("history", history), observed=Fact("observed", BEFORE))
        return module.recover(context, facts, failed, run)


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch) -> Going:
    return Going(monkeypatch)


def of(action: str, **said: Any) -> Result:
    return replace(FAILED, plan=replace(PLAN, request=replace(PLAN.request, action=action, **said)))


def test_a_failed_deploy_goes_back_to_what_ran_before_it(going: Going):
    found = going.back()
    (asked,) = going.asked
    assert (asked.action, asked.to, asked.environment) == ("rollback", OLD.digest, "prod")
    assert (asked.automatic, asked.wait) == (True, 0.0), "nobody is waited for"
    assert asked.why == f"deploy of {NEW.commit[:12]} failed"
    assert found.line.startswith(f"it failed; rolled back to {OLD.commit[:12]} in ")
    assert found.line.endswith(" s, verified healthy")


def test_it_stays_a_failure_with_all_that_it_found_and_names_the_rollback(going: Going):
    found = going.back()
    assert (found.outcome, found.code, found.seq, found.evidence) == (Outcome.FAILED, 1, 8, "8.json")
    assert found.details["x"] == 1, "what the failed deploy found is not lost"
    assert found.details["rollback"]["seq"] == 10
    assert 0 <= found.details["rollback"]["millis"] < 60_000


def test_an_incomplete_deployment_goes_back_to_the_one_before_it_whatever_the_platform_shows(going: Going):
    going.seen = BEFORE
    assert going.back(of("complete")).details["rollback"]["seq"] == 10
    assert going.asked[0].to == OLDER.digest


@pytest.mark.parametrize("action", ["rollback", "migrate", "certify", "adopt"])
def test_nothing_else_goes_back_by_itself(going: Going, action: str):
    assert going.back(of(action)) == of(action)
    assert going.asked == []


def test_what_was_itself_automatic_and_what_had_no_plan_goes_nowhere(going: Going):
    automatic = of("deploy", automatic=True)
    assert going.back(automatic) == automatic
    assert going.back(replace(FAILED, plan=None)).line == "it failed"
    assert going.asked == []


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (BEFORE, "; nothing was changed"),
        (replace(AFTER, releases=()), "; nothing was changed"),
        (UsageError("no answer"), "; cannot see what runs now (no answer): run `invoke status`"),
        (KeyboardInterrupt(), "; cannot see what runs now (interrupted): run `invoke status`"),
    ],
)
def test_nothing_is_done_where_nothing_changed_or_nothing_is_seen(going: Going, seen: Any, says: str):
    going.seen = seen
    assert going.back().line == f"it failed{says}"
    assert going.asked == []


def test_there_may_be_nothing_to_go_back_to(going: Going):
    assert going.back(history=History()).line == "it failed; there is no verified package to roll back to"
    assert going.asked == []


def test_a_rollback_that_failed_is_said_and_its_entry_named(going: Going):
    found = going.back(came=replace(WELL, outcome=Outcome.FAILED, line="it is not well"))
    assert found.line == "it failed; the rollback failed: it is not well"
    assert found.details["rollback"]["seq"] == 10
    assert found.details["x"] == 1


def test_a_late_rollback_says_how_late_it_was(going: Going):
    going.bound = -1.0
    assert ", over the limit of -1 s, verified healthy" in going.back().line
    going.bound = 60.0
    assert "later" not in going.back().line


@pytest.mark.parametrize(
    ("error", "raised"), [(OutcomeUnknown("cut"), OutcomeUnknown), (Held("by ada"), Held)]
)
def test_what_nobody_knows_stays_unknown(going: Going, error: RoadworthyError, raised: type[RoadworthyError]):
    with pytest.raises(raised, match=f"it failed; then the rollback: {error}"):
        going.back(came=error)


def test_a_rollback_that_is_refused_or_interrupted_leaves_a_failed_deploy(going: Going):
    assert going.back(came=UsageError("no key")).line == "it failed; the rollback failed too: no key"
    by_hand = "it failed; interrupted before the rollback: `invoke rollback --env prod`"
    assert going.back(came=KeyboardInterrupt()).line == by_hand


@pytest.mark.parametrize(
    ("maintenance", "seen", "says"),
    [
        (False, replace(AFTER, maintenance=True), ""),
        (True, AFTER, ""),
        (
            True,
            replace(AFTER, maintenance=True),
            "; capecraft is still in maintenance mode: deploy a package",
        ),
        (True, UsageError("x"), "; cannot see whether capecraft is in maintenance mode"),
        (True, KeyboardInterrupt(), "; cannot see whether capecraft is in maintenance mode"),
    ],
)
def test_people_who_are_kept_out_are_told_of(going: Going, maintenance: bool, seen: Any, says: str):
    going.seen = seen
    plan = replace(PLAN, request=replace(PLAN.request, maintenance=maintenance))
    kept: Callable[..., Result] = module.kept_out
    found = kept(SimpleNamespace(), plan, FAILED)
    assert found.line.startswith(f"it failed{says}") and (says or found == FAILED)
