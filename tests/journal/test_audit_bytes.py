"""What the auditor's shortcuts accept is exactly what the long way round accepts, whatever the bytes are."""

from __future__ import annotations

import base64
import errno
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy.journal import audit_entry
from roadworthy.journal.audit_entry import Bad

from .test_entry import JSON, canonical

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
LOOKS: list[dict[str, Any]] = [{"separators": (",", ":")}, {}, {"indent": 1}]
WRITTEN = st.builds(
    lambda value, ascii, sort, look: json.dumps(value, ensure_ascii=ascii, sort_keys=sort, **look),
    ANY, st.booleans(), st.booleans(), st.sampled_from(LOOKS),
).map(lambda text: text.encode("utf-8", "surrogatepass"))  # fmt: skip
NUMBERS = st.from_regex(rb'[\[{]?("a":)?-?[0-9]{1,20}([.eE][0-9]{1,3})?[\]}]?', fullmatch=True)
SOUND = JSON.map(canonical).map(lambda data: data.replace(b"\x7f", b"\\u007f"))
KEYID = "SHA256:" + "k" * 43


@st.composite
def changed(draw: st.DrawFn, sound: st.SearchStrategy[bytes]) -> bytes:
    """Sound bytes with a stretch of them replaced."""
    data = draw(sound)
    first = draw(st.integers(0, len(data)))
    last = draw(st.integers(first, min(first + 3, len(data))))
    inserted = st.sampled_from(
        [b"", b" ", b'"', b"\\", b"\x7f", b"\\u0041", b"9" * 16, b"1.0", b"=", b"\xff"]
    )
    return data[:first] + draw(inserted | st.binary(max_size=2)) + data[last:]


def plain(data: bytes) -> Any:
    """The one way to read canonical JSON, slowly: with the standard library, each rule by itself."""
    value = json.loads(data.decode(), parse_float=refuse, parse_constant=refuse)
    if canonical(value).replace(b"\x7f", b"\\u007f") != data or levels(value) > 65:
        refuse("")
    return value


def levels(value: Any) -> int:
    """How deep it goes; a number that others would round counts as too deep."""
    if type(value) is int and abs(value) >= 2**53:
        return 1000
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(levels, inner), default=0)


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def answer(read: Any, data: bytes) -> Any:
    try:
        return repr(read(data))
    except (Bad, ValueError, KeyError, TypeError, RecursionError):
        return "refused"


@given(WRITTEN | NUMBERS | SOUND | changed(SOUND) | st.binary(max_size=12))
@example(b'{"a":1,"a":1}')
@example(b'{"b":1,"a":1}')
@example(b"[9007199254740991,-9007199254740991]")
@example(b"[9007199254740992]")
@example(b"9007199254740992")
@example(b"-9007199254740992")
@example(b"[1" + b"0" * 400 + b"]")
@example(b"-0")
@example(b"[1.0]")
@example(b"1e2")
@example(b"NaN")
@example(b'"\\ud800"')
@example(b'"\x7f"')
@example(b'"\\u007f"')
@example(b'"\\/"')
@example(b'"\\u001F"')
@example(b'"\xc3\xa9"')
@example(b'"\\u00e9"')
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 64 + b"1" + b"]" * 64)
@example(b"[" * 65 + b"]" * 65)
@example(b"[" * 65 + b"1" + b"]" * 65)
@example(b"[" * 66 + b"]" * 66)
@example(b"[" * 5000 + b"]" * 5000)
def test_canonical_json_is_read_as_the_standard_library_reads_it(data: bytes) -> None:
    assert answer(audit_entry._json, data) == answer(plain, data)


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """A DSSE envelope of any payload, as it should be."""
    signed = {"keyid": KEYID, "sig": base64.b64encode(draw(st.binary(min_size=64, max_size=64))).decode()}
    payload = base64.b64encode(draw(st.binary(max_size=9))).decode()
    kind = "application/vnd.in-toto+json"
    return canonical({"payload": payload, "payloadType": kind, "signatures": [signed]})


def as_written(data: bytes) -> bool:
    """As the auditor judges the envelope of a key that it knows."""
    return bool(audit_entry.opened(data, {KEYID: b""}))


def written_anew(data: bytes) -> bool:
    """Read and written with the standard library."""
    said = json.loads(data.decode())
    (signed,) = said["signatures"]
    letters = [said["payload"], signed["sig"]]
    sound = [base64.b64encode(base64.b64decode(one, validate=True)).decode() == one for one in letters]
    sound.append(len(base64.b64decode(letters[1])) == 64)
    usual = said["payloadType"] == "application/vnd.in-toto+json" and signed["keyid"] == KEYID
    return all(sound) and usual and len(said) == 3 and len(signed) == 2 and canonical(said) == data


@given(envelopes() | changed(envelopes()))
def test_an_envelope_is_judged_as_the_standard_library_judges_it(data: bytes) -> None:
    assert (answer(as_written, data) == "True") == (answer(written_anew, data) == "True")


@given(envelopes())
def test_a_sound_envelope_is_as_written(data: bytes) -> None:
    assert as_written(data)


@pytest.mark.parametrize("call", ["open", "read"])
def test_a_file_that_a_failing_disk_keeps_is_no_empty_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    path = tmp_path / "00000001.json"
    path.write_bytes(b"{}")

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(Bad, match="it cannot be read: Input/output error"):
        audit_entry.bytes_of(str(path))
