"""A log with something of everything, and endless ways to change it: by whoever holds the key, and by others."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadworthy.journal.sign import Signer, load_signer

from .auditing import path_of
from .tampering import canonical, envelope

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 2**53 - 1, 2**53, -(2**53), 2**64, 10**30, 1.0, 0.5, 1e300, "", " ", "\n",
    "a\nb", "é", "\x7f", "\u2028", "\0", "9" * 20, "0" * 64, "f" * 64, "F" * 64, [], {}, [[]], {"": None}, [1.5],
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}, {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1.0}}}}}}},
    [2**53], "end", "start", "note", "abandon", "prod", "staging", "sandbox", "2026-11-20T18:29:59.999999Z",
    "2026-11-20T18:30:00.000000z", "9999-12-31T23:59:59.999999Z", [{"name": "x", "sha256": "0" * 64, "size": 0}],
    [{"name": "web", "digest": "a" * 64}], {"version": 1, "sha256": "0" * 64}, {"components": 1},
]  # fmt: skip
KEYS = ["extra", "settles", "details", "outcome", "seq", "from", "to", "verdicts", "policy", "\x7f", "é",
        "components", "receipts", "proofs", "zz", "_type", "evidence"]  # fmt: skip
BYTES = [b"", b" ", b"\n", b'"', b"\\", b"=", b"==", b"\x7f", b"\\u007f", b"\\u0041", b"\xff", b"\xc3\xa9", b"1.0",
         b"-0", b"1e2", b"9" * 16, b"9" * 30, b"\\ud800", b"{", b"}", b"[]", b",", b'"a":1,', b"\\/", b"null", b"0",
         b'"seq":2,', b'"payload":"QQ==",', b'"keyid":"x",', b"QQ==", b"A", b"\0"]  # fmt: skip


def parts_of(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: what it lies in, and its key or index there."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [place for key in keys for place in parts_of(value[key])]


def other_value(value: Any, chance: random.Random) -> None:
    """Change one place in it."""
    inside, key = chance.choice(parts_of(value))
    how = chance.randrange(5)
    if how == 0:
        del inside[key]
    elif how == 1:
        inside[key] = copy.deepcopy(chance.choice(ODD))
    elif how == 2 and isinstance(inside, dict):
        inside[chance.choice(KEYS)] = copy.deepcopy(chance.choice(ODD))
    elif how == 3:
        inside[key] = copy.deepcopy(chance.choice([other[name] for other, name in parts_of(value)]))
    elif isinstance(inside[key], str) and inside[key]:
        at = chance.randrange(len(inside[key]))
        inside[key] = inside[key][:at] + chance.choice("0aZ.\x7f \n-é") + inside[key][at + 1 :]
    else:
        inside[key] = copy.deepcopy(chance.choice(ODD))


def other_bytes(data: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(data) + 1)
    last = min(len(data), first + chance.choice([0, 0, 1, 1, 2, 4]))
    return data[:first] + chance.choice([*BYTES, bytes([chance.randrange(256)])]) + data[last:]


def turned(value: Any) -> Any:
    """The same with the keys of every object in the other order."""
    if isinstance(value, dict):
        return {key: turned(inner) for key, inner in reversed(value.items())}
    return [*map(turned, value)] if isinstance(value, list) else value


def written(value: Any, chance: random.Random) -> bytes:
    """As a canonical text, or as one of many others."""
    how = chance.randrange(12)
    if how == 0:
        return canonical(value).replace(b"\\u007f", b"\x7f")
    if how == 1:  # in order, but for what lies in one place
        value = json.loads(canonical(value))
        inside, key = chance.choice(parts_of(value))
        inside[key] = turned(inside[key])
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return compact.replace("\x7f", "\\u007f").encode()
    if how == 2:
        separators = chance.choice([(",", ":"), (", ", ": ")])
        return json.dumps(
            value, sort_keys=True, ensure_ascii=chance.random() < 0.5, separators=separators
        ).encode()
    return canonical(value)


def changed_by_a_signer(root: Path, chance: random.Random, signer: Signer, last: int) -> None:
    """Whoever holds the key writes one entry anew, and mostly those that follow, so that the chain is whole."""
    begin, chained = chance.randint(1, last), chance.random() < 0.8
    for seq in range(begin, last + 1 if chained else begin + 1):
        statement = json.loads(base64.b64decode(json.loads(path_of(root, seq).read_bytes())["payload"]))
        if seq > 1:
            before = path_of(root, seq - 1).read_bytes()
            statement["predicate"]["prev"] = hashlib.sha256(before).hexdigest()
        payload = canonical(statement)
        if seq == begin:
            if chance.random() < 0.8:
                other_value(statement, chance)
            payload = written(statement, chance)
            if chance.random() < 0.2:
                payload = other_bytes(payload, chance)
        path_of(root, seq).write_bytes(canonical(envelope(root, payload)))


def changed_bytes(root: Path, chance: random.Random, last: int) -> None:
    where = path_of(root, chance.randint(1, last))
    data = where.read_bytes()
    how = chance.randrange(4)
    if how == 0:  # the letters of a base64 text, where some bits mean nothing
        at = (
            data.index(b'"', 12) - chance.randint(1, 4)
            if chance.random() < 0.5
            else len(data) - chance.randint(5, 9)
        )
        where.write_bytes(data[:at] + bytes([chance.choice(b"ABCDQRgw048+/=")]) + data[at + 1 :])
    elif how == 1:
        where.write_bytes(data[: chance.randrange(len(data))])
    elif how == 2:
        where.write_bytes(data + chance.choice([b"\n", b" ", b"\0", b"{}", data]))
    else:
        where.write_bytes(other_bytes(data, chance))


def changed_files(root: Path, chance: random.Random, last: int) -> None:
    one, other = (path_of(root, seq) for seq in chance.sample(range(1, last + 1), 2))
    aside = root / "aside"
    how = chance.randrange(9)
    if how == 0:
        one.rename(aside), other.rename(one), aside.rename(other)
    elif how == 1:
        one.unlink()
    elif how == 2:
        shutil.copy(other, one)
    elif how == 3:
        one.rename(aside), one.symlink_to(aside)
    elif how == 4:
        one.unlink(), os.mkfifo(one)
    elif how == 5:
        one.unlink(), one.mkdir()
    elif how == 6:
        one.write_bytes(one.read_bytes() + b" " * chance.choice([2**14, 2**20]))
    elif how == 7:
        shutil.copy(
            other, one.with_name(chance.choice(["00000000.json", "x", f"{last + 1:08d}.json", "1.json"]))
        )
    else:
        for evidence in (root / "journal/evidence").iterdir():
            chance.choice([evidence.unlink, lambda kept=evidence: kept.write_bytes(b"x")])()  # type: ignore[misc]


def change(root: Path, seed: int, last: int) -> None:
    """Change the log at `root`, which has entries up to `last`, in the way that belongs to `seed`."""
    chance = random.Random(seed)
    signer = load_signer(root / "keys" / "deployer")
    ways: list[Callable[[], None]] = [
        *[lambda: changed_by_a_signer(root, chance, signer, last)] * 6,
        *[lambda: changed_bytes(root, chance, last)] * 3,
        lambda: changed_files(root, chance, last),
    ]
    chance.choice(ways)()
