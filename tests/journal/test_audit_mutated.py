"""Whatever a log is turned into: it is well in pieces exactly when it is well entry by entry."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from roadworthy.journal import audit as auditor
from roadworthy.journal import audit_pieces
from roadworthy.journal.audit import Finding, audit
from roadworthy.journal.audit_entry import Bad, Said, bytes_of, understood
from roadworthy.journal.audit_road import Walk

from .making import log_of, record
from .mutating import change, other_bytes, other_value, written
from .tampering import statement_of
from .test_audit_bytes import plain

AT_ONCE = 200


@pytest.fixture(scope="module")
def varied(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve entries of every kind, some with evidence, a proof, an effect, deep details and odd letters."""
    root = Path(shutil.copytree(sound, tmp_path_factory.mktemp("varied") / "root", symlinks=True))
    log = log_of(root)
    staging, about = log_of(root, "staging"), {"environment": "staging", "stage": "verification"}
    staging.append(record("start", action="certify", **about))
    certified = staging.append(record("end", action="certify", settles=6, **about))
    proof = {"action": "certify", "environment": "staging", "seq": 7, "sha256": certified.sha256}
    log.append(record("note", text="\x7f", deep=[[[[[[[[1]]]]]]]]))
    log.append(record("start", proofs=[proof], actor={"pid": 7}))
    log.append(record("abandon", settles=7))
    log.append(record("start", verdicts=[{"guard": "one", "outcome": "pass"}]), attach={"a": b"1"})
    log.append(record("end", settles=9, receipts=[{"id": 1}]))
    log.append(record("start", action="certify"))
    log.append(record("end", action="certify", settles=11))
    return root


