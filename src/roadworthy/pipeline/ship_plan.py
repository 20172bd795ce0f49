"""What a ship would do: every stage that is left, and what the guards say of each action, as far as that is known.

Facts that an earlier stage of the same ship makes are not known yet: what a guard would refuse because of them is
shown as not asked. Without a package nothing of its deployment can be planned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from .. import guard
from ..actions import named
from ..decision.lines import LINES, MIGRATIONS, Progress
from ..decision.reading import progress_of
from ..errors import RoadworthyError
from ..execution.ahead import each_ahead
from ..execution.signing import works
from ..facts.read import read_facts
from ..model import Outcome, Request, Result, Verdict
from . import will_sign

if TYPE_CHECKING:
    from ..context import Context

PACKAGE: Final = LINES[: LINES.index("deploy")]
ACTIONS: Final = {"deploy": "deploy", MIGRATIONS: "migrate", "completion": "complete"}
Judged = list[tuple[str, tuple[Verdict, ...]]]


def planned(context: Context, request: Request) -> Result:
    """The plan of a ship or a replay, as the answer of its command; it changes nothing."""
    found = progress_of(context, request.environment, request.commit)
    left = [line.stage for line in found.lines if not line.passed or _again(request, line.stage)]
    for one in found.lines:
        context.screen.fact(one.stage, "would be done" if one.stage in left else f"{one.state} {one.entry}")
    signs = [str(work) for _, actions in will_sign.left(context, request) for work in works(actions)]
    context.screen.fact("signs", ", ".join(dict.fromkeys(signs)) or "nothing")
    judged, unknown = _judged(context, request, found, left)
    for action, verdicts in judged:
        context.screen.line(f"  {action}:")
        context.screen.verdicts(verdicts)
    if unknown:
        context.screen.line(f"  {unknown}")
    details = {
        "stages": [msgspec.to_builtins(line) for line in found.lines],
        "left": left,
        "plans": [
            {"action": action, "verdicts": msgspec.to_builtins(verdicts)} for action, verdicts in judged
        ],
        "unknown": unknown,
        "signs": [*dict.fromkeys(signs)],
    }
    every = {v.guard: v for _, verdicts in judged for v in verdicts}
    every |= {v.guard: v for _, verdicts in judged for v in guard.refusals(verdicts)}
    verdicts = tuple(every.values())
    if refused := guard.refusals(verdicts):
        line = f"would be refused by {', '.join(v.guard for v in refused)}; nothing was changed"
        reasons = tuple(f"{v.guard}: {v.reason}" for v in refused)
        code = guard.exit_code(verdicts)
        return Result(Outcome.REFUSED, line, None, verdicts, details=details, reasons=reasons, code=code)
    line = f"would {_first(request, found, left)}; nothing was changed"
    return Result(Outcome.SUCCEEDED, line, None, verdicts, details=details, next=_next(context, request))


def _again(request: Request, stage: str) -> bool:
    """A replay builds nothing, and does everything else again."""
    return request.replay and stage not in ("intake", "build")


def _first(request: Request, found: Progress, left: list[str]) -> str:
    commit = request.commit[:12]
    if not left:
        runs = "write the decision on" if found.no_deploy else "leave as it is what is complete:"
        return f"{runs} {commit}"
    does = {"intake": "intake", "build": "build", "verification": "accept", "release": "release"} | ACTIONS
    after = ", and the stages after it" if left[1:] else ""
    return f"{does.get(left[0], 'verify')} {commit}{after}"


def _next(context: Context, request: Request) -> tuple[str, ...]:
    from .what_next import again

    return (again(context, request),)


def _judged(context: Context, request: Request, found: Progress, left: list[str]) -> tuple[Judged, str]:
    """What the guards say of each action that is left, and why nothing can be said of them, "" where it can."""
    actions = [ACTIONS[stage] for stage in left if stage in ACTIONS]
    if not actions or found.no_deploy:
        return [], ""
    before = [stage for stage in left if stage in PACKAGE]
    asked = replace(request, action=actions[0], then=tuple(actions[1:]))
    try:
        action = named(asked.action)
        facts = read_facts(context, asked, action)
        plan = action.plan(asked, facts, context.config)
    except RoadworthyError as error:
        if not before:
            raise
        stage = "build" if "build" in before else before[0]
        return [], f"{', '.join(actions)}: not known before {stage}: {error}"
    made = {"eligible"} | ({"ci"} if context.config.github is None else set[str]())
    each = each_ahead(context, plan, facts)
    if not before:
        return list(each), ""
    return [(action, tuple(_known(v, before[-1], made) for v in verdicts)) for action, verdicts in each], ""


def _known(verdict: Verdict, before: str, made: set[str]) -> Verdict:
    """The verdict; not asked where a fact refuses that an earlier stage of this ship has still to make."""
    if verdict.outcome != "refuse" or not made & {*verdict.reads}:
        return verdict
    return replace(verdict, outcome=guard.NOT_ASKED, reason=f"not known before {before}: {verdict.reason}")
