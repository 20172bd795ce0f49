"""One entry: the values a caller says, and the bytes that are kept. Bytes are made here and nowhere else.

An entry's bytes are a DSSE envelope (PAE, one signature) over an in-toto Statement. Both layers are
canonical JSON, and reading demands exactly the bytes that writing would have made: repeated keys, white
space, floats, other escapes and unknown envelope fields are refused, so nobody can change an entry's bytes
and keep its meaning. Only the predicate is open: its unknown fields are kept in `Entry.unknown`.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from ..errors import RoadworthyError
from .usual import usual

KINDS = ("start", "end", "failed", "refused", "abandon", "note")
SETTLING = ("end", "failed", "abandon")
ENTRY_LIMIT = 1 << 20
"""Bytes of one envelope, at most."""
EVIDENCE_LIMIT = 64 << 20
"""Bytes of one evidence file, at most."""
SEQ_LIMIT = 99_999_999
ACCEPTS_LOSS = "accept-loss"
"""The action of the note after which a log goes on at a higher number, for those between were lost."""
NO_PREV = "0" * 64
"""`prev` of the first entry."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://roadworthy.dev/journal/v1"

# jq and JavaScript read numbers as doubles: beyond this they would see another number than we signed.
_INTEGER_LIMIT = (1 << 53) - 1
# jq 1.6 refuses JSON nested deeper than 256; the envelope needs a few levels itself.
_DEPTH_LIMIT = 64
# Details that architecture §4 names have a place of their own in the predicate; the rest is `details`.
_NAMED = ("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome")
CLOCKS_DIFFER = 600
"""Seconds by which the clocks of two machines may differ, before one of them is called wrong."""
MOMENT = (  # a UTC second that exists: 2026-02-30 is none. Years have four digits, and begin with none of 0
    r"(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])"
    r"|(?:[2468][048]|[13579][26])00)-02-29)T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
)
# Patterns are compiled when first used: importing the journal stays cheap.
_PLACE = r"[a-z0-9][a-z0-9._-]{0,99}"
_LABEL = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}"
_HEX64 = r"[0-9a-f]{64}"
_SUBJECT = r"[!-~]{1,255}"
_EVIDENCE_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}"
_TEXTS = {
    "action": _LABEL,
    "at": rf"{MOMENT}\.[0-9]{{6}}Z",
    "environment": _PLACE,
    "kind": "|".join(KINDS),
    "nonce": r"[0-9a-f]{32}",
    "prev": _HEX64,
    "stage": _LABEL,
    "target": _PLACE,
}
_KNOWN = {*_TEXTS, *_NAMED, "seq", "evidence", "details"}
# How nearly every envelope is written. Nothing in it can be written otherwise, so it is canonical.
_USUAL_ENVELOPE = (
    rb'\{"payload":"([A-Za-z0-9+/=]+)","payloadType":"application/vnd\.in-toto\+json",'
    rb'"signatures":\[\{"keyid":"([A-Za-z0-9+/:=]+)","sig":"([A-Za-z0-9+/=]+)"\}\]\}'
)


class JournalError(RoadworthyError):
    """An entry, or the log, is not what the journal's invariants demand. The message names the entry."""

    code = 1


class Evidence(msgspec.Struct, frozen=True):
    """A file that an entry names: a label, and the digest (64 hex) and size in bytes that identify it."""

    name: str
    sha256: str
    size: int


