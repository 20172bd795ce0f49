"""The index saves time and decides nothing: whatever is done to it, a log says what its entries say."""

from __future__ import annotations

import errno
import hmac
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roadworthy.errors import RoadworthyError
from roadworthy.journal import index as indexes
from roadworthy.journal import kept
from roadworthy.journal import log as logs
from roadworthy.journal.audit import audit
from roadworthy.journal.chain import State
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.index import Checkpoint, Index, Settled, settled_by, state_folder
from roadworthy.journal.known import JournalLost
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, create_key
from roadworthy.journal.store import Folder
from roadworthy.wait import until

from .making import DIGEST, log_of, record
from .writers import save_often

SPAWN = multiprocessing.get_context("spawn")


class Watched(Folder):
    """A folder that remembers which entries were read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[int] = []
        self.listed = 0

    def names(self, prefix: str, after: str = "") -> list[str]:
        self.listed += 1
        return super().names(prefix, after)

    def get_all(self, names: Iterable[str], limit: int) -> Iterator[bytes | None]:
        asked = list(names)
        for name, data in zip(asked, super().get_all(asked, limit), strict=True):
            if data is not None:
                self.seen.append(int(Path(name).stem))
            yield data


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reading of something new is worth an index."""
    monkeypatch.setattr(logs, "WORTH", 1)


def index_of(root: Path, place: str = "prod", trust: Trust | None = None) -> Index:
    return Index(root / "state", f"here sandbox/{place}", trust or Trust.load(root / "keys"))


def opened(root: Path, place: str = "prod", **more: Any) -> Log:
    """The log as the next command on this machine opens it."""
    more.setdefault("store", Watched(root / "journal"))
    return log_of(root, place, index=index_of(root, place, more.get("trust")), **more)


def write(root: Path, place: str = "prod") -> Log:
    """Two releases, a refusal, and an open start: entries 1 to 6."""
    log = log_of(root, place)
    for number in (1, 3):
        log.append(record("start", environment=place))
        to = {"commit": "4b" * 20, "size": 9, "release": number, "slug": f"s{number}"}
        log.append(record("end", environment=place, settles=number, to=to, revision=f"000{number}"))
    log.append(record("refused", environment=place))
    log.append(record("start", environment=place))
    return log


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path)
    assert opened(tmp_path).head()
    assert index_of(tmp_path).path.exists()
    return tmp_path


def path_of(root: Path, seq: int, place: str = "prod") -> Path:
    return root / "journal" / "sandbox" / place / f"{seq:08d}.json"


def answers(log: Log) -> tuple[Entry | None, Entry | None, list[Settled], list[Entry]]:
    return log.head(), log.open_start(), list(log.settled()), list(log.backwards())


def seen_by(log: Log) -> list[int]:
    """What a first reading reads."""
    log.head()
    return log._store.seen  # type: ignore[attr-defined,no-any-return]


def is_used(root: Path) -> bool:
    return seen_by(opened(root)) == [6]


def test_a_reading_goes_on_where_the_last_one_ended(root: Path) -> None:
    assert seen_by(opened(root)) == [6]
    log_of(root).append(record("note"))
    assert seen_by(opened(root)) == [6, 7]
    assert seen_by(opened(root)) == [7, 6]  # the head, and the open start that it has to show


def test_the_answers_are_those_of_the_entries(root: Path) -> None:
    whole = log_of(root)
    entries = whole.entries()
    settled = [settled_by(entries[1], entries[0]), settled_by(entries[3], entries[2])]
    expected = (entries[-1], entries[-1], settled, entries[::-1])
    assert answers(opened(root)) == expected == answers(whole)
    assert [(s.seq, s.release, s.artifact, s.revision) for s in opened(root).settled()] == [
        (2, 1, "s1", "0001"),
        (4, 3, "s3", "0003"),
    ]
    assert [e.seq for e in opened(root).backwards(opened(root).settled()[0])] == [2, 1]


