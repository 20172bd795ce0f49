"""JUnit, the GitHub summary and the HTML page, fed with text that wants to be more than text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.checks.http import CheckResult
from roadworthy.report.html import render
from roadworthy.report.junit import junit
from roadworthy.report.plain import plain, plain_lines
from roadworthy.report.summary import escape, markdown

HOSTILE = (
    "a|b\n\r\t`c` <script>alert(1)</script> ]]> &amp; [x](http://evil) @me \x00\x1b[31m \x85\ufffe\udcff"
)
AT = "2030-01-01T00:00:00Z"


def test_junit_counts_and_says_what_failed(result: Any) -> None:
    rows = [result("health"), result("version", 'gitSha is "a"', millis=1500, status=None, attempts=3)]
    suites = ElementTree.fromstring(junit(rows, name="smoke prod", at=AT))
    (suite,) = suites
    for element in (suites, suite):
        assert {key: element.get(key) for key in ("name", "tests", "failures", "errors", "time")} == {
            "name": "smoke prod",
            "tests": "2",
            "failures": "1",
            "errors": "0",
            "time": "1.512",
        }
    assert (suites.tag, suite.tag, suite.get("timestamp")) == ("testsuites", "testsuite", AT[:-1])
    good, bad = suite.findall("testcase")
    assert (good.get("name"), good.get("classname"), good.get("time")) == ("health", "smoke prod", "0.012")
    assert good.find("failure") is None
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == 'gitSha is "a"'
    assert "3 attempts" in str(failure.text)


@given(st.text(), st.text())
def test_junit_is_well_formed_whatever_a_server_says(name: str, reason: str) -> None:
    row = CheckResult(name, "GET", reason, "failed", reason, 200, 1, 1, AT)
    text = junit([row], name=name, at=AT)
    case = ElementTree.fromstring(text.encode())[0][0]
    kept = "".join(c for c in name if c.isprintable())
    assert "".join(c for c in str(case.get("name")) if c.isprintable()) == kept


def test_junit_drops_what_xml_cannot_say(result: Any) -> None:
    text = junit([result(HOSTILE, HOSTILE)], name=HOSTILE, at=AT)
    assert not set("\x00\x1b\x85\ufffe\udcff") & set(text)
    assert "<script>" not in text


def cells(markdown_text: str) -> list[list[str]]:
    rows = [line for line in markdown_text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_summary_has_a_verdict_and_a_row_for_each_check(result: Any) -> None:
    text = markdown([result("health"), result("me", "answered 200, expected 401")], title="Smoke")
    assert text.startswith("## ❌ Smoke: 1 of 2 checks passed\n")
    assert [row[0] for row in cells(text)] == ["✅", "❌"]
    assert cells(text)[1][5] == "answered 200, expected 401"
    assert markdown([result()], title="Smoke").startswith("## ✅ Smoke: 1 of 1")
    assert markdown([], title="Smoke").startswith("## ❌ Smoke: 0 of 0")


def test_the_summary_shows_hostile_text_letter_by_letter(result: Any) -> None:
    row = result(HOSTILE, HOSTILE, url=HOSTILE, method=HOSTILE)
    text = markdown([row], title=HOSTILE)
    (only,) = cells(text)
    assert len(only) == 6
    assert len(text.splitlines()) == 6
    body = text.replace("| |", "").replace("|---|---|---|---|---:|---|", "")
    for sign in "<>`[](*_@":
        assert sign not in body
    assert re.search(r"https?:|www\.", body) is None


@given(st.text())
def test_an_escaped_text_reads_as_it_was(text: str) -> None:
    import html

    assert html.unescape(escape(text)) == plain(text)


@given(st.text())
def test_plain_text_is_printable_and_keeps_what_was_printable(text: str) -> None:
    said = plain(text)
    assert said.isprintable()
    if text.isprintable():
        assert said == text
    assert all(line.isprintable() for line in plain_lines(text))
    assert len(plain_lines(text)) == text.count("\n") + 1


def report(**changed: Any) -> dict[str, Any]:
    return {
        "title": "Rehearsal of 0123",
        "verdict": "succeeded",
        "line": "the whole road",
        "facts": [["app", "capecraft"]],
        "steps": [
            {"name": "ship", "outcome": "succeeded", "seconds": 2.04, "detail": "ok", "command": "make ship"}
        ],
        "stages": [
            {
                "environment": "prod",
                "commit": "c" * 40,
                "stage": "deploy",
                "state": "done",
                "entry": "prod #7",
                "why": "",
            }
        ],
        "verdicts": [{"environment": "prod", "guard": "tree_is_clean", "outcome": "n/a", "reason": "why"}],
        "checks": [
            {
                "environment": "prod",
                "name": "health",
                "method": "GET",
                "url": "http://127.0.0.1:1/api/health",
                "outcome": "passed",
                "reason": "",
                "millis": 9,
            }
        ],
        "journal": [
            {
                "environment": "prod",
                "seq": 7,
                "kind": "end",
                "action": "deploy",
                "at": AT,
                "package": "p" * 64,
                "sha256": "e" * 64,
            }
        ],
        "files": [{"name": "log", "href": "logs/ship.log", "sha256": "f" * 64}],
        "generated_at": AT,
        **changed,
    }


class Page(HTMLParser):
    """What a browser would find: tags, links, and the text a person reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_part_of_the_report() -> None:
    page = Page(render(report()))
    for part in (
        *("Rehearsal of 0123", "succeeded", "the whole road", "capecraft", "make ship", "2.0 s"),
        *("c" * 12, "done", "prod #7"),
        *("tree_is_clean", "n/a", "health", "9 ms", "deploy", "p" * 12, "e" * 12, "f" * 64, AT),
    ):
        assert part in page.text
    assert "p" * 13 not in page.text
    assert page.links == ["logs/ship.log"]


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = render(report())
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "https://evil/x",
        "//evil/x",
        "/etc/passwd",
        "\\\\evil\\x",
        "data:text/html,x",
        "a b",
        "",
        "x\n",
        "x\u202egol",
        "x\udcff",
    ],
)
def test_a_link_that_is_not_relative_is_no_link(href: str) -> None:
    page = Page(render(report(files=[{"name": "log", "href": href, "sha256": "f"}])))
    assert page.links == []
    assert "log" in page.text


def hostile(value: Any) -> Any:
    if isinstance(value, str):
        return HOSTILE + '" onclick="x'
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return {k: hostile(v) for k, v in value.items()} if isinstance(value, dict) else value


def test_hostile_text_stays_text_on_the_page() -> None:
    poisoned = {key: value if key == "verdict" else hostile(value) for key, value in report().items()}
    text = render(poisoned)
    page = Page(text)
    assert "script" not in page.tags
    assert "onclick" not in page.attributes
    assert "<script>alert(1)</script>" in page.text
    assert not set("\x00\x1b\x85\udcff") & set(text)
    text.encode()


def test_an_empty_report_is_a_page_and_an_unknown_verdict_is_none() -> None:
    page = Page(render({"title": "t", "verdict": "unknown"}))
    assert "unknown" in page.text
    assert "table" not in page.tags
    with pytest.raises(ValueError, match="unknown verdict 'fine'"):
        render({"title": "t", "verdict": "fine"})
    with pytest.raises(KeyError):
        render({"title": "t"})
