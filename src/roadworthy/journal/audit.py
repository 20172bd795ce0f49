"""An auditor that shares no code with the writer: own parsing, own PAE, own rules, other words.

It and `scripts/audit.sh` ask the same questions in the same order and answer with the same codes, so a
mistake in either shows as a difference. It reads one log, `<root>/<target>/<environment>`, the evidence in
`<root>/evidence`, and the public keys and `trust.toml` of a trust folder. It writes nothing.

What it cannot see without an anchor: that the newest entries were cut off, or that the whole folder is an
older copy of itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_ENTRY, _MAX_EVIDENCE, _MAX_DEPTH, _MAX_INT = 1024**2, 64 * 1024**2, 64, 2**53 - 1
_SHA = r"[0-9a-f]{64}"
_FORM = {
    "kind": "start|end|failed|refused|abandon|note",
    "stage": r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}",
    "action": r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}",
    "at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "nonce": "[0-9a-f]{32}",
    "prev": _SHA,
    "target": r"[a-z0-9][a-z0-9._-]{0,99}",
    "environment": r"[a-z0-9][a-z0-9._-]{0,99}",
}
_OPENSSH_ED25519 = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with which file: `code` is one word that `audit.sh` says too, `why` is for people."""

    name: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"audit: {self.name}: {self.code}: {self.why}"


class _Bad(Exception):
    """A finding about the file at hand; never leaves this module."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


@dataclass(slots=True)
class _Walk:
    """What the entries before the one at hand have established. `prev` is None after a gap."""

    prev: str | None = "0" * 64
    open_seq: int = 0
    open_digest: str = ""


@dataclass(frozen=True, slots=True)
class _Keys:
    """Raw public keys by id, file stems by id, and the policy's rules as they were written."""

    raw: dict[str, bytes]
    stems: dict[str, str]
    rules: list[dict[str, Any]]


def audit(folder: Path, trust: Path | None = None) -> list[Finding]:
    """Everything that is wrong with the log in `folder`, the first bad entry first; empty when all is well.

    `trust` is the folder of public keys, by default `trust` beside the journal's root.
    """
    # Not resolved: a folder that only links to another environment's log is itself a finding.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    try:
        keys = _read_trust(trust or folder.parents[2] / "trust")
        names = _list(folder)
    except _Bad as bad:
        return [Finding("trust" if bad.code == "policy" else folder.name, bad.code, bad.why)]
    return list(_walk(folder, names, keys))


def _walk(folder: Path, names: list[str], keys: _Keys) -> Iterator[Finding]:
    strays = [name for name in names if not re.fullmatch(r"[0-9]{8}\.json", name) or name == "00000000.json"]
    yield from (Finding(name, "folder", "it is no entry") for name in strays)
    walk, expected = _Walk(), 1
    for name in names:
        if name in strays:
            continue
        if name != f"{expected:08d}.json":
            yield Finding(f"{expected:08d}.json", "missing", f"there is no such entry, but {name}")
            walk.prev = None
        expected = int(name[:8]) + 1
        try:
            data = _bytes_of(folder / name, _MAX_ENTRY)
        except _Bad as bad:
            walk.prev = None
            yield Finding(name, bad.code, bad.why)
            continue
        try:
            _examine(data, int(name[:8]), folder, keys, walk)
        except _Bad as bad:
            yield Finding(name, bad.code, bad.why)
        walk.prev = hashlib.sha256(data).hexdigest()
    if expected == 1:
        yield Finding(folder.name, "folder", "there are no entries")


def _examine(data: bytes, seq: int, folder: Path, keys: _Keys, walk: _Walk) -> None:
    keyid, payload = _opened(data, keys)
    said, name, digest = _understood(payload)
    if (said["target"], said["environment"]) != (folder.parent.name, folder.name):
        raise _Bad("place", f"it belongs to {said['target']}/{said['environment']}")
    if said["seq"] != seq:
        raise _Bad("order", f"it says that it is entry {said['seq']}")
    if walk.prev is not None and said["prev"] != walk.prev:
        raise _Bad("chain", "prev is not the digest of the entry before it")
    if name.startswith("environment:"):
        if name != f"environment:{said['target']}/{said['environment']}" or digest != said["prev"]:
            raise _Bad("form", "its subject is another environment")
        digest = ""
    _permitted(said, keyid, keys)
    _in_turn(said, digest, walk)
    for item in said["evidence"]:
        _attached(item, folder.parents[1] / "evidence" / item["sha256"])


