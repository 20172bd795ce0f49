"""What somebody does to a journal who holds a key: any bytes can be signed, and a whole log be signed anew."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadworthy.journal.sign import load_signer

from .auditing import path_of

Tamper = Callable[[Path], object]


def canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f").encode()


def envelope(root: Path, payload: bytes, key: str = "deployer", keyid: str = "") -> dict[str, Any]:
    """What somebody who holds a key can make of any bytes."""
    signer = load_signer(root / "keys" / key)
    signature = signer.sign(b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"keyid": keyid or signer.keyid, "sig": base64.b64encode(signature).decode()}],
    }


def statement_of(root: Path, seq: int, place: str = "prod") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(path_of(root, seq, place).read_bytes())["payload"])
    )
    return found


def resign(root: Path, seq: int, payload: bytes, place: str = "prod", **how: str) -> None:
    path_of(root, seq, place).write_bytes(canonical(envelope(root, payload, **how)))


def lie(seq: int, change: Callable[[dict[str, Any]], object], place: str = "prod", **how: str) -> Tamper:
    """A holder of the key rewrites entry `seq` and signs all that follow anew, so that the chain is whole."""

    def tamper(root: Path) -> None:
        def digest(number: int) -> str:
            return hashlib.sha256(path_of(root, number, place).read_bytes()).hexdigest()

        last = len(list(path_of(root, 1, place).parent.iterdir()))
        for number in range(seq, last + 1):
            statement = statement_of(root, number, place)
            statement["predicate"]["prev"] = digest(number - 1) if number > 1 else "0" * 64
            if number == seq:
                change(statement)
            resign(root, number, canonical(statement), place, **how)

    return tamper


def said(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["predicate"].update(fields)
