"""ADR 1: only the road calls a driver's changing verb, and only a driver speaks to a platform's API."""

import ast
from pathlib import Path

import pytest
from docs_pages import ROOT

PACKAGE = ROOT / "src/roadworthy"
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
ASKING = "journal/anchor.py"  # asks an authority for a timestamp, which RFC 3161 does by POST
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "sandbox" not in p.relative_to(PACKAGE).parts)


def calls_apply(source: str) -> bool:
    """Does it take `apply` from anything, called at once or kept for later, or ask for it by name?"""
    nodes = list(ast.walk(ast.parse(source)))
    return any(isinstance(n, ast.Attribute) and n.attr == "apply" for n in nodes) or any(
        isinstance(n, ast.Constant) and n.value == "apply" for n in nodes
    )


def changes_over_http(source: str) -> bool:
    """Does it hold a method of HTTP that changes something, or call one of requests' verbs that does?"""
    verbs = {word.lower() for word in CHANGING - {"PUT"}}  # the journal's store has a `put` of its own
    return any(
        (isinstance(n, ast.Constant) and n.value in CHANGING)
        or (isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in verbs)
        for n in ast.walk(ast.parse(source))
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_road_changes_a_platform(module: Path):
    where, source = str(module.relative_to(PACKAGE)), module.read_text(encoding="utf-8")
    assert calls_apply(source) == (where == "execution/run.py"), f"{where} calls a driver's changing verb"
    assert not changes_over_http(source) or where.startswith("platforms/") or where == ASKING, (
        f"{where} changes something over HTTP"
    )


@pytest.mark.parametrize(
    "way", ["platform.apply(app, step)", "do = context.platform.apply", "getattr(p, 'apply')(a)"]
)
def test_a_way_around_the_road_would_be_found(way):
    assert calls_apply(way)


@pytest.mark.parametrize(
    "way", ["session.request('POST', url)", "session.delete(url)", "requests.patch(url)"]
)
def test_a_write_past_the_drivers_would_be_found(way):
    assert changes_over_http(way)
