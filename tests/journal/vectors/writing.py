"""Journals of any kind, made byte by byte: with fixed keys, and without the code that is judged."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .testkit import LOG, File, Vector

PACKAGE: Final = "slug:" + "4b" * 20
DIGEST: Final = "9f" * 32
OTHER: Final = "51" * 32
OURS: Final = "package-" + "4b" * 20
Change = Callable[[dict[str, Any]], object]
Statement = dict[str, Any]


def canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f").encode()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Key:
    """A key of that name: always the same."""

    def __init__(self, name: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.name = name
        blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + self._private.public_key().public_bytes_raw()
        self.letters = b64(blob)
        self.id = "SHA256:" + b64(hashlib.sha256(blob).digest()).rstrip("=")

    @property
    def line(self) -> bytes:
        return f"ssh-ed25519 {self.letters} {self.name}\n".encode()

    def sign(self, payload: bytes) -> str:
        signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
        return b64(self._private.sign(signed))


KEYS: Final = {
    name: Key(name) for name in ("deployer", "stranger", "build", "verification", "approval", "deploy")
}


def trust(*names: str, policy: bytes | None = None, **files: bytes) -> dict[str, File]:
    """A trust folder: the public halves of these keys, a trust.toml, and other files by their stems."""
    found: dict[str, File] = {f"trust/{name}.pub": KEYS[name].line for name in names or ("deployer",)}
    found |= {f"trust/{stem}.pub": data for stem, data in files.items()}
    return found | ({"trust/trust.toml": policy} if policy is not None else {})


def policy_of(files: Mapping[str, File]) -> dict[str, Any]:
    """How an entry names the policy of a trust folder."""
    text = files["trust/trust.toml"]
    listed = "".join(
        f"{name[6:-4]} {KEYS[name[6:-4]].id}\n"
        for name in sorted(files)
        if name.startswith("trust/") and name.endswith(".pub")
    )
    assert isinstance(text, bytes)
    version = int(text.split(b"version = ")[1].split()[0])
    return {"version": version, "sha256": sha(listed.encode() + text)}


class Log:
    """Entries of one log, each signed and chained to the one before unless a case says otherwise."""

    def __init__(
        self, place: str = LOG, key: str = "deployer", policy: Mapping[str, Any] | None = None
    ) -> None:
        self.place, self.key, self.policy = place, key, policy
        self.target, self.environment = place.split("/")
        self.files: dict[str, File] = {}
        self.seq, self.head = 0, "0" * 64
        self.named = ""

    def add(
        self,
        kind: str = "note",
        action: str = "deploy",
        *,
        stage: str = "deploy",
        subject: str = PACKAGE,
        digest: str = DIGEST,
        key: str = "",
        keyid: str = "",
        number: int = 0,
        edit: Change | None = None,
        payload: Callable[[bytes], bytes] | None = None,
        envelope: Change | None = None,
        data: Callable[[bytes], bytes] | None = None,
        details: Mapping[str, Any] | None = None,
        **said: Any,
    ) -> Log:
        """One entry more. `edit` is of the statement, `payload` of what is signed, `envelope` and `data` of what
        was signed. `number` is another one than the next; a subject "" is no package.
        """
        seq = number or self.seq + 1
        whole = {**({"policy": dict(self.policy)} if self.policy else {}), **(details or {})}
        predicate = {
            "action": action,
            "at": f"2026-11-20T18:{seq // 60 % 60:02d}:{seq % 60:02d}.000000Z",
            "environment": self.environment,
            "evidence": [],
            "kind": kind,
            "nonce": f"{seq:032x}",
            "prev": self.head,
            "seq": seq,
            "stage": stage,
            "target": self.target,
            **({"details": whole} if whole else {}),
            **said,
        }
        name, about = (subject, digest) if subject else (f"environment:{self.place}", predicate["prev"])
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": predicate,
            "predicateType": "https://roadworthy.dev/journal/v1",
            "subject": [{"digest": {"sha256": about}, "name": name}],
        }
        if edit:
            edit(statement)
        signed = canonical(statement)
        return self.seal(payload(signed) if payload else signed, seq, key or self.key, keyid, envelope, data)

    def seal(
        self,
        signed: bytes,
        seq: int,
        key: str = "deployer",
        keyid: str = "",
        envelope: Change | None = None,
        data: Callable[[bytes], bytes] | None = None,
    ) -> Log:
        """Any bytes, as an entry of that number."""
        whole = {
            "payload": b64(signed),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": keyid or KEYS[key].id, "sig": KEYS[key].sign(signed)}],
        }
        if envelope:
            envelope(whole)
        written = canonical(whole)
        return self.put(data(written) if data else written, seq)

    def put(self, written: bytes, seq: int = 0) -> Log:
        """Bytes in the place of the next entry."""
        self.seq = seq or self.seq + 1
        self.head, self.named = sha(written), f"{self.seq:08d}.json"
        self.files[f"journal/{self.place}/{self.named}"] = written
        return self

    def did(
        self, action: str = "deploy", kind: str = "end", start: Mapping[str, Any] | None = None, **said: Any
    ) -> Log:
        """A start and what settles it."""
        self.add("start", action, **{**said, **(start or {})})
        return self.add(kind, action, settles=self.seq, **said)

    def proof(self, **said: Any) -> dict[str, Any]:
        """How a start names the entry that was written last."""
        written = self.files[f"journal/{self.place}/{self.named}"]
        assert isinstance(written, bytes)
        action = json.loads(base64.b64decode(json.loads(written)["payload"]))["predicate"]["action"]
        return {
            "action": action,
            "environment": self.environment,
            "seq": self.seq,
            "sha256": self.head,
            **said,
        }


VECTORS: Final[dict[str, Vector]] = {}
"""By name. Each module of cases adds its own."""


def _add(vector: Vector) -> None:
    assert vector.name not in VECTORS, vector.name
    VECTORS[vector.name] = vector


def good(rule: str, about: str, *logs: Log, files: Mapping[str, File] | None = None, **more: Any) -> None:
    """A journal of which all is well; `files` are more files, in the place of those of that name."""
    _add(Vector(about, rule, _files(logs, files), **{"log": logs[0].place, **more}))


def bad(
    rule: str,
    reason: str,
    about: str,
    *logs: Log,
    file: str = "",
    files: Mapping[str, File] | None = None,
    reader: str = "bad",
    **more: Any,
) -> None:
    """A journal of which `file`, by default the first log's last entry, is not well."""
    _add(
        Vector(
            about,
            rule,
            _files(logs, files),
            reason,
            file or logs[0].named,
            reader,
            **{"log": logs[0].place, **more},
        )
    )


def _files(logs: tuple[Log, ...], files: Mapping[str, File] | None) -> dict[str, File]:
    found: dict[str, File] = {} if any(name.startswith("trust/") for name in files or {}) else trust()
    for log in reversed(logs):
        found |= log.files
    return {name: file for name, file in (found | dict(files or {})).items() if file is not None}
