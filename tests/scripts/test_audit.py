"""Two auditors that share no code, with the writer or with each other, agree about every kind of tampering.

`audit.sh` runs under dash with a PATH that holds coreutils, jq and openssl and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import RoadworthyError
from roadworthy.journal.audit import audit
from roadworthy.journal.entry import Record
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, create_key, load_signer
from roadworthy.journal.store import Folder

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"
TOOLS = "base64 cat jq mkdir mktemp od openssl paste rm sha256sum tail tr wc"
DIGEST = "9f" * 32
Tamper = Callable[[Path], object]


def record(kind: str, environment: str, target: str, **details: Any) -> Record:
    return Record(kind, "deploy", "deploy", environment, target, "slug:" + "4b" * 20, DIGEST, details)


def write_log(root: Path, environment: str, target: str = "sandbox") -> None:
    """Five entries, of which entry 2 names two files: refused, start, end, start, failed."""
    log = Log(
        Folder(root / "journal"),
        environment=environment,
        target=target,
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 20, 18, 30, tzinfo=UTC),
    )

    def say(kind: str, attach: dict[str, bytes] | None = None, **details: Any) -> None:
        log.append(record(kind, environment, target, **details), attach=attach)

    say("refused", verdicts=[{"guard": "tree_is_clean", "why": 'é \x7f \u2028 \U0001f6a6 " \\ \t\n\0'}])
    say("start", {"plan.json": b"{}", "ship.log": b"line\n"}, change={"id": "C-1", "why": "faster"})
    say("end", settles=2, to={"release": 2**53 - 1, "first": -1, "zero": 0})
    say("start", unicode_keys={"é": 1, "z": 2, "\ufffd": 3, "\U0001f6a6": 4, "": None})
    say("failed", settles=4, attempts=[], outcome="failed")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    create_key(root / "keys", "deployer")
    create_key(root / "keys", "stranger")
    (root / "trust").mkdir()
    shutil.copy(root / "keys" / "deployer.pub", root / "trust")
    for environment in ("prod", "staging"):
        write_log(root, environment)
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "root", symlinks=True))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with what audit.sh may use and nothing else, so no Python, sed, awk or grep."""
    folder = tmp_path_factory.mktemp("bin")
    for tool in TOOLS.split():
        found = shutil.which(tool)
        assert found, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    return str(folder)


def run(path: str, *args: object, shell: str = "dash") -> subprocess.CompletedProcess[str]:
    command = [shutil.which(shell) or shell, str(SCRIPT), *map(str, args)]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, timeout=60)


def both(path: str, root: Path, log: str = "sandbox/prod") -> tuple[str, str]:
    """File and code of the first finding, on which both auditors must agree; ("", "") when all is well."""
    folder = root / "journal" / log
    findings = audit(folder, root / "trust")
    done = run(path, folder, "--trust", root / "trust")
    assert done.returncode == bool(findings), (done, findings)
    if not findings:
        assert done.stdout.startswith("audit: ") and not done.stderr, done
        return "", ""
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    said = line.split(": ")
    assert said[:3] == str(findings[0]).split(": ")[:3]
    return said[1], said[2]


def path_of(root: Path, seq: int, environment: str = "prod") -> Path:
    return root / "journal" / "sandbox" / environment / f"{seq:08d}.json"


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


def statement_of(root: Path, seq: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(path_of(root, seq).read_bytes())["payload"])
    )
    return found


def resign(root: Path, seq: int, payload: bytes, **how: str) -> None:
    path_of(root, seq).write_bytes(canonical(envelope(root, payload, **how)))


def lie(seq: int, change: Callable[[dict[str, Any]], object], **how: str) -> Tamper:
    """A holder of the key rewrites entry `seq` and signs all that follow anew, so that the chain is whole."""

    def tamper(root: Path) -> None:
        prev = hashlib.sha256(path_of(root, seq - 1).read_bytes()).hexdigest() if seq > 1 else "0" * 64
        for number in range(seq, 6):
            statement = statement_of(root, number)
            statement["predicate"]["prev"] = prev
            if number == seq:
                change(statement)
            resign(root, number, canonical(statement), **how)
            prev = hashlib.sha256(path_of(root, number).read_bytes()).hexdigest()

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


def empty_log(root: Path) -> None:
    for seq in range(1, 6):
        path_of(root, seq).unlink()


def other_log(root: Path) -> None:
    shutil.rmtree(root / "journal/sandbox/prod")
    shutil.copytree(root / "journal/sandbox/staging", root / "journal/sandbox/prod")


def linked_log(root: Path) -> None:
    shutil.rmtree(root / "journal/sandbox/prod")
    (root / "journal/sandbox/prod").symlink_to("staging")


