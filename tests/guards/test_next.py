"""Whatever refuses names commands that exist: each parses as it is printed, with no option left empty."""

import re
from pathlib import Path

import pytest
from road.project import parses

from roadworthy import git, guard
from roadworthy.context import Context
from roadworthy.facts import drift, policy
from roadworthy.model import Outcome, Request, Result, Verdict
from roadworthy.pipeline import what_next
from roadworthy.report.terminal import Screen

ROOT = Path(__file__).parents[2]
ACTIONS = ("deploy", "migrate", "rollback", "config", "certify", "adopt", "complete")
OURS = "policy_is_committed"  # of the mechanism: no project can leave it out
EACH = [
    (action, name)
    for action in ACTIONS
    for name in (OURS, *(one.__name__ for one, _ in guard.load(ROOT, action)))
]
SAID = re.compile(r"(?<![\w.])invoke [a-z_.]+(?: --[a-z-]+(?: [^\s`,;:()]+)?)*")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """This repository, with a state of its own in which nothing was ever released."""
    return Context(ROOT, Screen(json=True), {"ROADWORTHY_STATE": str(tmp_path)}, planning=True)


def named(context: Context, action: str, env: str, name: str, reason: str = "no") -> tuple[str, ...]:
    commit = git.resolve(ROOT, None)
    said = (action, "--env", env, *(("--commit", commit) if action == "deploy" else ()))
    request = Request(action, env, commit, said=said)
    verdict = Verdict(name, "refuse", reason, "a rule", "")
    return what_next.after(context, request, Result(Outcome.REFUSED, "no", verdicts=(verdict,), code=3))


@pytest.mark.parametrize("runs", ["", "a" * 40], ids=["at first", "later"])
def test_each_guard_names_commands_that_exist(
    context: Context, monkeypatch: pytest.MonkeyPatch, runs: str
) -> None:
    monkeypatch.setattr(what_next, "_runs", lambda *_: runs)
    for action, name in EACH:
        for env in ("staging", "prod"):
            lines = named(context, action, env, name)
            alone = name == "certifies_no_production" and env == "staging"  # which it never refuses
            assert lines or alone or not runs, (action, name, env)
            for line in lines:
                parses(line)
                keyed = line.startswith("ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES invoke ")
                changes = " --env prod" in line and line.split("invoke ")[1].split()[0] in what_next.KEYED
                assert keyed == changes, line


def test_what_a_commit_holds_is_not_asked_for_again(context: Context) -> None:
    for name in what_next.ANOTHER_COMMIT:
        assert named(context, "deploy", "staging", name) == ("invoke deploy --env staging",)
        assert named(context, "migrate", "staging", name) == ("invoke ship --env staging",)
    said = named(context, "deploy", "staging", "migrations_are_safe", "run it again with --maintenance")
    assert said[-1].endswith(f"--commit {git.resolve(ROOT, None)} --maintenance")


def test_what_cannot_be_told_is_no_reason_for_another_commit(context: Context) -> None:
    said = named(context, "deploy", "staging", "migrations_are_safe", "cannot tell: nobody answered")
    assert said == (f"invoke deploy --env staging --commit {git.resolve(ROOT, None)}",)
    reason = "the database revision is unknown: nobody answered"
    assert named(context, "deploy", "prod", "database_is_as_recorded", reason)[0].endswith(
        "invoke rollback --env prod"
    )


def test_a_policy_that_nobody_approved_names_who_does(context: Context) -> None:
    reason = 'let somebody run `invoke guards.approve --env prod --why "…"` on that commit'
    assert named(context, "migrate", "prod", OURS, reason)[0] == "invoke guards.approve --env prod --why WHY"


def test_every_guard_of_which_something_is_known_is_one() -> None:
    known = {name for _, name in EACH} | {"acceptance_cannot_change_production"}
    for names in (what_next.FIRST, what_next.AT_FIRST, what_next.AS_WELL, what_next.NOT_AGAIN):
        assert {*names} <= known
    assert {*what_next.ANOTHER_COMMIT} <= known


def test_the_commands_in_the_reasons_of_guards_exist() -> None:
    files = [*(ROOT / "guards").glob("*.py"), Path(policy.__file__), Path(drift.__file__)]
    text = "\n".join(re.sub(r'"\n\s+f?"', "", file.read_text()) for file in files)
    lines = {re.sub(r"\{[^}]*\}|…", "x", line).replace('"', "") for line in SAID.findall(text)}
    assert len(lines) > 15
    for line in lines:
        parses(line)
