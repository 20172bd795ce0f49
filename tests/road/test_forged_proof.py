"""A thief has the deploy key and may write the store: nobody takes the proofs that this key made up."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from journal.making import needs
from msgspec.structs import replace

from road.project import KEYS, REPOSITORY, Project
from roadworthy.journal.audit import audit
from roadworthy.journal.entry import Entry, Record
from roadworthy.journal.log import Log
from roadworthy.journal.policy import Policy
from roadworthy.journal.sign import Trust, create_key, load_signer
from roadworthy.journal.store import Folder

pytestmark = [pytest.mark.audit, needs("dash", "jq", "openssl")]

POLICY = """version = 1

[[rule]]                           # whoever intakes, builds, tests, approves and certifies here
key = "sandbox"
target = "sandbox"
environments = ["*"]
stages = ["*"]
actions = ["*"]

[[rule]]
key = "deploy"
target = "sandbox"
environments = ["*"]
stages = ["deploy"]
actions = ["*"]
needs = ["test", "accept", "release", "certify"]
"""
STAGE = {"test": "verification", "accept": "verification", "release": "release", "certify": "verification"}


class Thief:
    """Writes what the deploy key signs. Nothing of it asks the code under test whether it may."""

    def __init__(self, project: Project, keys: Path, stage: dict[str, str]) -> None:
        self._store = Folder(project.root / ".release/journal")
        self._signer, self._stage = load_signer(keys / "deploy"), stage
        # To the thief's own program every key may everything.
        trust = Trust.load(project.root / ".release/keys")
        self._trust = Trust(trust.keys, Policy(trust.policy.version, trust.policy.sha256))

    def write(self, record: Record) -> Entry:
        log = Log(
            self._store,
            environment=record.environment,
            target="sandbox",
            signer=self._signer,
            trust=self._trust,
            clock=lambda: datetime.now(UTC),
        )
        log._proofs.check = lambda starts: None  # type: ignore[method-assign]
        return log.append(record)

    def did(self, start: Record, end: Record) -> Entry:
        begun = self.write(start)
        return self.write(replace(end, details={**end.details, "settles": begun.seq}))

    def prove(self, action: str, commit: str, digest: str) -> dict[str, Any]:
        stage, place = self._stage[action], f"package-{commit}"
        said = Record("start", stage, action, place, "sandbox", f"slug:{commit}", digest)
        entry = self.did(said, replace(said, kind="end"))
        return {"action": action, "environment": place, "seq": entry.seq, "sha256": entry.sha256}


def forge(project: Project, keys: Path, stage: dict[str, str] = STAGE) -> str:
    """A second commit that nobody tested goes to production, as the journals tell it; its commit."""
    start, end = (entry.record for entry in project.entries("prod")[:2])
    create_key(keys, "deploy")
    shutil.copy(keys / "deploy.pub", project.root / ".release/keys")
    (project.root / ".release/keys/trust.toml").write_text(POLICY)
    commit, digest = project.commit("Nobody tested this"), "66" * 32
    thief = Thief(project, keys, stage)
    proofs = [thief.prove(action, commit, digest) for action in stage]

    def forged(said: Record, **more: Any) -> Record:
        to = {**said.details["to"], "commit": commit}
        details = {k: v for k, v in said.details.items() if k != "policy"} | {"to": to} | more
        return replace(said, subject=f"slug:{commit}", digest=digest, details=details)

    thief.did(forged(start, proofs=proofs), forged(end))
    return commit


@pytest.fixture
def shipped(project: Project) -> Project:
    project.json("ship")
    project.json("certify")
    project.json("accept", "--env", "prod")
    project.json("deploy", "--env", "prod", env=KEYS)
    return project


def script(project: Project, place: str = "prod") -> subprocess.CompletedProcess[str]:
    folder = project.root / ".release/journal/sandbox" / place
    command = ["dash", str(REPOSITORY / "scripts/audit.sh"), str(folder), "--trust"]
    return subprocess.run(
        [*command, str(project.root / ".release/keys")], capture_output=True, text=True, check=False
    )


def test_nobody_takes_the_proofs_that_a_deploy_key_made_up(shipped: Project, tmp_path: Path) -> None:
    commit = forge(shipped, tmp_path / "thief")
    first = f"package-{commit}/00000002.json"
    for words in (
        ["history", "--env", "prod"],
        ["why", "--env", "prod"],
        ["status"],
        ["verify", "--env", "prod"],
        ["decide", "--env", "prod"],
        ["deploy", "--env", "prod", "--commit", shipped.first],
        ["deploy", "--env", "prod", "--commit", commit],
        ["rollback", "--env", "prod"],
    ):
        ran = shipped.invoke(*words, env=KEYS)
        assert ran.code == 1 and "the journal cannot be trusted" in ran.text and first in ran.text, (
            words,
            ran.text,
        )
    told = shipped.json("evidence.audit", "--env", "prod", code=1)
    assert [first in reason for reason in told["reasons"]] == [True], told
    (found,) = audit(shipped.root / ".release/journal/sandbox/prod", shipped.root / ".release/keys")
    assert (found.name, found.code) == ("00000003.json", "proof") and first in found.why, found
    done = script(shipped)
    assert (
        done.returncode == 1
        and done.stderr.startswith("audit: 00000003.json: proof: ")
        and first in done.stderr
    )