def test_every_entry_is_read_when_every_entry_is_asked_for(root: Path) -> None:
    log = opened(root)
    log.head()
    log._store.seen.clear()  # type: ignore[attr-defined]
    assert len(log.entries()) == 6
    assert log._store.seen == [1, 2, 3, 4, 5, 6]  # type: ignore[attr-defined]


def test_writing_goes_on_from_the_index(root: Path) -> None:
    log = opened(root)
    with pytest.raises(RoadworthyError, match="is locked by"):
        log.append(record("start"))
    log.append(record("end", settles=6))
    assert log.append(record("start")).seq == 8
    assert answers(log)[2:] == answers(log_of(root))[2:]
    assert audit(path_of(root, 1).parent, root / "keys") == []


# ---- what somebody did to the index -------------------------------------------------------------------------


def flip(at: int) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return change


def forge(path: Path, key: bytes, **said: Any) -> None:
    """Another checkpoint in the place of this one, with a MAC by `key`."""
    found, rows = parts(path)
    if said.get("settled") == []:
        rows = b""
    head = msgspec.msgpack.encode(msgspec.structs.replace(found, **said))
    head = len(head).to_bytes(4) + head
    path.write_bytes(hmac.digest(key, head, "sha256") + head + rows)


def parts(path: Path) -> tuple[Checkpoint, bytes]:
    """The checkpoint of an index, and its rows."""
    data = path.read_bytes()
    end = 36 + int.from_bytes(data[32:36])
    return indexes._CHECKPOINT.decode(data[36:end]), data[end:]


def link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize(
    "tamper",
    [
        flip(0),
        flip(40),
        flip(-1),
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:34]),
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(path.read_bytes() + b"\x90"),
        lambda path: path.write_bytes(os.urandom(5000)),
        lambda path: forge(path, b"k" * 32, seq=4, open=(0, "")),
        lambda path: forge(path, b"", seq=4, open=(0, "")),
        lambda path: path.chmod(0o644),
        lambda path: path.chmod(0o660),
        link,
        lambda path: (path.parent / "index.key").unlink(),
        lambda path: (path.parent / "index.key").write_bytes(b"k" * 32),
        lambda path: (path.parent / "index.key").write_bytes(b""),
        lambda path: [(path.parent / "index.key").write_bytes(b""), forge(path, b"", seq=4, open=(0, ""))],
        lambda path: (path.parent / "index.key").chmod(0o644),
        lambda path: shutil.rmtree(path.parent),
    ],
)
def test_an_index_that_is_not_ours_alone_is_as_none_and_made_again(
    root: Path, tamper: Callable[[Path], object]
) -> None:
    expected = answers(opened(root))
    tamper(index_of(root).path)
    assert seen_by(opened(root)) == [1, 2, 3, 4, 5, 6]
    if index_of(root).path.is_symlink() or (root / "state" / "index.key").stat().st_mode & 0o077:
        index_of(root).path.unlink()  # a person's; nothing is written through a link
    assert answers(opened(root)) == expected
    assert is_used(root)


def test_the_index_of_another_log_is_none(root: Path) -> None:
    write(root, "staging")
    assert opened(root, "staging").head()
    shutil.copy(index_of(root, "staging").path, index_of(root).path)
    assert seen_by(opened(root)) == [1, 2, 3, 4, 5, 6]


def test_an_older_index_costs_time_and_nothing_else(root: Path) -> None:
    older = index_of(root).path.read_bytes()
    log_of(root).append(record("end", settles=6))
    expected = answers(opened(root))
    index_of(root).path.write_bytes(older)
    assert seen_by(log := opened(root)) == [6, 7]
    assert answers(log) == expected
    assert log.open_start() is None


def test_another_version_of_the_code_judges_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "_FORM", "1 99.0")
    assert seen_by(opened(root)) == [1, 2, 3, 4, 5, 6]


