"""Waiting is looking again, with a clock that only the pauses move."""

from __future__ import annotations

from roadworthy.wait import until


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
