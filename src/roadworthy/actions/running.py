"""Look again after a release: the platform, and then the app itself, must agree with the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..checks.rounds import checks_of
from ..errors import RoadworthyError
from ..facts.observe import observe
from ..model import Confirmation, Observed, Package, Plan, ReleasePackage
from ..record import names
from ..wait import side_by_side, until

if TYPE_CHECKING:
    from ..checks.http import CheckResult
    from ..world import World


def look(context: World, plan: Plan, expected: Mapping[str, int]) -> Confirmation:
    """Does the platform run `plan.package`, and does the app pass every check?

    `expected` is the release number that each component should run, "" that of the only one.
    """
    environment = plan.request.environment
    observed = observe(context, environment)
    results = ask(context, environment, observed.urls, package_of(plan), fresh=True)
    problems = misplaced(plan, expected, observed)
    problems += [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"]
    checks = [{"name": r.name, "outcome": r.outcome, "millis": r.millis} for r in results]
    return Confirmation(tuple(problems), {"checks": checks}, as_evidence(results))


def before_the_next(context: World, plan: Plan, done: int) -> Confirmation | None:
    """Before an action goes on to another component, the one that was released must answer its checks.

    `done` steps of the plan are done. None when it may go on. In maintenance mode nothing answers, so nothing is
    asked.
    """
    step, to_come = plan.steps[done - 1], plan.steps[done:]
    more = any(isinstance(other, ReleasePackage) for other in to_come)
    if plan.request.maintenance or not (more and isinstance(step, ReleasePackage)):
        return None
    environment, component = plan.request.environment, step.package.component
    if not checks_of(context.config, step.package):
        return None
    url = context.platform.url(step.app or plan.app)
    results = ask(context, environment, {"": url, component: url}, step.package, fresh=True)
    problems = [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"]
    return Confirmation(tuple(problems), {}, as_evidence(results)) if problems else None


def as_evidence(results: Sequence[CheckResult]) -> dict[str, bytes]:
    """What the checks found, as the file that an entry attaches."""
    return {"checks.json": json.dumps([msgspec.to_builtins(r) for r in results], indent=2).encode() + b"\n"}


def package_of(plan: Plan) -> Package:
    """The package that a deploy or a rollback releases."""
    if plan.package is None:
        raise ValueError("a release has a package")
    return plan.package


def misplaced(plan: Plan, expected: Mapping[str, int], observed: Observed) -> list[str]:
    """What the platform says otherwise than that it runs `plan.package` as expected, open to visitors."""
    problems: list[str] = []
    for part in package_of(plan).each:
        seen, release = observed.of(part.component), expected[part.component]
        of = f"component {part.component}: " if part.component else ""
        current = seen.current.order if seen.current else 0
        if current != release:
            problems.append(
                f"{of}the platform runs {seen.name_of(current) or 'no release'}, not {seen.name_of(release)}"
            )
        if seen.digest != part.digest:
            problems.append(f"{of}the platform runs package {seen.digest[:12]}, not {part.digest[:12]}")
        if seen.maintenance:
            problems.append(
                f"{of}its app is in maintenance mode" if of else f"{plan.app} is in maintenance mode"
            )
    return problems


def runs_now(context: World, environment: str) -> str:
    """What the platform runs, in one phrase for a last line; why it was not seen, when it cannot be told."""
    app = context.config.environment(environment).app
    try:
        seen = observe(context, environment)
    except (RoadworthyError, KeyboardInterrupt) as error:
        return f"cannot see what {app} runs now ({error or 'interrupted'}): run `invoke status`"
    shown = names(seen)
    closed = ", in maintenance mode" if seen.maintenance else ""
    return f"{app} runs {seen.commit[:12] or 'no package'} as {shown} now{closed}"


def wait_for_start(context: World, environment: str, package: Package) -> None:
    """Wait, at most `limits.boot`, until no process of the package's components is starting any more."""

    def settled() -> bool | None:
        seen = observe(context, environment).as_of(package)
        processes = [process for one in (seen.parts or {"": seen}).values() for process in one.processes]
        return None if any(d.state == "starting" and d.type != "run" for d in processes) else True

    until(settled, within=context.config.limits.boot, every=context.config.targets[context.target].poll)


def addresses(context: World, environment: str) -> dict[str, str]:
    """Where each component answers; "" is the only one, or the first."""
    apps = context.config.apps(environment)
    found = side_by_side([partial(context.platform.url, app) for app in apps.values()])
    urls = dict(zip(apps, found, strict=True))
    return {"": next(iter(urls.values())), **urls}


def ask(
    context: World,
    environment: str,
    urls: Mapping[str, str],
    package: Package | None,
    *,
    fresh: bool = False,
) -> Sequence[CheckResult]:
    """Ask the checks of `release.toml` side by side, and show them; what an answer told of a secret is hidden.

    `urls` says where each component answers, "" being the first. Those of a component that is no part of the
    package are not asked; where no package is known to run, all are. `fresh` as for `checks.http.run`.
    """
    from ..checks import http
    from .patience import Patience

    limits = context.config.limits
    results = http.run(
        checks_of(context.config, package) if package else context.config.checks,
        urls[""],
        commit=package.commit if package else "",
        deadline=time.monotonic() + limits.verify,
        timeout=limits.http,
        others=urls,
        environ=context.environ,
        over=Patience(context, environment),
        fresh=fresh,
    )
    shown = masked(context, environment, results)
    context.screen.checks(shown)
    return shown


def masked(context: World, environment: str, results: Sequence[CheckResult]) -> Sequence[CheckResult]:
    """The results without the secrets of the apps' config vars in their reasons."""
    if not any(r.reason for r in results):
        return results
    for app in context.config.apps(environment).values():
        mask = context.platform.mask(app)
        results = [replace(r, reason=mask(r.reason)) for r in results]
    return results