def test_who_has_even_the_key_of_the_index_cannot_make_an_unsigned_entry_count(root: Path) -> None:
    key = (root / "state" / "index.key").read_bytes()
    stranger = create_key(root / "elsewhere", "stranger")
    (root / "other").mkdir()
    shutil.copy(root / "elsewhere" / "stranger.pub", root / "other")
    theirs = log_of(root / "elsewhere", signer=stranger, trust=Trust.load(root / "other"))
    entry = theirs.append(record("start"))
    shutil.copy(path_of(root / "elsewhere", 1), path_of(root, 1))
    forge(index_of(root).path, key, seq=1, sha256=entry.sha256, open=(0, ""), settled=[])
    with pytest.raises(JournalError, match="not a trusted key"):
        opened(root).head()


# ---- rows -----------------------------------------------------------------------------------------------------


def row(seq: int) -> Settled:
    text = dict.fromkeys(
        ("sha256", "at", "kind", "action", "environment", "digest", "commit", "artifact"), ""
    )
    more = dict.fromkeys(("package", "certificate", "certificate_sha256", "expires"), "")
    numbers = {"seq": seq, "size": 0, "release": 0, "deployment": 0}
    return Settled(**text, **more, **numbers, revised=False, revision=None, claim=None, closed=False)


@pytest.mark.parametrize("later", [0, 1, 5])
@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4, 7])
def test_rows_are_one_sequence_however_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, later: int
) -> None:
    monkeypatch.setattr(indexes, "PIECE", 3)
    log_of(tmp_path)
    index, plain = index_of(tmp_path), [row(seq) for seq in range(1, kept + later + 1)]
    index.save(State(), plain[:kept])
    found = index.load(never)
    assert found
    rows = found[1].followed_by(plain[kept:])
    assert len(rows) == len(plain)
    assert [*rows] == plain
    assert [*reversed(rows)] == plain[::-1]
    assert [rows[at] for at in range(-len(plain), len(plain))] == plain + plain
    assert rows[1:-1] == tuple(plain[1:-1])
    with pytest.raises(IndexError):
        rows[len(plain)]