def _opened(data: bytes, keys: _Keys) -> tuple[str, bytes]:
    """The key's id and the payload of a DSSE envelope with one good signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    envelope = _json(data)
    try:
        keyid, sig = (envelope["signatures"][0][field] for field in ("keyid", "sig"))
        kind, payload = envelope["payloadType"], _base64(envelope["payload"])
        closed = (
            len(envelope) == 3 and len(envelope["signatures"]) == 1 and len(envelope["signatures"][0]) == 2
        )
        signature = _base64(sig)
    except (KeyError, IndexError, TypeError) as error:
        raise _Bad("form", "it is not a DSSE envelope") from error
    if (
        len(signature) != 64
        or not closed
        or kind != "application/vnd.in-toto+json"
        or not isinstance(keyid, str)
    ):
        raise _Bad("form", "it is not a DSSE envelope of in-toto with one signature")
    if keyid not in keys.raw:
        raise _Bad("key", f"{keyid[:60]!r} is not a trusted key")
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    try:
        Ed25519PublicKey.from_public_bytes(keys.raw[keyid]).verify(signature, signed)
    except InvalidSignature as error:
        raise _Bad("signature", f"the signature of {keyid} does not verify") from error
    return keyid, payload


def _understood(payload: bytes) -> tuple[dict[str, Any], str, str]:
    """The predicate, and the subject's name and digest, all of the right form."""
    statement = _json(payload)
    try:
        (subject,) = statement["subject"]
        name, digest, said = subject["name"], subject["digest"]["sha256"], statement["predicate"]
        ok = len(statement) == 4 and len(subject) == 2 and len(subject["digest"]) == 1
        ok &= statement["_type"] == "https://in-toto.io/Statement/v1"
        ok &= statement["predicateType"] == "https://roadworthy.dev/journal/v1"
        ok &= _text(name, "[!-~]{1,255}") and _text(digest, _SHA)
        ok &= all(_text(said[field], form) for field, form in _FORM.items())
        ok &= type(said["seq"]) is int and 1 <= said["seq"] <= 99_999_999
        details = said.get("details", {"": ""})
        ok &= (
            isinstance(details, dict)
            and bool(details)
            and not set(details)
            & {*("from", "to", "change", "actor", "attempts", "verdicts", "settles", "outcome")}
        )
        ok &= isinstance(said["evidence"], list)
        for item in said["evidence"]:
            ok &= len(item) == 3 and _text(item["sha256"], _SHA)
            ok &= _text(item["name"], r"[A-Za-z0-9_][A-Za-z0-9_.,:+@ -]{0,199}")
            ok &= type(item["size"]) is int and 0 <= item["size"] <= _MAX_EVIDENCE
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _Bad("form", "it is not a journal entry") from error
    if not ok:
        raise _Bad("form", "a field of the entry is malformed")
    return said, name, digest


def _permitted(said: dict[str, Any], keyid: str, keys: _Keys) -> None:
    mine = [r for r in keys.rules if r["key"] in (keyid, keys.stems[keyid]) and r["target"] == said["target"]]
    if not mine and said["target"] == "sandbox":
        return
    for rule in mine:
        until = rule.get("until") or "9999-99-99T99:99:99Z"
        asked = [("environments", "environment"), ("stages", "stage"), ("actions", "action")]
        if said["at"] < until[:-1] + ".000000Z" and all(
            {"*", said[one]} & set(rule[many]) for many, one in asked
        ):
            return
    raise _Bad("policy", f"{keyid} may not sign {said['stage']}/{said['action']} at {said['at']}")


def _in_turn(said: dict[str, Any], digest: str, walk: _Walk) -> None:
    kind, settles = said["kind"], said.get("settles")
    if kind in ("start", "refused", "note"):
        if settles is not None:
            raise _Bad("lock", f"a {kind} cannot settle anything")
        if kind == "start":
            if walk.open_seq:
                raise _Bad("lock", f"it starts while start {walk.open_seq} is open")
            walk.open_seq, walk.open_digest = said["seq"], digest
        return
    if not walk.open_seq or type(settles) is not int or settles != walk.open_seq:
        raise _Bad("lock", f"its {kind} does not settle the open start")
    if kind != "abandon" and walk.open_digest and digest != walk.open_digest:
        raise _Bad("package", f"its {kind} is about another package than start {walk.open_seq}")
    walk.open_seq = 0


