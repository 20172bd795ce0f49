"""Waiting is looking again, with a clock that only the pauses move."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from roadworthy.errors import CheckFailed
from roadworthy.wait import side_by_side, until


class Time:
    """A clock that stands still but for the pauses and for the `each` seconds that a look takes."""

    def __init__(self, each: float = 0.0) -> None:
        self.now, self.each, self.looks = 100.0, each, 0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def look(self) -> None:
        self.looks += 1
        self.now += self.each


def waited(time: Time, **bounds: float) -> float:
    assert until(time.look, clock=time.clock, pause=time.pause, **bounds) is None
    return time.now - 100.0


def test_the_last_look_is_at_the_deadline():
    time = Time()
    assert waited(time, within=1.0, every=0.4) == 1.0
    assert time.looks == 4  # at 0, 0.4, 0.8 and 1.0


def test_so_many_looks_end_it_before_the_deadline():
    time = Time()
    assert waited(time, within=2.0, every=0.125, looks=5) == 0.5
    assert time.looks == 5


def test_the_deadline_ends_it_before_so_many_looks():
    time = Time()
    assert waited(time, within=2.0, every=2.0, looks=5) == 2.0
    assert time.looks == 2


def test_slow_answers_are_waited_for_longer():
    time = Time(each=0.25)
    assert waited(time, within=2.0, every=0.125, looks=5) == 5 * 0.25 + 4 * 0.125


def test_what_is_seen_ends_it_at_once():
    seen = iter([None, "it"])
    assert until(lambda: next(seen), within=0.0, every=0.0) is None
    assert until(lambda: next(seen), within=9.0, every=9.0, looks=1) == "it"


# ---- side by side --------------------------------------------------------------------------------------------


def test_calls_are_made_at_once_and_answered_in_their_order():
    together = threading.Barrier(3, timeout=10)

    def call(answer: int) -> int:
        together.wait()
        return answer

    assert side_by_side([partial(call, answer) for answer in (3, 1, 2)]) == [3, 1, 2]
    assert side_by_side([]) == []


def test_the_first_error_is_raised_after_all_have_ended():
    ended: list[str] = []

    def fail(what: str) -> None:
        ended.append(what)
        raise CheckFailed(what)

    with pytest.raises(CheckFailed, match="second"):
        side_by_side([lambda: ended.append("first"), partial(fail, "second"), partial(fail, "third")])
    assert sorted(ended) == ["first", "second", "third"]


def test_one_call_needs_no_thread():
    assert side_by_side([threading.current_thread]) == [threading.current_thread()]