@pytest.fixture
def threes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of eight releases and an open start, entries 1 to 17, with an index in pieces of three."""
    monkeypatch.setattr(indexes, "PIECE", 3)
    log = log_of(tmp_path)
    for number in range(1, 17, 2):
        log.append(record("start"))
        log.append(record("end", settles=number, to={"release": number}))
    log.append(record("start"))
    assert opened(tmp_path).head()
    return tmp_path


def spoil(path: Path, at: int) -> None:
    """Change one bit of this byte of the rows."""
    flip(path.stat().st_size - len(parts(path)[1]) + at)(path)


def test_a_piece_that_was_spoiled_is_told_by_the_entries_and_made_anew(
    threes: Path,
) -> None:
    log = log_of(threes)
    expected, path = [*log.settled()], index_of(threes).path
    whole = path.read_bytes()
    spoil(path, 10)
    found = opened(threes)
    rows = found.settled()
    assert [rows[7], rows[3]] == [expected[7], expected[3]]
    assert seen_by(found) == [17], "so far only the head was read, which is the open start"
    assert [*rows] == expected
    assert path.read_bytes() == whole
    assert seen_by(opened(threes)) == [17]


def test_a_spoiled_piece_keeps_nobody_from_keeping_a_newer_index(
    threes: Path,
) -> None:
    log = log_of(threes)
    spoil(index_of(threes).path, 10)
    log.append(record("end", settles=17))
    assert opened(threes).head().seq == 18  # type: ignore[union-attr]
    assert [*opened(threes).settled()] == [*log.settled()]
    assert seen_by(opened(threes)) == [18]


def test_what_a_spoiled_piece_said_is_not_made_up_when_the_entries_are_gone(
    threes: Path,
) -> None:
    spoil(index_of(threes).path, 10)
    path_of(threes, 2).unlink()
    rows = opened(threes).settled()
    for _ in range(2):
        with pytest.raises(JournalError, match=r"00000002\.json is missing"):
            rows[0]


def test_an_index_whose_last_piece_was_spoiled_is_none(
    threes: Path,
) -> None:
    flip(-1)(index_of(threes).path)
    assert seen_by(opened(threes)) == [*range(1, 18)]


def never(seq: int) -> list[Settled]:
    raise AssertionError(f"the entries up to {seq} are read")


def test_of_a_long_index_only_what_is_looked_at_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "PIECE", 3)
    monkeypatch.setattr(kept, "_USUAL", 36)
    log_of(tmp_path)
    index, asked = index_of(tmp_path), list[tuple[int, int]]()
    index.save(State(), [row(seq) for seq in range(1, 101)])
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: asked.append((at, size)) or pread(fd, size, at))
    found = index.load(never)
    assert found
    head = found[0]
    assert len(head.settled) == 34
    whole = index.path.stat().st_size
    assert [at + size for at, size in asked[-1:]] == [whole]
    assert sum(size for _, size in asked) < whole / 2
    before = len(asked)
    assert found[1][50].seq == 51
    assert len(asked) == before + 1


def test_a_file_system_that_gives_a_few_bytes_at_a_time_is_asked_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 7), at))
    assert is_used(root)
    assert [one.seq for one in opened(root).settled()] == [2, 4]


def test_an_index_that_was_replaced_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "PIECE", 3)
    log_of(tmp_path)
    index = index_of(tmp_path)
    index.save(State(), [row(seq) for seq in range(1, 9)])
    found = index.load(never)
    assert found
    index.save(State(), [row(seq) for seq in range(101, 120)])
    assert [one.seq for one in found[1]] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_rows_are_as_they_were_when_they_were_asked_for(root: Path) -> None:
    log = opened(root)
    before, reading = log.settled(), reversed(log.settled())
    log.append(record("end", settles=6))
    assert [one.seq for one in before] == [2, 4]
    assert [one.seq for one in reading] == [4, 2]
    assert [one.seq for one in log.settled()] == [2, 4, 7]


# ---- a folder that is not listed again ------------------------------------------------------------------------


@pytest.fixture
def long(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that counts as long, and that was listed when nothing had changed for a while."""
    monkeypatch.setattr(indexes, "LONG", 1)
    monkeypatch.setattr("roadworthy.journal.store._TICK", 0.05)
    assert rested(root)
    assert lists(root) == 1
    assert index_of(root)._listing.exists()
    return root


def rested(root: Path) -> str | None:
    store = Folder(root / "journal")
    return until(lambda: store.stamp("sandbox/prod") or None, within=5.0, every=0.01)


def lists(root: Path) -> int:
    """How often one reading lists the folder."""
    log = opened(root)
    log.head()
    return log._store.listed  # type: ignore[attr-defined,no-any-return]


def test_a_long_log_that_nobody_changed_is_not_listed_again(long: Path) -> None:
    assert lists(long) == 0
    log_of(long).append(record("note"))
    assert lists(long) == 1, "it was changed just now"
    assert rested(long)
    assert (lists(long), lists(long)) == (1, 0)


def test_all_entries_are_listed_whatever_was_listed_before(long: Path) -> None:
    log = opened(long)
    log.entries()
    assert log._store.listed == 1  # type: ignore[attr-defined]


def test_what_is_put_into_the_folder_later_is_found(long: Path) -> None:
    shutil.copy(path_of(long, 6), path_of(long, 8))  # as if entry 7 had been taken away
    for _ in (rested(long), None):
        with pytest.raises(JournalError, match=r"00000007\.json is missing"):
            opened(long).head()
    path_of(long, 8).rename(path_of(long, 9).with_name("notes.txt"))
    for _ in (rested(long), None):
        with pytest.raises(JournalError, match=r"notes\.txt is no entry"):
            opened(long).head()


