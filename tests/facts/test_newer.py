"""Which commit has overtaken another: a newer one that runs or was decided on since its turn came."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.facts import newer as module
from roadworthy.facts.newer import Newer

COMMIT, ON_TOP, BESIDE = "c" * 40, "d" * 40, "b" * 40


@pytest.mark.parametrize(
    ("seq", "begun", "production", "turn", "overtaken"),
    [
        (5, 4, False, "", True),  # since the command began
        (5, None, False, "", True),
        (5, 5, False, "2030-01-02", False),  # before it began, and its turn came after that
        (5, 5, False, "2030-01-01", False),  # in the same moment
        (5, 5, False, "2029-12-31", True),
        (5, 5, False, None, False),  # it was never taken in: it has its turn now
        (5, 5, True, "2030-01-02", True),  # production never asks when
        (0, 5, False, "", False),
    ],
)
def test_a_commit_is_overtaken_by_what_came_since_its_turn(
    monkeypatch: pytest.MonkeyPatch, seq: int, begun: int | None, production: bool, turn: str, overtaken: bool
):
    by = Newer(ON_TOP, "runs", seq, "2030-01-01") if seq else None
    monkeypatch.setattr(module, "overtaken", lambda *_: by)
    monkeypatch.setattr(module, "standing_of", lambda *_: SimpleNamespace(intake=turn is not None, turn=turn))
    environment = SimpleNamespace(production=production)
    context: Any = SimpleNamespace(config=SimpleNamespace(environment=lambda _: environment))
    request: Any = SimpleNamespace(commit=COMMIT, environment="prod")
    head: Any = SimpleNamespace(seq=begun) if begun else None
    log: Any = None
    assert module.newer_than(context, log, request, head) == (by if overtaken else None)


def decided(seq: int, commit: str, word: str = "YES", kind: str = "note", action: str = "decide") -> Any:
    record = SimpleNamespace(kind=kind, action=action, details={"decision": word, "commit": commit})
    return SimpleNamespace(seq=seq, at="then", record=record)


@pytest.mark.parametrize(
    ("runs", "entries", "by"),
    [
        (None, (), None),
        ((3, COMMIT), (), None),  # it runs itself
        ((3, ON_TOP), (), "runs"),
        ((3, BESIDE), (), None),
        ((3, BESIDE), (decided(5, ON_TOP),), "was decided on"),
        ((3, BESIDE), (decided(5, ON_TOP, "NO"),), None),
        ((3, BESIDE), (decided(5, ON_TOP, kind="start"),), None),
        ((3, BESIDE), (decided(5, ON_TOP, action="complete"),), None),
        ((3, BESIDE), (decided(2, ON_TOP),), None),  # before what runs was released
        ((3, BESIDE), (decided(3, ON_TOP),), None),
        (None, (decided(1, ON_TOP),), "was decided on"),
        ((3, ON_TOP), (decided(5, BESIDE),), "runs"),
        (None, (decided(5, COMMIT),), None),
    ],
)
def test_what_overtakes_runs_or_was_decided_on_on_top_of_it(
    monkeypatch: pytest.MonkeyPatch, runs: tuple[int, str] | None, entries: tuple[Any, ...], by: str | None
):
    there = SimpleNamespace(package=SimpleNamespace(commit=runs[1]), seq=runs[0], at="then") if runs else None
    monkeypatch.setattr(module, "history_of", lambda *_: SimpleNamespace(running=there))
    monkeypatch.setattr(module.git, "is_ancestor", lambda _, old, new: (old, new) == (COMMIT, ON_TOP))
    context: Any = SimpleNamespace(paths=SimpleNamespace(root=None))
    log: Any = SimpleNamespace(backwards=lambda: iter(entries))
    found = module.overtaken(context, log, COMMIT)
    assert (found and found.how) == by
