"""The whole road in three logs, and what an auditor sees when one of them tells another story than the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.journal import audit as auditor
from roadworthy.journal import audit_pieces, audit_road
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS
from .making import DIGEST, PACKAGE, needs, record
from .tampering import lie

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]

TESTS = PACKAGE.replace("slug:", "package-")
OTHER = "51" * 32
STAGES = {"test": "verification", "accept": "verification", "certify": "verification"}


def log_of(root: Path, environment: str, target: str = "sandbox") -> Log:
    return Log(
        Folder(root / "journal"),
        environment=environment,
        target=target,
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 20, 18, 30, tzinfo=UTC),
    )


def did(log: Log, environment: str, action: str, kind: str = "end", **start: Any) -> Entry:
    """A start and what settles it."""
    where = {
        "environment": environment,
        "action": action,
        "stage": STAGES.get(action, action),
        "digest": start.pop("digest", DIGEST),
        "subject": start.pop("subject", PACKAGE),
    }
    begun = log.append(record("start", **where, **start))
    return log.append(record(kind, settles=begun.seq, **where))


def went(root: Path, *stages: str, place: str = TESTS, digest: str = DIGEST) -> None:
    """Stages of a package, each "ACTION" when it ended well, or "ACTION KIND". An intake names no package."""
    for stage in stages:
        action, _, kind = stage.partition(" ")
        about = {"subject": "none", "digest": ""} if action == "intake" else {"digest": digest}
        did(log_of(root, place), place, action, kind or "end", **about)


def proof(entry: Entry) -> dict[str, Any]:
    action, place = entry.record.action, entry.record.environment
    return {"action": action, "environment": place, "seq": entry.seq, "sha256": entry.sha256}


@pytest.fixture
def road(root: Path) -> Path:
    """One package: a failed test run and a good one; on staging deployed, migrated, certified; then on prod."""
    shutil.rmtree(root / "journal")
    tests, staging, prod = (log_of(root, place) for place in (TESTS, "staging", "prod"))
    did(tests, TESTS, "test", "failed")
    tested = did(tests, TESTS, "test")
    did(staging, "staging", "deploy", proofs=[proof(tested)])
    did(staging, "staging", "migrate")
    certified = did(staging, "staging", "certify")
    did(prod, "prod", "deploy", proofs=[proof(tested), proof(certified)])
    return root


def about(digest: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["subject"][0]["digest"].update(sha256=digest)


def test_a_long_log_of_a_package_is_in_order_as_a_whole(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_pieces, "ALONE", 0)
    monkeypatch.setattr(audit_pieces, "_PIECE", 3)
    pieces: list[object] = []
    monkeypatch.setattr(audit_pieces, "_judged", lambda *a: pieces.append(a) or {})
    folder = road / "journal/sandbox" / TESTS
    went(road, "intake", "build", *["test"] * 4, "accept")
    assert auditor.audit(folder, processes=2) == []
    went(road, *["test"] * 4, "accept failed", *["test"] * 4, "release")
    (found,) = auditor.audit(folder, processes=2)
    assert (found.name, found.code, pieces) == ("00000038.json", "stage", [])


def deployed(root: Path, digest: str = OTHER, subject: str = PACKAGE) -> None:
    """A deploy to an environment of its own that names no proofs."""
    did(log_of(root, "fresh"), "fresh", "deploy", digest=digest, subject=subject)


def test_each_commit_is_looked_up_once(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a log is, and though there is nothing to be found."""
    for _ in range(3):
        for commit in "01":
            deployed(road, subject="slug:" + commit * 40)
    asked: list[object] = []
    read = audit_road.bytes_of
    monkeypatch.setattr(audit_road, "bytes_of", lambda *a: asked.append(a) or read(*a))
    assert auditor.audit(road / "journal/sandbox/fresh", processes=1) == []
    assert len(asked) == 2


def policy(root: Path, needed: str) -> None:
    (root / "trust" / "trust.toml").write_text(
        'version = 1\n[[rule]]\nkey = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\n'
        f'actions = ["deploy"]\nneeds = {needed}\n'
        '[[rule]]\nkey = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\n'
        'actions = ["test", "migrate", "certify"]\n'
    )


def test_nobody_writes_a_start_without_the_proofs_that_it_needs(path: str, road: Path) -> None:
    policy(road, '["certify"]')
    with pytest.raises(JournalError, match="needs a proof of certify"):
        log_of(road, "fresh").append(record("start", environment="fresh"))
    assert not (road / "journal/sandbox/fresh").exists()


def test_the_pieces_of_a_long_log_know_what_was_deployed_before_them(
    road: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes judge pieces of three entries; none of them is asked again when all is well."""
    staging = log_of(road, "staging")
    for _ in range(4):
        did(staging, "staging", "certify")
    monkeypatch.setattr(audit_pieces, "ALONE", 0)
    monkeypatch.setattr(audit_pieces, "_PIECE", 3)
    whole = auditor._walk
    asked: list[object] = []
    monkeypatch.setattr(auditor, "_walk", lambda *a: (asked.append(a), *whole(*a))[1:])
    folder = road / "journal/sandbox/staging"
    assert (auditor.audit(folder, processes=2), asked) == ([], [])
    for seq in (11, 12):
        lie(seq, about(OTHER), "staging")(road)
    (found,) = auditor.audit(folder, processes=2)
    assert (found.name, found.code, len(asked)) == ("00000012.json", "stage", 1)
