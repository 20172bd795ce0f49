"""Parity's pure core: tolerances, cases, the comparison, the thresholds, the report."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import UsageError
from roadworthy.parity import baseline, cases, judge, originals, report, stamp, strict, thresholds
from roadworthy.parity.cases import Answer, Case, Expected, Given, Question
from roadworthy.parity.compare import Verdict, compare, compare_all
from roadworthy.parity.thresholds import Limit, Thresholds
from roadworthy.parity.tolerance import Tolerance, equal

EXACT = strict.decode


@pytest.mark.parametrize(
    ("expected", "answered", "tolerance", "same"),
    [
        ("1", "1.0", None, True),
        ("1", "true", None, False),
        ("0", "false", None, False),
        ('"450"', "450", None, False),
        ("null", "0", None, False),
        ("[1, 2]", "[2, 1]", None, False),
        ("[1, true]", "[1, 1]", None, False),
        ('{"a": 1, "b": [2]}', '{"b": [2.0], "a": 1}', None, True),
        ('{"a": 1}', '{"a": 1, "b": 2}', None, False),
        ("0.95", "0.92", {"number": 0.03}, True),
        ("0.95", "0.9199999", {"number": 0.03}, False),
        ("100", "101", {"relative": 0.01}, True),
        ("100", "101.01", {"relative": 0.01}, False),
        ("1", "true", {"number": 5}, False),
        ("1", '"1"', {"number": 5}, False),
        ('"2026-01-15"', '"2026-01-16"', {"date": "1d"}, True),
        ('"2026-01-15"', '"2026-01-17"', {"date": "1d"}, False),
        ('"2026-01-15"', '"2026-01-15T00:00:00Z"', {"date": "1d"}, False),
        ('"2026-01-15T12:00:00Z"', '"2026-01-15T13:00:00+01:00"', {"date": "0s"}, True),
        ('"2026-01-15T12:00:00Z"', '"2026-01-15T12:00:00"', {"date": "1d"}, False),
        ('"2026-02-30"', '"2026-03-01"', {"date": "9d"}, False),
        ('"€1,450.00"', '"1450.01 €"', {"money": 0.01}, True),
        ('"€1,450.00"', '"$1450.00"', {"money": 0.01}, False),
        ('"EUR 5"', '"5"', {"money": 0.01}, False),
        ("450", '"450.00"', {"money": 0}, True),
        ('"1,45"', "145", {"money": 0}, False),
        ('"Emergency  Repair"', '"emergency repair"', {"text": ["case", "space"]}, True),
        ('"Emergency Repair"', '"emergency repair"', {"text": ["space"]}, False),
        ('"é"', '"é"', {"text": ["unicode"]}, True),
        ('"a"', '"b"', {"text": ["case", "space", "unicode"]}, False),
        ('"1"', "1", {"text": ["case"]}, False),
    ],
)
def test_values_are_equal_by_kind_and_value_or_within_what_is_declared(expected, answered, tolerance, same):
    said = None if tolerance is None else cases.msgspec.convert(tolerance, Tolerance)
    assert equal(EXACT(expected), EXACT(answered), said) is same


@pytest.mark.parametrize(
    "wrong", [{}, {"number": 1, "money": 1}, {"number": -1}, {"date": "1"}, {"date": "1w"}, {"fuzzy": 1}]
)
def test_a_tolerance_says_exactly_one_thing_that_makes_sense(wrong):
    with pytest.raises(cases.msgspec.ValidationError):
        cases.msgspec.convert(wrong, Tolerance)


LINE: dict[str, Any] = {
    "id": "total-1",
    "name": "a total",
    "type": "standard",
    "request": {"path": "/api/total", "method": "POST", "body": {"hours": 2.5}},
    "expected": {"total": {"value": 450.10, "severity": "S0", "tolerance": {"money": 0.01}}},
}


def test_a_line_is_a_case_with_exact_numbers():
    case = cases.of_line(json.dumps(LINE))
    assert case.fields["total"].value == Decimal("450.1")
    assert case.question.body == {"hours": Decimal("2.5")}
    assert (case.document_type, case.negative, case.status, case.repeat) == ("standard", False, 200, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": ""}, "has an id"),
        ({"expected": {}}, "at least one field"),
        ({"expected": {"total": {"value": 1, "severity": "critical"}}}, "severity"),
        ({"expected": {"total": {"severity": "S0"}}}, "value"),
        ({"expected": {"total": {"value": 1, "severity": "S0", "tolerence": {}}}}, "tolerence"),
        ({"request": {"path": "api"}}, "begins with /"),
        ({"request": {"path": "/", "method": "no method"}}, "method"),
        ({"repeat": 0}, "repeat"),
        ({"repeat": 101}, "repeat"),
        ({"kind": "maybe"}, "kind"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_what_is_wrong(change, said):
    with pytest.raises(ValueError, match=said):
        cases.of_line(json.dumps({**LINE, **change}))


@pytest.mark.parametrize("text", ['{"id": NaN}', '{"id": 1, "id": 2}', "{", "", "\ufeff{}"])
def test_a_line_that_readers_take_differently_is_refused(text):
    with pytest.raises(ValueError, match="not JSON"):
        cases.of_line(text)


def test_a_folder_of_cases_names_the_file_and_the_line_that_is_wrong(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(LINE) + "\n\n")
    assert len(cases.of_folder(tmp_path)) == 1
    (tmp_path / "b.jsonl").write_text("\n" + json.dumps(LINE) + "\n")
    with pytest.raises(UsageError, match="two cases have the id 'total-1'"):
        cases.of_folder(tmp_path)
    (tmp_path / "b.jsonl").write_text('\n{"id": 1}\n')
    with pytest.raises(UsageError, match=r"b\.jsonl, line 2"):
        cases.of_folder(tmp_path)


# ---- the comparison and the floor


def case(name: str = "a", *, severity: Any = "S0", value: Any = 1, **changes: Any) -> Case:
    return Case(id=name, question=Question("/"), fields={"f": Expected(severity, value)}, **changes)


def answered(value: Any = 1, **changes: Any) -> Answer:
    return Answer({"f": (Given(value, **changes),)})


def broken(results: Any, limits: Thresholds) -> set[str]:
    return {one.rule for one in judge.against(results, limits)}


@pytest.mark.parametrize("status", ["failed", "error", "skipped", "needs_review", "", None, "PASSED"])
def test_any_other_status_is_worse(status):
    found = compare(case(), answered(status=status))
    assert found.verdict is Verdict.WORSE
    assert broken([found], Thresholds()) == {"worse-cases", "worse-fields", "pass-rate", "field"}


def test_what_failed_and_passes_is_an_improvement_and_not_the_same():
    one = Case(id="a", question=Question("/"), fields={"f": Expected("S0", 1, status="failed")})
    found = compare(one, answered())
    assert found.verdict is Verdict.IMPROVED
    assert judge.summary([found]).worse == 0
    assert "pass-rate" in broken([found], Thresholds())


def test_a_failure_that_nobody_expected_is_a_failure_also_where_the_rate_is_met():
    extra = Answer({"f": (Given(1),), "g": (Given(2, status="failed"),)})
    many = [compare(case(str(n)), answered()) for n in range(99)]
    generous = Thresholds(overall=Limit(Decimal("0.5"), 9, 0))
    assert broken([*many, compare(case("x"), extra)], generous) == {"new-failures", "field"}
    assert not judge.against([*many, compare(case("x"), answered())], generous)


def test_a_rate_is_compared_without_floats():
    # 0.29 * 100 is 28.999999999999996 among floats.
    results = compare_all(
        [case(str(n)) for n in range(100)], {str(n): answered(1 if n < 29 else 2) for n in range(100)}
    )
    limits = Thresholds(overall=Limit(thresholds.exact(0.29), 100), worse_cases=100)
    assert not judge.against(results, limits)
    limits = Thresholds(overall=Limit(thresholds.exact(0.2900001), 100), worse_cases=100)
    assert "pass-rate" in broken(results, limits)


@pytest.mark.parametrize(
    "limits", [Thresholds(), Thresholds(overall=Limit(Decimal(0), 99, 99), worse_cases=99)]
)
def test_nothing_compared_never_passes(limits):
    assert "empty" in broken([], limits)
    empty = Case(id="a", question=Question("/"), fields={})
    assert "empty" in broken([compare(empty, Answer())], limits)


def test_a_severity_or_type_that_the_thresholds_name_and_nothing_measures_fails():
    found = [compare(case(document_type="standard"), answered())]
    assert not judge.against(found, Thresholds(severities={"S0": Limit()}, types={"standard": Limit()}))
    assert broken(found, Thresholds(severities={"S3": Limit(Decimal(0), None)})) == {"severity"}
    assert broken(found, Thresholds(types={"edge-case": Limit(Decimal(0), None)})) == {"document-type"}


def test_a_severity_and_a_type_have_limits_of_their_own():
    results = [
        *(compare(case(f"s{n}", severity="S0", document_type="standard"), answered()) for n in range(9)),
        compare(case("bad", severity="S3", document_type="edge"), answered(2)),
    ]
    overall = {"overall": Limit(Decimal("0.9"), 1), "worse_cases": 1}
    assert not judge.against(results, Thresholds(**overall, severities={"S3": Limit(Decimal(0), 1)}))
    assert "severity" in broken(results, Thresholds(**overall, severities={"S3": Limit(Decimal(0), 0)}))
    assert "severity" in broken(results, Thresholds(**overall, severities={"S3": Limit(Decimal("0.8"), 9)}))
    assert "document-type" in broken(results, Thresholds(**overall, types={"edge": Limit(Decimal("0.8"), 9)}))


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_rate_in_percent_is_never_rounded_up(passed, total):
    count = judge.Count(min(passed, total), total)
    assert count.percent * total <= count.passed * 100
    assert (count.percent == 100) is (count.passed == count.total)


# ---- the report


def made(results: Any, violations: Any = (), noise: Any = ()) -> dict[str, Any]:
    provenance = report.Provenance("http://127.0.0.1:1", "sha256:1", "sha256:2", "a" * 40)
    return report.make(
        results,
        violations,
        run="run",
        at="2030-01-01T00:00:00Z",
        dataset_version="1.0.0",
        threshold_version="1.0.0",
        provenance=provenance,
        noise=noise,
    )


def schema() -> Any:
    return json.loads(resources.files("roadworthy.parity").joinpath("report.schema.json").read_text())


RUNS = {
    "passed": [compare(case(), answered())],
    "failed": [compare(case(), answered(2, reason="X")), compare(case("b", negative=True), answered())],
    "nothing": [],
    "no answer": [compare(case(), Answer(problem="no answer in time"))],
}


@pytest.mark.parametrize("name", RUNS)
def test_every_report_has_the_published_shape(name):
    found = judge.against(RUNS[name], Thresholds())
    one = json.loads(report.written(made(RUNS[name], found, [report.Noise("a", "f", 3, 1)])))
    jsonschema.Draft202012Validator(schema()).validate(one)
    assert one["status"] == ("pass" if name == "passed" else "fail")
    assert isinstance(one["passRate"], int | float)
    assert report.markdown(one).startswith(f"# Parity: {one['status']}\n")


def test_a_violation_names_the_case_and_the_field():
    found = judge.against(RUNS["failed"], Thresholds())
    one = next(one for one in found if one.rule == "field")
    assert (one.case, one.field, one.severity) == ("a", "f", "S0")
    assert "is 2, expected 1" in one.message
    assert "| a | f | worse: is 2, expected 1 |" in report.markdown(made(RUNS["failed"], found))


def test_a_run_is_compared_with_the_baseline_that_it_became_and_nothing_regressed():
    one = strict.decode(report.written(made(RUNS["passed"])).decode())
    base = baseline.create("1.0.0", one, at="2030-01-01T00:00:00Z", by="ci")
    assert baseline.problem(base) == ""
    found = baseline.compare(one, base, Thresholds(severities={"S0": Limit()}), strictly=True)
    assert not found.violations
    assert found.direction == "same"
    worse = strict.decode(
        report.written(made(RUNS["failed"], judge.against(RUNS["failed"], Thresholds()))).decode()
    )
    with pytest.raises(ValueError, match="did not pass"):
        baseline.create("1.0.1", worse, at="", by="")
    rules = {one.rule for one in baseline.compare(worse, base, Thresholds()).violations}
    assert rules == {"pass-rate", "status", "regression", "documents", "new-failures"}
    base["metrics"]["passRate"] = 50
    assert "it was edited" in baseline.problem(base)


@pytest.mark.parametrize(
    "key", ["passRate", "totalFields", "passedFields", "failedFields", "bySeverity", "status"]
)
def test_a_report_without_a_number_is_compared_with_nothing(key):
    one = strict.decode(report.written(made(RUNS["passed"])).decode())
    base = baseline.create("1.0.0", one, at="", by="")
    for wrong in (None, True, [] if key == "status" else "100"):
        with pytest.raises(ValueError, match="the report"):
            baseline.compare({**one, key: wrong}, base, Thresholds())
    with pytest.raises(ValueError, match=key):
        baseline.compare({k: v for k, v in one.items() if k != key}, base, Thresholds())


# ---- stamps


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False,
       allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])), lambda inner: st.lists(inner) |
       st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner), max_leaves=8))  # fmt: skip
def test_a_stamp_holds_for_the_stamped_text_and_for_no_other(value):
    text = stamp.stamped(json.dumps({"value": value}))
    assert stamp.problem(text) == ""
    assert stamp.stamped(text) == text
    assert stamp.problem(text.replace('"value"', '"Value"', 1))


def test_a_dataset_without_a_stamp_says_so():
    assert "no stamp" in stamp.problem("{}")
    assert "no JSON object" in stamp.problem("[]")
    assert "not that of its content" in stamp.problem('{"contentHash": "sha256:1"}')
    assert "not JSON" in stamp.problem("")
    assert stamp.problem('{"a": 1e999}')


def test_reason_codes_are_those_of_the_thresholds():
    document = {
        "version": "1.0.0",
        "documents": [
            {
                "id": "d",
                "name": "D",
                "expectedResult": "pass",
                "extractedFields": {},
                "findings": [],
                "validatedFields": [
                    {
                        "ruleId": "R1",
                        "field": "f",
                        "status": "passed",
                        "severity": "S0",
                        "reasonCode": "VALID",
                    }
                ],
            }
        ],
    }
    text = json.dumps(document)
    read = originals.dataset(text, originals.Adapter("/", "POST"), Thresholds(silent_pass=True))
    assert "d, R1 passed, and has the reason 'VALID'" in read.problems
    read = originals.dataset(text, originals.Adapter("/", "POST"), Thresholds(codes=frozenset({"CONFLICT"})))
    assert "d, R1 has the reason 'VALID', which thresholds.json does not know" in read.problems
