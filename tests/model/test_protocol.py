"""The protocol, tried in every order of its steps: all promises hold, and each rule that is left out breaks one."""

from __future__ import annotations

import pytest

from .exploring import explore, locked_out
from .families import EVERYTHING, FAMILIES, MUTANTS, NO_FENCE
from .promises import seen_by_an_audit
from .steps import Model
from .world import Rules

QUICK = ("complete", "adopt", "false death", "migrate", "words")  # the rest in `nox -s slow`
LONG = ("guards that trust the journal's revision", "a migration to the head", "images without a fence")


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FAMILIES]
)
def test_with_a_credential_a_start_all_promises_hold(family: str) -> None:
    explored = explore(Model(Rules(), FAMILIES[family]))
    assert explored.broken == {}
    assert len(explored.worlds) > 900, "the family became too small to show anything"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_with_a_claimed_name_all_promises_hold_whatever_lists_say(family: str) -> None:
    explored = explore(Model(Rules(fence="name"), FAMILIES[family]._replace(stale_lists=True)))
    assert explored.broken == {}


@pytest.mark.slow
@pytest.mark.parametrize("fence", ["credential", "name"])
def test_with_everything_at_once_all_promises_hold(fence: str) -> None:
    explored = explore(Model(Rules(fence=fence), EVERYTHING))
    assert explored.broken == {}
    assert len(explored.worlds) > 100_000


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in MUTANTS]
)
def test_each_rule_is_needed(name: str) -> None:
    mutant = MUTANTS[name]
    explored = explore(Model(mutant.rules, mutant.family), until=mutant.promise)
    assert mutant.promise in explored.broken, f"without this rule nothing breaks any more: {name}"
    trace = explored.broken[mutant.promise]
    assert len(trace) == mutant.steps, "\n".join(trace)


@pytest.mark.slow
def test_a_migration_that_names_its_revision_does_nothing_unapproved_however_late_it_arrives() -> None:
    explored = explore(Model(NO_FENCE, FAMILIES["migrate"]))
    assert "I2 a late effect" in explored.broken
    assert "I2 a migration that no start approved" not in explored.broken


@pytest.mark.slow
@pytest.mark.parametrize("family", ["release", "migrate", "adopt"])
def test_without_a_fence_the_audit_sees_what_a_look_does_not(family: str) -> None:
    """The audit only detects: it is what is left where a platform has no fence."""
    explored = explore(Model(NO_FENCE, FAMILIES[family]))
    assert "I6 a look at what runs sees nothing" in explored.broken
    assert "I6 the audit sees nothing" not in explored.broken


@pytest.mark.parametrize(
    "family",
    ["false death", *(pytest.param(one, marks=pytest.mark.slow) for one in ("complete", "adopt", "release"))],
)
def test_nobody_is_locked_out_for_ever(family: str) -> None:
    model = Model(Rules(), FAMILIES[family]._replace(sessions=3))
    assert locked_out(model, explore(model)) == []


def test_who_never_reconciles_is_locked_out() -> None:
    """The search for locked out starts is no empty one: where a fence could not be closed, it finds them."""
    model = Model(Rules(), FAMILIES["adopt"])
    explored = explore(model)
    never = Model(model.rules, model.family._replace(longest=0))
    assert locked_out(never, explored)


def test_the_audit_is_content_with_what_went_well() -> None:
    """An audit that cries always would see any breach."""
    explored = explore(Model(Rules(), FAMILIES["complete"]))
    content = [
        world
        for world in explored.worlds
        if len(world.journal) > 7 and not world.network and not seen_by_an_audit(world)
    ]
    assert content
