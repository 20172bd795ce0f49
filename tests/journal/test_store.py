"""A folder as a store: written once, whole, and nothing followed out of it."""

from __future__ import annotations

import os
import resource
import shutil
import time
from pathlib import Path

import pytest

from roadworthy.journal.entry import JournalError
from roadworthy.journal.store import Folder
from roadworthy.wait import until


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "journal")


def test_a_name_is_written_once(store: Folder) -> None:
    assert store.put("sandbox/prod/00000001.json", b"one")
    assert not store.put("sandbox/prod/00000001.json", b"two")
    assert store.get("sandbox/prod/00000001.json") == b"one"


def test_the_same_bytes_again_are_no_conflict(store: Folder) -> None:
    """A writer whose reply was lost asks again, and must learn that it won."""
    assert store.put("a", b"one")
    assert store.put("a", b"one")


def test_what_is_not_there_is_none_and_lists_as_nothing(store: Folder) -> None:
    assert store.get("a/b") is None
    assert store.names("a") == []
    store.put("a/b", b"")
    assert store.get("a/c") is None
    assert store.get("a/b") == b""


def test_names_are_those_of_one_folder_in_order(store: Folder) -> None:
    for name in ("p/2", "p/1", "pp/3", "p/q/4"):
        store.put(name, b"x")
    assert store.names("p") == ["p/1", "p/2", "p/q"]
    assert store.names("p", "p/1") == ["p/2", "p/q"]


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a\0b", "a\nb", "x" * 201]
)
def test_a_name_cannot_leave_the_folder(store: Folder, name: str) -> None:
    for use in (lambda: store.put(name, b"x"), lambda: store.get(name), lambda: store.names(name)):
        with pytest.raises(JournalError, match="no name"):
            use()
    assert not store.root.exists()


