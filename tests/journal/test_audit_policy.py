"""Both auditors read the same trust policy; what the script cannot read, it refuses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from roadworthy.journal.audit import audit

from .auditing import TOOLS, both, run, write_log
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
POLICIES: dict[str, tuple[Tamper, tuple[str, str]]] = {
    "allowed": (policy(**ALLOWED), ("", "")),
    "allowed without an end": (policy(**ALLOWED, until=""), ("", "")),
    "no policy": (lambda r: (r / "trust" / "trust.toml").unlink(), ("00000001.json", "policy")),
    "no rule": (
        lambda r: (r / "trust" / "trust.toml").write_text("version = 2\n"),
        ("00000001.json", "policy"),
    ),
    "no number": (lambda r: (r / "trust" / "trust.toml").write_text("# none\n"), ("trust", "policy")),
    "another policy of the same number": (policy(1, **ALLOWED, until=""), ("00000001.json", "policy")),
    "the same policy": (policy(1, **ALLOWED), ("", "")),
    "allowed from then on": (policy(**ALLOWED, **{"from": '"2026-11-20T18:30:00Z"'}), ("", "")),
    "allowed a second later": (
        policy(**ALLOWED, **{"from": '"2026-11-20T18:30:01Z"'}),
        ("00000001.json", "policy"),
    ),
    "an impossible beginning": (policy(**ALLOWED, **{"from": '"soon"'}), ("trust", "policy")),
    "a number with a sign": (
        lambda r: (r / "trust" / "trust.toml").write_text("version = -2\n"),
        ("trust", "policy"),
    ),
    "another key under the same name": (
        lambda r: [policy(1, **ALLOWED)(r), shutil.copy(r / "keys" / "stranger.pub", r / "trust")],
        ("00000001.json", "policy"),
    ),
    "a key with a strange name": (
        lambda r: shutil.copy(r / "keys" / "stranger.pub", r / "trust" / "a b.pub"),
        ("trust", "policy"),
    ),
    "a key that is too big": (
        lambda r: (r / "trust" / "deployer.pub").write_text(
            (r / "trust" / "deployer.pub").read_text().strip() + " " + "x" * 20_000
        ),
        ("trust", "policy"),
    ),
    "a key that is a dangling link": (
        lambda r: (r / "trust" / "x.pub").symlink_to("nowhere"),
        ("trust", "policy"),
    ),
    "another target": (policy(), ("00000001.json", "policy")),
    "another environment": (policy(**ALLOWED, environments='["staging"]'), ("00000001.json", "policy")),
    "another stage": (policy(**ALLOWED, stages='["build"]'), ("00000001.json", "policy")),
    "another action": (policy(**ALLOWED, actions="[]"), ("00000001.json", "policy")),
    "expired": (policy(**ALLOWED, until='"2026-11-20T18:30:00Z"'), ("00000001.json", "policy")),
    "one second before it expired": (policy(**ALLOWED, until='"2026-11-20T18:30:01Z"'), ("", "")),
    "over at once": (policy(**ALLOWED, good="[]"), ("00000001.json", "policy")),
    "over in another log": (
        policy(**ALLOWED, good=f'["live/else 9 {"5" * 64}"]'),
        ("00000001.json", "policy"),
    ),
    "over at a text": (policy(**ALLOWED, good='"*"'), ("trust", "policy")),
    "over at no head": (policy(**ALLOWED, good='["live/prod 1"]'), ("trust", "policy")),
    "a rule for nobody": (policy(**ALLOWED, key='"nobody"'), ("trust", "policy")),
    "an unknown line": (policy(**ALLOWED, extra='"x"'), ("trust", "policy")),
    "a line left out": (policy(**ALLOWED, actions=""), ("trust", "policy")),
    "a text for a list": (policy(**ALLOWED, actions='"*"'), ("trust", "policy")),
    "an impossible end": (policy(**ALLOWED, until='"soon"'), ("trust", "policy")),
    "no TOML": (lambda r: (r / "trust" / "trust.toml").write_text("[[rule\n"), ("trust", "policy")),
    "the key removed": (
        lambda r: [(r / "trust" / name).unlink() for name in ("deployer.pub", "trust.toml")],
        ("00000001.json", "key"),
    ),
    "a public key that is none": (
        lambda r: (r / "trust" / "x.pub").write_text("ssh-rsa AAAA x\n"),
        ("trust", "policy"),
    ),
    "two keys in one file": (
        lambda r: (r / "trust" / "deployer.pub").write_text((r / "trust" / "deployer.pub").read_text() * 2),
        ("trust", "policy"),
    ),
    "one key under two names": (
        lambda r: shutil.copy(r / "trust" / "deployer.pub", r / "trust" / "other.pub"),
        ("trust", "policy"),
    ),
}


@pytest.mark.parametrize(("write", "found"), POLICIES.values(), ids=POLICIES.keys())
def test_both_auditors_read_the_same_policy(
    path: str, root: Path, write: Tamper, found: tuple[str, str]
) -> None:
    live(root, write)
    assert both(path, root, "live/prod") == found


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


def test_the_script_refuses_toml_that_it_cannot_read(path: str, root: Path) -> None:
    """It reads line by line. What Python reads and it does not, it must refuse and never skip."""
    for text in (
        'version = 2\n[[rule]]\nkey = """deployer"""\n',
        "version = 2\n[[ rule ]]\n",
        "version = 2\n[[rule]]\nstages = [\n]\n",
        "version = 2\nrule = []\n",
        "version = 0x2\n",
        "version = 1_0\n",
    ):
        (root / "trust" / "trust.toml").write_text(text)
        done = run(path, root / "journal/sandbox/prod")
        assert (done.returncode, done.stderr.split(": ")[:3]) == (1, ["audit", "trust", "policy"])
