"""Explain: every rule of an action, its verdict now, and the facts that it read. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import actions, guard
from ..errors import NoPackage, UsageError
from ..execution.holding import say_open
from ..facts.read import read_facts
from ..model import Outcome, Request, Result

if TYPE_CHECKING:
    from ..context import Context


def explain(context: Context, request: Request) -> Result:
    """Ask all guards of `request.action` and show rule, verdict, reason and facts of each.

    When there is no package that the action could be about, the rules are shown without verdicts.
    """
    if request.action not in actions.NAMES:
        raise UsageError(f"unknown action {request.action[:40]!r}: expected {', '.join(actions.NAMES)}")
    say_open(context, context.log(request.environment))
    guards = guard.load(context.paths.root, request.action, context.policy_files)
    try:
        action = actions.named(request.action)
        facts = read_facts(context, request, action)
        plan = action.plan(request, facts, context.config)
    except NoPackage as error:
        for one, _ in guards:
            context.screen.line(f"       {one.__name__}")
            context.screen.line(f"       rule   {guard.rule_of(one)}")
        line = f"{len(guards)} guards of {request.action}, none evaluated, because it would stop earlier: {error}"
        return Result(Outcome.SUCCEEDED, line)
    verdicts = guard.judge(context, plan, facts)
    for verdict in verdicts:
        context.screen.line(f"{verdict.outcome:6} {verdict.guard}")
        context.screen.line(f"       rule   {verdict.rule}")
        if verdict.reason:
            context.screen.line(f"       why    {verdict.reason}")
        context.screen.line(f"       facts  {', '.join(verdict.reads) or 'the request alone'}")
    refused = guard.refusals(verdicts)
    line = f"{len(verdicts)} guards of {request.action}: {len(refused)} would refuse"
    return Result(Outcome.SUCCEEDED, line, plan, verdicts)
