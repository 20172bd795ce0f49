"""Both readers of the policy of four keys see the same in it."""

from __future__ import annotations

from pathlib import Path

from roadworthy.commands import trust
from roadworthy.journal.audit_trust import read_trust
from roadworthy.journal.sign import Trust, create_key


def test_both_readers_of_the_reference_policy_see_the_same(tmp_path: Path) -> None:
    for name in trust.KEYS:
        create_key(tmp_path, name)
    (tmp_path / "trust.toml").write_text(trust.reference())
    mine, others = Trust.load(tmp_path), read_trust(tmp_path)
    assert (mine.policy.version, mine.policy.sha256) == others.policy
    assert mine.keys == others.raw and mine.policy.names == others.stems
    for rule, other in zip(mine.policy.rules, others.rules, strict=True):
        assert mine.policy.names[rule.keyid] == other["key"]
        told = (rule.target, *map(list, (rule.environments, rule.stages, rule.actions, rule.needs)))
        named = ("target", "environments", "stages", "actions")
        assert told == (*(other[name] for name in named), other.get("needs", []))
