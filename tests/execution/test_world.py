"""Nobody below the stages gets a command's context: the road, the actions and the facts get a `World`."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/roadworthy"
COMMANDS = ("commands", "pipeline", "tasks.py", "context.py")


def named(path: Path) -> set[str]:
    """The names that a module uses or imports, annotations among them."""
    tree = ast.walk(ast.parse(path.read_text()))
    return {
        getattr(one, "id", getattr(one, "name", "")) for one in tree if isinstance(one, ast.Name | ast.alias)
    }


def test_below_the_stages_nothing_knows_the_context_of_a_command() -> None:
    outside = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in COMMANDS]
    users = {path.relative_to(SOURCE).as_posix() for path in outside if "Context" in named(path)}
    # What was lost on any journal is looked for when the context opens one for writing.
    assert users - {one for one in users if one.startswith("sandbox/")} == {"lost.py"}


def test_a_plan_gets_request_facts_and_configuration() -> None:
    plans = {
        path.stem: [one.arg for one in node.args.args]
        for path in (SOURCE / "actions").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "plan"
    }
    assert set(plans) == {"deploy", "migrate", "rollback", "config", "certify", "adopt", "complete"}
    assert all(names == ["request", "facts", "config"] for names in plans.values())
