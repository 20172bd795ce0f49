"""The log: one start at a time, fenced, verified when read, whole after every crash."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadworthy.errors import Held, OutcomeUnknown, UsageError
from roadworthy.journal.audit import audit
from roadworthy.journal.entry import Evidence, JournalError
from roadworthy.journal.lock import this_process
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, create_key
from roadworthy.journal.store import Folder

from .making import DIGEST, log_of, record
from .writers import note_often, start_once

SPAWN = multiprocessing.get_context("spawn")


def path_of(root: Path, seq: int) -> Path:
    return root / "journal" / "sandbox" / "prod" / f"{seq:08d}.json"


def test_a_deploy_is_a_start_and_an_end(log: Log, tmp_path: Path) -> None:
    start = log.append(record("start", actor=this_process(), change={"id": "C-1", "why": "faster"}))
    assert log.open_start() == start
    end = log.append(record("end", settles=start.seq, to={"release": 3}))
    assert log.open_start() is None
    assert log.head() == end
    assert (end.seq, end.record.details["settles"], end.prev) == (2, 1, start.sha256)
    assert end.prev == hashlib.sha256(path_of(tmp_path, 1).read_bytes()).hexdigest()
    assert log_of(tmp_path).entries() == [start, end] == log.entries()


def test_an_empty_log_has_no_head(log: Log) -> None:
    assert (log.entries(), log.head(), log.open_start()) == ([], None, None)


def test_an_open_start_holds_the_environment(log: Log, tmp_path: Path) -> None:
    start = log.append(record("start", actor=this_process()))
    with pytest.raises(
        Held, match=r"sandbox/prod is locked by .*lock\.unlock --env prod --token 1"
    ) as caught:
        log_of(tmp_path).append(record("start"))
    assert caught.value.code == 5
    assert caught.value.holder.token == start.seq  # type: ignore[attr-defined]
    assert log_of(tmp_path, "staging").append(record("start", environment="staging")).seq == 1


def test_refusals_and_notes_need_no_lock_and_free_none(log: Log) -> None:
    log.append(record("start"))
    log.append(record("refused", verdicts=[{"guard": "tree_is_clean", "verdict": "refused"}]))
    log.append(record("note"))
    assert log.open_start() is not None


@pytest.mark.parametrize("kind", ["end", "failed", "abandon"])
def test_each_settling_kind_frees_the_environment(log: Log, kind: str) -> None:
    log.append(record("start"))
    log.append(record(kind, settles=1))
    assert log.append(record("start")).seq == 3


def test_a_late_writer_cannot_settle_a_start_that_was_taken_over(log: Log, tmp_path: Path) -> None:
    """Fencing: the first holder comes back after an abandon, with another release already on its way."""
    late = log_of(tmp_path)
    late.append(record("start"))
    log.append(record("abandon", settles=1, reason="host is gone"))
    with pytest.raises(OutcomeUnknown, match=r"start 1 does not hold .* nothing does"):
        late.append(record("end", settles=1))
    log.append(record("start"))
    with pytest.raises(OutcomeUnknown, match="start 3 does"):
        late.append(record("failed", settles=1))
    assert [e.record.kind for e in log.entries()] == ["start", "abandon", "start"]


@pytest.mark.parametrize("settles", [None, 0, 2, "1", True, 1.0])
def test_settling_names_a_start_by_its_number(log: Log, settles: object) -> None:
    log.append(record("start"))
    with pytest.raises(JournalError, match="names no start"):
        log.append(record("end", settles=settles))


def test_settling_is_for_the_settling_kinds_alone(log: Log) -> None:
    log.append(record("start"))
    with pytest.raises(JournalError, match="settles nothing"):
        log.append(record("note", settles=1))


def test_an_end_is_about_the_package_of_its_start(log: Log) -> None:
    log.append(record("start"))
    with pytest.raises(JournalError, match="another package"):
        log.append(record("end", settles=1, digest="00" * 32))
    log.append(record("abandon", settles=1, subject="none", digest=""))
    build = log.append(record("start", action="build", subject="none", digest=""))
    assert log.append(record("end", action="build", settles=build.seq)).record.digest == DIGEST


def test_evidence_is_there_before_the_entry_that_names_it(log: Log, tmp_path: Path) -> None:
    entry = log.append(record("note"), attach={"ship.log": b"line\n"})
    (item,) = entry.record.evidence
    assert item == Evidence("ship.log", hashlib.sha256(b"line\n").hexdigest(), 5)
    assert log.evidence(item.sha256) == b"line\n"
    again = log.append(record("note", evidence=(item,)), attach={"copy.log": b"line\n"})
    assert [e.name for e in again.record.evidence] == ["ship.log", "copy.log"]
    (tmp_path / "journal" / "evidence" / item.sha256).write_bytes(b"other")
    with pytest.raises(JournalError, match="other bytes"):
        log.evidence(item.sha256)
    with pytest.raises(JournalError, match="other bytes"):
        log.append(record("note"), attach={"ship.log": b"line\n"})


def test_an_entry_may_not_name_evidence_that_is_not_there(log: Log) -> None:
    with pytest.raises(JournalError, match="missing"):
        log.append(record("note", evidence=(Evidence("a", "51" * 32, 1),)))
    item = log.append(record("note"), attach={"a": b"12"}).record.evidence[0]
    with pytest.raises(JournalError, match="another size"):
        log.append(record("note", evidence=(Evidence("a", item.sha256, 3),)))
    with pytest.raises(JournalError, match=r"missing|no name"):
        log.evidence("../../keys/deployer")
    assert len(log.entries()) == 1


def test_nothing_is_written_that_a_reader_would_refuse(log: Log, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "elsewhere", "stranger")
    with pytest.raises(JournalError, match="not a trusted key"):
        log_of(tmp_path, signer=stranger).append(record("start"))
    with pytest.raises(JournalError, match="may not sign"):
        log_of(tmp_path, target="live").append(record("start", target="live"))
    with pytest.raises(UsageError, match="only be read"):
        log_of(tmp_path, signer=None).append(record("start"))
    with pytest.raises(JournalError, match="is not of sandbox/prod"):
        log.append(record("start", environment="staging"))
    naive = Log(
        Folder(tmp_path / "journal"),
        environment="prod",
        target="sandbox",
        signer=log._signer,
        trust=log._trust,
        clock=datetime.now,
    )
    with pytest.raises(JournalError, match="without a zone"):
        naive.append(record("start"))
    assert log.entries() == []


@pytest.mark.parametrize("name", ["", "Prod", "../prod", "a/b", "evidence", ".prod", "x" * 101])
def test_a_log_has_a_name_that_is_a_safe_folder(tmp_path: Path, name: str) -> None:
    for place in ({"environment": name}, {"target": name}):
        with pytest.raises(UsageError, match="cannot name a journal"):
            log_of(tmp_path, **place)


def written(root: Path, count: int = 3) -> Log:
    log = log_of(root)
    for number in range(count):
        log.append(record("note", number=number))
    return log_of(root)


def remove(root: Path) -> None:
    path_of(root, 2).unlink()


def swap(root: Path) -> None:
    one, two = path_of(root, 1).read_bytes(), path_of(root, 2).read_bytes()
    path_of(root, 1).write_bytes(two)
    path_of(root, 2).write_bytes(one)


def edit(root: Path) -> None:
    data = path_of(root, 2).read_bytes()
    path_of(root, 2).write_bytes(data.replace(b'"sig":"', b'"sig":"A', 1)[: len(data) + 1])


def copy_in(root: Path) -> None:
    log_of(root, "staging").append(record("note", environment="staging"))
    shutil.copy(root / "journal/sandbox/staging/00000001.json", path_of(root, 1))


def stray(root: Path) -> None:
    path_of(root, 1).with_name("notes.txt").write_text("hello")


def second_start(root: Path) -> None:
    """A valid signer who ignores the lock: two starts on top of each other, properly chained."""
    from roadworthy.journal import chain, log

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "admit", lambda state, record: None)
        patch.setattr(log, "admit", lambda state, record: None)
        for _ in range(2):
            log_of(root).append(record("start"))


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (remove, "00000002.json is missing"),
        (swap, "00000001.json: it says that it is entry 2"),
        (edit, "00000002.json: its base64"),
        (copy_in, "00000001.json: it belongs to sandbox/staging"),
        (stray, "notes.txt is no entry"),
        (second_start, "00000005.json: its start cannot stand here"),
    ],
)
def test_a_tampered_log_is_neither_read_nor_continued(
    tmp_path: Path, tamper: Callable[[Path], None], why: str
) -> None:
    log = written(tmp_path)
    tamper(tmp_path)
    before = sorted(path_of(tmp_path, 1).parent.iterdir())
    for _ in range(2):  # a second try must not go on from half a reading
        with pytest.raises(JournalError, match=why):
            log.entries()
        with pytest.raises(JournalError, match=why):
            log.append(record("note"))
    assert sorted(path_of(tmp_path, 1).parent.iterdir()) == before


class LyingStore(Folder):
    """Keeps what it is given and says that it did not: a reply that was lost on its way."""

    def put(self, name: str, data: bytes) -> bool:
        super().put(name, data)
        return super().put(name, data)


class BlindStore(Folder):
    """Refuses every put and shows nothing."""

    def put(self, name: str, data: bytes) -> bool:
        return False


def test_a_lost_reply_does_not_make_a_winner_a_loser(tmp_path: Path) -> None:
    log = log_of(tmp_path, store=LyingStore(tmp_path / "journal"))
    assert log.append(record("start")).seq == 1
    assert len(log.entries()) == 1


def test_a_store_that_hides_what_it_holds_ends_the_try(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="does not show"):
        log_of(tmp_path, store=BlindStore(tmp_path / "journal")).append(record("start"))


def test_equal_records_at_the_same_instant_are_two_entries(tmp_path: Path) -> None:
    """With equal bytes, put-if-absent would let both of two racing starts believe that they won."""
    trust, clock = Trust.load(tmp_path), lambda: datetime(2026, 11, 20, tzinfo=UTC)
    signer = create_key(tmp_path / "keys", "deployer")
    trust = Trust.load(tmp_path / "keys")
    logs = [
        Log(
            Folder(tmp_path / name),
            environment="prod",
            target="sandbox",
            signer=signer,
            trust=trust,
            clock=clock,
        )
        for name in ("a", "b")
    ]
    assert len({log.append(record("start")).sha256 for log in logs}) == 2


@pytest.mark.slow
def test_of_eight_processes_exactly_one_takes_the_environment(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.append(record("note"))
    barrier, results = SPAWN.Barrier(8), SPAWN.Queue()
    people = [SPAWN.Process(target=start_once, args=(str(tmp_path), barrier, results)) for _ in range(8)]
    for person in people:
        person.start()
    said = [results.get(timeout=60) for _ in people]
    for person in people:
        person.join(60)
    start = log.open_start()
    assert start is not None
    assert sorted(said) == [("held", start.seq)] * 7 + [("won", start.seq)]
    assert [e.record.kind for e in log.entries()] == ["note", "start"]


def test_writers_at_once_lose_no_entry(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    barrier = SPAWN.Barrier(3)
    people = [SPAWN.Process(target=note_often, args=(str(tmp_path), who, 15, barrier)) for who in "abc"]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    details = [e.record.details for e in log.entries()]
    for who in "abc":
        assert [d["number"] for d in details if d["who"] == who] == list(range(15))
    assert len(details) == 45


@pytest.mark.slow
def test_kill_9_at_any_instant_loses_nothing_that_was_said(tmp_path: Path) -> None:
    """Thirty writers are killed at random instants; every entry that was reported is there, none is torn."""
    log = log_of(tmp_path)
    chance = random.Random(20261120)
    for _ in range(30):
        writer = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.writers", str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert writer.stdout is not None
        assert select.select([writer.stdout], [], [], 30)[0], "the writer never wrote"
        until = time.perf_counter() + chance.random() * 0.012
        while time.perf_counter() < until:
            pass  # finer than a sleep: an append takes about a millisecond
        writer.kill()
        said = writer.communicate()[0].split(b"\n")
        last = max(int(line) for line in said[:-1]) if len(said) > 1 else 0
        head = log.head()
        assert head is not None
        assert head.seq >= last
    entries = log_of(tmp_path).entries()
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
    assert len(entries) >= 30
    for entry in entries:
        for item in entry.record.evidence:
            log.evidence(item.sha256)
    assert audit(tmp_path / "journal" / "sandbox" / "prod", tmp_path / "keys") == []


@pytest.mark.parametrize(
    "data", [b"[" * 5000 + b"]" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"{", b"\xff", b"[]", b"1"]
)
def test_evidence_that_is_no_json_object_is_named_in_one_line(log: Log, data: bytes) -> None:
    (item,) = log.append(record("note"), attach={"scope.json": data}).record.evidence
    with pytest.raises(JournalError, match=f"^evidence {item.sha256} is no JSON"):
        log.evidence_json(item.sha256)
    (fine,) = log.append(record("note"), attach={"scope.json": b'{"scope": {}}'}).record.evidence
    assert log.evidence_json(fine.sha256) == {"scope": {}}
