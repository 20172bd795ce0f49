"""Which literals every match of a regular expression must contain.

`required(b"a.*bc|d")` is `[(b"bc", b"d")]`: there is one way to choose, and every match holds `bc` or `d`.
`ab.*cd` has two ways, `(b"ab",)` and `(b"cd",)`. No way at all, `[]`, is always a right answer; a literal
that some match does not contain never is.

The pattern is read by Python's own parser, which is not a public part of `re`. Were it to move, the answer
would be `[]`, and the scan slower but right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

Choice = tuple[bytes, ...]

try:
    from re import _constants as op  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    parser = op = None


def required(pattern: bytes) -> list[Choice]:
    """The ways to choose literals such that every match of `pattern` contains one of the chosen."""
    if parser is None:  # pragma: no cover
        return []
    parsed = parser.parse(pattern)
    return [] if parsed.state.flags & (re.IGNORECASE | re.VERBOSE) else _sequence(parsed)


def _sequence(items: Iterable[tuple[Any, Any]]) -> list[Choice]:
    choices: list[Choice] = []
    run = bytearray()

    def end_run() -> None:
        if run:
            choices.append((bytes(run),))
            run.clear()

    for code, argument in items:
        if code is op.LITERAL:
            run.append(argument)
            continue
        end_run()
        if code is op.SUBPATTERN:
            _, added_flags, _, inner = argument
            choices += [] if added_flags else _sequence(inner)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, _, inner = argument
            choices += _sequence(inner) if least else []
        elif code is op.BRANCH:
            choices += _alternatives(argument[1])
    end_run()
    return choices


def _alternatives(branches: Sequence[Iterable[tuple[Any, Any]]]) -> list[Choice]:
    """One choice: the longest literals of each branch; none if a branch has none."""
    longest: list[bytes] = []
    for branch in branches:
        choices = _sequence(branch)
        if not choices:
            return []
        longest += max(choices, key=lambda choice: min(map(len, choice)))
    return [tuple(longest)]
