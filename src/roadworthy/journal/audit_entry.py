"""What an auditor asks of one entry, whatever log it lies in: its bytes, its signature, its form, its evidence.

Shares no code with the writer, whose JSON is made by another library.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeAlias, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import UNSET, Meta, Struct, UnsetType

_MAX_ENTRY, _MAX_EVIDENCE, _MAX_DEPTH, _MAX_INT = 1024**2, 64 * 1024**2, 64, 2**53 - 1
SHA = r"[0-9a-f]{64}"
_LABEL, _PLACE = "[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}", "[a-z0-9][a-z0-9._-]{0,99}"
_WORDS = "\n".join(  # of which no form allows a line's end, so what fits line by line fits word by word
    ["[!-~]{1,255}", "(?:start|end|failed|refused|abandon|note)", _LABEL, _LABEL, _PLACE, _PLACE]
)
_AT, _ZEROS = b"0000-00-00T00:00:00.000000Z", bytes.maketrans(b"123456789", b"0" * 9)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HEX, _HEX_ZEROS = b"0" * (32 + 64 + 64), bytes.maketrans(b"123456789abcdef", b"0" * 15)
_DIGEST = re.compile(SHA).fullmatch
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}", re.ASCII).fullmatch
# No link is followed, and a pipe in the place of a file must not hang us.
_PLAINLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Digits, and what stands before a number in canonical JSON. In a text there is seldom both.
_DIGITS = bytes.maketrans(b"0123456789:,[-", b"0000000000::::")
_LONG = b":" + b"0" * 16  # the shortest number beyond 2^53
_ELSEWHERE = frozenset(("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome"))


class Bad(Exception):
    """A finding about the file at hand: one word that `audit.sh` says too, and why. Never leaves the audit."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


# Any value of up to four levels, without floats and without numbers that others would round.
_Flat: TypeAlias = bool | Annotated[int, Meta(ge=-_MAX_INT, le=_MAX_INT)] | str | None
_Plain: Any = _Flat
for _ in range(3):
    _Plain = _Flat | list[_Plain] | dict[str, _Plain]
V = TypeVar("V")


# The fields of all that follows stand in the order in which canonical JSON has them.
class _Digest(Struct, forbid_unknown_fields=True):
    sha256: str


class _Subject(Struct, forbid_unknown_fields=True):
    digest: _Digest
    name: str


