"""A seeded-fault table: each candidate differs in exactly one thing from one that passes, and must not pass.

`FAILS` end with 1 and a report, `REFUSED` with 2 and one line; both through the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from .candidates import Candidate, Project, cuts, field, hangs, project

SUM = "/api/sum?a=1&b=2"
ONE, TWO = "/documents/doc-001", "/documents/doc-002"
GOLDEN = "fixtures/golden-dataset.json"
LIMITS = "config/thresholds.json"
Change = Callable[[Project, Candidate], Any]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path) as one:
        yield one


def answers(path: str, value: Any, status: int = 200) -> Change:
    return lambda _, candidate: candidate.answers.__setitem__(path, (status, value))


def says(path: str, change: Callable[[Any], Any]) -> Change:
    return lambda _, candidate: candidate.change(path, change)


def first(**changes: Any) -> Change:
    """The first field of the first document is another."""
    return says(ONE, lambda said: said["validatedFields"][0].update(changes))


def edits(name: str, change: Callable[[Any], Any], *, stamped: bool = False) -> Change:
    return lambda one, _: one.edit(name, change, stamped=stamped)


def suite(text: str) -> Change:
    return lambda one, _: (one.root / "suite.py").write_text(text)


def report(*lines: Any, then: str = "") -> Change:
    """The suite writes these lines, and does something else behind them."""
    text = "".join(json.dumps(line) + "\n" if isinstance(line, dict) else line for line in lines)
    return suite(f"import sys\nopen(sys.argv[1], 'w').write({text!r})\n{then}\n")


PASSED = {"id": "one", "status": "passed"}

FAILS: dict[str, Change] = {
    "garbage": first(value="garbage"),
    "status error": first(status="error"),
    "status skipped": first(status="skipped"),
    "status failed": first(status="failed"),
    "another severity": first(severity="S3"),
    "another reason": says(TWO, lambda said: said["validatedFields"][1].update(reasonCode="CONFLICT")),
    "less sure": first(confidence=0.94),
    "number as text": says(ONE, lambda said: said["validatedFields"][1].update(value="450.1")),
    "another cent": says(ONE, lambda said: said["validatedFields"][1].update(value=450.11)),
    "no fields": says(ONE, lambda said: said.pop("validatedFields")),
    "a field is missing": says(ONE, lambda said: said["validatedFields"].pop()),
    "answered twice": says(ONE, lambda said: said["validatedFields"].append(said["validatedFields"][0])),
    "one failure more": says(
        ONE, lambda said: said["validatedFields"].append(field("R9", "x", 1, status="failed"))
    ),
    "another result": says(ONE, lambda said: said.update(result="fail")),
    "findings are gone": says(ONE, lambda said: said.pop("findings")),
    "a finding more": says(ONE, lambda said: said["findings"].append({"ruleId": "R1", "field": "jobNumber"})),
    "negative is not detected": says(TWO, lambda said: said["validatedFields"][1].update(status="passed")),
    "negative fails elsewhere too": says(TWO, lambda said: said["validatedFields"][0].update(status="failed")),
    "swapped answers": lambda _, c: c.answers.update({ONE: c.answers[TWO], TWO: c.answers[ONE]}),
    "true for 1": answers(SUM, {"sum": True, "unit": "h"}),
    "null": answers(SUM, {"sum": None, "unit": "h"}),
    "status 500": answers(SUM, {"sum": 3, "unit": "h"}, 500),
    "status 201": answers(SUM, {"sum": 3, "unit": "h"}, 201),
    "no such path": lambda _, c: c.answers.pop(SUM),
    "NaN": answers(SUM, b'{"sum": NaN, "unit": "h"}'),
    "a key twice": answers(SUM, b'{"sum": 4, "sum": 3, "unit": "h"}'),
    "no JSON": answers(SUM, b"<html>3 h</html>"),
    "no UTF-8": answers(SUM, b'{"sum": 3, "unit": "\xff"}'),
    "an empty body": answers(SUM, b""),
    "a redirect to the right answer": lambda _, c: c.answers.update(
        {"/moved": c.answers[SUM], SUM: lambda h: c.say(h, 302, {}, Location="/moved")}
    ),
    "cut short": lambda _, c: c.answers.__setitem__(SUM, cuts),
    "hangs": lambda _, c: c.answers.__setitem__(SUM, hangs),
    "is not there": lambda one, c: setattr(c, "url", "http://127.0.0.1:9"),
    "another expected value": edits(
        GOLDEN, lambda d: d["documents"][0]["validatedFields"][0].update(value="JS-2"), stamped=True
    ),
    "edited after its stamp": edits(GOLDEN, lambda d: d.update(description="better")),
    "no stamp": edits(GOLDEN, lambda d: d.pop("contentHash")),
    "breaks its schema": edits(GOLDEN, lambda d: d.pop("severityLevels"), stamped=True),
    "an unknown reason": edits(LIMITS, lambda d: d.update(canonicalReasonCodes=["CONFLICT"])),
    "nothing measures S3": edits(LIMITS, lambda d: d["thresholds"]["bySeverity"].update(S3={"minPassRate": 0})),
    "nothing measures a type": edits(LIMITS, lambda d: d["thresholds"]["byDocumentType"].update(edge={})),
    "no baseline": edits(LIMITS, lambda d: d["alerts"].update(failOnMissingBaseline=True)),
    "suite reports nothing": report(),
    "suite writes no report": suite("pass\n"),
    "suite crashes half-way": report(PASSED, then="raise SystemExit(3)"),
    "suite is killed": report(PASSED, then="import os; os.kill(os.getpid(), 9)"),
    "suite does not end": lambda one, c: (
        one.write("config/suites.toml", one.path("config/suites.toml").read_text().replace("= 5", "= 1")),
        report(PASSED, then="import time; time.sleep(9)")(one, c),
    ),
    "suite has a failure": report(PASSED, {"id": "two", "status": "failed"}),
    "suite skips": report(PASSED, {"id": "two", "status": "skipped"}),
    "suite says another word": report(PASSED, {"id": "two", "status": "ok"}),
    "suite names a case twice": report(PASSED, PASSED),
    "suite's report is cut": report(PASSED, '{"id": "tw'),
    "suite cannot start": lambda one, _: one.write(
        "config/suites.toml", one.path("config/suites.toml").read_text().replace("python", "no-such-python")
    ),
}  # fmt: skip

REFUSED: dict[str, Change] = {
    "thresholds are not there": lambda one, _: one.path(LIMITS).unlink(),
    "a rate in percent": edits(LIMITS, lambda d: d["thresholds"]["overall"].update(minPassRate=95)),
    "a rate is a text": edits(LIMITS, lambda d: d["thresholds"]["overall"].update(minPassRate="1.0")),
    "a misspelt threshold": edits(LIMITS, lambda d: d["thresholds"]["overall"].update(minPasRate=1)),
    "an unknown severity": edits(LIMITS, lambda d: d["thresholds"]["bySeverity"].update(critical={})),
    "thresholds are NaN": lambda one, _: one.write(
        LIMITS, one.path(LIMITS).read_text().replace("1.0,", "NaN,", 1)
    ),
    "a dataset of another kind": lambda one, _: one.write(GOLDEN, "[]"),
    "a dataset with a document twice": edits(
        GOLDEN, lambda d: d["documents"].append(d["documents"][0]), stamped=True
    ),
    "a severity of the dataset": edits(
        GOLDEN, lambda d: d["documents"][0]["validatedFields"][0].update(severity="high"), stamped=True
    ),
    "a case without an end": lambda one, _: one.write("cases/api.jsonl", '{"id": "x"'),
    "no adapter": lambda one, _: one.path("config/adapter.toml").unlink(),
    "a suite without files": lambda one, _: (one.root / "suite.py").unlink(),
    "no address": lambda one, c: setattr(c, "url", "127.0.0.1:80"),
}


def valid(report: dict[str, Any]) -> None:
    text = resources.files("roadworthy.parity").joinpath("report.schema.json").read_text()
    jsonschema.Draft202012Validator(json.loads(text)).validate(report)


def test_the_candidate_that_all_others_are_made_of_passes(made: Project):
    ran = made.run()
    assert ran.code == 0, ran.text
    valid(made.report)
    assert (made.report["status"], made.report["passRate"], made.report["totalCases"]) == ("pass", 100, 5)
    assert made.report["expectedFailures"] == {"met": 1, "missed": 0, "unexpected": 0}
    assert made.candidate.bodies.count(b'{"jobNumber": "JS-1"}') == 2, "the document's fields were sent"
    assert made.invoke("parity.baseline", "--version", "1.0.0").code == 0
    again = made.run()
    assert again.code == 0, again.text


@pytest.mark.later(3)
@pytest.mark.parametrize("name", FAILS)
def test_a_candidate_with_one_fault_fails(made: Project, name: str):
    FAILS[name](made, made.candidate)
    ran = made.run()
    assert (ran.code, ran.said["outcome"]) == (1, "failed"), ran.text
    valid(made.report)
    assert made.report["status"] == "fail"
    assert made.report["violations"]
    assert made.invoke("parity.baseline", "--version", "1.0.0").code == 2, "and it becomes no baseline"


@pytest.mark.later(2)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_judged_is_refused_in_one_line(made: Project, name: str):
    REFUSED[name](made, made.candidate)
    ran = made.run()
    assert (ran.code, ran.said["outcome"]) == (2, "failed"), ran.text
    assert "\n" not in ran.said["line"]
    assert not made.path("reports").exists(), "no report of what was not asked"
    assert not made.candidate.asked


BASELINE = "baselines/baseline-1.0.0.json"
REGRESSES: dict[str, Change] = {
    "a case is gone": lambda one, _: one.write(
        "cases/api.jsonl",
        json.dumps({"id": "other", "name": "o", "type": "api", "request": {"path": SUM},
                    "expected": {"sum": {"value": 3, "severity": "S0"}, "unit": {"value": "h", "severity": "S1"}}}),
    ),
    "a suite has fewer cases": report(PASSED),
    "a dataset has fewer documents": edits(GOLDEN, lambda d: d["documents"].pop(), stamped=True),
    "the floor is lowered, and what ran is worse": lambda one, c: (
        one.edit(LIMITS, lambda d: d["thresholds"].update(overall={"minPassRate": 0.5, "maxWorseCount": 0},
                 bySeverity={}, byDocumentType={})),
        first(value="garbage")(one, c),
    ),
}  # fmt: skip


@pytest.mark.later(1)
@pytest.mark.parametrize("name", REGRESSES)
def test_a_candidate_that_regressed_fails_by_the_baseline(made: Project, name: str):
    assert made.run().code == 0
    assert made.invoke("parity.baseline", "--version", "1.0.0").code == 0
    REGRESSES[name](made, made.candidate)
    ran = made.run()
    assert ran.code == 1, ran.text
    assert made.invoke("parity.compare", "--baseline", "1.0.0").code == 1


@pytest.mark.later
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contentHash", "sha256:1"),
        ("version", "1.0.1"),
        ("metrics", {}),
        ("docResults", []),
        ("version", None),
    ],
)
def test_a_baseline_that_was_edited_is_refused(made: Project, key: str, value: Any):
    assert made.run().code == 0
    assert made.invoke("parity.baseline", "--version", "1.0.0").code == 0
    made.edit(BASELINE, lambda found: found.update({key: value}))
    ran = made.run()
    assert ran.code == 2, ran.text
    assert "baseline-1.0.0.json" in ran.said["line"]
