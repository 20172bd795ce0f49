"""What a journal says happened, as the values that plans and guards look at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import Certified, CiState, Deployed, History, Observed, Package, Proof

if TYPE_CHECKING:
    from ..journal.entry import Entry

RUNS = ("deploy", "rollback")  # actions that change which package runs


def read_history(entries: Sequence[Entry], state: Path) -> History:
    """The verified packages of an environment, newest first, its schema revision and its certificates.

    A package counts from the `end` of its deploy or rollback, which is written only after verification. An
    action that went through a migration names the resulting `revision`, also when it failed half-way.
    """
    deployed: list[Deployed] = []
    certified: list[Certified] = []
    revision: str | None = None
    for entry in entries:
        record, details = entry.record, entry.record.details
        if record.kind == "end" and record.action in RUNS:
            to = details["to"]
            package = Package(to["commit"], record.digest, to["size"])
            deployed.insert(0, Deployed(package, to["release"], to["slug"], entry.seq, entry.at, revision))
        if record.kind in ("end", "failed") and "revision" in details:
            revision = details["revision"]
            # A deploy that failed says nothing of the package before it, which was verified at its own revision.
            if deployed and not (record.kind == "failed" and record.action in RUNS):
                deployed[0] = replace(deployed[0], revision=revision)
        if record.kind == "end" and record.action == "certify":
            certified.insert(0, _certified(entry, state))
    return History(tuple(deployed), revision, tuple(certified))


def runs(package: Package, history: History, observed: Observed) -> bool:
    """Whether this package runs, verified: as the very release that was, for a change of config makes another."""
    running, current = history.running, observed.current
    return (
        running is not None
        and current is not None
        and (running.package.digest, running.release) == (package.digest, current.version)
    )


def _certified(entry: Entry, state: Path) -> Certified:
    details = entry.record.details
    file = state / details["certificate"]
    found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
    written = next((e.sha256 for e in entry.record.evidence if e.name == details["certificate"]), "")
    return Certified(
        package_digest=entry.record.digest,
        commit=details["to"]["commit"],
        seq=entry.seq,
        expires=details["expires"],
        file_sha256=written,
        file_found=found,
        path=file.name,
        proof=_proof(entry),
    )


def test_run(entries: Sequence[Entry], digest: str) -> CiState:
    """The newest test run of exactly this package in its journal; outcome `missing` when there is none."""
    ran = [e for e in entries if e.record.action == "test" and e.record.kind in ("end", "failed")]
    runs = [e for e in ran if e.record.digest == digest]
    if not runs:
        return CiState("missing", "no test run of this commit is in the journal")
    newest = runs[-1]
    outcome = "success" if newest.record.kind == "end" else "failure"
    source, where = f"this repository's own test run, {newest.at}", f"journal #{newest.seq}"
    return CiState(outcome, source, where, _proof(newest))


def _proof(entry: Entry) -> Proof:
    return Proof(entry.record.action, entry.record.environment, entry.seq, entry.sha256)
