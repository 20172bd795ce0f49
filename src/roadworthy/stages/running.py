"""Look again after a release: the platform, and then the app itself, must agree with the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..model import Confirmation, Observed, Package, Plan
from ..wait import until

if TYPE_CHECKING:
    from ..checks.http import CheckResult
    from ..context import Context


def look(context: Context, plan: Plan, release: int) -> Confirmation:
    """Does the platform run `plan.package` as `release`, and does the app pass every check?"""
    observed = context.platform.observe(plan.app)
    results = ask(context, plan.app, observed.url, package_of(plan).commit)
    problems = misplaced(plan, release, observed)
    problems += [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"]
    checks = [{"name": r.name, "outcome": r.outcome, "millis": r.millis} for r in results]
    return Confirmation(tuple(problems), {"checks": checks}, as_evidence(results))


def as_evidence(results: Sequence[CheckResult]) -> dict[str, bytes]:
    """What the checks found, as the file that an entry attaches."""
    return {"checks.json": json.dumps([asdict(r) for r in results], indent=2).encode() + b"\n"}


def package_of(plan: Plan) -> Package:
    """The package that a deploy or a rollback releases."""
    if plan.package is None:
        raise ValueError("a release has a package")
    return plan.package


def misplaced(plan: Plan, release: int, observed: Observed) -> list[str]:
    """What the platform says otherwise than that it runs `plan.package` as `release`, open to visitors."""
    package, current = package_of(plan), observed.current
    problems: list[str] = []
    if current is None or current.version != release:
        problems.append(f"the platform runs v{current.version if current else 0}, not v{release}")
    if observed.digest != package.digest:
        problems.append(f"the platform runs package {observed.digest[:12]}, not {package.digest[:12]}")
    if observed.maintenance:
        problems.append(f"{plan.app} is in maintenance mode")
    return problems


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
    shown = masked(context, app, results)
    context.screen.checks(shown)
    return shown


def masked(context: Context, app: str, results: Sequence[CheckResult]) -> Sequence[CheckResult]:
    """The results without the secrets of the app's config vars in their reasons."""
    if not any(r.reason for r in results):
        return results
    mask = context.platform.mask(app)
    return [replace(r, reason=mask(r.reason)) for r in results]
