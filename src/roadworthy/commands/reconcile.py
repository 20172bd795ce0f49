"""Reconcile, as a command: what it settled, what runs now, and what to do next."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..action import Takes
from ..actions import named
from ..decision.reading import progress_of
from ..errors import RoadworthyError
from ..execution.reconcile import reconcile
from ..facts.drift import drift
from ..facts.history import history_of
from ..facts.observe import observe
from ..model import Outcome, Plan, Result
from ..pipeline.what_next import of_drift

if TYPE_CHECKING:
    from ..context import Context


def report(context: Context, environment: str) -> Result:
    """Reconcile, for the command: what it settled, what runs now, and what to do next."""
    app = context.config.environment(environment).app
    context.screen.title(f"reconcile {app} ({environment}) on {context.target}")
    result = reconcile(context, environment)
    if result is None or result.plan is None:
        return _nothing_open(context, environment, app)
    return replace(
        result,
        line=f"{result.line}; {_runs(context, environment, app)}",
        next=_then(context, result.plan, result),
    )


def _runs(context: Context, environment: str, app: str) -> str:
    """What runs now. That it cannot be seen takes nothing away from what was settled."""
    try:
        runs = observe(context, environment)
    except RoadworthyError as error:
        return f"cannot see what {app} runs now ({error})"
    now = f"{runs.current.name}, {runs.commit[:12] or 'no package'}" if runs.current else "nothing"
    return f"{app} runs {now}{' in maintenance mode' if runs.maintenance else ''}"


def _nothing_open(context: Context, environment: str, app: str) -> Result:
    """Nothing is to be settled. What arrived after its start was settled is named: people look for it here."""
    line = f"{app} has no unfinished action"
    found = drift(environment, history_of(context, context.log(environment)), observe(context, environment))
    if not found:
        return Result(Outcome.SUCCEEDED, line, next=("invoke status",))
    then = of_drift(context, environment, found)
    return Result(Outcome.SUCCEEDED, line, reasons=tuple(map(str, found)), next=then)


def _then(context: Context, plan: Plan, result: Result) -> tuple[str, ...]:
    """What leads on after a settled start."""
    env, action, commit = plan.request.environment, named(plan.request.action), plan.request.commit
    if result.code:  # something that failed is there
        back = f"invoke rollback --env {env}"
        return (
            (back, f"invoke verify --env {env}")
            if action.takes is not Takes.FOUND
            else ("invoke status", back)
        )
    if action.of_ship:
        running = history_of(context, context.log(env)).running
        about = commit or (running.package.commit if running else "")
        with suppress(RoadworthyError):  # the start is settled, whatever cannot be told of the way from here
            return (progress_of(context, env, about).next if about else ()) or (f"invoke verify --env {env}",)
    return (f"invoke verify --env {env}", *((f"invoke {action.name} --env {env}",) if action.again else ()))
