"""A thief has the deploy key and may write the store: nobody takes the proofs that this key made up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from docs.docs_pages import ROOT, section, typed_in
from journal.making import needs
from msgspec.structs import replace

from road.fixtures import living
from road.live import Live, behind_tls
from road.project import KEYS, REPOSITORY, Project, Ran
from roadworthy.journal.audit import audit
from roadworthy.journal.entry import Entry, Record
from roadworthy.journal.log import Log
from roadworthy.journal.policy import Policy, Rule
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

    def __init__(self, project: Project, target: str, trust: Path, key: Path) -> None:
        self._store, self._target, self._signer = (
            Folder(project.root / ".release/journal"),
            target,
            load_signer(key),
        )
        # To the thief's own program every key may everything.
        known = Trust.load(trust)
        rules = tuple(Rule(one, target, ("*",), ("*",), ("*",)) for one in known.keys)
        self._trust = Trust(known.keys, Policy(known.policy.version, known.policy.sha256, rules))

    def write(self, record: Record) -> Entry:
        log = Log(
            self._store,
            environment=record.environment,
            target=self._target,
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
        place = f"package-{commit}"  # a certificate too: staging's journal stays as it is
        said = Record("start", STAGE[action], action, place, self._target, f"slug:{commit}", digest)
        entry = self.did(said, replace(said, kind="end"))
        return {"action": action, "environment": place, "seq": entry.seq, "sha256": entry.sha256}

    def deploy(self, project: Project, like: list[Entry]) -> str:
        """A second commit that nobody tested goes to production, as the journals tell it; its commit."""
        commit, digest = project.commit("Nobody tested this"), "66" * 32
        proofs = [self.prove(action, commit, digest) for action in STAGE]

        def forged(said: Record, **more: Any) -> Record:
            to = {**said.details["to"], "commit": commit}
            details = {k: v for k, v in said.details.items() if k != "policy"} | {"to": to} | more
            return replace(said, subject=f"slug:{commit}", digest=digest, details=details)

        self.did(forged(like[0].record, proofs=proofs), forged(like[1].record))
        return commit


@pytest.fixture
def shipped(project: Project) -> Project:
    project.json("ship")
    project.json("certify")
    project.json("accept", "--env", "prod")
    project.json("deploy", "--env", "prod", env=KEYS)
    return project


@pytest.fixture
def live(tmp_path: Path, platform: Path) -> Iterator[Live]:
    with behind_tls(platform, tmp_path) as (api, authority):
        for project in living(tmp_path / "project", platform):
            yield Live(project, api, authority, tmp_path)


def refused(ran: Ran, proof: str) -> None:
    assert ran.code == 1 and "the journal cannot be trusted" in ran.text, ran.text
    assert f"{proof}, which opened the way, cannot be believed" in ran.text, ran.text


def audits(journal: Path, trust: Path, proof: str, bad: str) -> None:
    """Both auditors of production's journal alone name the start and its proof."""
    (found, *_) = audit(journal, trust)
    assert (found.name, found.code) == (bad, "proof") and proof in found.why, found
    command = ["dash", str(REPOSITORY / "scripts/audit.sh"), str(journal), "--trust", str(trust)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith(f"audit: {bad}: proof: {proof}"), done


def test_nobody_takes_the_proofs_that_a_deploy_key_made_up(shipped: Project, tmp_path: Path) -> None:
    trust = shipped.root / ".release/keys"
    create_key(tmp_path / "thief", "deploy")
    shutil.copy(tmp_path / "thief/deploy.pub", trust)
    (trust / "trust.toml").write_text(POLICY)
    thief = Thief(shipped, "sandbox", trust, tmp_path / "thief/deploy")
    commit = thief.deploy(shipped, shipped.entries("prod")[:2])
    proof = f"package-{commit}/00000002.json"
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
        refused(shipped.invoke(*words, env=KEYS), proof)
    told = shipped.json("evidence.audit", "--env", "prod", code=1)
    assert [proof in reason for reason in told["reasons"]] == [True], told
    audits(shipped.root / ".release/journal/sandbox/prod", trust, proof, "00000003.json")


@pytest.mark.slow
def test_of_four_keys_the_deploy_key_makes_up_nothing(live: Live) -> None:
    """With the policy that the docs show: what four keys led to production is believed, what one made up is not."""
    page = ROOT / "docs/runbooks/live.md"
    for heading in ("## Four keys, and who may sign what", "## From nothing to production"):
        for line in typed_in(section(page, heading)):
            live.must(line)
    project = live.project
    journal, trust = project.root / ".release/journal/live/prod", project.root / ".release/trust"
    beside = [
        line
        for line in live.must("scripts/audit.sh .release/journal/live/prod").out.splitlines()
        if "beside" in line
    ]
    package = f"audit: read beside it: package-{project.runs('prod')}: entries "
    assert len(beside) == 2 and beside[0].startswith(package), beside
    assert beside[1].startswith("audit: read beside it: staging: entries "), beside
    told = live.must("invoke evidence.audit --env prod").text
    assert not [line for line in beside if line.removeprefix("audit: ") not in told], told
    bad = f"{len(list(journal.iterdir())) + 1:08d}.json"
    trusted = Trust.load(trust)
    log = Log(
        Folder(journal.parents[1]),
        environment="prod",
        target="live",
        signer=None,
        trust=trusted,
        clock=lambda: datetime.now(UTC),
    )
    entries = log.entries()
    start = next(one for one in entries if (one.record.kind, one.record.action) == ("start", "deploy"))
    end = next(one for one in entries if one.record.details.get("settles") == start.seq)
    commit = Thief(project, "live", trust, live.home / ".config/roadworthy/deploy").deploy(
        project, [start, end]
    )
    proof = f"package-{commit}/00000002.json"
    for line in (
        "history --env prod",
        "why --env prod",
        "verify --env prod",
        "deploy --env prod",
        "rollback --env prod",
    ):
        refused(live.type(f"invoke {line}"), proof)
    audits(journal, trust, proof, bad)
