"""Signs of life: left while an action runs, never in its way, and nothing that anybody puts there is believed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.journal.beat import beating
from roadworthy.journal.entry import Entry, JournalError, is_place, seal
from roadworthy.journal.store import Folder

from .test_entry import draft, sign

PLACE = "sandbox/prod"


class Counting(Folder):
    """Counts the beats; each waits until `answers`, and then fails with `error`."""

    def __init__(self, root: Path, error: Exception | None = None) -> None:
        super().__init__(root)
        self.beats, self.error, self.answers = 0, error, threading.Event()
        self.answers.set()

    def beat(self, place: str, token: int) -> None:
        self.beats += 1
        self.answers.wait(60)
        if self.error:
            raise self.error
        super().beat(place, token)


@pytest.fixture
def start() -> Entry:
    return seal(draft(), sign)[0]


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def beaten(store: Counting, count: int) -> None:
    deadline = time.monotonic() + 5
    while store.beats < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "heartbeat"]


def test_a_holder_is_heard_of_at_once_and_again_until_it_ends(store: Counting, start: Entry) -> None:
    assert store.last_beat(PLACE, 1) is None
    began = time.time()
    with beating(store, start, 0.02):
        beaten(store, 3)
    after = store.beats
    heard = store.last_beat(PLACE, 1)
    assert heard is not None and began - 2 <= heard <= time.time() + 2  # a file system's clock is coarse
    time.sleep(0.1)
    assert (store.beats, threads()) == (after, [])


def test_one_beat_is_left_for_an_action_that_is_quick(store: Counting, start: Entry) -> None:
    with beating(store, start):
        pass
    assert store.beats == 1
    assert store.last_beat(PLACE, 1)


@pytest.mark.parametrize("error", [JournalError("full"), UsageError("denied"), OSError("x"), ValueError("x")])
def test_a_beat_that_fails_ends_and_says_nothing(
    tmp_path: Path, start: Entry, error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Counting(tmp_path, error)
    with beating(store, start, 0.01):
        beaten(store, 3)  # and it goes on trying
    assert capfd.readouterr() == ("", "")


def test_a_beat_that_hangs_slows_nothing(tmp_path: Path, start: Entry) -> None:
    store = Counting(tmp_path)
    store.answers.clear()
    with beating(store, start):
        beaten(store, 1)
    assert threads() == ["heartbeat"], "the action waited for its beat"
    store.answers.set()
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join(20)


def test_an_action_goes_on_where_the_system_gives_no_more_threads(
    store: Counting, start: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with beating(store, start):
        pass
    assert store.beats == 0


def test_what_an_action_raises_passes_through(store: Counting, start: Entry) -> None:
    with pytest.raises(KeyboardInterrupt), beating(store, start):
        raise KeyboardInterrupt
    assert threads() == []


def test_a_folder_keeps_the_last_holders_beat_and_no_others(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    for token in (1, 3, 7):
        store.beat(PLACE, token)
    store.beat("sandbox/staging", 2)
    assert [store.last_beat(PLACE, token) is None for token in (1, 3, 7)] == [True, True, False]
    assert store.last_beat("sandbox/staging", 2)
    left = sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file())
    assert left == ["beats/sandbox/prod/00000007", "beats/sandbox/staging/00000002"]


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "elsewhere")


def put_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("put", [put_pipe, put_link, put_folder])
def test_what_somebody_put_there_is_no_beat_and_is_not_followed(
    tmp_path: Path, start: Entry, put: object
) -> None:
    store = Folder(tmp_path)
    folder = tmp_path / "beats" / PLACE
    folder.mkdir(parents=True)
    put(folder / "00000001")  # type: ignore[operator]
    with beating(store, start):
        pass
    assert store.last_beat(PLACE, 1) is None
    assert not (tmp_path / "beats/sandbox/elsewhere").exists()


def test_what_a_beat_contains_is_not_looked_at(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    store.beat(PLACE, 1)
    file = tmp_path / "beats" / PLACE / "00000001"
    with file.open("wb") as huge:
        huge.truncate(1 << 40)
    assert store.last_beat(PLACE, 1)


def test_no_target_and_no_environment_can_be_named_like_the_beats() -> None:
    assert not is_place("beats")
