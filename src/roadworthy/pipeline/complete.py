"""Completion: a deployment is done only when the Definition of Done holds (deployment contract, section 11).

The criteria are `done.criteria` of release.toml. They are looked at again, now; the decision and the contract's
files are computed from the journals and attached. An incomplete deployment is a failed one and goes back by
itself (section 12), on the same road as any rollback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..actions.complete import ACTION
from ..decision import artifacts, decide, told
from ..decision.reading import progress_of
from ..execution import run as release
from ..execution.holding import say_open
from ..execution.signing import require
from ..model import Outcome, Request, Result

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry


def complete(context: Context, request: Request, only_plan: bool = False) -> Result:
    """Take the road, and leave the contract's files in `.artifacts`, whatever the decision."""
    result = release.run(context, request, only_plan=only_plan)
    if (
        only_plan
        or context.planning
        or result.plan is None
        or result.outcome not in (Outcome.SUCCEEDED, Outcome.FAILED)
    ):
        return result
    # Of what was complete already another machine may have the files; here they come from the journal.
    deployment, seq = result.plan.before["deployment"], result.seq
    entries = context.log(request.environment).backwards()
    ended = next(e for e in entries if e.seq == seq or (not seq and _completes(e, deployment)))
    _write(context, request.environment, ended, result.plan.request.commit)
    return result


def _completes(entry: Entry, deployment: int) -> bool:
    record = entry.record
    of_it = record.details.get("deployment") == deployment
    return of_it and (record.kind, record.action) == ("end", "complete")


def without_deployment(context: Context, request: Request) -> Result:
    """Record the decision on a change that needs no deployment: what runs stays."""
    from ..journal import lock
    from ..journal.entry import Record

    environment, commit = request.environment, request.commit
    known = told.read(context, environment, commit)
    decision = decide.release(known, context.config.slo)
    attach = told.files_of(context, environment, known, decision)
    said = {
        "change": {"id": request.change, "why": request.why},
        "actor": lock.this_process(),
        "decision": decision.word,
        "commit": commit,
    }
    require(context, environment, ("decide",))
    context.changes(f"write the decision {decision.word} on {commit[:12]}")
    record = Record("note", ACTION.stage, "decide", environment, context.target, "none", "", said)
    entry = context.log(environment).append(record, attach=attach)
    _write(context, environment, entry, commit)
    return _decided(context, environment, commit, decision)


def decision_of(context: Context, request: Request) -> Result:
    """The release decision as the journals tell it now: the file, and exit code 1 when it is NO."""
    environment, commit = request.environment, request.commit
    say_open(context, context.log(environment))
    known = told.read(context, environment, commit)
    decision = decide.release(known, context.config.slo)
    found = progress_of(context, environment, commit)
    for name, data in told.files_of(context, environment, known, decision).items():
        artifacts.write(context, told.VIEWS[name], commit, data)
    return replace(_decided(context, environment, commit, decision), next=found.next)


def _decided(context: Context, environment: str, commit: str, decision: decide.Release) -> Result:
    evidence = context.shown(artifacts.path_of(context, artifacts.DECISION, commit))
    codes = ", ".join(decision.reasons) or "every stage succeeded"
    line = f"{decision.word}: {commit[:12]} in {environment}: {codes}"
    outcome = Outcome.SUCCEEDED if decision.yes else Outcome.FAILED
    reasons = tuple(decision.reasons.values())
    return Result(outcome, line, evidence=evidence, reasons=reasons, code=int(not decision.yes))


def _write(context: Context, environment: str, entry: Entry, commit: str) -> None:
    log = context.log(environment)
    for item in entry.record.evidence:
        if item.name in told.VIEWS:
            artifacts.write(context, told.VIEWS[item.name], commit, log.evidence(item.sha256))
