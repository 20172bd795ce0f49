"""A deploy to production names what opened its way, and both auditors look it up in the other journals."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from journal.making import needs
from road.project import KEYS, REPOSITORY, Project

from roadworthy.journal import audit as auditor

pytestmark = [pytest.mark.audit, needs("dash", "jq", "openssl")]
RULE = """version = 1
[[rule]]
key = "{key}"
target = "sandbox"
environments = ["*"]
stages = ["*"]
actions = ["*"]
needs = {needed}
"""


def judged(project: Project, place: str = "prod") -> tuple[str, str]:
    """The first bad entry and its code; both auditors must say the same."""
    folder = project.root / ".release/journal/sandbox" / place
    trust = project.root / "trusted"
    found = auditor.audit(folder, trust)
    ours = (found[0].name, found[0].code) if found else ("", "")
    command = ("dash", str(REPOSITORY / "scripts/audit.sh"), str(folder), "--trust", str(trust))
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    theirs = tuple(ran.stderr.split(": ")[1:3]) if ran.returncode else ("", "")
    assert ours == theirs, ran
    return ours


@pytest.fixture
def shipped(project: Project) -> Project:
    project.json("ship")
    project.json("certify")
    project.json("accept", "--env", "prod")
    project.json("deploy", "--env", "prod", env=KEYS)
    (project.root / "trusted").mkdir()
    public = sorted((project.root / ".release/keys").glob("*.pub"))
    assert public
    shutil.copy(public[0], project.root / "trusted" / public[0].name)
    return project


def demand(project: Project, needed: str) -> None:
    (key,) = (project.root / "trusted").glob("*.pub")
    (project.root / "trusted" / "trust.toml").write_text(RULE.format(key=key.stem, needed=needed))


def package(project: Project) -> Path:
    return project.root / ".release/journal/sandbox" / f"package-{project.first}"


def test_a_deploy_to_production_names_its_acceptance_and_its_release(shipped: Project):
    start = shipped.entries("prod")[0].record
    named = {proof["action"]: proof for proof in start.details["proofs"]}
    assert list(named) == ["test", "accept", "release", "certify"]
    entries = {e.seq: e for e in shipped.entries(f"package-{shipped.first}")}
    for action in ("test", "accept", "release"):
        entry = entries[named[action]["seq"]]
        assert (entry.record.kind, entry.record.action, entry.sha256) == (
            "end",
            action,
            named[action]["sha256"],
        )
    on_staging = shipped.entries("staging")[0].record.details["proofs"]
    assert [proof["action"] for proof in on_staging] == ["test"]


@pytest.mark.parametrize("action", ["accept", "release"])
@pytest.mark.parametrize("how", ["gone", "altered", "another"])
def test_both_auditors_name_the_deploy_whose_acceptance_or_release_is_not_there(
    shipped: Project, action: str, how: str
):
    assert judged(shipped) == ("", "")
    proofs = shipped.entries("prod")[0].record.details["proofs"]
    (proof,) = (one for one in proofs if one["action"] == action)
    file = package(shipped) / f"{proof['seq']:08d}.json"
    file.chmod(0o644)
    if how == "gone":
        file.unlink()
    elif how == "altered":
        file.write_bytes(file.read_bytes().replace(b"A", b"B", 1))
    else:
        shutil.copy(package(shipped) / f"{proof['seq'] - 1:08d}.json", file)
    assert judged(shipped) == ("00000001.json", "proof")


def test_a_policy_that_needs_a_release_finds_the_deploy_without_one(shipped: Project):
    demand(shipped, '["accept", "release"]')
    # Staging deploys what is not released yet: under this rule both auditors name its first start.
    assert judged(shipped, "prod") == ("", "")
    assert judged(shipped, "staging") == ("00000001.json", "policy")


def test_both_auditors_follow_a_migration_that_was_only_seen(shipped: Project):
    shipped.migrated_by_hand("0001", "prod")
    shipped.json("migrate", "--env", "prod", env=KEYS)
    assert shipped.entries("prod")[-1].record.details["seen"] is True
    assert judged(shipped) == ("", "")