class Record(msgspec.Struct, frozen=True):
    """What a caller says.

    `subject` is the package's name (`<kind>:<commit>`) and `digest` its sha256 in hex; an action that concerns
    no package says "none" and "". `details` is plain JSON without floats; `settles` in it is the `seq` of the
    start that an end, failed or abandon closes.
    """

    kind: str
    stage: str
    action: str
    environment: str
    target: str
    subject: str
    digest: str
    details: Mapping[str, Any] = {}
    evidence: tuple[Evidence, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """What the journal holds: a record with its place in the chain.

    `prev` and `sha256` are of envelope bytes, `at` is UTC with microseconds, `keyid` names the signing key as
    `ssh-keygen -l` does, `nonce` makes equal records distinct, `unknown` are predicate fields kept as found.
    """

    record: Record
    seq: int
    prev: str
    at: str
    nonce: str
    keyid: str
    sha256: str
    unknown: Mapping[str, Any] = {}


class Envelope(msgspec.Struct, frozen=True):
    """Signed bytes whose signature is still to be verified. Ask `entry()` only afterwards."""

    payload: bytes
    keyid: str
    signature: bytes
    sha256: str

    def entry(self) -> Entry:
        """The entry that was signed. Raises JournalError when it is not one of ours."""
        return _entry(_load(self.payload, "payload"), self.keyid, self.sha256)


def clock_of(entry: Entry) -> str:
    """The time on the writer's own clock, as `at` is written. It is `at`, unless that had to wait for another's.

    Raises JournalError when it is malformed or later than `at`.
    """
    said = entry.record.details.get("clock", entry.at)
    if not (isinstance(said, str) and _form(_TEXTS["at"])(said)):
        _refuse("its clock is malformed")
    if said > entry.at:
        _refuse(f"its clock {said} is later than its time {entry.at}")
    return said


def says_why(entry: Entry) -> bool:
    """Whether the entry says a reason for a clock that was set back."""
    why = entry.record.details.get("clock_why")
    return isinstance(why, str) and why != ""


def pae(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding, version 1."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(entry: Entry, sign: Callable[[bytes], bytes]) -> tuple[Entry, bytes]:
    """Sign `entry` (its `sha256` is ignored); give what a reader will see, and the envelope's bytes.

    Raises JournalError for a record that could not be read back: wrong shapes, floats, too big.
    """
    payload = _dump(_statement(entry))
    signature = {"keyid": entry.keyid, "sig": _b64(sign(pae(payload)))}
    data = _dump({"payload": _b64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]})
    return read(data).entry(), data


def read(data: bytes) -> Envelope:
    """Take an envelope apart. Raises JournalError when the bytes are not a canonical envelope."""
    if len(data) > ENTRY_LIMIT:
        _refuse(f"it has {len(data)} bytes, more than {ENTRY_LIMIT}")
    if plain := _form_of_bytes(_USUAL_ENVELOPE)(data):
        payload, keyid, sig = (part.decode() for part in plain.groups())
        return Envelope(_unb64(payload), keyid, _unb64(sig), hashlib.sha256(data).hexdigest())
    match _load(data, "envelope"):
        case {"payload": str(payload), "payloadType": str(kind), "signatures": [dict(signed)], **rest}:
            if kind != PAYLOAD_TYPE or rest or set(signed) != {"keyid", "sig"}:
                _refuse("its envelope is not an in-toto envelope with exactly one signature")
            keyid, sig = signed["keyid"], signed["sig"]
            if not (isinstance(keyid, str) and isinstance(sig, str)):
                _refuse("its signature is malformed")
            digest = hashlib.sha256(data).hexdigest()
            return Envelope(_unb64(payload), keyid, _unb64(sig), digest)
        case _:
            raise JournalError("its envelope is malformed")


def is_place(name: str) -> bool:
    """May `name` be an environment's or target's name, and so a folder's?"""
    return _form(_PLACE)(name) is not None and name not in ("evidence", "beats")


def _statement(entry: Entry) -> dict[str, Any]:
    record = entry.record
    details = {key: value for key, value in record.details.items() if key not in _NAMED}
    if set(entry.unknown) & _KNOWN:
        _refuse(f"unknown fields have known names: {sorted(set(entry.unknown) & _KNOWN)}")
    predicate: dict[str, Any] = {
        **entry.unknown,
        **{key: record.details[key] for key in _NAMED if key in record.details},
        **({"details": details} if details else {}),
        **{name: getattr(record, name) for name in ("kind", "stage", "action", "environment", "target")},
        "seq": entry.seq,
        "prev": entry.prev,
        "at": entry.at,
        "nonce": entry.nonce,
        "evidence": [{"name": e.name, "sha256": e.sha256, "size": e.size} for e in record.evidence],
    }
    # in-toto demands a subject. What concerns no package is about the environment in its present state.
    if (record.subject == "none") != (record.digest == "") or record.subject.startswith("environment:"):
        _refuse(f"subject {record.subject!r} and digest {record.digest!r} do not go together")
    name, digest = (record.subject, record.digest) if record.digest else (_no_package(record), entry.prev)
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
        "subject": [{"name": name, "digest": {"sha256": digest}}],
    }


