"""Smoke: ask a running environment the checks of `release.toml`; a warning does not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..actions.running import addresses, ask
from ..execution.holding import say_open
from ..facts.history import history_of
from ..model import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..checks.http import CheckResult
    from ..context import Context
    from ..journal.log import Log


def smoke(
    context: Context, environment: str, log: Log, junit: str = ""
) -> tuple[Sequence[CheckResult], Path]:
    """Ask all checks of what runs, against the commit that the journal says; the path of the evidence.

    With `junit` the results are also written there; in a GitHub job they go to its step summary.
    """
    from ..files import write_atomically

    app = context.config.environment(environment).app
    running = history_of(context, log).running
    package = running.package if running else None
    results = ask(context, environment, addresses(context, environment), package)
    at = context.now()
    path = context.evidence / f"smoke_{app}_{at:%Y%m%dT%H%M%S_%fZ}.json"
    stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    said = {"environment": environment, "app": app, "target": context.target, "at": stamp}
    text = json.dumps({**said, "checks": [msgspec.to_builtins(r) for r in results]}, indent=2) + "\n"
    write_atomically(path, text.encode())
    if junit:
        from ..report.junit import junit as as_junit

        xml = as_junit(results, name=f"smoke {environment}", at=stamp)
        write_atomically(context.paths.root / junit, xml.encode())
    if summary := context.process_environ.get("GITHUB_STEP_SUMMARY"):
        from ..report.summary import markdown

        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(markdown(results, title=f"Smoke of {app} ({environment})"))
    return results, path


def report(context: Context, environment: str, junit: str) -> Result:
    """Smoke, for the command."""
    app = context.config.environment(environment).app
    context.screen.title(f"smoke {app} ({environment}) on {context.target}")
    log = context.log(environment)
    say_open(context, log)
    results, path = smoke(context, environment, log, junit)
    failed = tuple(f"{r.name}: {r.reason}" for r in results if r.outcome != "passed")
    line = f"{len(results) - len(failed)} of {len(results)} checks of {app} passed"
    details = {"checks": [msgspec.to_builtins(r) for r in results]}
    outcome = Outcome.FAILED if failed else Outcome.SUCCEEDED
    then = (f"invoke verify --env {environment}",) if failed else ()
    return Result(
        outcome,
        line,
        evidence=context.shown(path),
        details=details,
        reasons=failed,
        code=int(bool(failed)),
        next=then,
    )
