"""There is one road to change: nothing but `execution.run` applies a step, and nothing but a driver writes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import roadworthy

SOURCE = Path(roadworthy.__file__).parent
WRITES = {"post", "put", "patch", "delete", "request"}
# Checks and parity ask the app, with a method that a file names; a journal writes to its store and its anchors.
MAY_WRITE = ("platforms/", "sandbox/", "checks/http.py", "parity/ask.py", "journal/")


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    files = sorted(SOURCE.rglob("*.py"))
    return tuple((path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())) for path in files)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def applies(tree: ast.AST) -> Iterator[int]:
    """Lines that call an `apply`, or hand one on to be called."""
    for node in ast.walk(tree):
        if getattr(node, "attr", None) == "apply" or getattr(node, "value", None) == "apply":
            yield node.lineno


def writes(tree: ast.AST) -> Iterator[int]:
    """Lines that send a changing request through requests, a session of it, urllib or http.client."""
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in WRITES:
            owner = ast.unparse(call.func.value).lower()
            if "session" in owner or "requests" in owner or "http" in owner or "client" in owner:
                yield call.lineno
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("urlopen", "HTTPConnection"):
            yield call.lineno


def named_dry_run(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and "dry" in node.arg.split("_"):
            yield node.lineno


def found(rule, *, but: set[str] = frozenset()) -> list[str]:
    return [f"{name}:{line}" for name, tree in modules() if name not in but for line in rule(tree)]


def test_only_the_road_applies_a_step():
    assert found(applies, but={"execution/run.py"}) == []
    assert len(list(applies(dict(modules())["execution/run.py"]))) == 1


def test_only_drivers_and_the_sandbox_send_changing_requests():
    assert [where for where in found(writes) if not where.startswith(MAY_WRITE)] == []
    assert any(where.startswith("platforms/") for where in found(writes))


def test_no_module_has_a_dry_run():
    assert found(named_dry_run) == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (applies, "context.platform.apply(app, step)"),
        (applies, "do = context.platform.apply"),
        (applies, "getattr(platform, 'apply')(app)"),
        (writes, "requests.post(url)"),
        (writes, "self._session.patch(url)"),
        (writes, "session.request('DELETE', url)"),
        (writes, "urllib.request.urlopen(url)"),
        (named_dry_run, "def deploy(app, dry_run=False): ..."),
        (named_dry_run, "def deploy(app, *, dry=False): ..."),
    ],
)
def test_the_rules_see_what_they_forbid(rule, text):
    assert list(rule(ast.parse(text))) == [1]
