"""What actions sign: the table is whole, and a key that may not is refused before anything begins."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy import actions
from roadworthy.execution.signing import OFF_THE_ROAD, Work, refusal, stage_of, works
from roadworthy.facts.standing import STAGES
from roadworthy.journal.policy import Asked, Policy, Rule

STAGE = {name: stage_of(name) for name in (*OFF_THE_ROAD, *actions.NAMES)}
SOURCE = Path(__file__).parents[1] / "src/roadworthy"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "SHA256:k"


def test_the_table_has_the_stage_of_every_action_of_the_road_and_of_packages() -> None:
    assert not {*OFF_THE_ROAD} & {*actions.NAMES}
    assert {"deploy": "deploy", "config": "deploy", "complete": "completion"}.items() <= STAGE.items()
    assert all(actions.named(name).name == name for name in actions.NAMES)
    assert STAGES.items() <= STAGE.items()


def test_the_table_has_whatever_the_code_signs() -> None:
    """Each call that makes a record or begins an action, with the stage and the action that it names."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            at = {"Record": (1, 2), "begin": (2, 3)}.get(called)
            if at is None or path.parts[-2:] == ("packages", "image.py") or len(node.args) <= at[1]:
                continue
            said = [
                names.get(getattr(one, "id", ""), getattr(one, "value", ""))
                for one in map(node.args.__getitem__, at)
            ]
            if all(isinstance(word, str) and word for word in said):
                found.add(tuple(said))
    assert {("clock", "clock"), ("intake", "intake"), ("completion", "ship"), ("build", "publish")} <= found
    assert found <= {(stage, action) for action, stage in STAGE.items()}


def test_what_goes_back_by_itself_is_signed_by_the_same_key() -> None:
    assert works(("deploy",)) == (Work("deploy", "deploy"), Work("rollback", "rollback"))
    assert works(("deploy", "migrate", "complete")) == (
        Work("deploy", "deploy"),
        Work("rollback", "rollback"),
        Work("migrate", "migrate"),
        Work("completion", "complete"),
    )
    known = [actions.named(name) for name in actions.NAMES]
    assert [one.name for one in known if one.undo] == [one.name for one in known if one.undone_by]
    assert works(("config",)) == (Work("deploy", "config"),), (
        "another change of config vars, by the same rule"
    )


SOME = st.lists(st.sampled_from(["*", *sorted(set(STAGE.values()))]), max_size=3).map(tuple)
SOME_ACTIONS = st.lists(st.sampled_from(["*", *sorted(STAGE)]), max_size=3).map(tuple)
ENDS = st.sampled_from(["", "2026-11-21T12:00:00Z", "2026-11-21T12:30:00Z", "2027-01-01T00:00:00Z"])
ALL = st.just(("*",))
RULES = st.builds(Rule, st.just(KEY), st.just("live"), ALL, SOME, SOME_ACTIONS, until=ENDS, since=ENDS)


@given(st.lists(RULES, max_size=4).map(tuple), st.sampled_from(sorted(STAGE)), st.floats(0, 1))
def test_what_passed_may_sign_all_of_it_to_its_last_moment(
    rules: tuple[Rule, ...], action: str, part: float
) -> None:
    policy = Policy(1, rules=rules, names={KEY: "k"})
    if refusal(policy, KEY, "live", "prod", works((action,)), NOW, 3600.0):
        return
    at = (NOW + timedelta(seconds=3600.0 * part)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for work in works((action,)):
        assert not policy.refusal(KEY, Asked("live", "prod", work.stage, work.action, at))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"until": "2026-11-21T12:00:00Z"},
            r"k\.pub \(SHA256:k\) may not sign .*: it expired at 2026-11-21T12:00:00Z; o\.pub may",
        ),
        ({"since": "2026-11-21T12:00:01Z"}, r"it is not valid before 2026-11-21T12:00:01Z; o\.pub may"),
        ({"actions": ("test",)}, r"no rule of trust\.toml says so; o\.pub may"),
        ({"good": {"live/prod": (4, "e" * 64)}}, r"its rule is over since entry 4 of live/prod; o\.pub may"),
        (
            {"until": "2026-11-21T12:00:10Z"},
            r"it may take 60 s, and by then k\.pub .* it expired at 2026-11-21T12:00:10Z",
        ),
    ],
)
def test_the_line_says_what_is_wrong_apart_and_who_may(changes: dict[str, object], why: str) -> None:
    whole = {"environments": ("*",), "stages": ("*",), "actions": ("*",)}
    mine = Rule(**{"keyid": KEY, "target": "live", **whole, **changes})
    policy = Policy(
        1, rules=(mine, Rule("SHA256:o", "live", *whole.values())), names={KEY: "k", "SHA256:o": "o"}
    )
    said = refusal(policy, KEY, "live", "prod", works(("deploy",)), NOW, 60.0)
    assert re.search(why, said), said


def test_a_revoked_key_is_told_so() -> None:
    policy = Policy(1, revoked={KEY: {}}, names={KEY: "k"})
    said = refusal(policy, KEY, "live", "prod", works(("deploy",)), NOW)
    assert said == "k.pub (SHA256:k) was revoked; no key of trust.toml may"
