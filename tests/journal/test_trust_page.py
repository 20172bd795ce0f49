"""The policy that docs/trust.md works out does what the page says, for both readers of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from roadworthy.journal.audit_trust import read_trust
from roadworthy.journal.entry import JournalError
from roadworthy.journal.sign import Trust, create_key

from .test_entry import draft

PAGE = Path(__file__).parents[2] / "docs" / "trust.md"
KEYS = ("build", "verification", "approval", "deploy", "deploy-2025")
MAY = {
    "build": [("build", "build")],
    "verification": [("verification", "test"), ("verification", "certify")],
    "approval": [("release", "approve")],
    "deploy": [
        ("deploy", "deploy"),
        ("migrate", "migrate"),
        ("rollback", "rollback"),
        ("completion", "ship"),
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in KEYS:
        create_key(tmp_path, name)
    (policy,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "trust.toml").write_text(policy)
    return tmp_path


def test_each_key_signs_its_own_work_and_no_others(folder: Path) -> None:
    trust = Trust.load(folder)
    ids = {name: key for key, name in read_trust(folder).stems.items()}
    for name in MAY:
        for whose, work in MAY.items():
            for stage, action in work:
                entry = draft(target="live", environment="staging", stage=stage, action=action)
                entry = replace(entry, keyid=ids[name], at="2026-07-01T00:00:00.000000Z")
                if whose == name:
                    trust.check(entry)
                else:
                    with pytest.raises(JournalError, match="may not sign"):
                        trust.check(entry)


def test_both_readers_of_the_policy_see_the_same(folder: Path) -> None:
    mine, others = Trust.load(folder), read_trust(folder)
    assert (mine.policy.version, mine.policy.sha256) == others.policy
    assert mine.policy.revoked == others.revoked
    assert mine.keys == others.raw
    assert len(mine.policy.rules) == len(others.rules)
