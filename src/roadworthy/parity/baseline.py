"""Baselines: a run that passed, kept under a version and never changed, against which later runs may not regress.

The floor of the thresholds and the regression both count. A rate may differ by a tenth of a percent point.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from . import strict
from .cases import SEVERITIES
from .judge import Count, Violation, over
from .thresholds import Thresholds

BAND: Final = Decimal("0.1")  # percent points by which a rate may differ and be the same
SAME: Final = "same"
_COUNT = Annotated[int, Meta(ge=0)]


class _Document(msgspec.Struct):
    id: str
    name: str
    status: str
    passRate: Decimal | int


class _Metrics(msgspec.Struct):
    passRate: Decimal | int
    totalFields: _COUNT
    passedFields: _COUNT
    failedFields: _COUNT
    bySeverity: dict[str, Count]


class _Report(_Metrics):
    timestamp: str
    datasetVersion: str
    thresholdVersion: str
    status: str
    docResults: list[_Document]


class _Source(msgspec.Struct):
    timestamp: str
    datasetVersion: str
    thresholdVersion: str


class _Baseline(msgspec.Struct):
    version: str
    sourceReport: _Source
    metrics: _Metrics
    docResults: list[_Document]


_Read = TypeVar("_Read", _Report, _Baseline)


class Comparison(msgspec.Struct, frozen=True):
    """A run beside a baseline: how each part moved (same, improved, regressed, new), and what stands against it."""

    direction: str
    gained: int
    lost: int
    severities: Mapping[str, str]
    documents: Mapping[str, str]
    same_dataset: bool
    same_thresholds: bool
    violations: tuple[Violation, ...]


def compare(report: Any, baseline: Any, limits: Thresholds, *, strictly: bool = False) -> Comparison:
    """A report beside a baseline, both as JSON values; with `strictly`, of the same dataset and thresholds.

    Raises ValueError for one that lacks a number, or has it wrong.
    """
    now, then = _read(report, _Report, "the report"), _read(baseline, _Baseline, "the baseline")
    before = then.metrics
    same = (
        now.datasetVersion == then.sourceReport.datasetVersion,
        now.thresholdVersion == then.sourceReport.thresholdVersion,
    )
    if strictly and not all(same):
        raise ValueError("the report and the baseline are not of the same dataset and thresholds")
    lost = max(0, before.passedFields - now.passedFields)
    severities: dict[str, str] = {
        name: _severity(now.bySeverity.get(name), before.bySeverity.get(name))
        for name in SEVERITIES
        if name in now.bySeverity or name in before.bySeverity
    }
    made = Comparison(
        direction=moved(Decimal(now.passRate), Decimal(before.passRate)),
        gained=max(0, now.passedFields - before.passedFields),
        lost=lost,
        severities=severities,
        documents=_documents(now.docResults, then.docResults),
        same_dataset=same[0],
        same_thresholds=same[1],
        violations=(),
    )
    return msgspec.structs.replace(made, violations=tuple(_against(now, then, made, limits)))


def create(version: str, report: Any, *, at: str, by: str) -> dict[str, Any]:
    """The baseline that a report becomes, as JSON values. Raises ValueError for one that may not.

    Only a run that passed is one: what failed is nothing to hold others against.
    """
    if not re.match(strict.SEMVER, version):
        raise ValueError("a baseline's version is semver, for example 1.0.0")
    read = _read(report, _Report, "the report")
    if read.status != "pass":
        raise ValueError("the report did not pass, and is nothing to hold others against")
    metrics = ("passRate", "totalFields", "passedFields", "failedFields", "bySeverity")
    content = {
        "version": version,
        "sourceReport": {key: report[key] for key in ("timestamp", "datasetVersion", "thresholdVersion")},
        "metrics": {
            **{key: report[key] for key in metrics},
            "bySeverity": {name: report["bySeverity"][name] for name in sorted(report["bySeverity"])},
        },
        "docResults": sorted(
            ({key: one[key] for key in ("id", "name", "status", "passRate")} for one in report["docResults"]),
            key=lambda one: str(one["id"]),
        ),
    }
    plain: dict[str, Any] = strict.writable(content)
    return {
        "version": version,
        "createdAt": at,
        "createdBy": by,
        "contentHash": _hash(plain),
        "sourceReport": plain["sourceReport"],
        "metrics": plain["metrics"],
        "docResults": plain["docResults"],
    }


def problem(baseline: Any) -> str:
    """Why a baseline is not what was made; "" when it is."""
    try:
        _read(baseline, _Baseline, "the baseline")
    except ValueError as error:
        return str(error)
    content = {key: baseline[key] for key in ("version", "sourceReport", "metrics", "docResults")}
    if baseline.get("contentHash") != _hash(strict.writable(content)):
        return "the baseline's hash is not that of its content: it was edited"
    return ""


def moved(now: Decimal, before: Decimal) -> str:
    """How a rate in percent moved."""
    if abs(now - before) <= BAND:
        return SAME
    return "improved" if now > before else "regressed"


def _against(now: _Report, then: _Baseline, found: Comparison, limits: Thresholds) -> Iterable[Violation]:
    least = limits.overall.rate * 100
    if not now.totalFields or Decimal(now.passRate) < least:
        yield Violation("pass-rate", f"{now.passRate} % are the same, the least is {least:f} %")
    if now.status != "pass":
        yield Violation("status", f"the run itself ended as {now.status[:20]!r}")
    if limits.regression_fails and found.direction == "regressed" and over(found.lost, limits.overall.worse):
        yield Violation("regression", f"{found.lost} fields fewer are the same than in {then.version}")
    yield from _by_document(now, then, found, limits)
    for name, limit in limits.severities.items():
        count = now.bySeverity.get(name, Count(0, 0))
        if count.below(limit.rate):
            yield Violation("severity", f"{name}: {count.percent} %, the least is {limit.rate * 100:f} %")
        lost = then.metrics.bySeverity.get(name, Count(0, 0)).passed - count.passed
        if limits.regression_fails and found.severities.get(name) == "regressed" and over(lost, limit.worse):
            yield Violation("severity", f"{name}: {lost} fields fewer are the same than in {then.version}")


def _by_document(now: _Report, then: _Baseline, found: Comparison, limits: Thresholds) -> Iterable[Violation]:
    worse = [name for name, how in found.documents.items() if how == "regressed"]
    if over(len(worse), limits.worse_cases):
        yield Violation("documents", f"regressed: {', '.join(worse)[:300]}; at most {limits.worse_cases} may")
    before = {one.id: one.status for one in then.docResults}
    failed = [
        one.id for one in now.docResults if one.status != "pass" and before.get(one.id) in (None, "pass")
    ]
    if len(failed) > limits.overall.new:
        yield Violation("new-failures", f"failed, and did not before: {', '.join(failed)[:300]}")


def _documents(now: Iterable[_Document], before: Iterable[_Document]) -> dict[str, str]:
    rates = {one.id: Decimal(one.passRate) for one in now}
    found = {
        one.id: moved(rates[one.id], Decimal(one.passRate)) if one.id in rates else "regressed"
        for one in before
    }
    return {**found, **{name: "new" for name in rates if name not in found}}


def _severity(now: Count | None, before: Count | None) -> str:
    if before is None:
        return "new"
    return moved(_percent(now), _percent(before))


def _percent(count: Count | None) -> Decimal:
    return Decimal(100 * count.passed) / count.total if count and count.total else Decimal(0)


def _read(value: Any, kind: type[_Read], name: str) -> _Read:
    try:
        read = msgspec.convert(value, kind, builtin_types=(Decimal,))
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}"[:300]) from error
    metrics = read.metrics if isinstance(read, _Baseline) else read
    unknown = set(metrics.bySeverity) - set(SEVERITIES)
    if unknown:
        raise ValueError(f"{name} has severities that nobody knows: {', '.join(sorted(unknown))[:100]}")
    return read


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
