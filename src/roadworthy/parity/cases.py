"""Cases: what is asked of a candidate, and what it must answer.

`parity/cases/*.jsonl` has one case a line (docs/parity.md). `originals.py` makes the same of a golden dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ..config_rules import METHOD
from ..errors import UsageError
from . import strict
from .tolerance import Tolerance

Severity = Literal["S0", "S1", "S2", "S3"]
SEVERITIES: Final[tuple[Severity, ...]] = ("S0", "S1", "S2", "S3")
MOST_REPEATS: Final = 100


class Expected(msgspec.Struct, frozen=True):
    """What one field must be. Of what is UNSET, nothing is expected.

    `at` is where the answer has it: a JSON Pointer, or keys with dots between them. `confidence` may be higher, and
    lower by no more than the adapter's tolerance.
    """

    severity: Severity
    value: Any = UNSET
    at: str = ""
    tolerance: Tolerance | None = None
    status: str = "passed"
    reason: str | UnsetType | None = UNSET
    confidence: Decimal | int | None = None


class Question(msgspec.Struct, frozen=True):
    """One HTTP request; `body` is a JSON value, or UNSET for none."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: Any = UNSET


class Case(msgspec.Struct, frozen=True):
    """One question with its answer. A negative case is one that must fail, for the reason that it says.

    `status` is the HTTP status that must come, `repeat` how often it is asked to tell noise from a change. `result`
    and `findings` are those of a whole document; None where a case has none. `id` is unique in all cases of a run.
    """

    id: str
    question: Question
    fields: Mapping[str, Expected]
    name: str = ""
    document_type: str = ""
    negative: bool = False
    status: int = 200
    repeat: int = 1
    result: str | None = None
    findings: frozenset[str] | None = None


class Given(msgspec.Struct, frozen=True):
    """What a candidate answered for one field. What is UNSET is nothing that it could have said."""

    value: Any = UNSET
    status: str = "passed"
    severity: str | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET
    confidence: Any = None


class Answer(msgspec.Struct, frozen=True):
    """What a candidate answered to a case. `problem` says why there is no answer to compare; "" when there is.

    A field that it names more than once has as many values: which of them counts, nobody can tell.
    """

    fields: Mapping[str, tuple[Given, ...]] = {}
    result: str | None = None
    findings: frozenset[str] | None = None
    problem: str = ""


class _Expected(msgspec.Struct, forbid_unknown_fields=True):
    severity: Severity
    value: Raw
    at: str = ""
    tolerance: Tolerance | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    method: Annotated[str, Meta(pattern=rf"\A{METHOD}\Z")] = "GET"
    headers: dict[str, str] = {}
    body: Raw | UnsetType = UNSET


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    request: _Request
    expected: dict[str, _Expected]
    type: str = ""
    kind: Literal["positive", "negative"] = "positive"
    status: int = 200
    repeat: int = 1


def of_line(text: str) -> Case:
    """The case of one line. Raises ValueError that says what is wrong with it."""
    strict.decode(text)  # refuses what the decoder below would let through
    try:
        line = msgspec.json.decode(text, type=_Line)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(str(error)[:300]) from error
    if not line.id or not line.expected:
        raise ValueError("a case has an id, and expects at least one field")
    if not line.request.path.startswith("/"):
        raise ValueError("the path of a request begins with /")
    if not 1 <= line.repeat <= MOST_REPEATS:
        raise ValueError(f"repeat is between 1 and {MOST_REPEATS}")
    request = line.request
    body = request.body if request.body is UNSET else strict.decode(bytes(request.body).decode())
    return Case(
        id=line.id,
        name=line.name,
        document_type=line.type,
        negative=line.kind == "negative",
        status=line.status,
        repeat=line.repeat,
        question=Question(request.path, request.method, request.headers, body),
        fields={
            name: Expected(
                one.severity, strict.decode(bytes(one.value).decode()), one.at or name, one.tolerance
            )
            for name, one in line.expected.items()
        },
    )


def of_folder(folder: Path) -> tuple[Case, ...]:
    """The cases of `*.jsonl` in a folder, files by name. Raises UsageError that names the file and the line."""
    made = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(strict.text_of(path, path.name).splitlines(), 1):
            if line.strip():
                try:
                    made.append(of_line(line))
                except ValueError as error:
                    raise UsageError(f"{path.name}, line {number}: {error}") from error
    return unique(made)


def unique(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The cases, each under an id of its own. Raises UsageError that names an id that stands twice."""
    seen: dict[str, Case] = {}
    for case in cases:
        if case.id in seen:
            raise UsageError(f"two cases have the id {case.id[:60]!r}: each has its own")
        seen[case.id] = case
    return tuple(seen.values())
