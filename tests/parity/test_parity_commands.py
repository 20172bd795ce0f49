"""The commands of parity, as they are typed: what they write, what they refuse, what they say the second time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.parity import suites
from roadworthy.parity.folder import baselines

from .candidates import CASE, Project, project

SUM = "/api/sum?a=1&b=2"
GOLDEN = "fixtures/golden-dataset.json"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path) as one:
        yield one


def test_a_run_says_where_its_report_is_and_what_was_asked(made: Project):
    ran = made.run()
    assert ran.said["evidence"] == "parity/reports/latest.json"
    found = made.report["provenance"]
    assert found["candidate"] == made.candidate.url
    assert len(found["gitHeadSha"]) == 40 and found["suites"]["unit"].startswith("sha256:")
    assert made.path("reports/latest.md").read_text().startswith("# Parity: pass\n")
    assert made.candidate.cookies == [None] * 3


def test_a_report_does_not_show_who_logs_in(made: Project):
    address = made.candidate.url.replace("://", "://someone:a-long-password@")
    assert made.invoke("parity.run", "--url", address).code == 0
    assert "a-long-password" not in made.path("reports/latest.json").read_text()


def test_stamps_are_written_once_and_verified(made: Project):
    assert made.invoke("parity.stamp", "--verify").code == 0
    made.edit(GOLDEN, lambda found: found.update(description="new"))
    ran = made.invoke("parity.stamp", "--verify")
    assert (ran.code, ran.said["outcome"]) == (1, "failed")
    assert "golden-dataset.json: its stamp is not that of its content" in ran.said["reasons"][0]
    before = made.path(GOLDEN).read_text()
    assert made.invoke("parity.stamp", "--update", "--plan").code == 0
    assert made.path(GOLDEN).read_text() == before
    assert made.invoke("parity.stamp", "--update").code == 0
    once = made.path(GOLDEN).read_text()
    assert made.invoke("parity.stamp", "--update").code == 0
    assert made.path(GOLDEN).read_text() == once
    assert made.invoke("parity.stamp", "--verify").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("parity.run",), "say --env, or --url"),
        (("parity.run", "--env", "staging", "--url", "http://127.0.0.1:1"), "not both"),
        (("parity.run", "--url", "ftp://127.0.0.1"), "no http:// or https:// address"),
        (("parity.stamp",), "--verify or --update"),
        (("parity.stamp", "--verify", "--update"), "not both"),
        (("parity.stamp", "--verify", "--file", "no.json"), "no.json is not there"),
        (("parity.compare",), "--baseline VERSION"),
        (("parity.compare", "--baseline", "9.9.9"), "no baseline '9.9.9'"),
        (("parity.baseline", "--version", "1.0.0"), "parity/reports/latest.json is not there"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(made: Project, words: tuple[str, ...], said: str):
    ran = made.invoke(*words)
    assert ran.code == 2
    assert said in ran.said["line"] and "\n" not in ran.said["line"]


def test_where_there_is_nothing_to_ask_nothing_passes(made: Project):
    for name in (GOLDEN, "cases/api.jsonl", "config/suites.toml"):
        made.path(name).unlink()
    ran = made.run()
    assert ran.code == 2 and "there is nothing to ask" in ran.said["line"]
    made.write("cases/api.jsonl", "")
    assert made.run().code == 1, "cases that hold none are an empty dataset"
    assert [one["rule"] for one in made.report["violations"]] == ["empty"]


def test_a_baseline_never_changes_and_is_never_compared_with_itself(made: Project):
    made.run()
    assert made.invoke("parity.baseline", "--version", "1.0").code == 2
    assert made.invoke("parity.baseline", "--version", "../1.0.0").code == 2
    assert made.invoke("parity.baseline", "--version", "1.0.0").code == 0
    before = made.path("baselines/baseline-1.0.0.json").read_bytes()
    ran = made.invoke("parity.baseline", "--version", "1.0.0")
    assert ran.code == 2 and "never changes" in ran.said["line"]
    assert made.path("baselines/baseline-1.0.0.json").read_bytes() == before
    ran = made.invoke("parity.compare", "--baseline", "1.0.0")
    assert ran.code == 2 and "the very run" in ran.said["line"]
    made.run()
    assert made.invoke("parity.compare", "--baseline", "1.0.0", "--strict").code == 0
    made.edit("config/thresholds.json", lambda found: found.update(version="1.0.1"))
    made.run()
    assert made.invoke("parity.compare", "--baseline", "1.0.0").code == 0
    ran = made.invoke("parity.compare", "--baseline", "1.0.0", "--strict")
    assert ran.code == 2 and "not of the same dataset and thresholds" in ran.said["line"]


def test_versions_are_ordered_as_semver_has_them(tmp_path: Path):
    folder = tmp_path / "parity" / "baselines"
    folder.mkdir(parents=True)
    names = ("1.10.0", "1.9.0", "1.10.0-rc.1", "1.10.0-rc.10", "1.10.0-rc.2", "v2.0.0", "01.0.0")
    for name in names:
        (folder / f"baseline-{name}.json").touch()
    assert list(baselines(tmp_path)) == ["1.9.0", "1.10.0-rc.1", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"]


def test_noise_is_reported_and_hides_no_regression(made: Project):
    made.write("cases/api.jsonl", json.dumps({**CASE, "repeat": 4}) + "\n")
    count = 0

    def answer(handler: Any) -> None:
        nonlocal count
        count += 1
        made.candidate.say(handler, 200, {"sum": 3, "unit": "h" if count % 2 else "hours"})

    made.candidate.answers[SUM] = answer
    assert made.run().code == 1, "a field that is wrong half of the time is wrong"
    assert [one["verdict"] for one in made.report["docResults"] if one["id"] == "sum-1"] == ["worse"]
    assert made.report["noise"] == [{"case": "sum-1", "field": "unit", "asked": 4, "different": 2}]
    assert [one["field"] for one in made.report["violations"] if one["rule"] == "field"] == ["unit"]
    made.candidate.answers[SUM] = (200, {"sum": 4, "unit": "h"})
    assert made.run().code == 1
    assert made.report["noise"] == []
    made.candidate.answers[SUM] = (200, {"sum": 3, "unit": "h"})
    assert made.run().code == 0
    assert made.candidate.asked.count(SUM) == 12


def test_one_document_may_stand_in_two_datasets(made: Project):
    value = json.loads(made.path(GOLDEN).read_text())
    value["documents"] = value["documents"][1:]
    made.json("fixtures/golden-negative.json", value)
    assert made.invoke("parity.stamp", "--update").code == 0
    ran = made.run()
    assert ran.code == 0, ran.text
    ids = [one["id"] for one in made.report["docResults"]]
    assert "golden-negative/doc-002" in ids and "golden-dataset/doc-002" in ids
    assert made.candidate.asked.count("/documents/doc-002") == 2


def test_a_suite_sees_the_variables_that_it_names_and_no_other(
    made: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOKEN_OF_THE_SUITE", "a-long-secret-value")
    monkeypatch.setenv("HEROKU_API_KEY", "not-for-a-suite")
    text = made.path("config/suites.toml").read_text()
    made.write("config/suites.toml", text + 'env = ["TOKEN_OF_THE_SUITE"]\n')
    (made.root / "suite.py").write_text(
        "import json, os, sys\nassert 'HEROKU_API_KEY' not in os.environ\n"
        "said = os.environ['TOKEN_OF_THE_SUITE']\n"
        "open(sys.argv[1], 'w').write(json.dumps({'id': 'x', 'status': 'failed', 'message': said}))\n"
    )
    ran = made.run()
    assert ran.code == 1
    text = made.path("reports/latest.json").read_text() + ran.text + json.dumps(ran.said)
    assert "a-long-secret-value" not in text and "[hidden]" in text
    monkeypatch.delenv("TOKEN_OF_THE_SUITE")
    ran = made.run()
    assert ran.code == 2 and "needs TOKEN_OF_THE_SUITE" in ran.said["line"]


JUNIT = '<testsuites><testsuite><testcase classname="a" name="b"/>{more}</testsuite></testsuites>'


@pytest.mark.parametrize(
    ("more", "how", "well", "passed"),
    [
        ("", "exited with 0", True, True),
        ('<testcase name="c"><system-out>x</system-out></testcase>', "exited with 0", True, True),
        ('<testcase name="c"><failure message="no"/></testcase>', "exited with 0", True, False),
        ('<testcase name="c"><error/></testcase>', "exited with 0", True, False),
        ('<testcase name="c"><skipped/></testcase>', "exited with 0", True, False),
        ('<testcase classname="a" name="b"/>', "exited with 0", True, False),
        ("", "exited with 1", False, False),
        ("", "did not end within 5 s", False, False),
        ("<testcase", "exited with 0", True, False),
    ],
)
def test_a_report_in_junit_is_believed_only_when_all_of_it_says_so(more, how, well, passed):
    suite = suites.Suite("s", "x {report}", "junit", ("x",))
    found = suites.results(suite, how, well, JUNIT.format(more=more).encode())
    assert (not any(one.bad for one in found)) is passed
    assert found


@pytest.mark.parametrize(
    "report", [None, b"", b"<testsuites/>", b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>']
)
def test_a_report_that_holds_nothing_fails(report):
    suite = suites.Suite("s", "x {report}", "junit", ("x",))
    assert [one.bad for one in suites.results(suite, "exited with 0", True, report)] == [True]
