"""No test passes because of what it does not look at, and none because the machine is quick."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "monotonic_ns", "perf_counter_ns"}
REPOSITORY = TESTS.parent


@cache
def functions() -> dict[str, list[tuple[Path, Function]]]:
    """Every function of the tests by its name; a name may stand for several."""
    found: dict[str, list[tuple[Path, Function]]] = {}
    for path in (*TESTS.rglob("*.py"), *(REPOSITORY / "app" / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                found.setdefault(node.name, []).append((path, node))
    return found


@cache
def asserts(function: ast.AST) -> bool:
    """Whether it says itself what must be so."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.withitem) and re.search("raises|warns", ast.unparse(node)):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fail":
            return True
    return False


@cache
def called(function: ast.AST) -> frozenset[str]:
    """The last names of what it calls."""
    targets = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = (getattr(target, "attr", None) or getattr(target, "id", "") for target in targets)
    return frozenset(names)


@cache
def asserting() -> frozenset[str]:
    """The helpers that say what must be so, or call one that does."""
    known: set[str] = set()
    helpers = {name: said for name, said in functions().items() if not name.startswith("test_")}
    while True:
        more = {
            name
            for name, said in helpers.items()
            if name not in known and any(asserts(node) or called(node) & known for _, node in said)
        }
        if not more:
            return frozenset(known)
        known |= more


def cannot_fail(function: ast.AST) -> bool:
    return not asserts(function) and not called(function) & asserting()


def timed(function: ast.AST) -> Iterator[ast.Assert]:
    """The assertions that what passed between two looks at a clock is less than something."""
    lasted = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any(map(_passed, ast.walk(node.value)))
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def is_a_time(node: ast.AST) -> bool:
        return _passed(node) or (isinstance(node, ast.Name) and node.id in lasted)

    for node in ast.walk(function):
        for part in ast.walk(node) if isinstance(node, ast.Assert) else ():
            if not isinstance(part, ast.Compare):
                continue
            for i, side in enumerate([part.left, *part.comparators]):
                less = i < len(part.ops) and isinstance(part.ops[i], ast.Lt | ast.LtE)
                more = i > 0 and isinstance(part.ops[i - 1], ast.Gt | ast.GtE)
                if (less or more) and any(map(is_a_time, ast.walk(side))):
                    assert isinstance(node, ast.Assert)
                    yield node


def _passed(node: ast.AST) -> bool:
    """Whether it is how long something took; `until` of the sandbox's tests returns that."""
    if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func) == "until"
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and bool(called(node.left) & CLOCKS)


def test_every_test_says_what_must_be_so():
    empty = [
        f"{path.relative_to(REPOSITORY)}::{name}"
        for name, said in functions().items()
        for path, node in said
        if name.startswith("test_") and path.name.startswith("test_") and cannot_fail(node)
    ]
    assert empty == []


def test_no_test_asserts_how_quick_the_machine_is():
    found = [
        f"{path.relative_to(REPOSITORY)}:{one.lineno}"
        for said in functions().values()
        for path, node in said
        for one in timed(node)
    ]
    assert found == [], "assert what can be counted, or compare with `bar` in a test that is marked `bench`"


@pytest.mark.parametrize(
    ("text", "empty", "quick"),
    [
        ("def test_a():\n    consider()\n", True, False),
        ("def test_a():\n    assert consider()\n", False, False),
        ("def test_a():\n    with pytest.raises(ValueError):\n        consider()\n", False, False),
        ("def test_a():\n    until(consider)\n", False, False),  # a helper of the tests, which asserts
        ("def test_a():\n    consider()\n    assert time.monotonic() - began < 3\n", False, True),
        ("def test_a():\n    assert 0.2 <= time.monotonic() - began < 3\n", False, True),
        ("def test_a():\n    assert 3 > time.monotonic() - began\n", False, True),
        ("def test_a():\n    assert time.monotonic() - began >= 0.3\n", False, False),
        ("def test_a():\n    assert time.monotonic() < deadline\n", False, False),
        ("def test_a():\n    took = time.perf_counter() - began\n    assert took < 3\n", False, True),
        ("def test_a():\n    took = time.perf_counter() - began\n    assert took > 0.3\n", False, False),
        ("async def test_a():\n    assert await until(it) < 0.2\n", False, True),
    ],
)
def test_such_a_test_would_be_found(text: str, empty: bool, quick: bool):
    (function,) = ast.parse(text).body
    assert cannot_fail(function) is empty
    assert bool(list(timed(function))) is quick
