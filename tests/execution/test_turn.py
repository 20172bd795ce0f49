"""Whose turn it is: who waits, who settles what a dead one left, and who may do neither."""

from __future__ import annotations

import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.errors import OutcomeUnknown
from roadworthy.execution import turn as module
from roadworthy.journal.lock import Fate, HeldBy

DEAD, ALIVE = Fate(False, "its process is gone"), Fate(True, "its process is running")


class Log:
    """A log with one open start, which is settled at the look `settled_at`."""

    def __init__(self, settled_at: int = 99) -> None:
        self.looks, self.settled_at = 0, settled_at
        self.start = SimpleNamespace(seq=7)

    def open_start(self) -> Any:
        self.looks += 1
        return None if self.looks >= self.settled_at else self.start


def context(http: float = 0.0) -> Any:
    @contextmanager
    def step(_: str) -> Any:
        yield lambda _: None

    limits = SimpleNamespace(http=http)
    targets = {"sandbox": SimpleNamespace(poll=0.001)}
    config = SimpleNamespace(limits=limits, targets=targets)
    return SimpleNamespace(config=config, screen=SimpleNamespace(step=step), store=None, target="sandbox")


def request(wait: float = 0.0) -> Any:
    return SimpleNamespace(wait=wait, environment="staging")


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.lock, "holder", lambda _: SimpleNamespace(place="sandbox/staging"))
    monkeypatch.setattr(module.lock, "held", lambda *_: "staging is held")
    monkeypatch.setattr(module.lock, "seen_here", lambda _: DEAD)
    monkeypatch.setattr(module.lock, "lives", lambda _: True)
    monkeypatch.setattr(module, "FOLDER_POLL", 0.001)


@pytest.mark.parametrize(("settle", "wait"), [(False, 60.0), (True, 0.0), (False, 0.0)])
def test_what_a_dead_one_left_is_settled_only_by_who_waits_and_may_write(
    monkeypatch: pytest.MonkeyPatch, settle: bool, wait: float
):
    monkeypatch.setattr(module, "fate", lambda *_: DEAD)
    monkeypatch.setattr(module, "_take_over", lambda *_: pytest.fail("it was settled"))
    with pytest.raises(OutcomeUnknown, match="staging is held"):
        module.take(context(), Log(), request(wait), time.monotonic() + wait, settle=settle)  # type: ignore[arg-type]


def test_it_is_settled_by_who_does_both(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "fate", lambda *_: DEAD)
    log, settled = Log(), []

    def take_over(*_: Any) -> None:
        settled.append(log.start.seq)
        log.settled_at = 0

    monkeypatch.setattr(module, "_take_over", take_over)
    module.take(context(), log, request(60.0), time.monotonic() + 60, settle=True)  # type: ignore[arg-type]
    assert settled == [7]


def test_what_a_dead_one_sent_last_is_given_its_time_to_arrive():
    log = Log()
    module._let_arrive(context(0.02), log, log.start, time.monotonic() + 60)  # type: ignore[arg-type]
    assert log.looks > 1
    with pytest.raises(OutcomeUnknown, match="may still arrive within 9 s"):
        module._let_arrive(context(9.0), log, log.start, time.monotonic())  # type: ignore[arg-type]
    # Another one who waited has settled it meanwhile: there is nothing left to wait for.
    module._let_arrive(context(9.0), Log(settled_at=1), log.start, time.monotonic())  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", ["settled", "gone", "neither"])
def test_a_living_one_is_waited_for_until_it_settles_or_dies(monkeypatch: pytest.MonkeyPatch, ends: str):
    monkeypatch.setattr(module, "fate", lambda *_: ALIVE)
    monkeypatch.setattr(module.lock, "lives", lambda _: ends != "gone")
    log = Log(settled_at=2 if ends == "settled" else 99_999)
    deadline = time.monotonic() + (0.02 if ends == "neither" else 60)
    wait = lambda: module._wait_for(context(), log, request(1.0), log.start, deadline)  # type: ignore[arg-type]  # noqa: E731
    if ends == "neither":
        with pytest.raises(HeldBy):
            wait()
    else:
        wait()
        assert log.looks <= 2
