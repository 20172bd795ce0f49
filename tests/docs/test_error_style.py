"""One style of error text: lower case and no full stop, so that it can follow `error: ` or stand in a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = ROOT / "src/roadworthy/sandbox/heroku/api"
"""Its answers follow Heroku's, which are sentences."""
NAMES = ("GitHub", "PostgreSQL", "Python", "Heroku", "None", "True")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each error that `source` raises; a value in it is `{}`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        call = node.exc
        while isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
            call = call.func.value  # UsageError(…).then(…)
        if getattr(call.func, "id", "") == "ApiError":
            continue
        for given in call.args:
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield node.lineno, given.value
            elif isinstance(given, ast.JoinedStr):
                parts = (one.value if isinstance(one, ast.Constant) else "{}" for one in given.values)
                yield node.lineno, "".join(map(str, parts))


def wrong(text: str) -> bool:
    """Whether a text begins like a sentence or ends like one; a name or a variable keeps its capitals."""
    sentence = re.match(r"[A-Z][a-z]*[ ']", text) and not text.startswith(NAMES)
    return " " in text and (bool(sentence) or bool(re.search(r"[a-z0-9})]\.$", text)))


@pytest.mark.parametrize("text", ["The disk is full", "the disk is full.", "No key {}: make one"])
def test_a_text_of_another_style_would_be_found(text: str):
    source = f"raise UsageError({text!r}).then('invoke status')"
    assert [found for _, found in texts(source) if wrong(found)] == [text]


@pytest.mark.parametrize(
    "text", ["the disk is full", "GitHub answered {}", "ALLOW_PROD {}: unset it", "{} is full"]
)
def test_a_text_of_our_style_passes(text: str):
    assert not wrong(text)


def test_every_error_text_has_one_style():
    files = [*(ROOT / "src/roadworthy").rglob("*.py"), *(ROOT / "guards").glob("*.py")]
    sources = {file: file.read_text() for file in files if not file.is_relative_to(API)}
    found = {
        file: [(line, text) for line, text in texts(source) if wrong(text)]
        for file, source in sources.items()
    }
    assert sum(len(list(texts(source))) for source in sources.values()) > 300, "the errors were found"
    assert {str(file.relative_to(ROOT)): bad for file, bad in found.items() if bad} == {}
