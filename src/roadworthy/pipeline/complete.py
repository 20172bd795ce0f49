"""Completion: a deployment is done only when the Definition of Done holds (deployment contract, section 11).

The criteria are `done.criteria` of release.toml. They are looked at again, now; the decision and the contract's
files are computed from the journals and attached. An incomplete deployment is a failed one and goes back by
itself (section 12), on the same road as any rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..actions.running import addresses, ask
from ..errors import Held, RoadworthyError, UsageError
from ..execution import run as release
from ..execution.holding import say_open
from ..execution.signing import require
from ..facts.history import test_run
from ..facts.observe import observe
from ..facts.revision import revision_of
from ..facts.running import RUNS
from ..facts.standing import standing_of
from ..journal.entry import JournalError, place_of
from ..model import Confirmation, Fact, Facts, Outcome, Plan, Receipt, Request, Result
from . import artifacts, commit_stage, contract_files, decide, times
from .build import MANIFEST
from .lines import State
from .progress import as_completed, progress
from .reading import asked_of, progress_of

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..model import CiState
    from .lines import Progress

NAME = "completion"
DECISION: Final = "decision.json"
PRODUCTION: Final = "production.json"
TIMING: Final = "timing.json"
COMMIT_STAGE: Final = "commit-stage-result.json"


def plan(request: Request, facts: Facts, context: Context) -> Plan:
    """Nothing changes: the plan has no steps. What was completed already is left alone, but by a replay.

    Raises Held when `request.to` names a package and another one runs by now.
    """
    running = facts.history.value.running
    if running is None:
        raise UsageError(f"nothing was ever deployed to {request.environment}: there is nothing to complete")
    package = running.package
    built = standing_of(context, package.commit).digest
    if built and built != package.digest:
        raise UsageError(
            f"what runs of {package.commit[:12]} is not all that was built and accepted of it (a component was "
            "given up since): it cannot be completed, so deploy a newer commit"
        )
    if request.to and request.to != package.digest:
        raise Held(f"{package.name} was deployed to {request.environment} meanwhile: nothing was completed")
    done = facts.history.value.complete and not request.replay
    already = (
        f"the deployment of {package.commit[:12]} to {facts.environment.app} is complete" if done else ""
    )
    return Plan(
        request=replace(request, commit=package.commit),
        app=facts.environment.app,
        steps=(),
        package=package,
        before={"deployment": running.seq},
        after={"commit": package.commit, "digest": package.digest, "size": package.size},
        already=already,
    )


def confirm(context: Context, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """Ask every criterion, and compute the decision with the answers."""
    if plan.package is None:
        raise ValueError("a completion is about a package")
    environment, commit = plan.request.environment, plan.package.commit
    unmet = _unmet(context, plan)
    details = {
        "deployment": plan.before["deployment"],
        "criteria": {name: unmet.get(name, "holds")[:300] for name in context.config.done.criteria},
    }
    try:
        told = read(context, environment, commit, unmet)
        decision = decide.release(told, context.config.slo)
        attach = files_of(context, environment, told, decision)
    except JournalError as error:  # what is known of the package is no evidence, now or later: it is no YES
        return Confirmation((f"the decision cannot be computed: {error}",), {**details, "decision": "NO"})
    problems = tuple(f"{code}: {said}" for code, said in decision.reasons.items())
    return Confirmation(problems, {**details, "decision": decision.word}, attach)


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
    told = read(context, environment, commit)
    decision = decide.release(told, context.config.slo)
    attach = files_of(context, environment, told, decision)
    said = {
        "change": {"id": request.change, "why": request.why},
        "actor": lock.this_process(),
        "decision": decision.word,
        "commit": commit,
    }
    require(context, environment, ("decide",))
    context.changes(f"write the decision {decision.word} on {commit[:12]}")
    record = Record("note", NAME, "decide", environment, context.target, "none", "", said)
    entry = context.log(environment).append(record, attach=attach)
    _write(context, environment, entry, commit)
    return _decided(context, environment, commit, decision)


def decision_of(context: Context, request: Request) -> Result:
    """The release decision as the journals tell it now: the file, and exit code 1 when it is NO."""
    environment, commit = request.environment, request.commit
    say_open(context, context.log(environment))
    told = read(context, environment, commit)
    decision = decide.release(told, context.config.slo)
    found = progress_of(context, environment, commit)
    for name, data in files_of(context, environment, told, decision).items():
        artifacts.write(context, _FILES[name], commit, data)
    return replace(_decided(context, environment, commit, decision), next=found.next)


def _decided(context: Context, environment: str, commit: str, decision: decide.Release) -> Result:
    evidence = context.shown(artifacts.path_of(context, artifacts.DECISION, commit))
    codes = ", ".join(decision.reasons) or "every stage says so"
    line = f"{decision.word}: {commit[:12]} in {environment}: {codes}"
    outcome = Outcome.SUCCEEDED if decision.yes else Outcome.FAILED
    reasons = tuple(decision.reasons.values())
    return Result(outcome, line, evidence=evidence, reasons=reasons, code=int(not decision.yes))


def read(
    context: Context, environment: str, commit: str, asked_now: Mapping[str, str] | None = None
) -> decide.Told:
    """What the journals tell of `commit` in `environment`.

    `asked_now` are the criteria that a completion which is being written found unmet; else the newest one that was
    written counts.
    """
    log, asked = context.log(environment), asked_of(context, environment, commit)
    found = progress(asked if asked_now is None else as_completed(asked))
    package = context.log(place_of(commit)).entries()
    deployed, start = _deployed(log, found)
    replay = deployed is not None and start is not None and _replayed(log, deployed, start)
    failed = deployed is None and _last_failed(log, commit)
    return decide.Told(
        commit=commit,
        standing=asked.standing,
        commit_stage=commit_stage.read(context, commit, _tests(context, commit, asked.standing.digest)),
        no_deploy=found.no_deploy,
        deployed=deployed,
        unmet={**_unmet_of(found, log if asked_now is None else None), **(asked_now or {})},
        replay=replay,
        times=times.of_release(package, environment, deployed, replay=replay, failed=failed),
    )


def files_of(
    context: Context, environment: str, told: decide.Told, decision: decide.Release
) -> dict[str, bytes]:
    """The files of the contract, as evidence."""
    now = f"{context.now():%Y-%m-%dT%H:%M:%SZ}"
    place = f"{context.target}/{environment}"
    build = told.standing.build
    manifest = context.log(place_of(told.commit)).evidence_json(build.evidence[MANIFEST]) if build else {}
    run = f"{place}#{told.deployed.start}" if told.deployed else place
    return {
        DECISION: artifacts.as_bytes(contract_files.decision_file(told, decision, manifest, now)),
        PRODUCTION: artifacts.as_bytes(contract_files.production_file(told, decision, manifest, now, place)),
        TIMING: artifacts.as_bytes(contract_files.timing_file(told, decision, context.config.slo, now, run)),
        COMMIT_STAGE: artifacts.as_bytes(commit_stage.result(told.commit_stage, now)),
    }


def _write(context: Context, environment: str, entry: Entry, commit: str) -> None:
    log = context.log(environment)
    for item in entry.record.evidence:
        if item.name in _FILES:
            artifacts.write(context, _FILES[item.name], commit, log.evidence(item.sha256))


_FILES: Final = {
    DECISION: artifacts.DECISION,
    PRODUCTION: artifacts.PRODUCTION,
    TIMING: artifacts.TIMING,
    COMMIT_STAGE: artifacts.COMMIT_STAGE,
}


def _tests(context: Context, commit: str, digest: str) -> Fact[CiState]:
    if not context.config.github:
        return Fact("ci", test_run(context.log(place_of(commit)).settled(), digest))
    from .. import http
    from ..facts.github import ci_state, with_workflow

    github, session = context.config.github, http.session(context.config.limits.http)
    token = context.environ.get("GITHUB_TOKEN", "")
    try:
        state = ci_state(github, commit, token, session)
        return Fact("ci", with_workflow(github, state, token, session))
    except RoadworthyError as error:
        return Fact("ci", missing=str(error))


def _deployed(log: Log, found: Progress) -> tuple[decide.Deployment | None, Entry | None]:
    """The deployment of this package that stands, and its start."""
    if found.ran is None:
        return None, None
    before = log.backwards(found.ran)
    settles = next(before).record.details["settles"]
    start = next(entry for entry in before if entry.seq == settles)
    return decide.Deployment(start.seq, found.ran.seq, start.at, found.ran.at, found.ran.release), start


def _last_failed(log: Log, commit: str) -> bool:
    """Whether the newest deployment of this commit did not end well."""
    runs = (one for one in reversed(log.settled()) if one.action in RUNS and one.commit == commit)
    newest = next(runs, None)
    return newest is not None and newest.kind == "failed"


def _replayed(log: Log, deployed: decide.Deployment, start: Entry) -> bool:
    """Whether a replay began this deployment or, where it ran already, its newest completion."""
    since = takewhile(lambda entry: entry.seq > deployed.end, log.backwards())
    began = (e.record for e in since if (e.record.kind, e.record.action) == ("start", "complete"))
    newest = next(
        (one for one in began if one.details.get("from", {}).get("deployment") == deployed.end), start.record
    )
    return bool(start.record.details.get("replay") or newest.details.get("replay"))


def _unmet_of(found: Progress, log: Log | None) -> dict[str, str]:
    """Why the deployment is not complete: what its completion found unmet, or the first stage that is not done.

    Nothing for a commit that was never deployed here: that is said already.
    """
    line = next((one for one in found.deployment if not one.passed), None)
    if line is None or (line.stage == "deploy" and line.state is not State.OPEN):
        return {}
    if log and line.stage == "completion" and line.state is State.FAILED and found.completed:
        details = next(log.backwards(found.completed)).record.details
        said = details.get("criteria", {})
        return {name: why for name, why in said.items() if why != "holds"} or {"complete": "it failed"}
    return {"complete": f"{line}{f': run `{found.next[0]}`' if found.next else ''}"}


# ---- the Definition of Done ------------------------------------------------------------------------------


def _unmet(context: Context, plan: Plan) -> dict[str, str]:
    """The criteria that do not hold, each with why. One that cannot be asked does not hold."""
    found: dict[str, str] = {}
    for name in context.config.done.criteria:
        try:
            why = CRITERIA[name](context, plan)
        except RoadworthyError as error:
            why = f"it cannot be told: {error}"
        if why:
            found[name] = why
    return found


def _stages_in_order(context: Context, plan: Plan) -> str:
    standing = standing_of(context, plan.request.commit)
    return standing.lacks("deploy") or next(iter(standing.invalid), "")


def _package_runs(context: Context, plan: Plan) -> str:
    if plan.package is None:
        raise ValueError("a completion is about a package")
    observed = observe(context, plan.request.environment).as_of(plan.package)
    if observed.digest != plan.package.digest:
        return f"the platform runs package {observed.digest[:12] or 'none'}"
    return f"{plan.app} is in maintenance mode" if observed.maintenance else ""


def _checks_pass(context: Context, plan: Plan) -> str:
    environment = plan.request.environment
    results = ask(context, environment, addresses(context, environment), plan.package)
    return "; ".join(f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed")


def _schema_is_current(context: Context, plan: Plan) -> str:
    asked = asked_of(context, plan.request.environment, plan.request.commit)
    seen = revision_of(context, plan.app)
    if seen != asked.revision:
        return f"the database is at {seen}, the journal says {asked.revision}: run `invoke migrate`"
    pending = [m.revision for m in asked.pending()]
    return f"{', '.join(pending)} was not migrated: run `invoke migrate`" if pending else ""


def _evidence_is_kept(context: Context, plan: Plan) -> str:
    log = context.log(plan.request.environment)
    for entry in log.backwards():
        for item in entry.record.evidence:
            log.evidence(item.sha256)
        if entry.seq < int(plan.before["deployment"]):
            break
    return ""


CRITERIA: Final[Mapping[str, Callable[[Context, Plan], str]]] = {
    "stages_in_order": _stages_in_order,
    "package_runs": _package_runs,
    "checks_pass": _checks_pass,
    "schema_is_current": _schema_is_current,
    "evidence_is_kept": _evidence_is_kept,
}
