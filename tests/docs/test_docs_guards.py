"""The table of guards names exactly the guards that exist, and its worked example works."""

import re
import sys
from types import ModuleType

import pytest
from docs_pages import ROOT, blocks, rows, section

import guards
from roadworthy import errors

PAGE = ROOT / "docs/guards.md"


def test_the_table_names_each_guard_with_the_actions_that_ask_it():
    documented = {row[0].strip("`"): set(row[1].split(", ")) for row in rows(section(PAGE, "## The rules"))}
    asked: dict[str, set[str]] = {}
    for action, those in guards.GUARDS.items():
        for guard in those:
            asked.setdefault(guard.__name__, set()).add(action)
    assert documented == asked


def test_the_exit_codes_are_those_of_the_code():
    documented = {int(row[0]) for row in rows(section(PAGE, "## Exit codes"))}
    raised = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    assert documented == {0, 130, *raised, *guards.EXIT_CODES.values()}


def test_the_worked_example_is_a_guard_whose_tests_pass(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests/guards"))
    rule, tests = blocks(PAGE, "python")
    file = re.match(r"# guards/(\w+)\.py", rule)
    module = ModuleType(f"guards.{file[1]}")
    exec(compile(rule, module.__name__, "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found: dict[str, object] = {"pytest": pytest}
    exec(compile(tests, "the worked example's tests", "exec"), found)
    ran = [value() for name, value in found.items() if name.startswith("test_") and callable(value)]
    assert len(ran) == 3
