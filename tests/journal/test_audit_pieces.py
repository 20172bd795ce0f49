"""A log that several processes judge: each takes what no other took, and who gets lost leaves nothing unjudged."""

from __future__ import annotations

import os
import pickle
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.journal import audit as auditor
from roadworthy.journal import audit_pieces
from roadworthy.journal.audit import Finding, audit
from roadworthy.journal.audit_log import Log
from roadworthy.journal.audit_trust import read_trust
from roadworthy.wait import until

from .auditing import path_of
from .making import log_of, record

DOUBT = Finding("", "doubt", "")


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short logs are judged in pieces of two, by one other process with this one."""
    monkeypatch.setattr(audit_pieces, "ALONE", 1)
    monkeypatch.setattr(audit_pieces, "_PIECE", 2)


@pytest.fixture
def long(tmp_path: Path, in_pieces: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of ten entries, of which only the pieces are judged."""
    writer = log_of(tmp_path)
    for number in range(10):
        writer.append(record("note", number=number))
    monkeypatch.setattr(auditor, "_walk", lambda *_: [DOUBT])
    return tmp_path


def audited(root: Path, trust: str = "keys") -> list[Finding]:
    return audit(path_of(root, 1).parent, root / trust, processes=2)


def spoil(path: Path) -> None:
    """Make the signature of an entry one letter longer."""
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))


def take_none(patch: pytest.MonkeyPatch) -> None:
    """This process leaves everything to the other one."""
    patch.setattr(audit_pieces, "_share", lambda *_: {})


def test_what_one_process_finds_several_find_too(
    root: Path, in_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = log_of(root)
    for number in range(3):
        writer.append(record("note", number=number))
    walked: list[object] = []
    walk = auditor._walk
    monkeypatch.setattr(auditor, "_walk", lambda *a: walked.append(a) or walk(*a))
    assert audited(root, "trust") == []
    assert not walked, "a log that is well needs no second look"
    for seq in range(1, 9):
        data = path_of(root, seq).read_bytes()
        spoil(path_of(root, seq))
        assert next(f.name for f in audited(root, "trust")) == f"{seq:08d}.json"
        path_of(root, seq).write_bytes(data)


def test_another_process_judges_what_this_one_does_not(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_none(monkeypatch)
    assert audited(long) == []


@pytest.mark.parametrize("seq", [1, 5, 10])
def test_what_another_process_finds_puts_the_log_in_doubt(
    long: Path, monkeypatch: pytest.MonkeyPatch, seq: int
) -> None:
    take_none(monkeypatch)
    spoil(path_of(long, seq))
    assert audited(long) == [DOUBT]


def test_one_that_finds_something_ends_the_work_of_all(long: Path, tmp_path: Path) -> None:
    path_of(long, 1).write_bytes(b"{}")
    judging = Log(path_of(long, 1).parent, ("sandbox", "prod"), read_trust(long / "keys"), {}, {})
    with (tmp_path / "pieces").open("w+b") as pieces:
        pieces.write(b"%8d%8d" % (3, 4))
        pieces.flush()
        assert audit_pieces._share(judging, pieces.fileno(), [(1, 2), (3, 4)]) == {}
        assert os.fstat(pieces.fileno()).st_size == 0


OTHERS = {
    "ends at once": "",
    "fails": "sys.exit(3)",
    "says something else": "sys.stdin.buffer.read(); print('hello')",
    "is killed before it takes a piece": "os.kill(os.getpid(), 9)",
}


def be(code: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let this code run in the place of the other process; `pieces` is the file that is shared."""
    other = tmp_path / "other"
    code = f"import os, sys; pieces = int(sys.argv[-2]); {code}"
    other.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    other.chmod(0o700)
    patch.setattr(sys, "executable", str(other))


@pytest.mark.parametrize("code", OTHERS.values(), ids=OTHERS.keys())
def test_what_another_process_leaves_this_one_judges(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    be(code, tmp_path, monkeypatch)
    assert audited(long) == []


def test_a_piece_of_a_process_that_was_killed_leaves_the_log_in_doubt(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"
    code = f"sys.stdin.buffer.read(); os.read(pieces, 16); open({str(taken)!r}, 'w'); os.kill(os.getpid(), 9)"
    be(code, tmp_path, monkeypatch)
    share = audit_pieces._share

    def later(log: Log, shared: int, pieces: Iterator[audit_pieces.Piece]) -> audit_pieces.Found:
        assert until(lambda: taken.exists() or None, within=30, every=0.01)
        return share(log, shared, pieces)

    monkeypatch.setattr(audit_pieces, "_share", later)
    assert audited(long) == [DOUBT]


def test_whoever_asked_was_killed_and_the_other_process_ends_as_well(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears the log when its parent is no more, and takes no piece."""
    judging = Log(path_of(long, 1).parent, ("sandbox", "prod"), read_trust(long / "keys"), {}, {})
    with (tmp_path / "pieces").open("w+b") as pieces:
        pieces.write(b"%8d%8d" % (1, 2))
        pieces.seek(0)
        command = (sys.executable, "-m", audit_pieces.__name__, str(pieces.fileno()), "1")
        done = subprocess.run(
            command, input=pickle.dumps(judging), capture_output=True, pass_fds=[pieces.fileno()], check=True
        )
    assert pickle.loads(done.stdout) == {}


def test_without_room_for_a_file_and_without_python_one_process_judges_alone(
    long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as one:
        one.setattr(tempfile, "tempdir", "/nowhere")
        assert audited(long) == []
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert audited(long) == []


def test_a_module_of_the_folder_one_stands_in_is_not_run(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auditors stand in folders that others wrote."""
    take_none(monkeypatch)
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken for the library')")
    monkeypatch.chdir(tmp_path)
    assert audited(long) == []


def test_a_log_of_any_length_has_about_as_many_pieces() -> None:
    assert len(list(audit_pieces._pieces(99_999_999, 64))) < 20_000