def test_links_are_not_followed(store: Folder, tmp_path: Path) -> None:
    store.put("p/1", b"one")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    (store.root / "p" / "2").symlink_to(outside / "file")
    (store.root / "q").symlink_to(outside)
    with pytest.raises(JournalError, match="cannot read"):
        store.get("p/2")
    with pytest.raises(JournalError, match="cannot read"):
        store.put("p/2", b"new")
    with pytest.raises(JournalError, match="cannot write"):
        store.put("q/new", b"new")
    assert [p.name for p in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"secret"


def test_what_is_no_file_is_refused_at_once(store: Folder) -> None:
    store.put("p/1", b"one")
    os.mkfifo(store.root / "p" / "pipe")
    (store.root / "p" / "folder").mkdir()
    for name in ("p/pipe", "p/folder"):
        with pytest.raises(JournalError, match="not a regular file"):
            store.get(name)


def test_more_than_the_limit_is_not_read(store: Folder) -> None:
    store.put("a", b"12345")
    assert store.get("a", 5) == b"12345"
    with pytest.raises(JournalError, match="more than 4"):
        store.get("a", 4)


def test_a_long_file_is_read_whole_and_no_further_than_the_limit(store: Folder) -> None:
    data = os.urandom(3 << 20)
    store.put("evidence/a", data)
    assert store.get("evidence/a") == data
    assert store.get("evidence/a", len(data)) == data
    with pytest.raises(JournalError, match="more than 3145727"):
        store.get("evidence/a", len(data) - 1)


def test_a_file_that_grows_while_it_is_read_is_refused(
    store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a/b", b"x" * 90)
    read = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: read(fd, size) or b"y" * 20)
    with pytest.raises(JournalError, match="b grew beyond 100 bytes while it was read"):
        store.get("a/b", 100)


def test_many_are_read_from_one_open_folder_as_each_by_itself(
    store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/b/1", "a/b/2", "a/c/1", "d"):
        store.put(name, name.encode())
    names = ["a/b/1", "a/b/2", "a/b/3", "a/c/1", "a/x/1", "a/x/2", "d", "e", "a/b/1"]
    opened = list[object]()
    open_ = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *args, **more: opened.append(path) or open_(path, *args, **more)
    )
    found = list(store.get_all(names, 100))
    assert found == [b"a/b/1", b"a/b/2", None, b"a/c/1", None, None, b"d", None, b"a/b/1"]
    assert opened.count(store.root) == 5, "once for each folder in turn"
    assert found == [store.get(name) for name in names]
    with pytest.raises(JournalError, match="no name of the journal's store"):
        list(store.get_all(["a/b/1", "../x"], 100))


def test_whoever_stops_reading_leaves_no_folder_open(store: Folder) -> None:
    store.put("a/1", b"")
    before = len([*Path("/proc/self/fd").iterdir()])
    reading = store.get_all(["a/1", "a/2"], 100)
    assert next(reading) == b""
    reading.close()  # type: ignore[attr-defined]
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    (store.root / "a" / "pipe").mkdir()
    with pytest.raises(JournalError, match="not a regular file"):
        store.get("a/pipe")
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def rested(store: Folder) -> str:
    """The folder's stamp, as soon as its last change is old enough for one."""
    found = until(lambda: store.stamp("p") or None, within=5.0, every=0.01)
    assert found, "a folder that nobody changes has no stamp"
    return found


def test_a_folder_whose_names_change_has_another_stamp(
    store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadworthy.journal.store._TICK", 0.05)
    assert store.stamp("p") == ""
    store.put("p/1", b"one")
    assert store.stamp("p") == "", "it was changed just now, and may be again within the same tick"
    seen = {rested(store)}
    assert rested(store) in seen
    (store.root / "p" / "1").write_bytes(b"another")
    assert rested(store) in seen
    for change in (
        lambda: store.put("p/2", b"two"),
        lambda: (store.root / "p" / "2").unlink(),
        lambda: (store.root / "p" / "1").rename(store.root / "p" / "3"),
        lambda: os.utime(store.root / "p", (1, 1)),
        lambda: [
            (store.root / "p").rename(store.root / "q"),
            shutil.copytree(store.root / "q", store.root / "p"),
        ],
    ):
        change()
        stamp = rested(store)
        assert stamp not in seen
        seen.add(stamp)


def test_leftovers_of_dead_writers_are_unseen_and_swept_when_old(store: Folder) -> None:
    store.put("p/1", b"one")
    old, young = (store.root / "p" / f".{digit * 16}.part" for digit in "ab")
    for part in (old, young):
        part.write_bytes(b"torn")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert store.names("p") == ["p/1"]
    Folder(store.root).put("p/2", b"two")
    assert sorted(p.name for p in (store.root / "p").iterdir()) == [young.name, "1", "2"]


def test_a_put_leaves_no_temporary_file(store: Folder) -> None:
    store.put("p/1", b"one")
    store.put("p/1", b"other")
    assert [p.name for p in (store.root / "p").iterdir()] == ["1"]


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match=r"cannot write .*/file/a: File exists"):
        Folder(tmp_path / "file").put("a", b"x")
    with pytest.raises(JournalError, match=r"cannot write .*/file/a: Not a directory"):
        Folder(tmp_path).put("file/a", b"x")


def test_a_disk_that_is_full_half_way_leaves_nothing(store: Folder) -> None:
    """A limit on file sizes stops the write in the middle, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    store.root.mkdir()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(JournalError, match="File too large"):
            store.put("a", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(store.root.iterdir()) == []


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced from now on, in order, by its path; a file's temporary name is said as `part`."""
    done, fsync = list[str](), os.fsync

    def note(fd: int) -> None:
        name = str(Path(f"/proc/self/fd/{fd}").readlink())
        done.append("part" if name.endswith(".part") else name)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    return done


def test_what_is_written_is_on_the_disk_with_every_folder_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, done = Folder(tmp_path / "a" / "journal"), synced(monkeypatch)
    assert store.put("sandbox/prod/00000001.json", b"1")
    top = [str(tmp_path.parent), str(tmp_path), str(tmp_path / "a")]
    folders = [str(store.root), str(store.root / "sandbox")]
    last = str(store.root / "sandbox" / "prod")
    assert done == [*top, *folders, "part", last]
    done.clear()
    assert store.put("sandbox/prod/00000002.json", b"2")
    assert done == ["part", last], "the way is synced once a process"
    done.clear()
    assert not Folder(store.root).put("sandbox/prod/00000001.json", b"another")
    assert done == [str(tmp_path / "a"), *folders, "part", last], "also what another process made"


def test_a_journal_that_was_removed_while_it_is_written_is_not_begun_anew(store: Folder) -> None:
    assert store.put("sandbox/prod/00000001.json", b"1")
    shutil.rmtree(store.root)
    with pytest.raises(JournalError, match="there is nothing"):
        store.put("sandbox/prod/00000002.json", b"2")


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o775), (0o002, 0o775), (0o022, 0o755), (0o077, 0o700)])
def test_a_folder_that_is_made_is_never_writable_by_everybody(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        store = Folder(tmp_path / "release" / "journal")
        store.put("live/prod/00000001.json", b"{}")
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "release").rglob("*") if path.is_dir()]
    assert len(made) == 3 and {path.stat().st_mode & 0o777 for path in made} == {mode}
    assert store.open_to_all("live/prod") == []


def test_the_folders_in_which_everybody_may_write_are_named(tmp_path: Path) -> None:
    store = Folder(tmp_path / "journal")
    store.put("live/prod/00000001.json", b"{}")
    (tmp_path / "journal/live").chmod(0o777)
    (tmp_path / "journal/live/prod").chmod(0o757)
    assert store.open_to_all("live/prod") == [tmp_path / "journal/live", tmp_path / "journal/live/prod"]
    assert store.open_to_all("live/staging") == [tmp_path / "journal/live"]
