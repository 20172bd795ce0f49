"""The faults of the promotion gates' parity, each shown not to exist here. The numbers are those of their list."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from roadworthy.parity import baseline, judge, originals, strict, thresholds
from roadworthy.parity.compare import compare_all
from roadworthy.parity.thresholds import Thresholds

HOW = originals.Adapter("/", "POST", result="expectedResult")


def field(rule: str, **changes: Any) -> dict[str, Any]:
    said = {"ruleId": rule, "field": "total", "status": "passed", "severity": "S0", "value": 450}
    return {**said, "reasonCode": None, "confidence": 0.9, **changes}


def dataset() -> dict[str, Any]:
    common = {"name": "D", "extractedFields": {}, "findings": []}
    failed = field("R1", status="failed", reasonCode="CONFLICT")
    return {
        "version": "1.0.0",
        "documents": [
            {"id": "d1", "expectedResult": "pass", "validatedFields": [field("R1"), field("R2")], **common},
            {
                "id": "d2",
                "expectedResult": "fail",
                "validatedFields": [failed, field("R2")],
                "expectedFailures": [
                    {"ruleId": "R1", "field": "total", "reasonCode": "CONFLICT", "severity": "S0"}
                ],
                **common,
            },
        ],
    }


def passes(answers: Any, golden: Any = None, limits: Thresholds | None = None) -> bool:
    golden = golden or dataset()
    read = originals.dataset(json.dumps(golden), HOW)
    given = {one["id"]: originals.answer(strict.decode(json.dumps(one)), HOW) for one in answers}
    return not judge.against(compare_all(read.cases, given), limits or Thresholds())


def changed(where: tuple[Any, ...], value: Any) -> list[Any]:
    """The right answers, but for one thing."""
    answers: Any = deepcopy(dataset()["documents"])
    place = answers
    for part in where[:-1]:
        place = place[part]
    if value is KeyError:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    return answers


FIRST = (0, "validatedFields", 0)


def test_the_right_answers_pass():
    assert passes(dataset()["documents"])


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ((*FIRST, "value"), "garbage"),
        ((*FIRST, "value"), "450"),
        ((*FIRST, "value"), None),
        ((*FIRST, "value"), KeyError),
        ((*FIRST, "status"), "error"),
        ((*FIRST, "status"), "skipped"),
        ((*FIRST, "status"), KeyError),
        ((*FIRST, "severity"), "S3"),
        ((*FIRST, "severity"), KeyError),
        ((*FIRST, "reasonCode"), "CONFLICT"),
        ((*FIRST, "confidence"), KeyError),
        ((*FIRST, "confidence"), "0.9"),
        ((*FIRST, "confidence"), 0.8),
        ((0, "expectedResult"), "fail"),
        ((0, "findings"), [{"ruleId": "R1", "field": "total"}]),
        ((0, "validatedFields"), []),
        ((0, "validatedFields"), None),
        ((0, "validatedFields"), [field("R1"), field("R1"), field("R2")]),
        ((0, "validatedFields"), [field("R1"), field("R2"), field("R3", status="failed")]),
        ((1, "validatedFields", 1, "status"), "failed"),  # a negative suite's unexpected failure
        ((1, "validatedFields", 0, "status"), "passed"),
        ((1, "validatedFields", 0, "reasonCode"), "MISSING_FIELD"),
        ((1, "validatedFields", 0, "severity"), "S1"),
    ],
)
def test_fault_05_no_other_answer_passes(where, value):
    # Garbage, errors, skipped checks, lowered severities and unexpected failures passed.
    assert not passes(changed(where, value))


def test_fault_05_an_empty_dataset_and_no_answer_at_all_fail():
    assert not passes([], {"version": "1.0.0", "documents": []})
    assert not passes([])
    assert not passes(dataset()["documents"][:1])


def test_fault_05_a_confidence_that_differs_by_rounding_is_the_same():
    # It failed for the twelfth digit.
    assert passes(changed((*FIRST, "confidence"), 0.899999999999))


def test_fault_01_answers_come_from_the_candidate_and_never_from_the_dataset():
    # The runner made the answers of the dataset. Here a document without an answer has none.
    read = originals.dataset(json.dumps(dataset()), HOW)
    assert {one.verdict for one in compare_all(read.cases, {})} == {"missing"}


LIMITS: dict[str, Any] = {
    "version": "1.0.0",
    "thresholds": {"overall": {"minPassRate": 0.5, "maxWorseCount": 1}},
    "alerts": {},
    "ci": {},
}


def test_fault_04_the_thresholds_are_those_of_the_file():
    # They stood in the code, and the file was not read.
    wrong = changed((*FIRST, "value"), 1)
    assert passes(wrong, limits=thresholds.of_text(json.dumps(LIMITS)))
    strict_ones = {**LIMITS, "thresholds": {"overall": {"minPassRate": 0.51, "maxWorseCount": 1}}}
    assert not passes(wrong, limits=thresholds.of_text(json.dumps(strict_ones)))
    unsaid = thresholds.of_text(json.dumps({**LIMITS, "thresholds": {"overall": {}}}))
    assert (unsaid.overall.rate, unsaid.overall.worse) == (Decimal(1), 0)


REPORT: dict[str, Any] = {
    "timestamp": "2030-01-01T00:00:00Z",
    "datasetVersion": "1.0.0",
    "thresholdVersion": "1.0.0",
    "status": "pass",
    "passRate": 100,
    "totalFields": 1,
    "passedFields": 1,
    "failedFields": 0,
    "bySeverity": {"S0": {"passed": 1, "total": 1}},
    "docResults": [{"id": "d1", "name": "D", "status": "pass", "passRate": 100}],
}


@pytest.mark.parametrize("status", ["fail", "unknown", "", "PASS", "passed"])
def test_fault_03_only_the_word_for_a_success_is_one_in_a_report(status):
    # The status was compared with "fail" alone.
    base = baseline.create("1.0.0", REPORT, at="", by="")
    assert not baseline.compare(REPORT, base, Thresholds()).violations
    found = baseline.compare({**REPORT, "status": status}, base, Thresholds())
    assert [one.rule for one in found.violations] == ["status"]
    with pytest.raises(ValueError, match="did not pass"):
        baseline.create("1.0.1", {**REPORT, "status": status}, at="", by="")


def test_fault_06_a_report_without_severities_is_refused_in_words():
    # The comparison crashed on what the runner wrote.
    base = baseline.create("1.0.0", REPORT, at="", by="")
    runner = {"version": "1.0.0", "runId": "x", "status": "pass", "summary": {"totalDocuments": 1}}
    with pytest.raises(ValueError, match="the report: "):
        baseline.compare(runner, base, Thresholds())