def _entry(statement: Any, keyid: str, sha256: str) -> Entry:
    match statement:
        case {
            "_type": str(kind),
            "predicateType": str(about),
            "predicate": dict(said),
            "subject": [{"name": str(name), "digest": {"sha256": str(digest), **more}, **extra}],
            **rest,
        } if kind == STATEMENT_TYPE and about == PREDICATE_TYPE and not (rest or extra or more):
            pass
        case _:
            _refuse("it is not an in-toto Statement of this journal about one subject")
    for key, shape in _TEXTS.items():
        if not (isinstance(said.get(key), str) and _form(shape)(said[key])):
            _refuse(f"its {key} is missing or malformed")
    seq = said.get("seq")
    if type(seq) is not int or not 1 <= seq <= SEQ_LIMIT:
        _refuse("its seq is missing or out of range")
    details = said.get("details", {})
    if not isinstance(details, dict) or set(details) & set(_NAMED) or ("details" in said and not details):
        _refuse("its details are malformed")
    if not (_form(_HEX64)(digest) and _form(_SUBJECT)(name)):
        _refuse("its subject is malformed")
    if not isinstance(said.get("evidence"), list):
        _refuse("its evidence is malformed")
    record = Record(
        **{key: said[key] for key in ("kind", "stage", "action", "environment", "target")},
        subject=name,
        digest=digest,
        details={**details, **{key: said[key] for key in _NAMED if key in said}},
        evidence=tuple(_evidence(item) for item in said["evidence"]),
    )
    if name.startswith("environment:"):
        if (name, digest) != (_no_package(record), said["prev"]):
            _refuse("its subject is another environment")
        record = replace(record, subject="none", digest="")
    unknown = {key: value for key, value in said.items() if key not in _KNOWN}
    return Entry(record, seq, said["prev"], said["at"], said["nonce"], keyid, sha256, unknown)


def _evidence(item: Any) -> Evidence:
    match item:
        case {"name": str(name), "sha256": str(digest), "size": int(size), **rest} if not rest:
            if not (_form(_EVIDENCE_NAME)(name) and _form(_HEX64)(digest)):
                _refuse(f"its evidence {name[:100]!r} has a malformed name or digest")
            if type(size) is not int or not 0 <= size <= EVIDENCE_LIMIT:
                _refuse(f"its evidence {name!r} has an impossible size")
            return Evidence(name, digest, size)
        case _:
            raise JournalError("its evidence is malformed")


def _no_package(record: Record) -> str:
    return f"environment:{record.target}/{record.environment}"


def _dump(value: Any) -> bytes:
    _plain(value, 0)
    text = _encode(value)
    # jq writes DEL as an escape; audit.sh compares its bytes with ours.
    try:
        data = text.replace("\x7f", "\\u007f").encode()
    except UnicodeEncodeError as error:
        raise JournalError("it holds text that is not Unicode") from error
    if len(data) > ENTRY_LIMIT:
        _refuse(f"it would have {len(data)} bytes, more than {ENTRY_LIMIT}; attach evidence instead")
    return data


def _load(data: bytes, what: str) -> Any:
    if (value := usual(data)) is not None:
        return value
    try:
        value = _decode(data.decode())
        same = _dump(value) == data
    except (ValueError, RecursionError) as error:
        raise JournalError(f"its {what} is not JSON") from error
    if not same:
        _refuse(f"its {what} is not canonical JSON")
    return value


def _no_float(text: str) -> NoReturn:
    _refuse(f"it holds the number {text[:20]}, which is no integer")


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_decode = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode


def _plain(value: Any, depth: int) -> None:
    if depth > _DEPTH_LIMIT:
        _refuse("it is nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                _refuse(f"it holds the key {key!r}, which is no text")
            if type(item) is not str or depth == _DEPTH_LIMIT:  # most are, and a call for each takes long
                _plain(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _plain(item, depth + 1)
    elif value is None or isinstance(value, (bool, str)):
        return
    elif isinstance(value, int):
        if abs(value) > _INTEGER_LIMIT:
            _refuse("it holds an integer beyond 2^53")
    else:
        _refuse(f"it holds a {type(value).__name__}; only integers, texts, booleans, lists and objects")


@functools.cache
def _form(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern).fullmatch


@functools.cache
def _form_of_bytes(pattern: bytes) -> Callable[[bytes], re.Match[bytes] | None]:
    return re.compile(pattern).fullmatch


def _b64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _unb64(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text.encode(), strict_mode=True)
    except ValueError as error:
        raise JournalError("its base64 is malformed") from error
    # In strict mode only the bits that the last letters have too many can differ.
    if _b64(data[len(data) // 3 * 3 - 3 :] if len(data) > 3 else data)[-4:] != text[-4:]:
        _refuse("its base64 is not canonical")
    return data


def _refuse(why: str) -> NoReturn:
    raise JournalError(why)


def place_of(commit: str) -> str:
    """The name of a package's journal."""
    return f"package-{commit}"
