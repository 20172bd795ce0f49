"""The trust policy that the runbook shows is one that the code takes, and it lets what it says be signed."""

import pytest
from docs_pages import ROOT, blocks
from msgspec.structs import replace

from roadworthy.journal.entry import NO_PREV, Entry, JournalError, Record
from roadworthy.journal.sign import Trust, create_key

RULES, REVOKED = (b for b in blocks(ROOT / "docs/runbooks/live.md", "toml") if "version" in b)


@pytest.fixture
def signed(tmp_path):
    """A trust folder with the runbook's key, and an entry that this key could have signed."""
    signer = create_key(tmp_path, "release")
    record = Record("start", "deploy", "deploy", "prod", "live", "slug:" + "c" * 40, "d" * 64)
    return tmp_path, Entry(
        record, 42, NO_PREV, "2030-01-01T00:00:00.000000Z", "0" * 32, signer.keyid, "e" * 64
    )


@pytest.mark.parametrize(
    ("place", "stage", "action"),
    [
        ("prod", "deploy", "deploy"),
        ("staging", "verification", "certify"),
        ("package-" + "c" * 40, "verification", "test"),
        ("staging", "completion", "ship"),
        ("prod", "rollback", "rollback"),
        ("prod", "migrate", "migrate"),
    ],
)
def test_the_rule_of_the_runbook_lets_every_command_be_signed(signed, place, stage, action):
    folder, entry = signed
    (folder / "trust.toml").write_text(RULES)
    record = replace(entry.record, environment=place, stage=stage, action=action)
    Trust.load(folder).check(replace(entry, record=record))


def test_a_key_without_a_rule_signs_nothing_live(signed):
    folder, entry = signed
    with pytest.raises(JournalError, match="no rule"):
        Trust.load(folder).check(entry)


def test_the_revocation_of_the_runbook_ends_a_key(signed):
    folder, entry = signed
    rules = RULES.replace("version = 1", "").partition("\n")[2]
    (folder / "trust.toml").write_text(f"{REVOKED}\n{rules}")
    with pytest.raises(JournalError, match="revoked"):
        Trust.load(folder).check(entry)
    prod = "5d41402abc4b2a76b9719d911017c592ae1f5d3c1b2f0a4f6c1de2b3a4958677"
    Trust.load(folder).check(replace(entry, seq=41, sha256=prod))