class Item(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that an entry names as evidence."""

    name: str
    sha256: str
    size: Annotated[int, Meta(ge=0, le=_MAX_EVIDENCE)]


class Said(Struct, Generic[V], forbid_unknown_fields=True, kw_only=True, rename={"came_from": "from"}):
    """What we know of a predicate; UNSET is what it does not say. Of kind V is what has no form of its own."""

    action: str
    actor: V | UnsetType = UNSET
    at: str
    attempts: V | UnsetType = UNSET
    change: V | UnsetType = UNSET
    details: V | UnsetType = UNSET
    environment: str
    evidence: list[Item]
    came_from: V | UnsetType = UNSET
    kind: str
    nonce: str
    outcome: V | UnsetType = UNSET
    prev: str
    seq: Annotated[int, Meta(ge=1, le=99_999_999)]
    settles: V | UnsetType = UNSET
    stage: str
    target: str
    to: V | UnsetType = UNSET
    verdicts: V | UnsetType = UNSET


class _Statement(Struct, Generic[V], forbid_unknown_fields=True, rename={"kind": "_type"}):
    kind: Literal["https://in-toto.io/Statement/v1"]
    predicate: Said[V]
    predicateType: Literal["https://roadworthy.dev/journal/v1"]
    subject: Annotated[list[_Subject], Meta(min_length=1, max_length=1)]


_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(Said))


class Signed(Struct, frozen=True):
    """What an envelope in its canonical form holds; nobody has verified it."""

    keyid: str
    signature: bytes
    payload: bytes


class Entry(Struct, frozen=True):
    """What an entry of the right form says, and of what: its subject's name and digest."""

    said: Said[Any]
    name: str
    digest: str


def opened(data: bytes, keys: Mapping[str, bytes]) -> Signed:
    """What a DSSE envelope with one signature of one of the keys holds."""
    try:
        envelope = _open(data)
        (signed,) = envelope.signatures
        keyid, signature, payload = signed.keyid, signed.sig, envelope.payload
        same = _written(envelope) == data
    except (ValueError, RecursionError) as error:
        raise Bad("form", "it is not a DSSE envelope") from error
    if not same or len(signature) != 64:
        raise Bad("form", "it is not a canonical DSSE envelope with one signature")
    if keyid not in keys:
        raise Bad("key", f"{keyid[:60]!r} is not a trusted key")
    return Signed(keyid, signature, payload)


def verified(signed: Signed, keys: Mapping[str, bytes]) -> None:
    """Raises Bad unless the key signed the payload."""
    payload = signed.payload
    try:
        _verify(keys[signed.keyid])(
            signed.signature, b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
        )
    except InvalidSignature as error:
        raise Bad("signature", f"the signature of {signed.keyid} does not verify") from error


def understood(payload: bytes) -> Entry:
    """What the payload says, all of the right form. What else a later version says in it is left out."""
    statement = _plainly(payload) or _thoroughly(payload)
    (subject,), said = statement.subject, statement.predicate
    name, digest = subject.name, subject.digest.sha256
    _fitting(name, said.kind, said.stage, said.action, said.target, said.environment)
    ok = is_time(said.at)
    ok &= len(said.nonce) == 32 and len(said.prev) == len(digest) == 64
    ok &= (said.nonce + said.prev + digest).encode().translate(_HEX_ZEROS) == _HEX
    if said.details is not UNSET:
        ok &= isinstance(said.details, dict) and bool(said.details) and _ELSEWHERE.isdisjoint(said.details)
    for item in said.evidence:
        ok &= _DIGEST(item.sha256) is not None and _FILE(item.name) is not None
    if not ok:
        raise Bad("form", "a field of the entry is malformed")
    return Entry(said, name, digest)


def is_time(said: Any) -> bool:
    """Is it a moment that exists, written as entries do?"""
    if not isinstance(said, str) or said.encode(errors="replace").translate(_ZEROS) != _AT:
        return False
    return _is_day(said[:10]) and said[11:13] < "24" and said[14:16] < "60" and said[17:19] < "60"


@functools.lru_cache(1000)
def _is_day(said: str) -> bool:
    year, month, day = map(int, said.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = _DAYS[month - 1] if 1 <= month <= 12 else 0
    return year >= 1000 and 1 <= day <= (28 if month == 2 and not leap else days)


@functools.lru_cache(1000)
def _fitting(*words: str) -> None:
    """Raises Bad, which is not remembered, unless the words have their forms; a log says the same few all over."""
    if not re.fullmatch(_WORDS, "\n".join(words), re.ASCII):
        raise Bad("form", "a word of the entry is malformed")


def _plainly(payload: bytes) -> _Statement[Any] | None:
    """The statement, when it has only fields that we know and nothing in it is deep, a long number or a DEL.

    Most have, and are read in one go: what is of these types and is written as it was read is canonical.
    """
    try:
        statement = _read(payload)
    except (ValueError, RecursionError):
        return None
    _write_into(statement, _PAGE)
    return statement if payload == _PAGE and b"\x7f" not in payload else None


def _thoroughly(payload: bytes) -> _Statement[Any]:
    """The statement, whatever is in it."""
    value = _json(payload)
    try:
        told = value["predicate"]
        value["predicate"] = {key: told[key] for key in told.keys() & _KNOWN}
        return msgspec.convert(value, _Statement[Any])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Bad("form", "it is not a journal entry") from error


def attached(item: Item, path: Path) -> None:
    """The evidence that an entry names lies in `path`, unchanged."""
    try:
        data = bytes_of(str(path), _MAX_EVIDENCE)
    except FileNotFoundError:
        raise Bad("evidence", f"{item.name}: it is missing") from None
    except Bad as bad:
        raise Bad("evidence", f"{item.name}: {bad.why}") from bad
    if len(data) != item.size or hashlib.sha256(data).hexdigest() != item.sha256:
        raise Bad("evidence", f"{item.name} has other bytes than the entry says")


def bytes_of(path: str, limit: int = _MAX_ENTRY, folder: int | None = None) -> bytes:
    """A regular file's bytes; `folder` is open, and `path` then a name in it.

    Raises Bad, or FileNotFoundError when there is nothing.
    """
    try:
        fd = os.open(path, _PLAINLY, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        _unreadable(path, folder, error)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise Bad("file", "it is not a regular file")
        if about.st_size > limit:
            raise Bad("size", f"it is bigger than {limit} bytes")
        data = os.read(fd, about.st_size + 1)
        while len(data) < about.st_size and (more := os.read(fd, about.st_size - len(data))):
            data += more
        return data
    except OSError as error:
        _unreadable(path, folder, error)
    finally:
        os.close(fd)


def text(value: Any, form: str) -> bool:
    """Is it a text, and of this form from end to end?"""
    return isinstance(value, str) and re.fullmatch(form, value, re.ASCII) is not None


def _unreadable(path: str, folder: int | None, error: OSError) -> NoReturn:
    with suppress(OSError):
        if not stat.S_ISREG(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode):
            raise Bad("file", "it is not a regular file") from error
    raise Bad("file", f"it cannot be read: {error.strerror}") from error


@functools.cache
def _verify(raw: bytes) -> Callable[[bytes, bytes], None]:
    return Ed25519PublicKey.from_public_bytes(raw).verify


def _no_float(said: str) -> NoReturn:
    raise ValueError(f"{said[:20]} is no integer")


class _Signature(Struct, forbid_unknown_fields=True):
    keyid: str
    sig: bytes


class _Envelope(Struct, forbid_unknown_fields=True):
    """DSSE with one signature; base64 is decoded on the way in."""

    payload: bytes
    payloadType: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[list[_Signature], Meta(min_length=1, max_length=1)]


_open = msgspec.json.Decoder(_Envelope).decode
_read = msgspec.json.Decoder(_Statement[_Plain]).decode
_write_into = msgspec.json.Encoder(order="deterministic").encode_into
_PAGE = bytearray()
"""Where a statement is written, to see whether it is as it was read."""
_decode = msgspec.json.Decoder(float_hook=_no_float).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def _json(data: bytes) -> Any:
    """Canonical JSON: exactly one way to write it, so exactly one way to read it."""
    try:
        value = _decode(data)
        written = _written(value)
    except (ValueError, RecursionError) as error:
        raise Bad("form", "it is not JSON") from error
    # Few entries have many levels or a number that may be too long: only those are walked.
    simple = data.count(b"{") + data.count(b"[") <= _MAX_DEPTH and _LONG not in b":" + data.translate(_DIGITS)
    if written != data or not (simple or _countable(value)):
        raise Bad("form", "it is not canonical JSON with integers only")
    return value


def _written(value: Any) -> bytes:
    """As the canonical form has it, in which DEL is escaped; our library writes it as it is."""
    return _encode(value).replace(b"\x7f", b"\\u007f")


def _countable(value: Any) -> bool:
    """No integer that others would round, and no more than 64 levels."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is str:
                continue
            if kind is dict:
                inner += one.values()
            elif kind is list:
                inner += one
            elif kind is int and not -_MAX_INT <= one <= _MAX_INT:
                return False
        level, depth = inner, depth + 1
        if inner and depth > _MAX_DEPTH:
            return False
    return True
