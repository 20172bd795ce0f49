"""Both auditors read the same trust policy; what the script cannot read, it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from roadworthy.journal.audit import audit

from .auditing import TOOLS, run, write_log
from .making import needs
from .tampering import Tamper

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]


def policy(version: int = 2, **changes: str) -> Tamper:
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
        text = f"# who may what\n\nversion = {version}  # it rises\n[[rule]]\n"
        (root / "trust" / "trust.toml").write_text(text + "\n".join(lines) + "\n")

    return write


def live(root: Path, write: Tamper) -> None:
    """A log of `live`, written under policy 1, which allows it, and then audited under `write`."""
    policy(1, target='"live"')(root)
    write_log(root, "prod", "live")
    write(root)


ALLOWED = {"target": '"live"'}
WHY = {
    "it had expired": policy(**ALLOWED, until='"2026-11-20T18:30:00Z"'),
    "it was not valid yet": policy(**ALLOWED, **{"from": '"2026-11-20T18:30:01Z"'}),
    "its rule is over": policy(**ALLOWED, good="[]"),
    "no rule of trust.toml says so": policy(**ALLOWED, actions="[]"),
    "it names no proof that the rule needs": policy(**ALLOWED, needs='["test"]'),
}


@pytest.mark.parametrize("why", WHY)
def test_both_auditors_name_the_key_and_what_its_rule_lacked(path: str, root: Path, why: str) -> None:
    live(root, WHY[why])
    found = audit(root / "journal/live/prod", root / "trust")[0]
    done = run(path, root / "journal/live/prod", "--trust", root / "trust")
    assert re.fullmatch(
        rf"deployer\.pub \(SHA256:\S+\) may not sign deploy/deploy at \S+: {re.escape(why)}", found.why
    )
    assert done.stderr == f"audit: {found.name}: policy: {found.why}\n"
