"""Who may sign what, until when, and what a revocation leaves: read from trust.toml, asked of one entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import UsageError
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.policy import POLICY_LIMIT, Policy, read_policy

from .making import record

KEYS = {"deployer": "SHA256:d", "other": "SHA256:o"}
RULE = """
[[rule]]
key = "deployer"
target = "live"
environments = ["prod"]
stages = ["deploy"]
actions = ["deploy"]
"""
GOOD = f'"live/prod 3 {"a" * 64}"'
BY_LINE = (
    r"trust\.toml:[0-9]+: write `"  # what the narrow form refuses is named by its line, before its meaning
)


def policy(tmp_path: Path, text: str, version: object = 1) -> Policy:
    (tmp_path / "trust.toml").write_text(f"version = {version}\n{text}")
    return read_policy(tmp_path / "trust.toml", KEYS, "")


def entry(seq: int = 1, key: str = "SHA256:d", at: str = "2027-01-01T00:00:00.000000Z", **said: Any) -> Entry:
    of = record(said.pop("kind", "start"), **{"target": "live", **said})
    return Entry(of, seq, "", at, "", key, "b" * 64)


def refused(policy: Policy, one: Entry, why: str) -> None:
    with pytest.raises(JournalError, match=why):
        policy.check(one)


def test_a_rule_opens_what_it_names_to_its_key_and_nothing_else(tmp_path: Path) -> None:
    found = policy(tmp_path, RULE)
    found.check(entry())
    for other in (
        {"environment": "staging"},
        {"stage": "production"},
        {"action": "rollback"},
        {"target": "elsewhere"},
        {"key": "SHA256:o"},
    ):
        refused(found, entry(**other), "may not sign")
    refused(Policy(), entry(), "may not sign")
    assert found.version == 1 and len(found.sha256) == 64


def test_a_sandbox_needs_no_rule_until_a_key_has_one(tmp_path: Path) -> None:
    found = policy(tmp_path, RULE.replace("live", "sandbox"))
    with pytest.raises(JournalError, match="may not sign"):
        found.check(entry(target="sandbox", action="rollback"))
    assert found.check(entry(target="sandbox", key="SHA256:o")) is None
    assert Policy().check(entry(target="sandbox")) is None


@pytest.mark.parametrize(
    ("at", "good"),
    [
        ("2026-12-31T23:59:59.999999Z", False),
        ("2027-01-01T00:00:00.000000Z", True),
        ("2027-01-31T23:59:59.999999Z", True),
        ("2027-02-01T00:00:00.000000Z", False),
    ],
)
def test_a_rule_begins_at_its_moment_and_ends_before_its_other(tmp_path: Path, at: str, good: bool) -> None:
    found = policy(tmp_path, RULE + 'from = "2027-01-01T00:00:00Z"\nuntil = "2027-02-01T00:00:00Z"\n')
    if good:
        assert found.check(entry(at=at)) is None
    else:
        refused(found, entry(at=at), "may not sign")


def test_what_a_rule_needs_must_be_named_by_a_start_and_by_nothing_else(tmp_path: Path) -> None:
    found = policy(tmp_path, RULE + 'needs = ["accept", "test"]\n')
    proofs = [{"action": "accept"}, {"action": "test"}, "no proof"]
    assert found.check(entry(proofs=proofs)) is None
    refused(found, entry(proofs=proofs[:1]), "it needs a proof of")
    refused(found, entry(proofs="accept"), "it needs a proof of")
    refused(found, entry(), "it needs a proof of")
    assert found.check(entry(kind="end", settles=1)) is None


def revoked(*good: str, key: str = "deployer") -> str:
    return f'[[revoked]]\nkey = "{key}"\ngood = [{", ".join(good)}]\n'


def test_a_revoked_key_is_good_up_to_the_entry_that_is_named_and_for_no_other_log(tmp_path: Path) -> None:
    everything = RULE.replace('["prod"]', '["*"]')
    found = policy(tmp_path, everything + revoked(GOOD))
    assert found.check(entry(2)) is None
    refused(found, entry(4), "was revoked before")
    refused(found, entry(1, environment="staging"), "was revoked before")
    refused(found, entry(3), "names another entry 3 of live/prod as good")
    refused(found, entry(3, "SHA256:o"), "names another entry 3 of live/prod as good")
    for seq, whole in ((2, False), (3, True), (4, True)):
        if whole:
            assert found.check_end("live/prod", seq) is None
        else:
            with pytest.raises(JournalError, match=r"live/prod ends at 2, trust.toml names 3"):
                found.check_end("live/prod", seq)
    assert found.check_end("live/staging", 1) is None


@pytest.mark.parametrize(
    "heads",
    [
        (GOOD, GOOD),
        (GOOD, f'"live/prod 4 {"b" * 64}"'),
        (f'"live/prod 3 {"A" * 64}"',),
        (f'"live/prod 03 {"a" * 64}"',),
        (f'"prod 3 {"a" * 64}"',),
        ("3",),
    ],
)
def test_a_revocation_names_one_head_of_each_log(tmp_path: Path, heads: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=rf"revocation 1|{BY_LINE}"):
        policy(tmp_path, RULE + revoked(*heads))


def test_two_keys_may_have_been_good_up_to_the_same_entry(tmp_path: Path) -> None:
    found = policy(tmp_path, revoked(GOOD) + revoked(GOOD, key="other"))
    assert found.revoked == {key: {"live/prod": (3, "a" * 64)} for key in ("SHA256:d", "SHA256:o")}


@pytest.mark.parametrize(
    ("text", "version", "why"),
    [
        ("", 0, "needs `version = N`"),
        ("", "true", "needs `version = N`"),
        ("", "1.0", "needs `version = N`"),
        ("more = 1", 1, "and nothing else"),
        ("rule = 3", 1, "and nothing else"),
        ("revoked = 3", 1, "and nothing else"),
        ("rule = [3]", 1, "rule 1: needs actions"),
        (RULE.replace('target = "live"\n', ""), 1, "rule 1: needs actions"),
        (RULE + "more = 1\n", 1, "rule 1: needs actions"),
        (RULE + RULE.replace('["prod"]', '"prod"'), 1, "rule 2: environments is not a list of texts"),
        (RULE.replace('["prod"]', "[1]"), 1, "rule 1: environments is not a list of texts"),
        (RULE + "needs = 1\n", 1, "rule 1: needs is not a list of texts"),
        (RULE + 'from = "2027-01-01"\n', 1, "rule 1: from is not a text like"),
        (RULE + "until = 2027-01-01T00:00:00Z\n", 1, "rule 1: until is not a text like"),
        (RULE.replace('"live"', "1"), 1, "rule 1: target is not a text"),
        (RULE.replace('"deployer"', '"nobody"'), 1, "rule 1: there is no key 'nobody'"),
        (RULE.replace('key = "deployer"', "key = 1"), 1, "rule 1: there is no key 1"),
        ("[[revoked]]\nkey = 'deployer'\n", 1, "revocation 1: needs key and good"),
        ("[[revoked]]\nkey = 'deployer'\ngood = 'x'\n", 1, "revocation 1: needs key and good"),
        ("[[revoked]]\nkey = 'nobody'\ngood = []\n", 1, "revocation 1: there is no key"),
        ("[", 1, "trust.toml"),
    ],
)
def test_a_mistake_in_trust_toml_is_named(tmp_path: Path, text: str, version: object, why: str) -> None:
    with pytest.raises(UsageError, match=f"{why}|{BY_LINE}"):
        policy(tmp_path, text, version)


def test_a_file_that_is_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    """Its end may hold the revocation."""
    filled = "# " + "x" * POLICY_LIMIT
    with pytest.raises(UsageError, match="is longer than 1,048,576 bytes"):
        policy(tmp_path, f"{RULE}{filled}\n{revoked(GOOD)}")


def test_no_file_is_no_policy(tmp_path: Path) -> None:
    found = read_policy(tmp_path / "trust.toml", KEYS, "")
    assert (found.version, found.rules, found.revoked) == (0, (), {})


def test_a_file_may_be_as_long_as_the_limit(tmp_path: Path) -> None:
    head = f"version = 1\n{RULE}# "
    text = f"{RULE}# {'x' * (POLICY_LIMIT - len(head))}"
    assert len(policy(tmp_path, text).rules) == 1
    with pytest.raises(UsageError, match="is longer than 1,048,576 bytes"):
        policy(tmp_path, text + "x")


def test_a_rule_of_another_target_binds_no_key_in_the_sandbox(tmp_path: Path) -> None:
    assert policy(tmp_path, RULE).check(entry(target="sandbox", action="rollback")) is None