def test_what_was_cut_off_since_is_found(long: Path) -> None:
    log_of(long).append(record("note"))
    assert rested(long)
    assert (lists(long), lists(long)) == (1, 0)
    path_of(long, 7).unlink()
    index_of(long).path.unlink()  # it went on to entry 7
    assert opened(long).head().seq == 6  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "tamper",
    [
        flip(0),
        flip(-1),
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.chmod(0o644),
        link,
        lambda path: shutil.copy(path.with_suffix(".index"), path),
        lambda path: (path.parent / "index.key").write_bytes(b"k" * 32),
    ],
)
def test_a_note_that_is_not_ours_alone_is_as_none(long: Path, tamper: Callable[[Path], object]) -> None:
    tamper(index_of(long)._listing)
    assert lists(long) == 1


def test_a_listing_says_nothing_of_what_lay_before_it(long: Path) -> None:
    stamp = rested(long) or ""
    assert index_of(long).listed(stamp, 6) == 6
    for after in (0, 5, 7):
        assert index_of(long).listed(stamp, after) is None
    assert index_of(long).listed("another", 6) is None
    assert index_of(long).listed("", 6) is None
    assert index_of(long, "staging").listed(stamp, 6) is None


# ---- what judges the entries changed ------------------------------------------------------------------------

RULES = """
version = {version}
[[rule]]
key = "deployer"
target = "sandbox"
environments = ["*"]
stages = ["*"]
actions = ["*"]
"""


def test_a_new_key_a_rule_or_a_revocation_has_everything_judged_again(root: Path) -> None:
    create_key(root / "keys", "second")
    assert seen_by(opened(root)) == [1, 2, 3, 4, 5, 6]
    assert is_used(root)
    (root / "keys" / "trust.toml").write_text(RULES.format(version=1))
    assert seen_by(opened(root)) == [1, 2, 3, 4, 5, 6]
    assert is_used(root)
    head = log_of(root).entries()[3]
    revoked = f'[[revoked]]\nkey = "deployer"\ngood = ["sandbox/prod 4 {head.sha256}"]\n'
    (root / "keys" / "trust.toml").write_text(RULES.format(version=2) + revoked)
    with pytest.raises(JournalError, match=r"00000005\.json: .* was revoked before it signed"):
        opened(root).head()


def test_every_part_of_the_trust_is_in_its_digest(root: Path) -> None:
    found = {Trust.load(root / "keys").digest}
    for text in (RULES, RULES.replace('["*"]', '["prod"]', 1), RULES + 'until = "2030-01-01T00:00:00Z"\n'):
        (root / "keys" / "trust.toml").write_text(text.format(version=1))
        found.add(Trust.load(root / "keys").digest)
    assert len(found) == 4


# ---- what somebody did to the store -------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 3, 5])
def test_a_journal_that_was_cut_off_below_the_index_is_refused(root: Path, left: int) -> None:
    """Without the index nobody could tell: what is left is a sound log."""
    for seq in range(left + 1, 7):
        path_of(root, seq).unlink()
    log = opened(root)
    for _ in range(2):
        with pytest.raises(JournalLost, match="lost entries up to #6: this machine has verified it") as error:
            log.head()
        assert (error.value.head.seq, error.value.ends, error.value.another) == (6, left, False)
        with pytest.raises(JournalLost):
            log.append(record("note"))
    assert len(log_of(root).entries()) == left
    index_of(root).path.unlink()
    head = opened(root).head()
    assert (head.seq if head else 0) == left


def test_another_entry_in_the_place_of_the_head_is_refused_however_well_it_is_signed(root: Path) -> None:
    path_of(root, 6).unlink()
    log_of(root).append(record("start", who="another"))
    with pytest.raises(JournalError, match=r"lost entries up to #6: .* holds another #6"):
        opened(root).open_start()


def test_what_comes_after_the_index_is_judged_as_ever(root: Path) -> None:
    log = log_of(root)
    for _ in range(3):
        log.append(record("note"))
    path_of(root, 8).rename(root / "away")
    with pytest.raises(JournalError, match=r"00000008\.json is missing"):
        opened(root).head()
    (root / "away").rename(path_of(root, 8))
    data = path_of(root, 8).read_bytes()
    path_of(root, 8).write_bytes(data.replace(b'"sig":"', b'"sig":"AAAA', 1))
    with pytest.raises(JournalError, match=r"00000008\.json"):
        opened(root).head()
    assert parts(index_of(root).path)[0].seq == 6
    path_of(root, 8).write_bytes(data)
    path_of(root, 9).with_name("notes.txt").write_text("hello")
    with pytest.raises(JournalError, match=r"notes\.txt is no entry"):
        opened(root).head()


