"""The promotion gates' own datasets, read as they are: documents with validated fields become cases.

An `Adapter` (`parity/config/adapter.toml`) says how a document is asked, and where its answer lies.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta

from ..checks.answers import MISSING, find
from ..config_rules import METHOD
from ..errors import UsageError
from . import stamp, strict
from .cases import Answer, Case, Expected, Given, Question, Severity, unique
from .compare import CONFIDENCE
from .thresholds import Thresholds

PASSED: Final = "passed"


class Adapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a document is asked: `{id}` in `path` is its id, `body` the part of it that is sent ("" for none).

    `fields`, `result` and `findings` say where the answer has the validated fields, the result and the findings.
    `types` are the documents' types by id, `confidence` by how much a confidence may be lower.
    """

    path: str
    method: Annotated[str, Meta(pattern=rf"\A{METHOD}\Z")]
    body: str = "extractedFields"
    headers: Mapping[str, str] = {}
    fields: str = "validatedFields"
    result: str = "result"
    findings: str = "findings"
    types: Mapping[str, str] = {}
    confidence: float = float(CONFIDENCE)
    repeat: Annotated[int, Meta(ge=1, le=100)] = 1


class _Field(msgspec.Struct, rename="camel"):
    ruleId: str
    field: str
    status: str
    severity: Severity
    value: Any = UNSET
    confidence: Any = None
    reasonCode: Any = UNSET


class _Failure(msgspec.Struct):
    ruleId: str
    field: str
    reasonCode: str
    severity: Severity


class _Document(msgspec.Struct):
    id: Annotated[str, Meta(min_length=1)]
    name: str
    expectedResult: Literal["pass", "fail"]
    extractedFields: dict[str, Any]
    validatedFields: list[_Field]
    findings: list[dict[str, Any]]
    expectedFailures: list[_Failure] | None = None


class _Dataset(msgspec.Struct):
    version: str
    documents: list[_Document]


class Dataset(msgspec.Struct, frozen=True):
    """A dataset: its cases, the hash of its content, and what a gate names against it, unread by any run."""

    version: str
    cases: tuple[Case, ...]
    content_hash: str
    problems: tuple[str, ...] = ()


def adapter(path: Path, name: str) -> Adapter:
    """The adapter of a file. Raises UsageError that names it."""
    try:
        said = tomllib.loads(strict.text_of(path, name))
        return msgspec.convert(said, Adapter)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{name}: {error}") from error


def dataset(text: str, how: Adapter, limits: Thresholds | None = None) -> Dataset:
    """A dataset's cases. Raises ValueError when it cannot be read at all; what breaks its schema is a problem."""
    document = strict.decode(text)
    try:
        read = msgspec.convert(document, _Dataset)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)[:300]) from error
    wrong = stamp.problem(text)
    problems = [wrong] if wrong else []
    problems += _schema(document) + _codes(read, limits or Thresholds())
    raw = {one["id"]: one for one in document["documents"]}
    cases = unique(_case(one, raw[one.id], how) for one in read.documents)
    return Dataset(read.version, cases, stamp.of_text(text), tuple(problems))


def answer(body: Any, how: Adapter) -> Answer:
    """What a candidate answered for a document, read from the JSON value of its body."""
    found = find(body, how.fields)
    if not isinstance(found, list):
        return Answer(problem=f"the answer has no list {how.fields}")
    fields: dict[str, list[Given]] = {}
    for one in found:
        if not isinstance(one, dict) or not isinstance(one.get("field"), str):
            return Answer(problem=f"an element of {how.fields} is no field")
        fields.setdefault(f"{one.get('ruleId')}:{one['field']}", []).append(_given(one))
    result, findings = find(body, how.result), find(body, how.findings)
    return Answer(
        {name: tuple(each) for name, each in fields.items()},
        None if result is MISSING else result,
        _findings(findings) if isinstance(findings, list) else None,
    )


def _given(one: Mapping[str, Any]) -> Given:
    return Given(
        value=one.get("value", UNSET),
        status=one.get("status", ""),
        severity=one.get("severity"),
        reason=one.get("reasonCode"),
        confidence=one.get("confidence"),
    )


def _case(one: _Document, raw: Mapping[str, Any], how: Adapter) -> Case:
    body = find(raw, how.body) if how.body else UNSET
    common: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "document_type": how.types.get(one.id, ""),
        "question": Question(how.path.replace("{id}", one.id), how.method, how.headers, body),
        "repeat": how.repeat,
        "result": one.expectedResult,
    }
    if one.expectedFailures is not None:
        fields = {
            f"{each.ruleId}:{each.field}": Expected(each.severity, status="failed", reason=each.reasonCode)
            for each in one.expectedFailures
        }
        return Case(fields=fields, negative=True, **common)
    return Case(
        fields=_fields(one),
        findings=_findings(one.findings),
        **common,
    )


def _fields(one: _Document) -> dict[str, Expected]:
    made: dict[str, Expected] = {}
    for field in one.validatedFields:
        name = f"{field.ruleId}:{field.field}"
        if name in made:
            raise ValueError(f"{one.id} expects {name} twice")
        made[name] = Expected(
            field.severity,
            field.value,
            status=field.status,
            reason=field.reasonCode,
            confidence=field.confidence,
        )
    return made


def _findings(found: list[Any]) -> frozenset[str]:
    return frozenset(f"{one.get('ruleId')}:{one.get('field')}" for one in found if isinstance(one, dict))


def _schema(document: Mapping[str, Any]) -> list[str]:
    """What the dataset's schema asks for and a run does not need."""
    wrong = [
        f"it has no {key}"
        for key, kind in (
            ("schemaVersion", str),
            ("rules", list),
            ("reasonCodes", dict),
            ("severityLevels", dict),
        )
        if not isinstance(document.get(key), kind) or not document[key]
    ]
    return wrong + ([] if document["documents"] else ["it has no documents"])


def _codes(read: _Dataset, limits: Thresholds) -> list[str]:
    """Reason codes that the thresholds do not know, and reasons of what passed."""
    wrong = []
    for one in read.documents:
        for field in one.validatedFields:
            code, where = field.reasonCode, f"{one.id}, {field.ruleId}"
            if limits.silent_pass and field.status == PASSED and code not in (UNSET, None):
                wrong.append(f"{where} passed, and has the reason {str(code)[:40]!r}")
            elif limits.codes and code not in (UNSET, None) and code not in limits.codes:
                wrong.append(
                    f"{where} has the reason {str(code)[:40]!r}, which thresholds.json does not know"
                )
    return wrong


def confidence(how: Adapter) -> Decimal:
    """By how much a confidence may be lower, as it was written."""
    return Decimal(repr(how.confidence))
