"""Bytes: what is written is what is read, and only what would be written can be read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roadworthy.journal.entry import (
    _DEPTH_LIMIT,
    ENTRY_LIMIT,
    EVIDENCE_LIMIT,
    NO_PREV,
    Entry,
    Evidence,
    JournalError,
    _plain,
    is_place,
    pae,
    read,
    seal,
)

from .making import PACKAGE, record

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KNOWN = {
    "kind",
    "stage",
    "action",
    "environment",
    "target",
    "seq",
    "prev",
    "at",
    "nonce",
    "evidence",
    "details",
}


def draft(kind: str = "start", **said: Any) -> Entry:
    return Entry(record(kind, **said), 1, NO_PREV, "2026-11-20T18:30:00.123456Z", "ab" * 16, "SHA256:x", "")


def sign(data: bytes) -> bytes:
    return b"s" * 64


def envelope_of(payload: Any, /, **changes: Any) -> bytes:
    """Another writer's envelope: canonical, unless `payload` is bytes that are not."""
    raw = payload if isinstance(payload, bytes) else canonical(payload)
    signed = {"keyid": "SHA256:x", "sig": base64.b64encode(b"s" * 64).decode()}
    usual = {
        "payload": base64.b64encode(raw).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [signed],
    }
    return canonical({**usual, **changes})


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def statement() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(seal(draft(), sign)[1]).payload)
    return found


def test_the_bytes_of_an_entry_are_fixed_for_ever() -> None:
    """A change of these bytes would make every journal out there unreadable."""
    entry = draft("end", settles=1, to={"release": 7}, note="é")
    evidence = (Evidence("ship.log", "51" * 32, 12),)
    _, data = seal(replace(entry, record=replace(entry.record, evidence=evidence)), sign)
    assert read(data).payload.decode() == (
        '{"_type":"https://in-toto.io/Statement/v1","predicate":{"action":"deploy",'
        '"at":"2026-11-20T18:30:00.123456Z","details":{"note":"é"},"environment":"prod",'
        '"evidence":[{"name":"ship.log","sha256":"' + "51" * 32 + '","size":12}],"kind":"end",'
        '"nonce":"' + "ab" * 16 + '","prev":"' + "0" * 64 + '","seq":1,"settles":1,"stage":"deploy",'
        '"target":"sandbox","to":{"release":7}},"predicateType":"https://roadworthy.dev/journal/v1",'
        '"subject":[{"digest":{"sha256":"' + "9f" * 32 + '"},"name":"' + PACKAGE + '"}]}'
    )