def evidence(root: Path, data: bytes = b"line\n") -> Path:
    return root / "journal" / "evidence" / hashlib.sha256(data).hexdigest()


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def policy(**changes: str) -> Tamper:
    """A trust.toml with one rule for the deployer; "" leaves a line out."""
    rule = {
        "key": '"deployer"',
        "target": '"sandbox"',
        "environments": '["prod", "staging"]',
        "stages": '["deploy"]  # and nothing else',
        "actions": '["*"]',
        "until": '"2027-01-01T00:00:00Z"',
    } | changes

    def write(root: Path) -> None:
        lines = [f"{name} = {value}" for name, value in rule.items() if value]
        (root / "trust" / "trust.toml").write_text("# who may what\n\n[[rule]]\n" + "\n".join(lines) + "\n")

    return write


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
    "two starts at once": (lie(3, said(kind="start", settles=None)), 3, "lock"),
    "an end without a start": (lie(2, said(kind="end", settles=1)), 2, "lock"),
    "an end of another start": (lie(5, said(settles=2)), 5, "lock"),
    "an end that names no start": (lie(5, said(settles=None)), 5, "lock"),
    "an end that names true": (lie(2, said(kind="end", settles=True)), 2, "lock"),
    "a note that settles": (lie(3, said(kind="note")), 3, "lock"),
    "an end of another package": (
        lie(3, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),
        3,
        "package",
    ),
}
STRAYS = ["notes.txt", "3.json", "00000000.json", "0000000a.json", ".hidden", "..x", ".0123456789abcdeg.part"]


@pytest.mark.parametrize(("tamper", "seq", "code"), CASES.values(), ids=CASES.keys())
def test_both_auditors_name_the_same_bad_entry(
    path: str, root: Path, tamper: Tamper, seq: int, code: str
) -> None:
    tamper(root)
    assert both(path, root) == (f"{seq:08d}.json", code)
    if code != "evidence":  # which is read only when it is asked for
        with pytest.raises(RoadworthyError, match=f"{seq:08d}"):
            reader(root).entries()


def reader(root: Path) -> Log:
    trust = Trust.load(root / "trust")
    store = Folder(root / "journal")
    return Log(
        store, environment="prod", target="sandbox", signer=None, trust=trust, clock=lambda: datetime.now(UTC)
    )


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_is_named(path: str, root: Path, name: str) -> None:
    path_of(root, 1).with_name(name).write_bytes(b"")
    assert both(path, root) == (name, "folder")
    with pytest.raises(RoadworthyError, match="is no entry"):
        reader(root).entries()


def test_the_leftover_of_a_killed_writer_is_no_stray(path: str, root: Path) -> None:
    path_of(root, 1).with_name(".0123456789abcdef.part").write_bytes(b"torn")
    assert both(path, root) == ("", "")


def test_a_log_that_is_empty_or_a_link_is_not_well(path: str, root: Path) -> None:
    linked_log(root)
    assert both(path, root) == ("prod", "folder")
    (root / "journal/sandbox/prod").unlink()
    (root / "journal/sandbox/prod").mkdir()
    assert both(path, root) == ("prod", "folder")


def test_a_sound_log_passes_and_shows_its_head(path: str, root: Path) -> None:
    assert both(path, root) == both(path, root, "sandbox/staging") == ("", "")
    head = hashlib.sha256(path_of(root, 5).read_bytes()).hexdigest()
    for shell in ("dash", "bash", "sh"):
        done = run(
            path, root / "journal/sandbox/prod", shell=shell
        )  # trust beside the journal is the default
        assert (done.returncode, done.stdout, done.stderr) == (0, f"audit: 5 entries, head 5 {head}\n", "")
    assert audit(root / "journal/sandbox/prod") == []


def test_fields_of_a_later_version_pass(path: str, root: Path) -> None:
    lie(2, said(heartbeat={"at": 1}, zz="\x7f\u0085é"))(root)
    assert both(path, root) == ("", "")


def test_a_cut_tail_shows_only_in_the_head(path: str, root: Path) -> None:
    """What no format can reveal: this is why the head is anchored elsewhere."""
    path_of(root, 5).unlink()
    assert both(path, root) == ("", "")
    assert "head 4 " in run(path, root / "journal/sandbox/prod").stdout


