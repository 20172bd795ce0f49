"""The degradation window: after a deploy the checks are asked again and again, and compared with before.

The deploy's `start` stays open meanwhile, so nobody else can change the environment before the verdict.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ..checks.degradation import degraded, set_aside, usual
from ..checks.rounds import Pace, ask_round
from ..facts.observe import observe
from ..model import Confirmation, Facts, Observed, Plan, Watch
from ..wait import until
from .running import masked, misplaced, package_of

if TYPE_CHECKING:
    from ..checks.http import CheckResult
    from ..config import Config
    from ..world import World

MOST_ROUNDS: Final = 1000  # of one window, so that its evidence stays small
TOLD: Final = ("at", "name", "outcome", "reason", "status", "millis")  # of each answer in the evidence


def planned(facts: Facts, config: Config) -> Watch | None:
    """The window of a deploy into this environment, with its baseline; None when it has none."""
    window = facts.environment.watch
    if not window:
        return None
    rules, longest = config.watch, config.targets[config.target].watch
    baseline = facts.baseline
    return Watch(
        millis=_millis(min(window, longest or window)),
        errors=rules.errors,
        slower=rules.slower,
        noise=_millis(rules.noise),
        before={} if baseline.missing else baseline.value,
    )


def through(context: World, plan: Plan, expected: Mapping[str, int], seen: Confirmation) -> Confirmation:
    """What was `seen` just after the release, and then through the whole window of the plan.

    `expected` is the release number of each component, as in `running.look`.

    It ends before its time when it is certain that it will fail. A release that has problems already is not
    watched.
    """
    if plan.watch is None or seen.problems:
        return seen
    began = time.monotonic()
    environment = plan.request.environment
    rounds = _ask(context, plan, plan.watch, observe(context, environment))
    took = _millis(time.monotonic() - began)
    problems = (
        *degraded(plan.watch, rounds, len(rounds)),
        *misplaced(plan, expected, observe(context, environment)),
    )
    context.screen.fact("watched", _summary(plan.watch, rounds, took))
    checks = {name: msgspec.to_builtins(now) for name, now in usual(rounds).items()}
    watched = {"rounds": len(rounds), "millis": took, "checks": checks}
    answers = masked(context, environment, [answer for answers in rounds for answer in answers])
    report = json.dumps([{name: getattr(answer, name) for name in TOLD} for answer in answers], indent=1)
    attach = {**seen.attach, "watch.json": f"{report}\n".encode()}
    return Confirmation(problems, {**seen.details, "watched": watched}, attach)


def _ask(context: World, plan: Plan, watch: Watch, observed: Observed) -> list[Sequence[CheckResult]]:
    """Ask round after round until the window is over, or failure is certain."""
    package, window = package_of(plan), watch.millis / 1000
    every = max(context.config.targets[context.target].watch_every, window / MOST_ROUNDS)
    pace = Pace(every)
    rounds: list[Sequence[CheckResult]] = []
    with context.screen.step(f"watch for {window:g} s") as say:
        began = time.monotonic()

        def look() -> bool | None:
            if not pace.due:  # the window is over before the app wants to be asked again
                return None
            rounds.append(ask_round(context.config, observed, package, context.environ))
            pace.after(rounds[-1])
            if failed := [
                f"{r.name} ({r.status or 'no answer'})" for r in rounds[-1] if r.outcome != "passed"
            ]:
                say(f"round {len(rounds)}: {', '.join(failed)} failed")
            left = max(0.0, began + window - time.monotonic())
            most = len(rounds) + math.ceil(left / every) + 1
            return True if degraded(watch, rounds, most) else None

        until(look, within=window, every=pace)
        say.fail(degraded(watch, rounds, len(rounds)))
    return rounds


def _summary(watch: Watch, rounds: Sequence[Sequence[CheckResult]], took: int) -> str:
    checks, waits = [], set_aside(rounds)
    for name, now in usual(rounds).items():
        before = watch.before.get(name)
        was = f" (before {before.millis})" if before else ""
        checks.append(f"{name} {now.millis} ms{was}" + (f", {now.failed} failed" if now.failed else ""))
        if name in waits:
            checks[-1] += f", {waits[name]} asked to wait and do not count"
    unknown = "" if watch.before else "; there was nothing to compare with"
    return f"{len(rounds)} rounds in {took / 1000:.1f} s: {'; '.join(checks)}{unknown}"


def _millis(seconds: float) -> int:
    return round(1000 * seconds)
