"""One answer compared with what was expected, field by field. Pure: no thresholds, no files, no clock.

- A field is the same only when its value, status, severity and reason are. A status that is another is worse,
  whatever it changed to; only what failed and now passes, and a higher confidence, are improvements.
- An improvement is not the same: the golden dataset no longer says what the system does, and a person looks at it.
- What fails unexpectedly, beside what was expected, is a failure. What is answered twice is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from .cases import Answer, Case, Expected, Given
from .tolerance import equal

CONFIDENCE: Final = Decimal(
    "0.000001"
)  # by which a confidence may be lower, unless the adapter says otherwise
MISSING: Final = Answer(problem="no answer")
_SHOWN: Final = 200  # characters of a value in a report


class Verdict(StrEnum):
    """How what was answered stands to what was expected."""

    SAME = "same"
    IMPROVED = "improved"
    WORSE = "worse"
    MISSING = "missing"
    NEW = "new"


class FieldResult(msgspec.Struct, frozen=True):
    """One field of one case. `failure` marks one that fails and was not expected at all."""

    name: str
    verdict: Verdict
    severity: str = ""
    message: str = ""
    reason: str | None = None
    failure: bool = False

    @property
    def bad(self) -> bool:
        """True for a field that is worse than expected, or not there."""
        return self.verdict in (Verdict.WORSE, Verdict.MISSING)


class CaseResult(msgspec.Struct, frozen=True):
    """One case. `problems` are those of the whole: its result, its findings, no answer at all."""

    id: str
    name: str
    document_type: str
    negative: bool
    verdict: Verdict
    fields: tuple[FieldResult, ...]
    problems: tuple[str, ...] = ()
    failure: bool = False

    @property
    def bad(self) -> bool:
        """True for a case that is worse than expected, or was not answered."""
        return self.verdict in (Verdict.WORSE, Verdict.MISSING)


def compare(case: Case, answer: Answer, confidence: Decimal = CONFIDENCE) -> CaseResult:
    """How one answer stands to its case."""
    if answer.problem:
        lost = tuple(
            FieldResult(name, Verdict.MISSING, one.severity, answer.problem)
            for name, one in case.fields.items()
        )
        return _result(case, Verdict.MISSING, lost, (answer.problem,))
    fields = [_field(name, one, answer.fields.get(name, ()), confidence) for name, one in case.fields.items()]
    if case.negative:  # what must fail and passes is missed, and no improvement
        fields = [_missed(one) if one.verdict is Verdict.IMPROVED else one for one in fields]
    fields += [
        one
        for name, given in answer.fields.items()
        if name not in case.fields
        for one in _extra(name, given, case)
    ]
    problems = tuple(_whole(case, answer))
    return _result(case, _together(fields, problems), tuple(fields), problems)


def compare_all(
    cases: Iterable[Case], answers: Mapping[str, Answer], confidence: Decimal = CONFIDENCE
) -> tuple[CaseResult, ...]:
    """Every case with its answer, then what was answered beside them."""
    results = [compare(case, answers.get(case.id, MISSING), confidence) for case in cases]
    known = {one.id for one in results}
    return (*results, *(_unasked(name, answers[name]) for name in answers if name not in known))


def _missed(one: FieldResult) -> FieldResult:
    return replace(one, verdict=Verdict.WORSE)


def _field(name: str, expected: Expected, given: tuple[Given, ...], confidence: Decimal) -> FieldResult:
    if not given:
        return FieldResult(name, Verdict.MISSING, expected.severity, "not answered")
    verdict, message = (
        (Verdict.WORSE, f"answered {len(given)} times")
        if len(given) > 1
        else _judge(expected, given[0], confidence)
    )
    reason = given[0].reason if isinstance(given[0].reason, str) else None
    return FieldResult(name, verdict, expected.severity, message, reason)


def _judge(expected: Expected, given: Given, confidence: Decimal) -> tuple[Verdict, str]:
    if expected.value is not UNSET and not equal(expected.value, given.value, expected.tolerance):
        return Verdict.WORSE, f"is {shown(given.value)}, expected {shown(expected.value)}"
    if given.severity is not UNSET and given.severity != expected.severity:
        return Verdict.WORSE, f"its severity is {shown(given.severity)}, expected {expected.severity}"
    if given.status != expected.status:
        better = expected.status == "failed" and given.status == "passed"
        said = f"{expected.status} became {shown(given.status)}"
        return (Verdict.IMPROVED if better else Verdict.WORSE), said
    if expected.reason is not UNSET and given.reason != expected.reason:
        return Verdict.WORSE, f"its reason is {shown(given.reason)}, expected {shown(expected.reason)}"
    if expected.confidence is None:
        return Verdict.SAME, ""
    return _confidence(Decimal(expected.confidence), given.confidence, confidence)


def _confidence(expected: Decimal, given: Any, within: Decimal) -> tuple[Verdict, str]:
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        return Verdict.WORSE, "it has no confidence"
    if abs(given - expected) <= within:
        return Verdict.SAME, ""
    return (Verdict.IMPROVED if given > expected else Verdict.WORSE), f"confidence {expected} became {given}"


def _extra(name: str, given: tuple[Given, ...], case: Case) -> Iterable[FieldResult]:
    """What was answered and not expected. A negative case names what must fail alone, so what passes is no news."""
    for one in given:
        failed = one.status != "passed"
        if failed or not case.negative:
            severity = one.severity if isinstance(one.severity, str) else ""
            said = f"{shown(one.status)}, not expected" if failed else "not expected"
            reason = one.reason if isinstance(one.reason, str) else None
            yield FieldResult(name, Verdict.NEW, severity, said, reason, failure=failed)


def _whole(case: Case, answer: Answer) -> Iterable[str]:
    if case.result is not None and answer.result != case.result:
        yield f"the result is {shown(answer.result)}, expected {shown(case.result)}"
    if case.findings is not None and answer.findings != case.findings:
        found = answer.findings or frozenset()
        lost, more = sorted(case.findings - found), sorted(found - case.findings)
        parts = [
            f"{word} {', '.join(names)[:_SHOWN]}"
            for word, names in (("without", lost), ("with", more))
            if names
        ]
        yield f"other findings: {' and '.join(parts) or 'none are answered'}"


def _together(fields: Iterable[FieldResult], problems: tuple[str, ...]) -> Verdict:
    verdicts = {one.verdict for one in fields}
    if problems or verdicts & {Verdict.WORSE, Verdict.MISSING}:
        return Verdict.WORSE
    return Verdict.IMPROVED if Verdict.IMPROVED in verdicts else Verdict.SAME


def _result(
    case: Case, verdict: Verdict, fields: tuple[FieldResult, ...], problems: tuple[str, ...]
) -> CaseResult:
    return CaseResult(case.id, case.name, case.document_type, case.negative, verdict, fields, problems)


def _unasked(name: str, answer: Answer) -> CaseResult:
    failed = (
        bool(answer.problem)
        or answer.result == "fail"
        or any(one.status != "passed" for given in answer.fields.values() for one in given)
    )
    return CaseResult(name, "", "", False, Verdict.NEW, (), failure=failed)


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    text = "nothing" if value is UNSET else str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