def test_more_entries_than_one_batch(path: str, root: Path) -> None:
    """audit.sh judges 100 entries at a time; the state goes over from one batch to the next."""
    log = Log(
        Folder(root / "journal"),
        environment="prod",
        target="sandbox",
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime.now(UTC),
    )
    for seq in range(6, 100):
        log.append(record("note", "prod", "sandbox", number=seq))
    log.append(record("start", "prod", "sandbox"))
    log.append(record("end", "prod", "sandbox", settles=100))
    assert both(path, root) == ("", "")
    path_of(root, 101).write_bytes(b"{}")
    assert both(path, root) == ("00000101.json", "form")


def live(root: Path, write: Tamper) -> None:
    """A log of `live`, written under a policy that allows it and then audited under `write`."""
    policy(target='"live"')(root)
    write_log(root, "prod", "live")
    write(root)


ALLOWED = {"target": '"live"'}
POLICIES: dict[str, tuple[Tamper, tuple[str, str]]] = {
    "allowed": (policy(**ALLOWED), ("", "")),
    "allowed without an end": (policy(**ALLOWED, until=""), ("", "")),
    "no policy": (lambda r: (r / "trust" / "trust.toml").unlink(), ("00000001.json", "policy")),
    "no rule": (lambda r: (r / "trust" / "trust.toml").write_text("# none\n"), ("00000001.json", "policy")),
    "another target": (policy(), ("00000001.json", "policy")),
    "another environment": (policy(**ALLOWED, environments='["staging"]'), ("00000001.json", "policy")),
    "another stage": (policy(**ALLOWED, stages='["build"]'), ("00000001.json", "policy")),
    "another action": (policy(**ALLOWED, actions="[]"), ("00000001.json", "policy")),
    "expired": (policy(**ALLOWED, until='"2026-11-20T18:30:00Z"'), ("00000001.json", "policy")),
    "one second before it expired": (policy(**ALLOWED, until='"2026-11-20T18:30:01Z"'), ("", "")),
    "a rule for nobody": (policy(**ALLOWED, key='"nobody"'), ("trust", "policy")),
    "an unknown line": (policy(**ALLOWED, extra='"x"'), ("trust", "policy")),
    "a line left out": (policy(**ALLOWED, actions=""), ("trust", "policy")),
    "a text for a list": (policy(**ALLOWED, actions='"*"'), ("trust", "policy")),
    "an impossible end": (policy(**ALLOWED, until='"soon"'), ("trust", "policy")),
    "no TOML": (lambda r: (r / "trust" / "trust.toml").write_text("[[rule\n"), ("trust", "policy")),
    "the key removed": (
        lambda r: [(r / "trust" / name).unlink() for name in ("deployer.pub", "trust.toml")],
        ("00000001.json", "key"),
    ),
    "a public key that is none": (
        lambda r: (r / "trust" / "x.pub").write_text("ssh-rsa AAAA x\n"),
        ("trust", "policy"),
    ),
    "two keys in one file": (
        lambda r: (r / "trust" / "deployer.pub").write_text((r / "trust" / "deployer.pub").read_text() * 2),
        ("trust", "policy"),
    ),
    "one key under two names": (
        lambda r: shutil.copy(r / "trust" / "deployer.pub", r / "trust" / "other.pub"),
        ("trust", "policy"),
    ),
}


@pytest.mark.parametrize(("write", "found"), POLICIES.values(), ids=POLICIES.keys())
def test_both_auditors_read_the_same_policy(
    path: str, root: Path, write: Tamper, found: tuple[str, str]
) -> None:
    live(root, write)
    assert both(path, root, "live/prod") == found


def test_the_script_refuses_toml_that_it_cannot_read(path: str, root: Path) -> None:
    """It reads line by line. What Python reads and it does not, it must refuse and never skip."""
    for text in (
        '[[rule]]\nkey = """deployer"""\n',
        "[[ rule ]]\n",
        "[[rule]]\nstages = [\n]\n",
        "rule = []\n",
    ):
        (root / "trust" / "trust.toml").write_text(text)
        done = run(path, root / "journal/sandbox/prod")
        assert (done.returncode, done.stderr.split(": ")[:3]) == (1, ["audit", "trust", "policy"])


@pytest.mark.parametrize(
    "args", [(), ("--what",), ("a", "b"), ("a", "--trust"), ("/nowhere",), (".", "--trust", "/nowhere")]
)
def test_wrong_usage_is_exit_2(path: str, args: tuple[str, ...]) -> None:
    done = run(path, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: audit.sh DIR" in done.stderr


def test_a_missing_tool_is_no_pass(path: str, root: Path, tmp_path: Path) -> None:
    poor = tmp_path / "bin"
    shutil.copytree(path, poor, symlinks=True)
    (poor / "openssl").unlink()
    done = run(str(poor), root / "journal/sandbox/prod")
    assert (done.returncode, done.stdout) == (2, "")
    assert "openssl is not installed" in done.stderr
