"""What an action is stands beside its plan, as data: only who reads or writes the journal's bytes names it."""

from __future__ import annotations

import ast
from pathlib import Path

from roadworthy import actions
from roadworthy.action import Effect, Takes

SOURCE = Path(__file__).parents[2] / "src/roadworthy"
TABLES = ("CHANGES", "RELEASES", "RUNS")
READ_THE_JOURNAL = {
    "commands/dockerhub.py": 1,
    "commands/rehearse.py": 1,
    "commands/why.py": 1,
    "decision/commit_stage.py": 1,
    "decision/progress.py": 10,
    "decision/times.py": 2,
    "decision/told.py": 2,
    "execution/clock.py": 1,
    "facts/history.py": 7,
    "facts/image_packages.py": 1,
    "facts/newer.py": 1,
    "facts/policy.py": 1,
    "facts/running.py": 8,
    "facts/standing.py": 7,
    "pipeline/complete.py": 1,
    "record.py": 1,
}
"""How often the modules that read entries, or the rows made of them, name an action; outside of journal/."""


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
    found: dict[str, int] = {}
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE).as_posix()
        count = sum(map(compares_names, ast.walk(ast.parse(path.read_text()))))
        if count and not where.startswith("journal/"):
            found[where] = count
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