def test_pae_is_the_published_one() -> None:
    """The example of the DSSE protocol document, with our type."""
    assert pae(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_details_survive_a_round_trip(details: dict[str, Any]) -> None:
    entry = draft()
    made, data = seal(replace(entry, record=replace(entry.record, details=details)), sign)
    assert made.record.details == details
    assert seal(made, sign) == (made, data)


@given(st.dictionaries(TEXTS.filter(lambda key: key not in KNOWN), JSON, max_size=3))
def test_unknown_predicate_fields_survive_a_round_trip(unknown: dict[str, Any]) -> None:
    from_the_future = statement()
    from_the_future["predicate"].update(unknown)
    data = envelope_of(canonical(from_the_future).replace(b"\x7f", b"\\u007f"))
    entry = read(data).entry()
    assert {**entry.record.details, **entry.unknown} == unknown
    assert seal(entry, sign)[1] == data


def test_an_action_without_a_package_is_about_its_environment() -> None:
    made, data = seal(draft(subject="none", digest=""), sign)
    assert json.loads(read(data).payload)["subject"] == [
        {"name": "environment:sandbox/prod", "digest": {"sha256": NO_PREV}}
    ]
    assert (made.record.subject, made.record.digest) == ("none", "")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"took": 1.5}, "float"),
        ({"took": float("nan")}, "float"),
        ({"big": 2**53}, "beyond 2"),
        ({"at": {1, 2}}, "set"),
        ({"keys": {1: "a"}}, "no text"),
        ({"text": "\ud800"}, "not Unicode"),
        ({"log": "x" * ENTRY_LIMIT}, "attach evidence"),
        ({"subject": "none"}, "do not go together"),
        ({"digest": ""}, "do not go together"),
        ({"subject": "environment:sandbox/prod"}, "do not go together"),
        ({"digest": "9F" * 32}, "subject"),
        ({"stage": ""}, "stage"),
        ({"environment": "../prod"}, "environment"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(said: dict[str, Any], why: str) -> None:
    with pytest.raises(JournalError, match=why):
        seal(draft(**said), sign)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a\nb", "x" * 201])
def test_evidence_names_are_labels_and_never_paths(name: str) -> None:
    entry = draft()
    bad = replace(entry, record=replace(entry.record, evidence=(Evidence(name, "51" * 32, 1),)))
    with pytest.raises(JournalError, match="evidence"):
        seal(bad, sign)


def test_deep_nesting_is_refused_when_written_and_when_read() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(JournalError, match="deep"):
        seal(draft(deep=deep), sign)
    with pytest.raises(JournalError, match=r"deep|JSON"):
        read(b"[" * 100_000 + b"]" * 100_000)


def changed(**predicate: Any) -> dict[str, Any]:
    found = statement()
    found["predicate"].update(predicate)
    return found


def evidence(**said: Any) -> dict[str, Any]:
    return {"name": "a", "sha256": "51" * 32, "size": 1, **said}


@pytest.mark.parametrize("size", [0, EVIDENCE_LIMIT])
def test_evidence_may_be_empty_and_as_long_as_the_limit(size: int) -> None:
    found = read(envelope_of(changed(evidence=[evidence(size=size)]))).entry()
    assert found.record.evidence == (Evidence("a", "51" * 32, size),)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "JSON"),
        (b"\xff{}", "JSON"),
        (b"[]", "malformed"),
        (b" " * (ENTRY_LIMIT + 1), "more than"),
        (envelope_of(statement()) + b"\n", "canonical"),
        (envelope_of(statement()).replace(b'{"payload"', b'{"payload":"","payload"'), "canonical"),
        (envelope_of(statement(), payloadType="text/plain"), "in-toto envelope"),
        (envelope_of(statement(), extra=1), "in-toto envelope"),
        (envelope_of(statement(), signatures=[]), "malformed"),
        (envelope_of(statement(), signatures=[{"keyid": "a", "sig": "AA=="}] * 2), "malformed"),
        (envelope_of(statement(), signatures=[{"keyid": 1, "sig": "AA=="}]), "signature is malformed"),
        (envelope_of(statement(), payload="!!"), "base64"),
        (envelope_of(statement(), payload="QQ"), "base64"),
        (envelope_of(statement(), payload="QR=="), "base64"),
        (envelope_of(b"{"), "payload is not JSON"),
        (envelope_of(canonical(statement()).replace(b'"seq":1', b'"seq":1.0')), "no integer"),
        (envelope_of(canonical(statement()).replace(b'"seq":1', b'"seq":1e0')), "no integer"),
        (envelope_of(canonical(statement()).replace(b'"seq":1', b'"seq":NaN')), "no integer"),
        (envelope_of(canonical(statement()).replace(b'"seq":1', b'"seq":2,"seq":1')), "canonical"),
        (envelope_of({**statement(), "_type": "https://in-toto.io/Statement/v0.1"}), "in-toto Statement"),
        (envelope_of({**statement(), "predicateType": "x"}), "in-toto Statement"),
        (envelope_of({**statement(), "subject": []}), "in-toto Statement"),
        (envelope_of({**statement(), "more": 1}), "in-toto Statement"),
        (envelope_of(changed(seq=0)), "seq"),
        (envelope_of(changed(seq=True)), "seq"),
        (envelope_of(changed(kind="success")), "kind"),
        (envelope_of(changed(at="2026-11-20T18:30:00Z")), "at"),
        (envelope_of(changed(prev="00")), "prev"),
        (envelope_of(changed(details={"settles": 1})), "details"),
        (envelope_of(changed(details={})), "details"),
        (envelope_of(changed(evidence={})), "evidence"),
        (envelope_of(changed(evidence=[{"name": "a", "sha256": "51" * 32, "size": -1}])), "size"),
        (envelope_of(changed(evidence=[{"name": "a", "sha256": "51" * 32, "size": True}])), "size"),
        (envelope_of(changed(evidence=[evidence(size=EVIDENCE_LIMIT + 1)])), "size"),
        (envelope_of(changed(evidence=[evidence(name="../a")])), "malformed name or digest"),
        (envelope_of(changed(evidence=[evidence(sha256="51" * 31)])), "malformed name or digest"),
        (envelope_of(changed(evidence=[evidence(more=1)])), "evidence is malformed"),
        (envelope_of(changed(nonce=None)), "nonce"),
        (
            envelope_of(
                {**statement(), "subject": [{"name": "environment:x/y", "digest": {"sha256": NO_PREV}}]}
            ),
            "another environment",
        ),
    ],
)
def test_bytes_that_no_writer_of_ours_makes_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(JournalError, match=why):
        read(data).entry()


def test_the_docstring_shows_a_real_entry(tmp_path: Path) -> None:
    """Every field that the package's worked example shows is a field of the predicate, and the reverse."""
    import roadworthy.journal as journal

    shown = (journal.__doc__ or "").split('"action"', 1)[1].split("\n    }", 1)[0]
    keys = {part.split('"')[0] for part in ('"action"' + shown).replace('\n      "', "\n§").split("§")[1:]}
    entry = statement()["predicate"]
    assert keys | {"action"} == {*entry, "actor", "settles"}


@pytest.mark.parametrize("inner", [{"k": "text"}, {"k": 1}, {"k": {}}, ["text"], [[]]])
def test_what_lies_at_the_limit_is_the_last_that_is_read(inner: Any) -> None:
    assert _plain(inner, _DEPTH_LIMIT - 1) is None
    with pytest.raises(JournalError, match="nested too deeply"):
        _plain(inner, _DEPTH_LIMIT)


@pytest.mark.parametrize(
    ("name", "so"),
    [
        ("prod", True),
        ("package-ab", True),
        ("evidence", False),
        ("beats", False),
        ("../x", False),
        ("", False),
    ],
)
def test_a_log_is_named_as_no_other_folder_of_the_store_is(name: str, so: bool) -> None:
    assert is_place(name) is so
