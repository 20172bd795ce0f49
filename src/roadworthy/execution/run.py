"""The one road to change: look, decide, write down, act, look again, write down.

Every mutation of an environment goes through `run`, and no other module calls a driver's `apply` (a test
walks the syntax tree). The order is fixed:

    facts     read once; what cannot be read refuses
    plan      pure; printing it is the dry run
    verdicts  every guard is asked, all answers are shown
    start     in the journal before the effect: it is the claim, the lock and the fencing token
    effect    the plan's steps, one by one
    look      is it really so?
    end       or failed. When nobody can tell, the start stays open and `reconcile` looks.

What it refused or settled names the calls to the platform that were tried again. For a start that stays open a
note does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from .. import actions, guard
from ..action import Action, Takes
from ..actions.migrate import where_it_stands
from ..actions.running import before_the_next
from ..errors import (
    CheckFailed,
    Held,
    OutcomeUnknown,
    Overtaken,
    RoadworthyError,
    Superseded,
    Unreachable,
    UsageError,
)
from ..facts.newer import newer_than
from ..facts.observe import observe
from ..facts.package import fetched
from ..facts.read import read_facts
from ..journal import lock
from ..journal.beat import beating
from ..journal.claims import claim, token
from ..journal.lock import ACTED, HeldBy
from ..model import (
    Confirmation,
    Facts,
    Found,
    Maintenance,
    Outcome,
    Plan,
    PlatformRelease,
    Receipt,
    ReleasePackage,
    Request,
    Result,
    RunCommand,
    SetConfig,
    Step,
    Verdict,
)
from ..record import (
    describe,
    evidence_of,
    name_of,
    numbers,
    numbers_before,
    phases,
    policy_said,
    proofs,
    record,
    released,
    said,
    shown,
)
from . import fence, signing
from .ahead import judge_ahead
from .anchor import anchor_head
from .clock import refuse_wrong_clock
from .recover import kept_out, recover

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..platforms.base import Progress
    from ..world import World


def run(context: World, request: Request, *, only_plan: bool = False) -> Result:
    """Take one request down the road. `only_plan` stops after the verdicts and changes nothing.

    Raises Held when another release holds the environment, and still does after `request.wait` seconds;
    OutcomeUnknown when an earlier or this one's outcome is not known; Superseded when a newer commit had its
    turn before this one; Refused when this command's key may not sign all that it may have to; UsageError and
    CheckFailed when it cannot even be planned. The refusals of guards and failures are results, not errors.
    """
    from . import turn

    only_plan = only_plan or context.planning
    signing.require(context, request.environment, (request.action, *request.then))
    log = context.log(request.environment)
    begun = log.head()
    deadline = time.monotonic() + request.wait
    while True:
        turn.take(context, log, request, deadline, settle=not only_plan)
        try:
            refuse_if_superseded(context, log, request, begun)
            return _run(context, log, request, only_plan=only_plan)
        except (HeldBy, Overtaken):  # nothing was done yet, so with time left everything is decided anew
            if time.monotonic() >= deadline:
                raise


def _run(context: World, log: Log, request: Request, *, only_plan: bool) -> Result:
    screen = context.screen
    action = actions.named(request.action)
    head = log.head()
    if action.prepare and not only_plan:
        action.prepare(context, request.commit)
    facts = read_facts(context, request, action)
    refuse_wrong_clock(context, log, request.environment)
    plan = action.plan(request, facts, context.config)
    verdicts = judge_ahead(context, plan, facts)
    screen.fact("plan", describe(plan))
    for one in plan.migrations:
        screen.fact("pending", one.described)
    if (policy := facts.policy.known) and policy.differs and not policy.production:
        why = "differs from the commit: it is used here, but production would refuse it"
        screen.fact("policy", f"{', '.join(policy.differs)} {why}")
    refused = guard.refusals(verdicts)
    if only_plan:
        screen.fact("signs", ", ".join(map(str, signing.works((request.action, *request.then)))))
    if refused or only_plan:
        screen.verdicts(verdicts)
    else:
        count = Counter(verdict.outcome for verdict in verdicts)
        unseen = f", {count[guard.NOT_ASKED]} not asked" if count[guard.NOT_ASKED] else ""
        screen.fact("guards", f"{count['pass']} pass, {count['n/a']} do not apply{unseen}")
    if refused:
        return _refused(context, log, action, plan, facts, verdicts, refused, only_plan)
    named = proofs(plan, facts)
    if not plan.already:
        proven = [one["action"] for one in named.get("proofs", ())]
        signing.require_proofs(context, request.environment, request.action, proven)
    if only_plan or plan.already:
        line = plan.already or "every guard passes; nothing was changed"
        return Result(Outcome.SUCCEEDED, line, plan, verdicts)

    plan = fetched(context, plan)
    told = {**said(plan, verdicts), **policy_said(facts), **named}
    if any(isinstance(step, ReleasePackage) for step in plan.steps):
        told |= phases(facts)
    told |= fence.opened(context, plan)
    try:
        start = log.append(record(context, "start", action.stage, plan, told))
    except (KeyboardInterrupt, Exception):
        fence.given_back(context, told)
        raise
    began = time.monotonic()
    receipts: list[Receipt] = []
    try:
        refuse_if_overtaken(log, head, start)
        with beating(context.store, start):
            seen = _act(context, log, action, plan, start, receipts)
    except Held as error:
        if log.open_start() == start:
            settle(context, action, plan, start, tuple(receipts), Confirmation((str(error),)))
        else:
            _note(context, action, plan, start, str(error), attempted(context))
        raise
    except (KeyboardInterrupt, Exception) as error:
        raise _unknown(context, action, plan, start, error, attempted(context)) from error
    result = settle(context, action, plan, start, tuple(receipts), seen)
    took, bound = time.monotonic() - began, context.config.limits.rollback
    result = replace(result, verdicts=verdicts, details={**result.details, "millis": round(1000 * took)})
    if result.outcome is Outcome.FAILED:
        return kept_out(context, plan, recover(context, facts, result, run))
    if action.bounded and not request.automatic and took > bound:
        late = f"{result.line} in {took:.1f} s, over the limit of {bound:g} s"
        return replace(result, outcome=Outcome.FAILED, line=late, code=1)
    return result


def _act(
    context: World, log: Log, action: Action, plan: Plan, start: Entry, receipts: list[Receipt]
) -> Confirmation:
    """Do the steps, one by one, and look again. What surely did not work is a problem, not an error."""

    def still_ours() -> None:
        if log.open_start() != start:
            raise Held(
                f"journal #{start.seq} was abandoned while it ran, so this command stopped: "
                f"run `invoke verify --env {plan.request.environment}`"
            )

    migrating = False
    try:
        for step in plan.steps:
            still_ours()
            migrating = migrating or isinstance(step, RunCommand)
            with context.screen.step(name_of(step)) as say:
                # A driver says what it does next before it does it: the moment to see whether it still may.
                def progress(phrase: str, say: Progress = say) -> None:
                    still_ours()
                    say(phrase)

                receipt = _do(context, plan, step, start, progress)
                say.fail(receipt.exit_status)
            receipts.append(receipt)
            if receipt.exit_status:
                last = "\n".join(f"  {line}" for line in receipt.output[-12:])
                raise CheckFailed(f"{receipt.step!r} exited with {receipt.exit_status}\n{last}")
            if action.undo and (stopped := before_the_next(context, plan, len(receipts))):
                return stopped
        fence.closed(context, start)
        return action.confirm(context, plan, tuple(receipts))
    except Unreachable:
        raise  # after the effect, not being able to look is not a failure
    except (CheckFailed, UsageError) as error:
        stands = where_it_stands(context, plan.app) if migrating else {}
        return Confirmation((str(error), *_open_again(context, plan, start, len(receipts))), stands)


def _do(context: World, plan: Plan, step: Step, start: Entry, progress: Progress) -> Receipt:
    """The effect. Nothing else in this package changes an environment."""
    app = "" if isinstance(step, RunCommand) else step.app
    receipt = context.platform.apply(app or plan.app, step, token=token(start), progress=progress)
    match step:
        case ReleasePackage():
            return replace(receipt, component=step.package.component)
        case SetConfig():
            return replace(receipt, component=step.component)
    return receipt


def _open_again(context: World, plan: Plan, start: Entry, done: int) -> tuple[str, ...]:
    """End the maintenance that a deploy began and whose release changed nothing; what is wrong with that, if so.

    Where something was changed it stays: whoever goes back ends it, once the app is seen healthy.
    """
    begun = [step for step in plan.steps[:done] if isinstance(step, Maintenance) and step.on]
    if not begun:
        return ()
    try:
        if numbers(observe(context, plan.request.environment)) == numbers_before(plan.before):
            context.screen.line(f"turning maintenance off again: {plan.app} runs what it ran before")
            for step in begun:
                _do(context, plan, replace(step, on=False), start, context.screen.line)
    except RoadworthyError as error:
        return (f"{plan.app} may still be in maintenance mode: {error}",)
    return ()


def settle(
    context: World,
    action: Action,
    plan: Plan,
    start: Entry,
    receipts: tuple[Receipt, ...],
    seen: Confirmation,
) -> Result:
    """Write the outcome of an open start: `end` when the second look found no problem, else `failed`."""
    request = plan.request
    try:
        fenced = fence.closed(context, start)
    except RoadworthyError as error:
        raise _unknown(context, action, plan, start, error, attempted(context)) from error
    left = _left_behind(context, plan, start, receipts)
    behind = (Receipt("release", 0, one.order, one.artifact, component) for component, one in left.items())
    failed = {component for component, one in left.items() if one.status == "failed"}
    to = released(plan, (*receipts, *behind), failed)
    details: dict[str, Any] = {
        "settles": start.seq,
        "outcome": "failed" if seen.problems else "succeeded",
        "receipts": [msgspec.to_builtins(r) for r in receipts],
        **said(plan),
        **seen.details,
        **fenced,
    }
    details |= (attempts := attempted(context))
    if to:
        details["to"] = to
    if seen.problems:
        details["problems"] = list(seen.problems)
    kind = "failed" if seen.problems else "end"
    try:
        entry = context.log(request.environment).append(
            record(context, kind, action.stage, plan, details), attach=seen.attach
        )
    except (KeyboardInterrupt, Exception) as error:
        raise _unknown(context, action, plan, start, error, attempts) from error
    where = evidence_of(context, request.environment, entry)
    line = _line(plan, to)
    if not seen.problems:
        if anchored := anchor_head(context, request.environment):
            context.screen.line(f"  {anchored}")
        return Result(Outcome.SUCCEEDED, line + action.left(plan), plan, (), entry.seq, where, details)
    reasons = seen.problems
    return Result(Outcome.FAILED, f"{line}: failed", plan, (), entry.seq, where, details, reasons, code=1)


def _left_behind(
    context: World, plan: Plan, start: Entry, receipts: tuple[Receipt, ...]
) -> dict[str, PlatformRelease]:
    """The releases of steps that left no receipt, for one that fails may have made one: for the evidence."""
    told = {receipt.component for receipt in receipts if receipt.release}
    made: dict[str, PlatformRelease] = {}
    for step in plan.steps:
        if not isinstance(step, ReleasePackage | SetConfig):
            continue
        component = step.package.component if isinstance(step, ReleasePackage) else step.component
        if component in told:
            continue
        try:
            found = context.platform.find(step.app or plan.app, claim(start, component))
        except RoadworthyError:
            continue
        if isinstance(found, Found):
            made[component] = found.release
    return made


def refuse_if_superseded(context: World, log: Log, request: Request, begun: Entry | None) -> None:
    """Raise Superseded when a deploy or a ship comes after a newer commit had its turn in this environment.

    No guard is asked then, and none loses a word: nothing that they guard is about to happen. Whoever goes back
    on purpose says so, by `rollback` or `replay`. `begun` is the log's last entry when the command began.
    """
    if actions.named(request.action).takes is not Takes.COMMIT or request.replay:
        return
    if newer := newer_than(context, log, request, begun):
        raise Superseded(
            f"{request.commit[:12]} is superseded in {request.environment} by {newer}; nothing was changed"
        )


def refuse_if_overtaken(log: Log, head: Entry | None, start: Entry) -> None:
    """Raise Overtaken when somebody acted between the reading of the facts and our start: the plan is stale."""
    known = head.seq if head else 0
    if start.seq == known + 1:
        return
    since = takewhile(lambda entry: entry.seq > known, log.backwards())
    acted = next((e for e in since if e.seq < start.seq and e.record.kind in ACTED), None)
    if acted:
        raise Overtaken(
            f"journal #{acted.seq} ({acted.record.action}) was written while this command decided; "
            "nothing was changed: run the command again"
        )


def attempted(context: World) -> dict[str, Any]:
    """What an entry says of the calls to the platform that had to be repeated or were refused; {} of none."""
    attempts = context.platform.take_attempts()
    return {"attempts": attempts} if attempts else {}


def _unknown(
    context: World,
    action: Action,
    plan: Plan,
    start: Entry,
    error: BaseException,
    attempts: Mapping[str, Any],
) -> OutcomeUnknown:
    """The start stays open: say what is unknown and how to go on. The attempts that led here are kept."""
    # The text of an error that is not ours may hold anything, a secret too.
    ours = isinstance(error, RoadworthyError) and str(error)
    why = "it was interrupted" if isinstance(error, KeyboardInterrupt) else ours or type(error).__name__
    _note(context, action, plan, start, why, attempts)
    return OutcomeUnknown(
        f"the outcome of {start.record.action} (journal #{start.seq}) is unknown: {why}. "
        f"Run `invoke reconcile --env {plan.request.environment}`"
    )


def _note(
    context: World, action: Action, plan: Plan, start: Entry, why: str, attempts: Mapping[str, Any]
) -> None:
    """Keep the attempts of a start that we do not settle: whoever does knows nothing of them.

    Nothing to say is no entry. And it is only evidence: when it cannot be written, what became of the start
    must still be said.
    """
    if not attempts:
        return
    details = {"start": start.seq, "reason": why, "actor": lock.this_process(), **attempts}
    with suppress(KeyboardInterrupt, Exception):
        context.log(plan.request.environment).append(record(context, "note", action.stage, plan, details))


def _refused(
    context: World,
    log: Log,
    action: Action,
    plan: Plan,
    facts: Facts,
    verdicts: tuple[Verdict, ...],
    refused: tuple[Verdict, ...],
    only_plan: bool,
) -> Result:
    reasons = tuple(f"{v.guard}: {v.reason}" for v in refused)
    line = f"refused by {', '.join(v.guard for v in refused)}"
    result = Result(Outcome.REFUSED, line, plan, verdicts, reasons=reasons, code=guard.exit_code(verdicts))
    if only_plan:
        return result
    try:
        told = {**said(plan, verdicts), **policy_said(facts), **attempted(context)}
        entry = log.append(record(context, "refused", action.stage, plan, told))
    except (UsageError, Held) as error:
        return replace(result, line=f"{line} (not in the journal: {error})")
    return replace(result, seq=entry.seq, evidence=evidence_of(context, plan.request.environment, entry))


def _line(plan: Plan, to: Mapping[str, Any]) -> str:
    if plan.after.get("seen"):
        return f"nothing to migrate, {plan.app} seen at {plan.after['revision']}"
    what = f" {plan.package.commit[:12]}" if plan.package else ""
    return f"{plan.request.action}{what} on {plan.app}" + (f" as {where}" if (where := shown(to)) else "")
