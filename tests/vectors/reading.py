"""What the original pipeline's own functions answer, and where this toolkit answers otherwise on purpose.

The vectors lie beside this checkout, in `../shared/data/vectors/compass`; each file holds the answers of one of the
original's functions. An adapter per file asks ours the same. Where the two differ there is a `Difference`, a rule
that says for which vectors, and what ours answers instead; docs/contract-differences.md has them all, with why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT.parent / "shared" / "data" / "vectors" / "compass"
ABSENT = "the original's vectors are not beside this checkout (../shared/data/vectors/compass)"

Vector = dict[str, Any]
Answer = Any


class Difference(NamedTuple):
    """`applies` says for which vectors, `ours` makes our answer of the original's (a copy, which it may change)."""

    name: str
    applies: Callable[[Vector], bool]
    ours: Callable[[Vector, Answer], Answer]


class Subject(NamedTuple):
    """One file of vectors: how to ask ours, which part of the original's answer that is, and the differences.

    `harmless` are rules for vectors that are marked as a fault, and whose answer is right all the same.
    """

    file: str
    ask: Callable[[Vector], Answer]
    theirs: Callable[[Vector], Answer]
    differences: tuple[Difference, ...] = ()
    harmless: tuple[Difference, ...] = ()


@cache
def read(file: str) -> dict[str, Any]:
    """A whole file of vectors."""
    return json.loads((FOLDER / f"{file}.json").read_text("utf-8"))


def read_from(system: str, file: str) -> dict[str, Any]:
    """A whole file of vectors of another system's folder."""
    return json.loads((FOLDER.parent / system / f"{file}.json").read_text("utf-8"))


def files() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def agreed(subject: Subject, vector: Vector) -> tuple[Answer, list[str]]:
    """What ours should answer to a vector, and the names of the differences that made it another answer."""
    answer, seen = subject.theirs(vector), []
    for difference in subject.differences:
        if difference.applies(vector):
            changed = difference.ours(vector, deepcopy(answer))
            seen += [difference.name] if changed != answer else []
            answer = changed
    return answer, seen


def differs(vector: Vector) -> bool:
    """For a rule that holds for every vector of its file."""
    return True
