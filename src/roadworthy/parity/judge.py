"""Does a run pass? Its counts, and what stands against it by the thresholds: the floor. Pure, and exact: no floats.

A run in which nothing was compared fails, and so does one in which a severity or a document type that the
thresholds name has no field: what nobody measured is not met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from .cases import SEVERITIES
from .compare import CaseResult, FieldResult, Verdict
from .thresholds import Limit, Thresholds


class Violation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing against a run: the rule that is broken, and where it is said, the case and the field."""

    rule: str
    message: str
    case: str = ""
    field: str = ""
    severity: str = ""


class Count(msgspec.Struct, frozen=True):
    """Of `total` fields, `passed` are the same."""

    passed: int
    total: int

    def below(self, rate: Decimal) -> bool:
        """True when fewer than `rate` passed, or nothing was counted."""
        return not self.total or self.passed < rate * self.total

    @property
    def percent(self) -> Decimal:
        """The rate in percent, with two digits, never rounded up: 99.999 is not 100."""
        return Decimal(self.passed * 10_000 // self.total) / 100 if self.total else Decimal(0)


class Summary(msgspec.Struct, frozen=True):
    """A run in numbers; only positive cases have a rate. Negative ones are missed, met, or surprise."""

    cases: int
    fields: Count
    improved: int
    worse: int
    worse_cases: int
    new_failures: int
    severities: Mapping[str, Count]
    types: Mapping[str, Count]
    missed: int
    met: int
    surprises: int


def summary(results: Sequence[CaseResult]) -> Summary:
    """The counts of a run."""
    positive = [one for one in results if not one.negative]
    negative = [field for one in results if one.negative for field in one.fields]
    fields = [field for one in positive for field in one.fields]
    expected = [field for field in negative if field.verdict is not Verdict.NEW]
    met = sum(not field.bad for field in expected)
    return Summary(
        cases=len(results),
        fields=_count(fields),
        improved=sum(field.verdict is Verdict.IMPROVED for field in fields),
        worse=sum(field.bad for field in fields),
        worse_cases=sum(one.bad for one in positive),
        new_failures=sum(field.failure for field in fields) + sum(one.failure for one in positive),
        severities=_by(fields, lambda field: field.severity, SEVERITIES),
        types={
            kind: _count([field for one in positive if one.document_type == kind for field in one.fields])
            for kind in sorted({one.document_type for one in positive if one.document_type})
        },
        missed=len(expected) - met,
        met=met,
        surprises=sum(field.failure for field in negative),
    )


def against(results: Sequence[CaseResult], limits: Thresholds) -> tuple[Violation, ...]:
    """What stands against a run, rule by rule, then field by field. Nothing: it passes."""
    counts = summary(results)
    rules = list(_positive(results, counts, limits)) + list(_negative(counts, limits))
    if not counts.fields.total and not (counts.met or counts.missed):
        rules.insert(0, Violation("empty", "nothing was compared: the dataset has no case, or no field"))
    return (*rules, *_details(results)) if rules else ()


def _positive(results: Sequence[CaseResult], counts: Summary, limits: Thresholds) -> Iterable[Violation]:
    if all(one.negative for one in results):
        return
    overall = limits.overall
    if over(counts.worse_cases, limits.worse_cases):
        yield _over("worse-cases", "cases are worse", counts.worse_cases, limits.worse_cases)
    if over(counts.worse, overall.worse):
        yield _over("worse-fields", "fields are worse", counts.worse, overall.worse)
    if counts.new_failures > overall.new:
        yield _over("new-failures", "new failures", counts.new_failures, overall.new)
    yield from _floor("pass-rate", "", counts.fields, overall)
    yield from _parts("severity", counts.severities, limits.severities, _worse_by_severity(results))
    yield from _parts("document-type", counts.types, limits.types, _worse_by_type(results))


def _parts(
    what: str, counts: Mapping[str, Count], limits: Mapping[str, Limit], worse: Mapping[str, int]
) -> Iterable[Violation]:
    for name, limit in limits.items():
        count = counts.get(name, Count(0, 0))
        yield from _floor(what, name, count, limit)
        if over(worse.get(name, 0), limit.worse):
            yield _over(what, f"fields of {name} are worse", worse[name], limit.worse)


def _floor(rule: str, name: str, count: Count, limit: Limit) -> Iterable[Violation]:
    of = f"{name}: " if name else ""
    if not count.total:
        yield Violation(rule, f"{of}no field is compared, so nobody knows its rate")
    elif count.below(limit.rate):
        yield Violation(rule, f"{of}{count.percent} % are the same, the least is {limit.rate * 100:f} %")


def _negative(counts: Summary, limits: Thresholds) -> Iterable[Violation]:
    if limits.every_expected_failure and counts.missed:
        yield Violation("expected-failures", f"{counts.missed} expected failures were not detected")
    if not limits.unexpected_failures and counts.surprises:
        yield Violation("unexpected-failures", f"{counts.surprises} failures beside those that were expected")


def _details(results: Iterable[CaseResult]) -> Iterable[Violation]:
    for one in results:
        if one.failure:
            yield Violation("new-failures", "it fails, and was not asked for", case=one.id)
        for problem in one.problems:
            yield Violation("case", problem, case=one.id)
        for field in one.fields:
            if field.verdict is not Verdict.SAME and (field.verdict is not Verdict.NEW or field.failure):
                said = f"{field.verdict}: {field.message}"
                yield Violation("field", said, one.id, field.name, field.severity)


def over(count: int, most: int | None) -> bool:
    """True when there are more than may be; None is no limit."""
    return most is not None and count > most


def _over(rule: str, what: str, count: int, most: int | None) -> Violation:
    return Violation(rule, f"{count} {what}, at most {most} may be")


def _count(fields: Iterable[FieldResult]) -> Count:
    verdicts = [field.verdict for field in fields]
    return Count(verdicts.count(Verdict.SAME), len(verdicts))


def _by(
    fields: Sequence[FieldResult], key: Callable[[FieldResult], str], names: Iterable[str]
) -> dict[str, Count]:
    parts = {name: [field for field in fields if key(field) == name] for name in names}
    return {name: _count(part) for name, part in parts.items() if part}


def _worse_by_severity(results: Iterable[CaseResult]) -> dict[str, int]:
    bad = [field.severity for one in results if not one.negative for field in one.fields if field.bad]
    return {name: bad.count(name) for name in SEVERITIES}


def _worse_by_type(results: Iterable[CaseResult]) -> dict[str, int]:
    worse: dict[str, int] = {}
    for one in results:
        if not one.negative:
            worse[one.document_type] = worse.get(one.document_type, 0) + sum(f.bad for f in one.fields)
    return worse
