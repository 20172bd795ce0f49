"""Look again after a release: the platform, and then the app itself, must agree with the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..model import Confirmation, Plan
from ..wait import until

if TYPE_CHECKING:
    from ..checks.http import CheckResult
    from ..context import Context


def look(context: Context, plan: Plan, release: int) -> Confirmation:
    """Does the platform run `plan.package` as `release`, and does the app pass every check?"""
    if plan.package is None:
        raise ValueError("a release has a package")
    observed = context.platform.observe(plan.app)
    current = observed.current
    problems: list[str] = []
    if current is None or current.version != release:
        problems.append(f"the platform runs v{current.version if current else 0}, not v{release}")
    if observed.digest != plan.package.digest:
        problems.append(f"the platform runs package {observed.digest[:12]}, not {plan.package.digest[:12]}")
    if observed.maintenance:
        problems.append(f"{plan.app} is in maintenance mode")
    results = ask(context, plan.app, observed.url, plan.package.commit)
    problems += [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"]
    checks = [{"name": r.name, "outcome": r.outcome, "millis": r.millis} for r in results]
    return Confirmation(tuple(problems), {"checks": checks}, as_evidence(results))


def as_evidence(results: Sequence[CheckResult]) -> dict[str, bytes]:
    """What the checks found, as the file that an entry attaches."""
    return {"checks.json": json.dumps([asdict(r) for r in results], indent=2).encode() + b"\n"}


def wait_for_start(context: Context, app: str) -> None:
    """Wait, at most `limits.boot`, until no process of the app is starting any more."""

    def settled() -> bool | None:
        dynos = context.platform.observe(app).dynos
        return None if any(d.state == "starting" and d.type != "run" for d in dynos) else True

    until(settled, within=context.config.limits.boot, every=context.config.targets[context.target].poll)


def ask(context: Context, app: str, url: str, commit: str) -> Sequence[CheckResult]:
    """Ask all checks of `release.toml` side by side, and show them; what an answer told of a secret is hidden."""
    from ..checks import http

    limits = context.config.limits
    results = http.run(
        context.config.checks,
        url,
        commit=commit,
        deadline=time.monotonic() + limits.verify,
        timeout=limits.http,
    )
    if any(r.reason for r in results):
        mask = context.platform.mask(app)
        results = [replace(r, reason=mask(r.reason)) for r in results]
    context.screen.checks(results)
    return results