def test_what_was_changed_before_the_index_changes_no_answer_and_is_found_by_the_audit(root: Path) -> None:
    """The head's digest stands for the entries as they were: other bytes in the store are not believed."""
    expected = answers(opened(root))
    shutil.copy(path_of(root, 1), path_of(root, 4))
    log = opened(root)
    assert (log.head(), log.open_start(), list(log.settled())) == expected[:3]
    with pytest.raises(JournalError, match=r"00000004\.json is not the entry that the entry after it names"):
        list(log.backwards())
    with pytest.raises(JournalError, match=r"00000004\.json"):
        log.entries()
    assert next(f.name for f in audit(path_of(root, 1).parent, root / "keys")) == "00000004.json"


# ---- where it cannot be kept --------------------------------------------------------------------------------


def test_without_a_place_for_it_everything_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "state").write_text("a file")
    for _ in range(2):
        assert seen_by(opened(tmp_path)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write(tmp_path)

    def refuse(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    assert seen_by(opened(tmp_path)) == [1, 2, 3, 4, 5, 6]
    assert not index_of(tmp_path).path.exists()


def test_it_is_readable_by_its_owner_alone(root: Path) -> None:
    modes = {p.name: p.stat().st_mode & 0o777 for p in (root / "state", *(root / "state").iterdir())}
    assert modes == {"state": 0o700, "index.key": 0o600, index_of(root).path.name: 0o600}


def test_two_processes_that_keep_it_at_once_leave_a_whole_one(root: Path) -> None:
    shutil.rmtree(root / "state")
    barrier = SPAWN.Barrier(4)
    people = [SPAWN.Process(target=save_often, args=(str(root), barrier)) for _ in range(3)]
    for person in people:
        person.start()
    barrier.wait(60)
    while any(person.is_alive() for person in people):
        found = index_of(root).load(never)
        assert found is None or (found[0].seq, len(found[1])) == (6, 2)
    assert [person.exitcode for person in people] == [0, 0, 0]
    opened(root).head()  # two may have made a key at once
    assert is_used(root)
    assert len(list((root / "state").iterdir())) == 2


def test_it_lies_in_the_users_state_and_never_in_the_project(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    assert state_folder({"HOME": str(home)}, project) == home / ".local/state/roadworthy"
    assert state_folder({"HOME": str(home), "XDG_STATE_HOME": "/x/y"}, project) == Path("/x/y/roadworthy")
    assert (
        state_folder({"HOME": str(home), "XDG_STATE_HOME": "y"}, project) == home / ".local/state/roadworthy"
    )
    assert state_folder({}, project) is None
    assert state_folder({"HOME": "relative"}, project) is None
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    for inside in (project, project / "a", tmp_path / "link"):
        assert state_folder({"XDG_STATE_HOME": str(inside)}, project) is None


def test_a_short_reading_is_not_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WORTH", 7)
    log = write(tmp_path)
    opened(tmp_path).head()
    assert not index_of(tmp_path).path.exists()
    log.append(record("note"))
    opened(tmp_path).head()
    assert index_of(tmp_path).path.exists()


def test_malformed_details_of_a_signed_entry_are_said_as_nothing(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    start = log.append(record("start"))
    said = {"to": [1], "revision": 7, "certificate": {}, "expires": 1}
    found = settled_by(log.append(record("end", settles=1, **said)), start)
    assert (found.commit, found.size, found.revision, found.certificate, found.expires) == (
        "",
        0,
        None,
        "",
        "",
    )
    assert (found.revised, found.digest, found.certificate_sha256) == (True, DIGEST, "")