def both_ways(root: Path, patch: pytest.MonkeyPatch) -> tuple[list[Finding], list[Finding]]:
    """What is found when pieces are judged first (then only whether all is well) and when none are."""
    folder, doubt = root / "journal/sandbox/prod", Finding("", "doubt", "")
    with patch.context() as one:
        one.setattr(auditor, "_walk", lambda *_: [doubt])
        quick = audit(folder, root / "trust", processes=1)
    with patch.context() as one:
        one.setattr(auditor, "all_well", lambda *_: None)
        return quick, audit(folder, root / "trust", processes=1)


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_a_log_that_is_well_is_judged_in_pieces_alone(
    varied: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(audit_pieces, "_PIECE", piece)
    assert both_ways(varied, monkeypatch) == ([], [])


@pytest.mark.parametrize(
    "begin", [0, *(pytest.param(n * AT_ONCE, marks=pytest.mark.slow) for n in range(1, 11))]
)
def test_a_changed_log_is_well_in_pieces_exactly_when_it_is_well_as_a_whole(
    varied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: int
) -> None:
    well = 0
    for seed in range(begin, begin + AT_ONCE):
        root = Path(shutil.copytree(varied, tmp_path / str(seed), symlinks=True))
        change(root, seed, 12)
        monkeypatch.setattr(audit_pieces, "_PIECE", 1 + seed % 5)
        quick, whole = both_ways(root, monkeypatch)
        assert (quick == []) == (whole == []), (seed, quick, whole)
        well += quick == []
        shutil.rmtree(root)
    assert 0 < well < AT_ONCE / 2, "some changes are none, and most are"


def read_plainly(payload: bytes) -> tuple[dict[str, Any], str, str]:
    """An entry's form, rule by rule and with the standard library. Raises what `understood` would not let pass."""
    statement = plain(payload)
    (subject,), said = statement["subject"], statement["predicate"]
    assert set(statement) == {"_type", "predicate", "predicateType", "subject"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://roadworthy.dev/journal/v1"
    assert set(subject) == {"name", "digest"} and set(subject["digest"]) == {"sha256"}
    assert fits(subject["name"], "[!-~]{1,255}") and fits(subject["digest"]["sha256"], "[0-9a-f]{64}")
    assert said["kind"] in ("start", "end", "failed", "refused", "abandon", "note")
    for field in ("stage", "action"):
        assert fits(said[field], "[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
    for field in ("target", "environment"):
        assert fits(said[field], "[a-z0-9][a-z0-9._-]{0,99}")
    assert fits(said["at"], "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z")
    assert fits(said["nonce"], "[0-9a-f]{32}") and fits(said["prev"], "[0-9a-f]{64}")
    assert type(said["seq"]) is int and 1 <= said["seq"] <= 99_999_999
    if "details" in said:
        assert isinstance(said["details"], dict) and said["details"]
        elsewhere = {"from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome"}
        assert not elsewhere & set(said["details"])
    assert isinstance(said["evidence"], list)
    for item in said["evidence"]:
        assert set(item) == {"name", "sha256", "size"}
        assert fits(item["name"], "[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}") and fits(
            item["sha256"], "[0-9a-f]{64}"
        )
        assert type(item["size"]) is int and 0 <= item["size"] <= 64 * 1024**2
    return said, subject["name"], subject["digest"]["sha256"]


def fits(value: Any, form: str) -> bool:
    return isinstance(value, str) and re.fullmatch(form, value) is not None


@pytest.mark.parametrize("seq", range(1, 13))
def test_an_entry_is_understood_exactly_when_each_rule_lets_it_pass(varied: Path, seq: int) -> None:
    chance, passed = random.Random(seq), 0
    for _ in range(AT_ONCE):
        statement = statement_of(varied, seq)
        for _ in range(chance.randint(0, 2)):
            other_value(statement, chance)
        payload = written(statement, chance)
        if chance.random() < 0.3:
            payload = other_bytes(payload, chance)
        try:
            said, name, digest = read_plainly(payload)
        except (AssertionError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            with pytest.raises(Bad):
                understood(payload)
            continue
        entry = understood(payload)
        assert (entry.name, entry.digest) == (name, digest)
        known = {told.encode_name: getattr(entry.said, told.name) for told in msgspec.structs.fields(Said)}
        assert msgspec.to_builtins({key: told for key, told in known.items() if told is not UNSET}) == {
            key: told for key, told in said.items() if key in known
        }
        passed += 1
    assert AT_ONCE / 20 < passed < AT_ONCE, "some pass, and some do not"


def test_what_a_piece_assumed_must_be_what_the_one_before_it_leaves(
    varied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry before a piece is read twice, and could have been another one the first time."""
    assumed = audit_pieces._assumed

    def another(folder: int, first: int) -> Walk:
        walk = assumed(folder, first)
        walk.at = "" if first == 7 else walk.at
        return walk

    monkeypatch.setattr(audit_pieces, "_PIECE", 2)
    monkeypatch.setattr(audit_pieces, "_assumed", another)
    quick, whole = both_ways(varied, monkeypatch)
    assert ([one.code for one in quick], whole) == (["doubt"], [])


LISTED: dict[str, tuple[Callable[[Path], object], int]] = {
    "nothing else": (lambda folder: None, 12),
    "what a killed writer left": (lambda folder: (folder / ".0123456789abcdef.part").touch(), 12),
    "a pipe": (lambda folder: (folder / "00000003.json").unlink() or os.mkfifo(folder / "00000003.json"), 0),
    "a link": (lambda folder: (folder / "00000013.json").symlink_to("00000012.json"), 0),
    "a folder": (lambda folder: (folder / "00000013.json").mkdir(), 0),
    "a gap": (lambda folder: (folder / "00000003.json").unlink(), 0),
    "an entry before the first": (lambda folder: (folder / "00000000.json").touch(), 0),
    "a stray": (lambda folder: (folder / "x").touch(), 0),
    "a stray like a leftover": (lambda folder: (folder / ".x.part").touch(), 0),
    "no folder": (shutil.rmtree, 0),
}


@pytest.mark.parametrize(("change", "count"), LISTED.values(), ids=LISTED.keys())
def test_only_entries_that_are_files_and_follow_each_other_are_judged_in_pieces(
    varied: Path, tmp_path: Path, change: Callable[[Path], object], count: int
) -> None:
    folder = Path(shutil.copytree(varied / "journal/sandbox/prod", tmp_path / "prod"))
    change(folder)
    assert auditor._unbroken(folder) == count


def test_a_pipe_that_holds_an_entry_is_not_read(varied: Path, tmp_path: Path) -> None:
    """It came after the folder was listed: whoever holds its other end could say something else each time."""
    data = (varied / "journal/sandbox/prod/00000001.json").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    folder, pipe = os.open(tmp_path, os.O_RDONLY), os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(pipe, data)
        with pytest.raises(Bad, match="not a regular file"):
            bytes_of("pipe", folder=folder)
    finally:
        os.close(folder)
        os.close(pipe)
