"""What an auditor asks of one entry, question by question, with made values."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from roadworthy.journal import audit_entry
from roadworthy.journal.audit_entry import Bad, Item, Signed

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = {"SHA256:k": KEY.public_key().public_bytes_raw()}
TYPE = "application/vnd.in-toto+json"


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def statement(**more: Any) -> dict[str, Any]:
    """The payload of an entry; what is None is left out."""
    predicate = {
        "action": "deploy",
        "at": "2026-11-20T18:30:00.000000Z",
        "environment": "prod",
        "evidence": [],
        "kind": "start",
        "nonce": "0f" * 16,
        "prev": "0" * 64,
        "seq": 1,
        "stage": "deploy",
        "target": "sandbox",
        **more,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {key: value for key, value in predicate.items() if value is not None},
        "predicateType": "https://roadworthy.dev/journal/v1",
        "subject": [{"digest": {"sha256": "9f" * 32}, "name": "slug:" + "4b" * 20}],
    }


def code_of(payload: bytes) -> str:
    """The word of what an auditor finds in a payload; "" for none."""
    try:
        audit_entry.understood(payload)
    except Bad as bad:
        return bad.code
    return ""


def envelope(payload: bytes = b"{}", keyid: str = "SHA256:k", **more: Any) -> dict[str, Any]:
    sig = KEY.sign(b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload))
    text = base64.b64encode(payload).decode()
    signature = {"keyid": keyid, "sig": base64.b64encode(sig).decode(), **more.pop("signature", {})}
    return {"payload": text, "payloadType": TYPE, "signatures": [signature], **more}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (canonical(envelope()), ""),
        (canonical(envelope(keyid="SHA256:x")), "key"),
        (canonical(envelope(signature={"sig": "AAAA"})), "form"),
        (canonical(envelope(signature={"more": ""})), "form"),
        (canonical(envelope(more="")), "form"),
        (canonical(envelope(payloadType="text/plain")), "form"),
        (canonical(envelope(signatures=[])), "form"),
        (canonical(envelope(signatures=envelope()["signatures"] * 2)), "form"),
        (canonical(envelope()) + b"\n", "form"),
        (json.dumps(envelope(), sort_keys=True).encode(), "form"),
        (b"[" * 5000, "form"),
        (b"", "form"),
    ],
)
def test_only_a_canonical_envelope_with_one_signature_of_a_trusted_key_is_opened(data: bytes, code: str):
    if code:
        with pytest.raises(Bad) as caught:
            audit_entry.opened(data, KEYS)
        assert caught.value.code == code
    else:
        found = audit_entry.opened(data, KEYS)
        assert (found.keyid, found.payload) == ("SHA256:k", b"{}")
        audit_entry.verified(found, KEYS)


def test_a_signature_of_another_key_or_of_other_bytes_does_not_verify():
    good = audit_entry.opened(canonical(envelope()), KEYS)
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes_raw()
    for signed, keys in (
        (good, {"SHA256:k": other}),
        (Signed(good.keyid, good.signature, b"[]"), KEYS),
        (Signed(good.keyid, bytes(64), good.payload), KEYS),
    ):
        with pytest.raises(Bad, match="the signature of SHA256:k does not verify") as caught:
            audit_entry.verified(signed, keys)
        assert caught.value.code == "signature"


@pytest.mark.parametrize("last", [
    "01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30", "12-31",
])  # fmt: skip
def test_each_month_has_its_days(last: str):
    assert audit_entry.is_time(f"2026-{last}T00:00:00.000000Z")
    after = f"{last[:3]}{int(last[3:]) + 1}"
    assert not audit_entry.is_time(f"2026-{after}T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("moment", "exists"),
    [
        ("2028-02-29T00:00:00.000000Z", True),
        ("2000-02-29T00:00:00.000000Z", True),
        ("2100-02-29T00:00:00.000000Z", False),
        ("2028-02-30T00:00:00.000000Z", False),
        ("2026-01-01T23:59:59.999999Z", True),
        ("2026-01-01T24:00:00.000000Z", False),
        ("2026-01-01T00:60:00.000000Z", False),
        ("2026-01-01T00:00:60.000000Z", False),
        ("2026-00-01T00:00:00.000000Z", False),
        ("2026-13-01T00:00:00.000000Z", False),
        ("2026-01-00T00:00:00.000000Z", False),
        ("1000-01-01T00:00:00.000000Z", True),
        ("0999-01-01T00:00:00.000000Z", False),
        ("2026-01-01T00:00:00.000000", False),
        ("2026-01-01T00:00:00Z", False),
        ("2026-01-01 00:00:00.000000Z", False),
        ("２026-01-01T00:00:00.000000Z", False),
        (20260101, False),
        (None, False),
    ],
)
def test_a_moment_exists_and_is_written_as_entries_do(moment: object, exists: bool):
    assert audit_entry.is_time(moment) is exists


DAYS_60 = "2026-11-20T18:30:60.000000Z"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, ""),
        ({"details": {"note": 1}}, ""),
        ({"details": {}}, "form"),
        ({"details": []}, "form"),
        ({"details": "said"}, "form"),
        ({"at": DAYS_60}, "form"),
        ({"nonce": "0f" * 15}, "form"),
        ({"nonce": "0F" * 16}, "form"),
        ({"prev": "0" * 63}, "form"),
        ({"prev": "g" * 64}, "form"),
        ({"seq": 0}, "form"),
        ({"seq": 99_999_999}, ""),
        ({"seq": 100_000_000}, "form"),
        ({"seq": "1"}, "form"),
        ({"kind": "ends"}, "form"),
        ({"stage": "de\nploy"}, "form"),
        ({"action": ""}, "form"),
        ({"environment": "Prod"}, "form"),
        ({"target": "é"}, "form"),
        ({"prev": None}, "form"),
        ({"evidence": [{"name": "plan.json", "sha256": "a" * 64, "size": 2}]}, ""),
        ({"evidence": [{"name": "plan.json", "sha256": "A" * 64, "size": 2}]}, "form"),
        ({"evidence": [{"name": "../plan", "sha256": "a" * 64, "size": 2}]}, "form"),
        ({"evidence": [{"name": ".plan", "sha256": "a" * 64, "size": 2}]}, "form"),
        ({"evidence": [{"name": "plan", "sha256": "a" * 64, "size": -1}]}, "form"),
        ({"evidence": [{"name": "plan", "sha256": "a" * 64, "size": 64 * 1024**2}]}, ""),
        ({"evidence": [{"name": "plan", "sha256": "a" * 64, "size": 64 * 1024**2 + 1}]}, "form"),
        ({"evidence": [{"name": "plan", "sha256": "a" * 64, "size": 1, "more": 1}]}, "form"),
        ({"to": {"release": 2**53 - 1, "first": -(2**53 - 1)}}, ""),
        ({"to": {"release": 2**53}}, "form"),
        ({"to": {"release": -(2**53)}}, "form"),
        ({"to": {"release": 1.5}}, "form"),
        # What a later version says besides is left out, and must be canonical all the same.
        ({"later": {"word": "x"}}, ""),
        ({"later": 2**53}, "form"),
        ({"details": {"deep": [[[[[[1]]]]]]}}, ""),
    ],
)
def test_an_entry_says_what_it_may_in_its_form(more: dict[str, Any], code: str):
    assert code_of(canonical(statement(**more))) == code


@pytest.mark.parametrize(
    "word", ["from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome"]
)
def test_what_has_a_place_of_its_own_is_said_nowhere_else(word: str):
    assert code_of(canonical(statement(**{word: {}}))) == ""
    assert code_of(canonical(statement(details={word: {}}))) == "form"


@pytest.mark.parametrize("change", [
    lambda said: said | {"more": 1},
    lambda said: said | {"_type": "https://in-toto.io/Statement/v2"},
    lambda said: said | {"predicateType": "another"},
    lambda said: said | {"subject": []},
    lambda said: said | {"subject": said["subject"] * 2},
    lambda said: said | {"subject": [said["subject"][0] | {"more": 1}]},
    lambda said: said | {"subject": [{"digest": {"sha256": "9f" * 31}, "name": "x"}]},
    lambda said: said | {"subject": [{"digest": {"sha256": "9f" * 32, "sha512": ""}, "name": "x"}]},
    lambda said: said | {"subject": [{"digest": {"sha256": "9f" * 32}, "name": "x y"}]},
    lambda said: said | {"predicate": []},
    lambda said: {key: value for key, value in said.items() if key != "predicate"},
    lambda said: [said],
])  # fmt: skip
def test_a_statement_of_another_form_is_none(change: Any):
    assert code_of(canonical(change(statement()))) == "form"


@pytest.mark.parametrize(
    ("levels", "well"),
    [(60, True), (64, True), (65, False), (200, False)],
)
def test_nothing_has_more_than_64_levels(levels: int, well: bool):
    value: object = [1]
    for _ in range(levels - 1):
        value = [value]
    assert audit_entry._countable(value) is well
    if well:
        assert audit_entry._json(canonical(value)) == value
    else:
        with pytest.raises(Bad, match="it is not canonical JSON with integers only"):
            audit_entry._json(canonical(value))


@pytest.mark.parametrize(
    ("data", "well"),
    [
        (b'{"a":1,"b":-9007199254740991}', True),
        (b'{"a":9007199254740991}', True),
        (b'{"a":9007199254740992}', False),
        (b'[-9007199254740992,"x"]', False),
        (b'["x",[9007199254740992]]', False),
        (b'{"a":"9007199254740992:9007199254740992"}', True),
        (b'{"b":1,"a":2}', False),
        (b'{"a":1, "b":2}', False),
        (b'{"a":1,"a":1}', False),
        (b'{"a":1.0}', False),
        (b'{"a":1e1}', False),
        (b'["\\u007f"]', True),
        (b'["\x7f"]', False),
        (b'["\\u00e9"]', False),
        (b"[1", False),
        (b"\xff", False),
    ],
)
def test_there_is_one_way_to_write_what_is_canonical(data: bytes, well: bool):
    if well:
        assert audit_entry._json(data) == json.loads(data)
    else:
        with pytest.raises(Bad) as caught:
            audit_entry._json(data)
        assert caught.value.code == "form"


# ---- files -------------------------------------------------------------------------------------------------------


def test_evidence_has_its_bytes_and_its_size(tmp_path: Path):
    path = tmp_path / "evidence"
    path.write_bytes(b"plan")
    sha256 = hashlib.sha256(b"plan").hexdigest()
    audit_entry.attached(Item("plan.json", sha256, 4), path)
    for item in (Item("plan.json", sha256, 5), Item("plan.json", "0" * 64, 4)):
        with pytest.raises(Bad, match=r"plan\.json has other bytes than the entry says"):
            audit_entry.attached(item, path)
    with pytest.raises(Bad, match=r"plan\.json: it is missing"):
        audit_entry.attached(Item("plan.json", sha256, 4), tmp_path / "nothing")
    with pytest.raises(Bad, match=r"plan\.json: it is not a regular file"):
        audit_entry.attached(Item("plan.json", sha256, 4), tmp_path)


def test_a_file_is_read_whole_and_only_up_to_its_limit(tmp_path: Path):
    path = tmp_path / "entry"
    path.write_bytes(b"12345678")
    assert audit_entry.bytes_of(str(path)) == audit_entry.bytes_of(str(path), 8) == b"12345678"
    with pytest.raises(Bad, match="it is bigger than 7 bytes") as caught:
        audit_entry.bytes_of(str(path), 7)
    assert caught.value.code == "size"
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(Bad, match="it is not a regular file"):
        audit_entry.bytes_of(str(tmp_path / "link"))
    with pytest.raises(FileNotFoundError):
        audit_entry.bytes_of(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("value", "fits"),
    [("ab", True), ("abc", False), ("a", False), ("ab\n", False), (12, False), (None, False)],
)
def test_a_text_fits_from_end_to_end(value: object, fits: bool):
    assert audit_entry.text(value, "[a-z]{2}") is fits
