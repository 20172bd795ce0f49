"""What an action is stands beside its plan, as data: only who reads or writes the journal's bytes names it."""

from __future__ import annotations

import ast
from pathlib import Path

from roadworthy import actions
from roadworthy.action import Effect, Takes

SOURCE = Path(__file__).parents[2] / "src/roadworthy"
TABLES = ("CHANGES", "RELEASES", "RUNS")
READ_THE_JOURNAL = {
    "commands/dockerhub.py",
    "commands/rehearse.py",
    "commands/why.py",
    "decision/commit_stage.py",
    "decision/progress.py",
    "decision/times.py",
    "decision/told.py",
    "execution/clock.py",
    "facts/history.py",
    "facts/image_packages.py",
    "facts/newer.py",
    "facts/policy.py",
    "facts/running.py",
    "facts/standing.py",
    "pipeline/complete.py",
    "record.py",
}
"""The modules outside of journal/ that make or read entries, or the rows made of them."""


def compares_names(node: ast.AST) -> bool:
    """Whether this compares an action with names that stand in the code."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [part for side in (node.left, *node.comparators) for part in getattr(side, "elts", [side])]
    named = any(
        (isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value)
        or (isinstance(one, ast.Name) and one.id in TABLES)
        for one in sides
    )
    return named and any(is_action(one) for one in sides)


def is_action(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "action"
    return getattr(node, "attr", getattr(node, "id", "")) == "action"


def test_no_module_compares_the_names_of_actions_but_where_the_journal_is_read() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE).as_posix()
        if any(map(compares_names, ast.walk(ast.parse(path.read_text())))) and not where.startswith(
            "journal/"
        ):
            found.add(where)
    assert found == READ_THE_JOURNAL


def test_every_action_says_what_it_is() -> None:
    known = {name: actions.named(name) for name in actions.NAMES}
    assert [one.name for one in known.values()] == [*actions.NAMES]
    assert {name for name, one in known.items() if one.effect is Effect.RELEASES} == {
        "deploy",
        "rollback",
        "config",
    }
    assert {name for name, one in known.items() if one.effect is Effect.DATABASE} == {"migrate", "certify"}
    assert {one.takes: name for name, one in known.items() if one.takes is not Takes.RUNNING} == {
        Takes.COMMIT: "deploy",
        Takes.TARGET: "rollback",
        Takes.FOUND: "adopt",
    }
