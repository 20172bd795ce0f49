"""Check results as JUnit XML, which every CI system shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from ..checks.http import CheckResult

# What XML 1.0 has no way to write, not even escaped (§2.2), and the C1 controls it merely advises against.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Iterable[CheckResult], *, name: str, at: str) -> str:
    """One test suite called `name`, run at the UTC time `at`; a failed check is a failure with its reason."""
    rows = list(results)
    failed = sum(row.outcome != "passed" for row in rows)
    seconds = f"{sum(row.millis for row in rows) / 1000:.3f}"
    totals = {"name": name, "tests": len(rows), "failures": failed, "errors": 0, "time": seconds}
    root = Element("testsuites", _attributes(totals))
    moment = at.removesuffix("Z")  # the schema that CI systems share takes no time zone
    suite = SubElement(root, "testsuite", _attributes({**totals, "skipped": 0, "timestamp": moment}))
    for row in rows:
        case = {"name": row.name, "classname": name, "time": f"{row.millis / 1000:.3f}"}
        element = SubElement(suite, "testcase", _attributes(case))
        asked = f"{row.method} {row.url}\nstatus {row.status}, {row.attempts} attempts, at {row.at}"
        if row.outcome != "passed":
            failure = SubElement(element, "failure", _attributes({"message": row.reason, "type": "check"}))
            failure.text = _clean(f"{row.reason}\n{asked}")
        else:
            SubElement(element, "system-out").text = _clean(asked)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _attributes(values: dict[str, Any]) -> dict[str, str]:
    return {key: _clean(str(value)) for key, value in values.items()}


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)
