"""Check results as GitHub Markdown, for a job's step summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .plain import plain

if TYPE_CHECKING:
    from ..checks.http import CheckResult

# As entities, since a backslash is no escape inside a table cell or an HTML tag. The colon and the w keep an
# address from becoming a link by itself, @ a name from being called.
_ESCAPES: Final = str.maketrans({sign: f"&#{ord(sign)};" for sign in "\\`*_{}[]()<>#+!|~&@:$\"'"})


def markdown(results: Iterable[CheckResult], *, title: str) -> str:
    """A heading with the verdict, and one table row for each check."""
    rows = list(results)
    passed = sum(row.outcome == "passed" for row in rows)
    mark = "✅" if rows and passed == len(rows) else "❌"
    lines = [
        f"## {mark} {escape(title)}: {passed} of {len(rows)} checks passed",
        "",
        "| | check | request | status | time | reason |",
        "|---|---|---|---|---:|---|",
    ]
    for row in rows:
        cells = (
            "✅" if row.outcome == "passed" else "❌",
            escape(row.name),
            f"{escape(row.method)} {escape(row.url)}",
            "" if row.status is None else str(row.status),
            f"{row.millis} ms",
            escape(row.reason),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def escape(text: str) -> str:
    """`text` as GitHub shows it letter by letter: no markup, no link, no line break."""
    return plain(text).translate(_ESCAPES).replace("www.", "&#119;ww.")
