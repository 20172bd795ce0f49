"""Every kind of tampering: what somebody does, the entry that is bad then, and the auditors' word for it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
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


def bytes_of(seq: int, old: bytes, new: bytes) -> Tamper:
    """Change the bytes of an envelope, as somebody without a key can."""

    def tamper(root: Path) -> None:
        data = path_of(root, seq).read_bytes()
        assert old in data
        path_of(root, seq).write_bytes(data.replace(old, new, 1))

    return tamper


def signed_bytes(seq: int, old: bytes, new: bytes) -> Tamper:
    """Change the bytes that are signed, and sign them."""

    def tamper(root: Path) -> None:
        payload = canonical(statement_of(root, seq))
        assert old in payload
        resign(root, seq, payload.replace(old, new, 1))

    return tamper


def reshaped(change: Callable[[dict[str, Any]], object]) -> Tamper:
    """Change the envelope of entry 2 around its good signature."""

    def tamper(root: Path) -> None:
        found = json.loads(path_of(root, 2).read_bytes())
        change(found)
        path_of(root, 2).write_bytes(canonical(found))

    return tamper


def edit_payload(root: Path) -> None:
    resigned = json.loads(path_of(root, 3).read_bytes())
    payload = base64.b64decode(resigned["payload"]).replace(b'"settles":2', b'"settles":1')
    path_of(root, 3).write_bytes(canonical({**resigned, "payload": base64.b64encode(payload).decode()}))


def swap(root: Path) -> None:
    two, three = path_of(root, 2).read_bytes(), path_of(root, 3).read_bytes()
    path_of(root, 2).write_bytes(three)
    path_of(root, 3).write_bytes(two)


def to_link(file: Path) -> None:
    file.rename(file.with_name("moved"))
    shutil.move(file.with_name("moved"), file.parents[3] / "moved")
    file.symlink_to(file.parents[3] / "moved")


def to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def other_log(root: Path) -> None:
    shutil.rmtree(root / "journal/sandbox/prod")
    shutil.copytree(root / "journal/sandbox/staging", root / "journal/sandbox/prod")


def evidence(root: Path, data: bytes = b"line\n") -> Path:
    return root / "journal" / "evidence" / hashlib.sha256(data).hexdigest()


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


SUBJECT = {"name": "environment:sandbox/staging", "digest": {"sha256": "0" * 64}}
FILE = {"name": "a", "sha256": "51" * 32, "size": 1}
CASES: dict[str, tuple[Tamper, int, str]] = {
    # without a key
    "a byte of what is signed": (edit_payload, 3, "signature"),
    "a byte of the signature": (bytes_of(3, b'"sig":"', b'"sig":"AAAA'), 3, "form"),
    "the signature of another entry": (
        lambda r: reshaped(
            lambda e: e.update(signatures=json.loads(path_of(r, 3).read_bytes())["signatures"])
        )(r),
        2,
        "signature",
    ),
    "a middle entry deleted": (lambda r: path_of(r, 3).unlink(), 3, "missing"),
    "the first entry deleted": (lambda r: path_of(r, 1).unlink(), 1, "missing"),
    "two entries swapped": (swap, 2, "order"),
    "an entry twice": (lambda r: shutil.copy(path_of(r, 2), path_of(r, 3)), 3, "order"),
    "an old entry again at the end": (lambda r: shutil.copy(path_of(r, 3), path_of(r, 6)), 6, "order"),
    "an entry of another environment": (
        lambda r: shutil.copy(path_of(r, 3, "staging"), path_of(r, 3)),
        3,
        "place",
    ),
    "the whole log of another environment": (other_log, 1, "place"),
    "an empty entry": (lambda r: path_of(r, 2).write_bytes(b""), 2, "form"),
    "half an entry": (lambda r: os.truncate(path_of(r, 2), 300), 2, "form"),
    "an entry that is no JSON": (lambda r: path_of(r, 2).write_bytes(b"{]"), 2, "form"),
    "an entry that is another JSON": (lambda r: path_of(r, 2).write_bytes(b"null"), 2, "form"),
    "two values in one entry": (
        lambda r: path_of(r, 2).write_bytes(path_of(r, 2).read_bytes() * 2),
        2,
        "form",
    ),
    "a line end after an entry": (bytes_of(5, b"}]}", b"}]}\n"), 5, "form"),
    "bytes after a NUL": (bytes_of(5, b"}]}", b"}]}\0x"), 5, "form"),
    "a blank in an entry": (bytes_of(5, b'":"', b'": "'), 5, "form"),
    "a mark before an entry": (bytes_of(5, b'{"payload"', b'\xef\xbb\xbf{"payload"'), 5, "form"),
    "bytes that are no text": (bytes_of(5, b'"keyid":"SHA', b'"keyid":"\xff\xff\xff'), 5, "form"),
    "a key of the envelope twice": (bytes_of(5, b'{"payload"', b'{"payload":"","payload"'), 5, "form"),
    "another order of keys": (reshaped(lambda e: e.update(a=e.pop("payload"))), 2, "form"),
    "another field in the envelope": (reshaped(lambda e: e.update(x=1)), 2, "form"),
    "another type of payload": (reshaped(lambda e: e.update(payloadType="text/plain")), 2, "form"),
    "a payload that is no base64": (reshaped(lambda e: e.update(payload="e30")), 2, "form"),
    "a payload in loose base64": (reshaped(lambda e: e.update(payload="e31=")), 2, "form"),
    "no signature": (reshaped(lambda e: e.update(signatures=[])), 2, "form"),
    "two signatures": (reshaped(lambda e: e["signatures"].append(e["signatures"][0])), 2, "form"),
    "a short signature": (reshaped(lambda e: e["signatures"][0].update(sig="AAAA")), 2, "form"),
    "a key id with a path": (
        reshaped(lambda e: e["signatures"][0].update(keyid="SHA256:../names")),
        2,
        "key",
    ),
    "a key id with a line end": (reshaped(lambda e: e["signatures"][0].update(keyid="a\nok\nb")), 2, "key"),
    "an empty key id": (reshaped(lambda e: e["signatures"][0].update(keyid="")), 2, "key"),
    "a link in the place of an entry": (lambda r: to_link(path_of(r, 2)), 2, "file"),
    "a folder in the place of an entry": (lambda r: to_folder(path_of(r, 2)), 2, "file"),
    "a pipe in the place of an entry": (lambda r: to_pipe(path_of(r, 2)), 2, "file"),
    "a huge entry": (lambda r: os.truncate(path_of(r, 4), 2**20 + 1), 4, "size"),
    "evidence deleted": (lambda r: evidence(r).unlink(), 2, "evidence"),
    "evidence edited": (lambda r: evidence(r).write_bytes(b"lime\n"), 2, "evidence"),
    "evidence swapped": (lambda r: shutil.copy(evidence(r), evidence(r, b"{}")), 2, "evidence"),
    "a link in the place of evidence": (lambda r: to_link(evidence(r)), 2, "evidence"),
    # with a key, but not with one that counts
    "a forged key": (lie(2, lambda s: None, key="stranger"), 2, "key"),
    "a forged key id": (
        lambda r: lie(2, lambda s: None, key="stranger", keyid=load_signer(r / "keys" / "deployer").keyid)(r),
        2,
        "signature",
    ),
    # with the right key
    "an entry written anew, the rest left": (
        lambda r: resign(r, 2, canonical(statement_of(r, 2)) + b" "),
        2,
        "form",
    ),
    "an entry that follows nothing": (lie(3, said(prev="0" * 64)), 3, "chain"),
    "an entry that was replaced": (signed_bytes(2, b"faster", b"slower"), 3, "chain"),
    "a wrong number": (lie(3, said(seq=9)), 3, "order"),
    "another environment's name": (lie(3, said(environment="staging")), 3, "place"),
    "another target's name": (lie(3, said(target="live")), 3, "place"),
    "a float": (signed_bytes(3, b'"zero":0', b'"zero":0.5'), 3, "form"),
    "a float that looks whole": (signed_bytes(3, b'"seq":3', b'"seq":3.0'), 3, "form"),
    "a number with an exponent": (signed_bytes(3, b'"seq":3', b'"seq":3e0'), 3, "form"),
    "no number at all": (signed_bytes(3, b'"zero":0', b'"zero":NaN'), 3, "form"),
    "minus nothing": (signed_bytes(3, b'"zero":0', b'"zero":-0'), 3, "form"),
    "an integer that others would round": (lie(3, said(outcome=2**53)), 3, "form"),
    "a field twice": (signed_bytes(3, b'"seq":3', b'"seq":1,"seq":3'), 3, "form"),
    "signed bytes that are no text": (signed_bytes(3, b'"first"', b'"fi\xffst"'), 3, "form"),
    "signed half a character": (signed_bytes(3, b'"first"', b'"\\ud800"'), 3, "form"),
    "signed bytes after a line end": (signed_bytes(3, b'"_type"', b'\n"_type"'), 3, "form"),
    "deep nesting": (lie(3, said(outcome=nested(70))), 3, "form"),
    "very deep nesting": (lambda r: resign(r, 3, b"[" * 3000 + b"]" * 3000), 3, "form"),
    "another statement type": (
        lie(3, lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")),
        3,
        "form",
    ),
    "another predicate type": (lie(3, lambda s: s.update(predicateType="x")), 3, "form"),
    "another field in the statement": (lie(3, lambda s: s.update(more=1)), 3, "form"),
    "two subjects": (lie(3, lambda s: s["subject"].append(s["subject"][0])), 3, "form"),
    "no subject": (lie(3, lambda s: s.update(subject=[])), 3, "form"),
    "a subject that is another environment": (lie(1, lambda s: s.update(subject=[SUBJECT])), 1, "form"),
    "an unknown kind": (lie(3, said(kind="success")), 3, "form"),
    "a kind with a line end": (lie(3, said(kind="end\n")), 3, "form"),
    "a time without a zone": (lie(3, said(at="2026-11-20T18:30:00.000000")), 3, "form"),
    "details that hide a field": (lie(3, said(details={"settles": 9})), 3, "form"),
    "evidence with a path": (lie(3, said(evidence=[{**FILE, "name": "../a"}])), 3, "form"),
    "evidence whose digest is a path": (
        lie(3, said(evidence=[{**FILE, "sha256": "../" * 21 + "a"}])),
        3,
        "form",
    ),
    "evidence without a size": (lie(3, said(evidence=[{**FILE, "size": True}])), 3, "form"),
    "evidence that never was": (lie(3, said(evidence=[FILE])), 3, "evidence"),
    "a time before the entry before it": (lie(3, said(at="2026-11-20T18:29:59.999999Z")), 3, "time"),
    "a policy that nobody has": (
        lie(3, said(details={"policy": {"version": 1, "sha256": "0" * 64}})),
        3,
        "policy",
    ),
    "a policy without sense": (lie(3, said(details={"policy": {"version": 0, "sha256": "x"}})), 3, "policy"),
    "two starts at once": (lie(3, said(kind="start", settles=None)), 3, "lock"),
    "an end without a start": (lie(2, said(kind="end", settles=1)), 2, "lock"),
    "an end of another start": (lie(5, said(settles=2)), 5, "lock"),
    "an end that names no start": (lie(5, said(settles=None)), 5, "lock"),
    "an end that names true": (lie(2, said(kind="end", settles=True)), 2, "lock"),
    "a note that settles": (lie(3, said(kind="note")), 3, "lock"),
    "a start that a guard refused": (
        lie(2, said(verdicts=[1, {"guard": "one_head", "outcome": "refuse"}])),
        2,
        "refused",
    ),
    "an effect of what was refused": (
        lie(1, said(details={"receipts": [{"step": "release", "release": 7}]})),
        1,
        "effect",
    ),
    "an effect told by a start": (lie(2, said(details={"receipts": "yes"})), 2, "effect"),
    "an effect told by a note": (
        lie(4, said(kind="note", details={"receipts": [{"release": 7}]})),
        4,
        "effect",
    ),
    "an end of another action": (lie(3, said(action="rollback")), 3, "stage"),
    "a failure of another stage": (lie(5, said(stage="migrate")), 5, "stage"),
    "a failure of another package": (
        lie(5, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),
        5,
        "package",
    ),
    "an end of another package": (
        lie(3, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),
        3,
        "package",
    ),
}
STRAYS = ["notes.txt", "3.json", "00000000.json", "0000000a.json", ".hidden", "..x", ".0123456789abcdeg.part"]
