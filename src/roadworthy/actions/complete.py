"""Complete: ask every criterion of the Definition of Done, and compute the release decision with the answers.

Nothing is changed on the platform. What was completed already is left alone, but by a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..action import Action, Undo
from ..decision import decide, told
from ..decision.reading import asked_of
from ..errors import Held, Refused, RoadworthyError, UsageError
from ..facts.drift import late_effects
from ..facts.observe import observe
from ..facts.revision import revision_of
from ..facts.standing import standing_of
from ..journal.entry import JournalError
from ..model import Confirmation, Facts, Plan, Receipt, Request
from .rollback import back_to
from .running import addresses, ask

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Nothing changes: the plan has no steps. What was completed already is left alone, but by a replay.

    Raises Held when `request.to` names a package and another one runs by now; Refused while a release of ours is on
    the platform that no entry names.
    """
    running = facts.history.value.running
    if running is None:
        raise UsageError(f"nothing was ever deployed to {request.environment}: there is nothing to complete")
    package = running.package
    built = facts.standing.value.digest
    if built and built != package.digest:
        raise UsageError(
            f"only some components of {package.commit[:12]} are running (one was removed "
            "since): it cannot be completed, so deploy a newer commit"
        )
    if request.to and request.to != package.digest:
        raise Held(f"{package.name} was deployed to {request.environment} meanwhile: nothing was completed")
    if late := late_effects(facts.history.value, facts.observed.value):
        raise Refused(f"{late[0]}: look at it and accept it first").then("invoke status")
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


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
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
        known = told.read(context, environment, commit, unmet)
        decision = decide.release(known, context.config.slo)
        attach = told.files_of(context, environment, known, decision)
    except JournalError as error:  # what is known of the package is no evidence, now or later: it is no YES
        return Confirmation((f"cannot compute the decision: {error}",), {**details, "decision": "NO"})
    problems = tuple(f"{code}: {said}" for code, said in decision.reasons.items())
    return Confirmation(problems, {**details, "decision": decision.word}, attach)


def _unmet(context: World, plan: Plan) -> dict[str, str]:
    """The criteria that do not hold, each with why. One that cannot be asked does not hold.

    What runs is looked at first and, since the others take their time, once more at the end.
    """
    found: dict[str, str] = {}
    criteria = context.config.done.criteria
    for name in (*criteria, *(name for name in criteria if name == "package_runs")):
        try:
            why = CRITERIA[name](context, plan)
        except RoadworthyError as error:
            why = f"unknown: {error}"
        if why:
            found[name] = why
    return found


def _stages_in_order(context: World, plan: Plan) -> str:
    standing = standing_of(context, plan.request.commit)
    return standing.lacks("deploy") or next(iter(standing.invalid), "")


def _package_runs(context: World, plan: Plan) -> str:
    if plan.package is None:
        raise ValueError("a completion is about a package")
    observed = observe(context, plan.request.environment).as_of(plan.package)
    if observed.digest != plan.package.digest:
        return f"the platform runs package {observed.digest[:12] or 'none'}"
    return f"{plan.app} is in maintenance mode" if observed.maintenance else ""


def _checks_pass(context: World, plan: Plan) -> str:
    environment = plan.request.environment
    results = ask(context, environment, addresses(context, environment), plan.package)
    return "; ".join(f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed")


def _schema_is_current(context: World, plan: Plan) -> str:
    asked = asked_of(context, plan.request.environment, plan.request.commit)
    seen = revision_of(context, plan.app)
    if seen != asked.revision:
        return f"the database is at {seen}, the journal says {asked.revision}: run `invoke migrate`"
    pending = [m.revision for m in asked.pending()]
    return f"{', '.join(pending)} was not migrated: run `invoke migrate`" if pending else ""


def _evidence_is_kept(context: World, plan: Plan) -> str:
    log = context.log(plan.request.environment)
    for entry in log.backwards():
        for item in entry.record.evidence:
            log.evidence(item.sha256)
        if entry.seq < int(plan.before["deployment"]):
            break
    return ""


CRITERIA: Final[Mapping[str, Callable[[World, Plan], str]]] = {
    "stages_in_order": _stages_in_order,
    "package_runs": _package_runs,
    "checks_pass": _checks_pass,
    "schema_is_current": _schema_is_current,
    "evidence_is_kept": _evidence_is_kept,
}


def undo(plan: Plan, facts: Facts) -> Undo | None:
    """Go back to the package before the one that is incomplete."""
    return back_to(facts.history.value.previous, plan.request)


ACTION = Action(
    name="complete",
    stage="completion",
    plan=plan,
    confirm=confirm,
    undo=undo,
    undone_by="rollback",
    asks_database=False,
    of_ship=True,
)
