"""What is read in one go is what a closer look would say; the closer look here is the standard library's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadworthy.journal import entry
from roadworthy.journal.entry import JournalError
from roadworthy.journal.usual import usual

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\x7f", "\x1f\n", "é"]),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=3), inside, max_size=4),
    max_leaves=20,
)
NOT_CANONICAL = [
    b'{"a":1,"a":1}',
    b'{"b":1,"a":2}',
    b'{"a": 1}',
    b"[1.0]",
    b"[1e2]",
    b"[-0]",
    b"[01]",
    b"[9007199254740992]",
    b"[-9007199254740992]",
    b"[NaN]",
    b'["\\/"]',
    b'["\\u0041"]',
    b'["\\ud800"]',
    b'["\x7f"]',
    b'["\xed\xa0\x80"]',
    b'["\xff"]',
    b"[1]\n",
    b"[" * 70 + b"]" * 70,
    b"",
]


def closer(data: bytes) -> Any:
    """What it says when it is canonical, as the journal's module judges whatever is not usual."""
    try:
        value = entry._decode(data.decode())
        return value if entry._dump(value) == data else None
    except (ValueError, RecursionError, JournalError):
        return None


@pytest.mark.parametrize("data", NOT_CANONICAL)
def test_nothing_that_is_not_canonical_is_usual(data: bytes) -> None:
    assert closer(data) is None
    assert usual(data) is None


@settings(max_examples=4 * settings().max_examples, deadline=None)
@given(
    VALUES,
    st.integers(0, 200),
    st.sampled_from([b"", b" ", b'"', b"0", b".", b"\\", b"\x7f", b",", b"{", b"\xff"]),
)
@example({"b": [1, {"c": "é\n"}], "a": None}, 0, b"")
def test_what_is_usual_is_canonical_and_says_the_same(value: Any, at: int, more: bytes) -> None:
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )
    data = data[:at] + more + data[at:]
    if (found := usual(data)) is not None:
        assert (found, repr(found)) == (closer(data), repr(closer(data)))


def test_what_is_plain_is_usual() -> None:
    value = {"a": [1, -2, True, None, {"b": {"c": ["é", "\n", '"', "\\"]}}], "b": "x"}
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert usual(data) == value == closer(data)
