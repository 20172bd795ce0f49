"""What a ship says and does between its stages, without a platform."""

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.model import Outcome
from roadworthy.pipeline import ship as module
from roadworthy.pipeline.accept import accept

COMMIT = "c" * 40


def result(action: str, outcome: Outcome, *, already: bool = False) -> Any:
    plan = SimpleNamespace(request=SimpleNamespace(action=action), already=already)
    return SimpleNamespace(plan=plan, outcome=outcome)


@pytest.mark.parametrize(
    ("action", "outcome", "already", "changes"),
    [
        ("deploy", Outcome.SUCCEEDED, False, True),
        ("deploy", Outcome.SUCCEEDED, True, False),
        ("deploy", Outcome.FAILED, False, True),
        ("deploy", Outcome.UNKNOWN, False, True),
        ("deploy", Outcome.REFUSED, False, False),
        ("migrate", Outcome.FAILED, False, True),
        ("certify", Outcome.SUCCEEDED, False, False),
        ("complete", Outcome.SUCCEEDED, False, False),
    ],
)
def test_what_may_have_changed_something(action: str, outcome: Outcome, already: bool, changes: bool):
    assert module._changes(result(action, outcome, already=already)) is changes


def test_a_stage_without_a_plan_changed_nothing():
    assert module._changes(SimpleNamespace(plan=None, outcome=Outcome.SUCCEEDED)) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(("github", "tested", "runs"), [
    (None, "missing", True), (None, "failure", True), (None, "success", False),
    ("owner/name", "missing", False), ("owner/name", "failure", False), ("owner/name", "success", False),
])  # fmt: skip
def test_own_tests_run_only_where_github_is_not_the_commit_stage(
    monkeypatch: pytest.MonkeyPatch, github: str | None, tested: str, runs: bool
):
    ran: list[str] = []
    monkeypatch.setattr(module.build, "package_of", lambda *_: SimpleNamespace(digest="d" * 64))
    state = SimpleNamespace(outcome=tested, source="a run", url="journal #3")
    monkeypatch.setattr(module, "test_run", lambda *_: state)
    monkeypatch.setattr(module, "test", lambda _, commit: ran.append(commit))
    monkeypatch.setattr(module.accept, "accept", lambda *_: "accepted")
    context = SimpleNamespace(
        config=SimpleNamespace(github=github),
        log=lambda _: SimpleNamespace(settled=list),
        screen=SimpleNamespace(fact=lambda *_: None),
    )
    said = module._verification(context, SimpleNamespace(commit=COMMIT))  # type: ignore[arg-type]
    assert (said, ran) == ("accepted", [COMMIT] if runs else [])
    assert accept is not module.accept.accept, "the real one did not run"
