"""A live target may ask for another key's word on the policy that judges production."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from road.project import REPOSITORY
from roadworthy.commands.approve import approve
from roadworthy.config import parse
from roadworthy.context import Context
from roadworthy.errors import RoadworthyError, UsageError
from roadworthy.facts import policy
from roadworthy.facts.policy import PolicyState, read_policy, verdicts
from roadworthy.journal.entry import Record
from roadworthy.journal.sign import create_key
from roadworthy.model import Fact, History, Request
from roadworthy.report.terminal import Screen

REQUEST = Request("rollback", "prod")
RULE = """
[[rule]]
key = "{key}"
target = "live"
environments = ["prod"]
stages = {stages}
actions = {actions}
"""


class Live:
    """A project with a live target, a deployer's and an approver's key, and a commit of all that."""

    def __init__(self, root: Path, keys: Path) -> None:
        self.root, self.keys = root, keys
        root.mkdir()
        text = (REPOSITORY / "release.toml").read_text().replace('target = "sandbox"', 'target = "live"', 1)
        text = text.replace('poll = "2s"', 'poll = "2s"\napproved_policy = true', 1)
        (root / "release.toml").write_text(text)
        shutil.copytree(REPOSITORY / "guards", root / "guards", ignore=shutil.ignore_patterns("__pycache__"))
        trust = root / ".release" / "trust"
        trust.mkdir(parents=True)
        rules = ""
        for name, stages, actions in (
            ("deployer", '["*"]', '["*"]'),
            ("approver", '["policy"]', '["approve"]'),
        ):
            create_key(keys, name)
            shutil.copy(keys / f"{name}.pub", trust)
            rules += RULE.format(key=name, stages=stages, actions=actions)
        (trust / "trust.toml").write_text(f"version = 1\n{rules}")
        self.git("init", "-q", "-b", "main")
        self.commit("First")

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ("git", *who, *words), cwd=self.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(self, message: str, *change: str) -> str:
        if change:
            path = self.root / "release.toml"
            text = path.read_text()
            assert change[0] in text
            path.write_text(text.replace(change[0], change[1], 1))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def as_(self, key: str) -> Context:
        screen = Screen(json=True, stream=io.StringIO())
        return Context(
            self.root,
            screen,
            {"ROADWORTHY_SIGNING_KEY_FILE": str(self.keys / key), "HOME": str(self.root.parent)},
        )

    def state(self, key: str = "deployer") -> PolicyState:
        context = self.as_(key)
        return read_policy(context, REQUEST, context.log("prod"), History(), self.git("rev-parse", "HEAD"))

    def reason(self, key: str = "deployer") -> str:
        (verdict,) = verdicts(Fact("policy", self.state(key)), REQUEST)
        return verdict.reason

    def start(self) -> None:
        """What the road writes: a start that names the policy, and its end."""
        log = self.as_("deployer").log("prod")
        words = ("rollback", "rollback", "prod", "live", "none", "")
        start = log.append(Record("start", *words, self.state().said()))
        log.append(Record("end", *words, {"settles": start.seq}))


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path / "project", tmp_path / "keys")


def test_production_asks_for_the_word_of_another_key_and_keeps_it_until_a_file_changes(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "_LOOKED_AT", 20)
    assert "nobody with another key than this one has approved the policy of commit " in live.reason()
    approve(live.as_("deployer"), "prod", "I looked at it myself")
    assert "invoke guards.approve" in live.reason(), "nobody approves for themselves"
    done = approve(live.as_("approver"), "prod", "reviewed in C-7")
    assert live.reason() == ""
    entry = live.as_("deployer").log("prod").entries()[-1]
    assert live.state().said()["policy_files"]["approved"] == {"seq": done.seq, "sha256": entry.sha256}
    live.start()
    log = live.as_("deployer").log("prod")
    for _ in range(2):  # more in all than are looked at: the start names the word
        for _ in range(15):
            log.append(Record("note", "deploy", "deploy", "prod", "live", "none", "", {}))
        assert live.reason() == ""
        live.start()
    live.commit("Tighter", 'rollback = "2m"', 'rollback = "1m"')
    assert "nobody with another key" in live.reason(), "stricter or not, it is not what was approved"
    approve(live.as_("approver"), "prod", "reviewed in C-8")
    assert live.reason() == ""


def test_to_drop_the_line_needs_the_word_that_it_asks_for(live: Live) -> None:
    approve(live.as_("approver"), "prod", "reviewed")
    live.start()
    live.commit("Drop it", "approved_policy = true\n", "")
    assert "nobody with another key" in live.reason()
    approve(live.as_("approver"), "prod", "reviewed")
    said = live.reason()
    assert "targets.live.approved_policy = false (was true)" in said and "has no intake" in said


def test_only_a_commit_is_approved_and_only_by_a_key_that_may(live: Live) -> None:
    (live.root / "guards" / "one_head.py").write_text("")
    with pytest.raises(UsageError, match=r"guards/one_head\.py differs from commit "):
        approve(live.as_("approver"), "prod", "reviewed")
    live.git("checkout", "-q", "--", "guards")
    create_key(live.keys, "stranger")
    with pytest.raises(RoadworthyError, match="not a trusted key"):
        approve(live.as_("stranger"), "prod", "reviewed")
    with pytest.raises(RoadworthyError, match="may not sign policy/approve of live/staging"):
        approve(live.as_("approver"), "staging", "reviewed")


def test_trust_files_are_compared_on_a_live_target(live: Live) -> None:
    approve(live.as_("approver"), "prod", "reviewed")
    live.start()
    path = live.root / ".release" / "trust" / "trust.toml"
    path.write_text(path.read_text().replace("version = 1", "version = 2"))
    assert ".release/trust/trust.toml differs from commit" in live.reason()


def test_the_sandbox_has_one_key_so_nobody_else_could_approve() -> None:
    text = (REPOSITORY / "release.toml").read_text()
    with pytest.raises(UsageError, match="the sandbox has one key"):
        parse(text.replace('poll = "40ms"', 'poll = "40ms"\napproved_policy = true', 1))
