"""What an auditor asks of one entry, whatever log it lies in: its bytes, its signature, its form, its evidence.

Shares no code with the writer, and its JSON library is another one.
"""

from __future__ import annotations

import functools
import hashlib
import operator
import os
import re
import stat
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MAX_ENTRY, _MAX_EVIDENCE, _MAX_DEPTH, _MAX_INT = 1024**2, 64 * 1024**2, 64, 2**53 - 1
SHA = r"[0-9a-f]{64}"
_LABEL, _PLACE = "[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}", "[a-z0-9][a-z0-9._-]{0,99}"
_FORMS = {
    "kind": "(?:start|end|failed|refused|abandon|note)",
    "stage": _LABEL,
    "action": _LABEL,
    "at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "nonce": "[0-9a-f]{32}",
    "prev": SHA,
    "target": _PLACE,
    "environment": _PLACE,
}
# No form allows a line's end, so what fits line by line fits field by field.
_TEXTS = operator.itemgetter(*_FORMS)
_FIT = re.compile("\n".join(_FORMS.values()), re.ASCII).fullmatch
# No link is followed, and a pipe in the place of a file must not hang us.
_PLAINLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Digits, and what stands before a number in canonical JSON. In a text there is seldom both.
_DIGITS = bytes.maketrans(b"0123456789:,[-", b"0000000000::::")
_LONG = b":" + b"0" * 16  # the shortest number beyond 2^53
_NAME, _DIGEST = re.compile("[!-~]{1,255}").fullmatch, re.compile(SHA).fullmatch
_ELSEWHERE = frozenset(("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome"))


class Bad(Exception):
    """A finding about the file at hand: one word that `audit.sh` says too, and why. Never leaves the audit."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


def opened(data: bytes, keys: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The key's id and the payload of a DSSE envelope with one good signature."""
    try:
        envelope = _open(data)
        (signed,) = envelope.signatures
        keyid, signature, payload = signed.keyid, signed.sig, envelope.payload
        raw = keys.get(keyid)
        same = _ends_as_written(data, payload, keyid, signature) if raw else _written(envelope) == data
    except (ValueError, RecursionError) as error:
        raise Bad("form", "it is not a DSSE envelope") from error
    if not same or len(signature) != 64:
        raise Bad("form", "it is not a canonical DSSE envelope with one signature")
    if raw is None:
        raise Bad("key", f"{keyid[:60]!r} is not a trusted key")
    try:
        _verify(raw)(signature, b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))
    except InvalidSignature as error:
        raise Bad("signature", f"the signature of {keyid} does not verify") from error
    return keyid, payload


def understood(payload: bytes) -> tuple[dict[str, Any], str, str]:
    """The predicate, and the subject's name and digest, all of the right form."""
    statement = _json(payload)
    try:
        (subject,) = statement["subject"]
        name, digest, said = subject["name"], subject["digest"]["sha256"], statement["predicate"]
        ok = len(statement) == 4 and len(subject) == 2 and len(subject["digest"]) == 1
        ok &= statement["_type"] == "https://in-toto.io/Statement/v1"
        ok &= statement["predicateType"] == "https://roadworthy.dev/journal/v1"
        ok &= _NAME(name) is not None and _DIGEST(digest) is not None
        ok &= _FIT("\n".join(_TEXTS(said))) is not None
        ok &= type(said["seq"]) is int and 1 <= said["seq"] <= 99_999_999
        details = said.get("details", {"": ""})
        ok &= isinstance(details, dict) and bool(details) and _ELSEWHERE.isdisjoint(details)
        ok &= isinstance(said["evidence"], list)
        for item in said["evidence"]:
            ok &= len(item) == 3 and text(item["sha256"], SHA)
            ok &= text(item["name"], r"[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}")
            ok &= type(item["size"]) is int and 0 <= item["size"] <= _MAX_EVIDENCE
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Bad("form", "it is not a journal entry") from error
    if not ok:
        raise Bad("form", "a field of the entry is malformed")
    return said, name, digest


def attached(item: dict[str, Any], path: Path) -> None:
    """The evidence that an entry names lies in `path`, unchanged."""
    try:
        data = bytes_of(str(path), _MAX_EVIDENCE)
    except FileNotFoundError:
        raise Bad("evidence", f"{item['name']}: it is missing") from None
    except Bad as bad:
        raise Bad("evidence", f"{item['name']}: {bad.why}") from bad
    if len(data) != item["size"] or hashlib.sha256(data).hexdigest() != item["sha256"]:
        raise Bad("evidence", f"{item['name']} has other bytes than the entry says")


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


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: bytes


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """DSSE with one signature; base64 is decoded on the way in, and written anew to be compared."""

    payload: bytes
    payloadType: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[list[_Signature], msgspec.Meta(min_length=1, max_length=1)]


_open = msgspec.json.Decoder(_Envelope).decode
_BEGIN = b'{"payload":"'
_END = b'%s","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"%s","sig":"%s"}]}'
_decode = msgspec.json.Decoder(float_hook=_no_float).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def _ends_as_written(data: bytes, payload: bytes, keyid: str, signature: bytes) -> bool:
    """Is `data` the one way to write the envelope that was decoded from it? `keyid` needs no escapes.

    Its begin and its end are compared, the last four letters of the payload with them: they alone could differ
    and mean the same. In what lies between is no room for anything but the other letters, four for three bytes.
    """
    before = max(len(payload) - 1, 0) // 3
    last = b2a_base64(payload[3 * before :], newline=False)
    end = _END % (last, keyid.encode(), b2a_base64(signature, newline=False))
    return len(data) == len(_BEGIN) + 4 * before + len(end) and data.startswith(_BEGIN) and data.endswith(end)


def _json(data: bytes) -> Any:
    """Canonical JSON: exactly one way to write it, so exactly one way to read it."""
    try:
        value = _decode(data)
        written = _written(value)
    except (ValueError, RecursionError) as error:
        raise Bad("form", "it is not JSON") from error
    # Few entries have many levels or a number that may be too long: only those are walked.
    simple = data.count(b"{") + data.count(b"[") <= _MAX_DEPTH and _LONG not in data.translate(_DIGITS)
    if written != data or not (simple or _countable(value)):
        raise Bad("form", "it is not canonical JSON with integers only")
    return value


def _written(value: Any) -> bytes:
    data = _encode(value)
    return data.replace(b"\x7f", b"\\u007f") if b"\x7f" in data else data


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
