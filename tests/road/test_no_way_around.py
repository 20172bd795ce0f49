"""No way around: whatever is typed in whatever order, production changes only behind a YES, a lock and a start.

Long random walks over the real commands, with forged entries and apps that do not work among them. At each
effect on production the driver is watched, and the rule is told once more, from the journals as they then are.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from facts.test_standing import may_be_deployed
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from road.fixtures import living
from road.project import KEYS, Project
from roadworthy.facts.standing import STAGES
from roadworthy.journal.claims import token
from roadworthy.model import Package, Receipt, ReleasePackage, Step
from roadworthy.platforms.heroku.driver import Heroku

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

STEPS = 12
WALKS = 3
"""The first is the simplest there is: every choice is the first of its list."""
PROD = ("--env", "prod", "--approval", "CR-1")
UNRELEASED = [("test",), ("deploy",), ("certify",), ("deploy", *PROD)]
OPENING = [*[[("ship",), ("certify",), ("ship", *PROD)]] * 2, UNRELEASED]


class Watched:
    """Every effect on production, judged at the moment when it happens."""

    def __init__(self, project: Project, apply: Callable[..., Receipt]) -> None:
        self.project, self.apply = project, apply
        self.effects: list[str] = []

    def __call__(self, driver: Heroku, app: str, step: Step, **said: object) -> Receipt:
        if app == self.project.prod:
            start = self.project.log("prod").open_start()
            assert start is not None, "there is a start, and it holds the environment"
            assert said["token"] == token(start)
            if isinstance(step, ReleasePackage):
                self.effects.append(start.record.action)
                self._judge(start.record.action, step.package)
        return self.apply(driver, app, step, **said)

    def _judge(self, action: str, package: Package) -> None:
        if action == "rollback":
            verified = [e.record.digest for e in self.project.entries("prod") if e.record.kind == "end"]
            assert package.digest in verified
            return
        entries = self.project.entries(f"package-{package.commit}")
        steps = [
            (e.record.action, e.record.kind == "end", e.record.digest)
            for e in entries
            if e.record.action in STAGES and e.record.kind in ("end", "failed")
        ]
        assert may_be_deployed(steps) == package.digest, steps


def forge(project: Project, commit: str, dice: random.Random) -> None:
    """What somebody with the key writes past the commands."""
    action = dice.choice(sorted(STAGES))
    digest = dice.choice(
        ["f" * 64, *(e.record.digest for e in project.entries(f"package-{commit}") if e.record.digest)]
    )
    project.forge(commit, action, "" if action == "intake" else digest, well=dice.random() < 0.5)


def typed(dice: random.Random, commit: str) -> list[tuple[str, ...]]:
    """The next commands, about this commit."""
    of_it = ("--commit", commit)
    alone = dice.choice(["intake", "build", "test", "accept", "release"])
    return dice.choice([
        [(alone, *of_it)],
        [(alone, *of_it, *(PROD[:2] if alone in ("intake", "accept") else ()))],
        [("ship", *of_it), ("certify",)],
        [("ship", *of_it), ("certify",), ("ship", *PROD, *of_it)],
        [("deploy", *PROD, *of_it)],
        [("ship", *PROD, *of_it)],
        [("replay", *PROD, "--sha", commit)],
        [("rollback", *PROD[:2])],
        [("complete", *PROD[:2])],
        [("migrate", *PROD)],
    ])  # fmt: skip


# A walk takes half a minute: one that fails is shown as it is, and not made shorter.
@pytest.mark.timeout(600)
@settings(
    max_examples=WALKS, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(dice=st.randoms(use_true_random=False))
def test_production_changes_only_behind_a_yes_a_lock_and_a_start(
    platform: Path, tmp_path_factory: pytest.TempPathFactory, dice: random.Random
):
    made = contextmanager(living)(tmp_path_factory.mktemp("walk") / "project", platform)
    with made as project, pytest.MonkeyPatch.context() as monkeypatch:
        walk(project, monkeypatch, dice)


def walk(project: Project, monkeypatch: pytest.MonkeyPatch, dice: random.Random) -> None:
    """One long walk: commits, commands and forged entries as the dice fall."""
    watched = Watched(project, Heroku.apply)
    monkeypatch.setattr(Heroku, "apply", lambda driver, *words, **said: watched(driver, *words, **said))
    commits, before = [project.first], len(project.releases("prod"))
    ended: set[int] = set()
    for number, opening in enumerate([*OPENING, *(None for _ in range(STEPS))]):
        if opening or dice.random() < 0.3:
            mood = {} if opening else dice.choice([{}, {}, {"health": "degraded"}, {"boot": "die"}])
            commits.append(project.commit(f"Change {number}", {"app/x.py": f"x = {number}\n"}, **mood))
        commit = commits[-1] if opening else dice.choice(commits[-3:])
        if not opening and dice.random() < 0.15:
            forge(project, commit, dice)
        for words in opening or typed(dice, commit):
            keys = KEYS if opening or dice.random() < 0.9 else None
            ran = project.invoke(*words, "--json", env=keys)
            ended.add(ran.code)
            assert ran.code in (0, 1, 2, 3, 6), ran.text
        assert len(project.releases("prod")) == before + len(watched.effects), "nothing else changed it"
    assert watched.effects[:2] == ["deploy", "deploy"], "production was reached"
    assert {0, 3} <= ended
