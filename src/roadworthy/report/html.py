"""One self-contained page for a rehearsal or a release: what was done, what was asked, what was proven.

`render` takes a plain mapping; every key but `title` and `verdict` may be missing:

    title          one line, such as "Rehearsal of 0123456789ab"
    verdict        "succeeded", "failed", "refused", "unknown" or "superseded"
    line           the verdict in one sentence
    facts          [[label, value], …]                    environment, app, target, commit, package, …
    steps          [{name, outcome, seconds, detail, command}, …]      outcome as verdict, in order of time
    stages         [{environment, commit, stage, state, entry, why}, …]   as status tells them
    verdicts       [{environment, guard, outcome, reason}, …]          outcome pass, refuse, n/a or not asked
    checks         [{environment, name, method, url, outcome, reason, millis}, …]
    journal        [{environment, seq, kind, action, at, package, sha256}, …]
    files          [{name, href, sha256}, …]              href is relative to the page
    generated_at   UTC time

The page loads nothing: no script, font or image. All text is escaped; a link goes to a relative path or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..model import Outcome
from .plain import plain

# A scheme, a host, an absolute path or a way out by a backslash is not relative.
_RELATIVE: Final = re.compile(r"(?![/\\])[^:\\?#\x00-\x20]+")
_SECTIONS: Final = ("facts", "steps", "stages", "verdicts", "checks", "journal", "files")


def render(report: Mapping[str, Any]) -> str:
    """The page. Raises KeyError when `title` or `verdict` is missing, ValueError on an unknown verdict."""
    from jinja2 import Environment, StrictUndefined

    if report["verdict"] not in [*Outcome]:
        raise ValueError(f"unknown verdict {report['verdict']!r}")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = plain
    environment.filters["short"] = lambda digest: plain(digest)[:12]
    environment.tests["relative"] = lambda href: bool(_RELATIVE.fullmatch(href)) and href.isprintable()
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    empty: dict[str, Any] = {"line": "", "generated_at": "", **{name: [] for name in _SECTIONS}}
    return template.render({**empty, **report})
