"""The report of a run, in one shape: `parity/reports/latest.json` (report.schema.json) and Markdown.

`status` is what the thresholds say of these counts. It is a report and no evidence: a file can be edited, copied
and committed, so no gate believes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from .compare import CaseResult, Verdict
from .judge import Count, Summary, Violation, _count, summary
from .strict import writable

VERSION: Final = "1"
MOST_SHOWN: Final = 50  # violations in Markdown


class Noise(msgspec.Struct, frozen=True):
    """A field that did not answer the same each time: `different` of `asked` answers are not the first."""

    case: str
    field: str
    asked: int
    different: int


class Provenance(msgspec.Struct, frozen=True, rename="camel"):
    """What was asked, with what: by which everything in a report can be found again."""

    candidate: str
    dataset_content_hash: str
    thresholds_content_hash: str
    git_head_sha: str
    suites: Mapping[str, str] = {}


def make(
    results: Sequence[CaseResult],
    violations: Sequence[Violation],
    *,
    run: str,
    at: str,
    dataset_version: str,
    threshold_version: str,
    provenance: Provenance,
    noise: Iterable[Noise] = (),
) -> dict[str, Any]:
    """The report, as values of JSON."""
    counts = summary(results)
    return {
        "version": VERSION,
        "runId": run,
        "timestamp": at,
        "datasetVersion": dataset_version,
        "thresholdVersion": threshold_version,
        "status": "fail" if violations else "pass",
        **_totals(counts),
        "byReasonCode": _reasons(results),
        "docResults": [_document(one) for one in results],
        "violations": [msgspec.to_builtins(one) for one in violations],
        "improvements": [
            {"case": one.id, "field": field.name, "message": field.message}
            for one in results
            for field in one.fields
            if field.verdict is Verdict.IMPROVED
        ],
        "noise": [msgspec.to_builtins(one) for one in noise],
        "provenance": msgspec.to_builtins(provenance),
    }


def written(report: Mapping[str, Any]) -> bytes:
    """The bytes of `latest.json`."""
    return (json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people: the verdict, the counts, what stands against it."""
    lines = [
        f"# Parity: {report['status']}",
        "",
        f"{report['passRate']} % of {report['totalFields']} fields are the same, in {report['totalCases']} cases.",
        "",
        "| severity | the same | of |",
        "|---|---|---|",
        *(f"| {name} | {one['passed']} | {one['total']} |" for name, one in report["bySeverity"].items()),
    ]
    violations = report["violations"]
    if violations:
        lines += ["", "## Violations", "", "| case | field | what |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.get('case', ''))} | {_cell(one.get('field', ''))} | {_cell(one['message'])} |"
            for one in violations[:MOST_SHOWN]
        ]
        more = len(violations) - MOST_SHOWN
        lines += ["", f"{more} more are in the report."] if more > 0 else []
    for title, key in (("Improvements", "improvements"), ("Noise", "noise")):
        if report[key]:
            lines += ["", f"## {title}", ""]
            lines += [f"- {one['case']}, {one['field']}" for one in report[key][:MOST_SHOWN]]
    return "\n".join(lines) + "\n"


def _totals(counts: Summary) -> dict[str, Any]:
    return {
        "passRate": writable(counts.fields.percent),
        "totalCases": counts.cases,
        "worseCases": counts.worse_cases,
        "totalFields": counts.fields.total,
        "passedFields": counts.fields.passed,
        "failedFields": counts.fields.total - counts.fields.passed,
        "improvedFields": counts.improved,
        "worseFields": counts.worse,
        "newFailures": counts.new_failures,
        "expectedFailures": {"met": counts.met, "missed": counts.missed, "unexpected": counts.surprises},
        "bySeverity": _counts(counts.severities),
        "byDocumentType": _counts(counts.types),
    }


def _counts(counts: Mapping[str, Count]) -> dict[str, Any]:
    return {name: {"passed": one.passed, "total": one.total} for name, one in counts.items()}


def _document(one: CaseResult) -> dict[str, Any]:
    count = _count(one.fields)
    passed = one.verdict is Verdict.SAME and not any(field.failure for field in one.fields)
    return {
        "id": one.id,
        "name": one.name,
        "kind": "negative" if one.negative else "positive",
        "documentType": one.document_type,
        "status": "pass" if passed else "fail",
        "verdict": str(one.verdict),
        "passRate": writable(count.percent),
    }


def _reasons(results: Iterable[CaseResult]) -> dict[str, Any]:
    found: dict[str, int] = {}
    for one in results:
        for field in one.fields:
            if field.reason and (field.bad or field.failure):
                found[field.reason] = found.get(field.reason, 0) + 1
    return {code: {"total": total} for code, total in sorted(found.items())}


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
