"""`evidence.revoke`: a key or a rule ends at the heads of its journals, and both audits take what is written."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.commands import revoke
from roadworthy.context import Context
from roadworthy.errors import Planned, RoadworthyError, UsageError
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust
from roadworthy.report.terminal import Screen

from .auditing import TOOLS, both
from .making import log_of, needs, record, signer_of

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]
RULES = """version = 4   # of many

[[rule]]
key = "deployer"
target = "live"
environments = ["*"]
stages = ["*"]
actions = ["*"]

[[rule]] # somebody else
key = "other"
target = "live"
environments = ["*"]
stages = ["*"]
actions = ["*"]"""
PLACES = ("prod", "staging", "package-" + "c" * 40)


class Team:
    """Two keys on target live, a project, and both audits of its journals."""

    def __init__(self, root: Path, path: str) -> None:
        self.root, self.path = root, path
        self.state = root / ".release"
        text = (Path(__file__).parents[2] / "release.toml").read_text()
        (root / "release.toml").write_text(text.replace('target = "sandbox"', 'target = "live"', 1))
        (self.state / "trust").mkdir(parents=True)
        for name in ("deployer", "other"):
            signer_of(self.state, name)
            shutil.copy(self.state / "keys" / f"{name}.pub", self.state / "trust")
        self.toml = self.state / "trust" / "trust.toml"
        self.toml.write_text(RULES)
        for place in PLACES:
            self.log(place).append(record("note", target="live", environment=place))
        self.log("prod", "other").append(record("note", target="live"))
        self.log("only-other", "other").append(record("note", target="live", environment="only-other"))

    def log(self, place: str, key: str = "deployer") -> Log:
        trust = Trust.load(self.state / "trust")
        return log_of(self.state, place, target="live", trust=trust, signer=signer_of(self.state, key))

    def note(self, place: str = "prod", key: str = "deployer") -> None:
        self.log(place, key).append(record("note", target="live", environment=place))

    def context(self, *, planning: bool = False) -> Context:
        self.said = io.StringIO()
        return Context(self.root, Screen(json=True, stream=self.said), {}, planning=planning)

    def whole(self) -> bool:
        """Both audits say so, of every journal."""
        return all(
            both(self.path, self.state, f"live/{place}") == ("", "") for place in (*PLACES, "only-other")
        )


@pytest.fixture
def team(tmp_path: Path, path: str) -> Iterator[Team]:
    return Team(tmp_path, path)


def test_a_key_is_revoked_at_the_heads_of_every_journal_that_it_signed(team: Team) -> None:
    with pytest.raises(Planned, match=r"end deployer\.pub .* at 3 heads, as version 5"):
        revoke.revoke(team.context(planning=True), "deployer", "its laptop was stolen")
    assert team.toml.read_text() == RULES
    done = revoke.revoke(team.context(), "deployer", "its laptop was stolen")
    assert "is revoked from the heads of 3 journals on" in done.line
    assert "live/prod: valid up to #2; its newest is #1, note deploy" in team.said.getvalue()
    policy = Trust.load(team.state / "trust").policy
    ((_, heads),) = policy.revoked.items()
    assert policy.version == 5 and {place: seq for place, (seq, _) in heads.items()} == {
        "live/prod": 2, "live/staging": 1, f"live/{PLACES[2]}": 1,
    }  # fmt: skip
    assert ": its laptop was stolen" in team.toml.read_text()
    assert team.whole()
    with pytest.raises(RoadworthyError, match=r"deployer\.pub \(SHA256:\S+\) was revoked .*; other\.pub may"):
        team.note()
    team.note(key="other")
    assert team.whole()
    written = team.toml.read_text()
    for said in ("deployer", "deployer.pub", signer_of(team.state).keyid):
        assert revoke.revoke(team.context(), said, "again").line.endswith("is revoked already")
    assert team.toml.read_text() == written, "said twice"


def test_what_a_revoked_key_signs_later_is_found_by_both_audits(team: Team) -> None:
    thief = team.log("prod")  # which believes the policy of before
    revoke.revoke(team.context(), "deployer", "gone")
    thief.append(record("note", target="live"))
    assert both(team.path, team.state, "live/prod") == ("00000003.json", "policy")
    with pytest.raises(RoadworthyError, match="was revoked before it signed this entry"):
        team.log("prod", "other").entries()


NARROW = """

[[rule]]
key = "deployer"
target = "live"
environments = ["prod"]
stages = ["deploy"]
actions = ["deploy"]
"""


def test_a_rule_is_over_at_the_heads_of_its_key(team: Team) -> None:
    with pytest.raises(UsageError, match=r"rule 2 .* does not belong to deployer\.pub .*, whose rules are 1"):
        revoke.revoke(team.context(), "deployer", "narrower", 2)
    revoke.revoke(team.context(), "deployer", "narrower", 1)
    assert team.whole()
    with pytest.raises(RoadworthyError, match=r"its rule is over since entry 2 of live/prod; other\.pub may"):
        team.note()
    team.toml.write_text(team.toml.read_text() + NARROW)
    team.note()
    with pytest.raises(RoadworthyError, match=r"its rule is over|no rule of trust\.toml"):
        team.note("staging")
    written = team.toml.read_text()
    assert revoke.revoke(team.context(), "deployer", "again", 1).line.endswith("is over already")
    assert team.toml.read_text() == written
    assert team.whole()
    revoke.revoke(team.context(), "deployer", "gone")
    assert team.whole(), "one after the other"


def test_nothing_is_written_when_a_journal_cannot_be_read(team: Team) -> None:
    file = team.state / "journal/live/only-other/00000001.json"
    file.write_bytes(file.read_bytes().replace(b"A", b"B", 1))
    with pytest.raises(RoadworthyError, match="the journal cannot be trusted"):
        revoke.revoke(team.context(), "deployer", "gone")
    shutil.rmtree(file.parent)
    (team.state / "journal/live/No Journal").mkdir()
    with pytest.raises(UsageError, match="cannot name a journal"):
        revoke.revoke(team.context(), "deployer", "gone")
    assert team.toml.read_text() == RULES


def test_who_or_what_is_not_there_is_said(team: Team) -> None:
    with pytest.raises(
        UsageError, match=r"there is no key 'nobody' in \.release/trust, which has deployer, other"
    ):
        revoke.revoke(team.context(), "nobody", "gone")
    team.toml.unlink()
    with pytest.raises(UsageError, match="so no key may sign anything"):
        revoke.revoke(team.context(), "deployer", "gone")


def test_while_the_project_says_sandbox_the_journals_of_live_are_read(team: Team) -> None:
    toml = team.root / "release.toml"
    toml.write_text(toml.read_text().replace('target = "live"', 'target = "sandbox"', 1))
    assert "the heads of 3 journals" in revoke.revoke(team.context(), "deployer", "gone").line


def test_a_start_of_the_key_that_is_open_is_left_to_another_key(team: Team) -> None:
    team.log("staging").append(record("start", target="live", environment="staging"))
    revoke.revoke(team.context(), "deployer", "gone")
    assert "live/staging has an open start" in team.said.getvalue()
    settled = record("end", target="live", environment="staging", settles=2)
    team.log("staging", "other").append(settled)
    assert team.whole()