def _attached(item: dict[str, Any], path: Path) -> None:
    try:
        data = _bytes_of(path, _MAX_EVIDENCE)
    except _Bad as bad:
        raise _Bad("evidence", f"{item['name']}: {bad.why}") from bad
    if len(data) != item["size"] or hashlib.sha256(data).hexdigest() != item["sha256"]:
        raise _Bad("evidence", f"{item['name']} has other bytes than the entry says")


def _list(folder: Path) -> list[str]:
    for path in (folder, folder.parent):
        if path.is_symlink() or not path.is_dir():
            raise _Bad("folder", f"{path} is not a folder")
    names = sorted(os.listdir(folder))  # noqa: PTH208 - names are what is judged
    return [name for name in names if not re.fullmatch(r"\.[0-9a-f]{16}\.part", name)]


def _bytes_of(path: Path, limit: int) -> bytes:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise _Bad("file", "it is not a regular file")
        if about.st_size > limit:
            raise _Bad("size", f"it is bigger than {limit} bytes")
        return path.read_bytes()
    except OSError as error:
        raise _Bad("file", f"it cannot be read: {error.strerror}") from error


def _json(data: bytes) -> Any:
    """Canonical JSON: exactly one way to write it, so exactly one way to read it."""
    try:
        value = json.loads(data.decode("utf-8"))
        written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        same = written.encode().replace(b"\x7f", b"\\u007f") == data
    except (ValueError, RecursionError) as error:
        raise _Bad("form", "it is not JSON") from error
    if not same or not _countable(value, 0):
        raise _Bad("form", "it is not canonical JSON with integers only")
    return value


def _countable(value: Any, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > _MAX_INT) or depth > _MAX_DEPTH:
        return False
    return all(_countable(item, depth + 1) for item in inner)


def _base64(text: Any) -> bytes:
    with suppress(ValueError, TypeError):
        data = base64.b64decode(text, validate=True)
        if base64.b64encode(data).decode() == text:
            return data
    raise _Bad("form", "its base64 is malformed")


def _text(value: Any, form: str) -> bool:
    return isinstance(value, str) and re.fullmatch(form, value, re.ASCII) is not None


def _read_trust(folder: Path) -> _Keys:
    if not folder.is_dir():
        raise _Bad("policy", f"{folder} is not a folder")
    keys = _Keys({}, {}, [])
    for path in sorted(folder.glob("*.pub")):
        lines = path.read_text(errors="replace").splitlines()
        words = lines[0].split() if len(lines) == 1 else []
        blob = b""
        with suppress(ValueError):
            blob = (
                base64.b64decode(words[1], validate=True)
                if words[:1] == ["ssh-ed25519"] and words[1:]
                else b""
            )
        if len(blob) != 51 or blob[:19] != _OPENSSH_ED25519:
            raise _Bad("policy", f"{path.name} is not one OpenSSH Ed25519 public key")
        keyid = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        if keyid in keys.raw:
            raise _Bad("policy", f"{path.name} is the same key as {keys.stems[keyid]}.pub")
        keys.raw[keyid], keys.stems[keyid] = blob[19:], path.stem
    if (folder / "trust.toml").exists():
        keys.rules.extend(_read_rules(folder / "trust.toml", {*keys.raw, *keys.stems.values()}))
    return keys


def _read_rules(path: Path, known: set[str]) -> list[dict[str, Any]]:
    try:
        policy = tomllib.loads(path.read_text())
        rules = policy.pop("rule", [])
        for rule in rules:
            until = rule.get("until", "")
            lists = [rule[field] for field in ("environments", "stages", "actions")]
            ok = not policy and rule["key"] in known and isinstance(rule["target"], str)
            ok &= set(rule) <= {"key", "target", "environments", "stages", "actions", "until"}
            ok &= until == "" or _text(until, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
            ok &= all(isinstance(one, list) and all(isinstance(item, str) for item in one) for one in lists)
            if not ok:
                raise ValueError(rule)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _Bad("policy", f"{path.name} is malformed") from error
    if policy or not isinstance(rules, list):
        raise _Bad("policy", f"{path.name} holds more than rules")
    return rules
