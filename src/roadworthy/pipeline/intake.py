"""Intake: the intent to change a deployable system (deployment contract, section 5).

The change is traced to a full commit, its scope is explicit, and the component that it is for is named. The
scope is what differs from the last verified deployment of the environment, not from the parent commit: what a
push before this one brought and nobody deployed is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .. import git
from ..decision import artifacts
from ..errors import CheckFailed, UsageError
from ..execution.holding import say_open
from ..facts.scope import DocsDrift, Scope, docs_drift, docs_drift_json, scope_json, scope_of
from ..facts.standing import Done, standing_of
from ..journal.entry import place_of
from ..journal.lock import is_rerun
from ..model import Outcome, Request, Result
from .on_package import begin

if TYPE_CHECKING:
    from ..context import Context

NAME = "intake"
RUNTIME_STATE: Final = "instances/"  # what a deployment never touches (deployment contract, section 3)
VIEWS: Final = {"scope.json": artifacts.SCOPE, "docs-drift.json": artifacts.DOCS_DRIFT}


def intake(context: Context, request: Request) -> Done | None:
    """Take the change of `request` in: what was recorded already with the same scope, else None after it is.

    Raises UsageError for a change without an id or a reason, or of runtime state; CheckFailed when
    documentation had to change and did not.
    """
    commit = request.commit
    scope, drift, told, known = _looked_at(context, request)
    if known:
        artifacts.restore(context, context.log(place_of(commit)), known.evidence, VIEWS, commit)
        return known
    now = f"{context.now():%Y-%m-%dT%H:%M:%SZ}"
    files = {
        artifacts.SCOPE: artifacts.as_bytes({"generatedAt": now, **scope_json(scope, drift)}),
        artifacts.DOCS_DRIFT: artifacts.as_bytes({"generatedAt": now, **docs_drift_json(drift, head=commit)}),
    }
    attach = {attached: files[name] for attached, name in VIEWS.items()}
    with begin(context, commit, NAME, "intake", change=told["change"]) as turn:
        end = turn.failed if drift.outcome == "blocking" else turn.done
        end(None, told, attach)
    for name, data in files.items():
        artifacts.write(context, name, commit, data)
    if drift.outcome == "blocking":
        named = ", ".join(drift.paths[:5])
        raise CheckFailed(f"{drift.reason_code}: {named} changed and no documentation did")
    return None


def is_taken_in(context: Context, request: Request) -> bool:
    """Whether `intake` would find this very change taken in already. Raises UsageError as it does."""
    return _looked_at(context, request)[3] is not None


def _looked_at(context: Context, request: Request) -> tuple[Scope, DocsDrift, dict[str, Any], Done | None]:
    """The change, whether its documentation changed, what an intake says of both, and one that has said so."""
    commit, environment = request.commit, request.environment
    why = request.why or git.subject(context.paths.root, commit)
    if not why.strip() or not request.change:
        raise UsageError(f"{commit[:12]} has no reason or change ID: give --why and --change")
    scope = scope_of(context, environment, commit)
    if state := [path for path in scope.changed if path.startswith(RUNTIME_STATE)]:
        raise UsageError(f"{state[0]} is runtime state and is never deployed: remove it from the commit")
    drift = docs_drift(context.config.docs_drift, scope.changed)
    known = standing_of(context, commit).intake
    told = {
        "for": environment,
        "change": {"id": request.change, "why": why},
        **_components(context),
        "base": scope.base,
        "class": scope.change_class,
        "docs_drift": drift.outcome,
    }
    # A person takes the turn that a CI run which was started again could not.
    takes_turn = known is not None and known.rerun and not is_rerun()
    # Once it runs there, it changes nothing there any more; what it changed was taken in before.
    same = known is not None and all(known.details.get(k) == value for k, value in told.items())
    stands = scope.base == commit or (same and not takes_turn)
    return scope, drift, told, known if stands else None


def _components(context: Context) -> dict[str, Any]:
    """What the change is for (deployment contract, sections 3 and 5)."""
    named = [{"name": one.component, "type": one.type} for one in context.config.packaged]
    return {"component": named[0], **({"components": named} if len(named) > 1 else {})}


def report(context: Context, request: Request) -> Result:
    """Intake, for the command."""
    say_open(context, context.log(request.environment))
    known = intake(context, request)
    done = known or standing_of(context, request.commit).intake
    if done is None:
        raise CheckFailed("the intake is not in the journal: run it again")
    said = done.details
    against = said["base"][:12] or "nothing"
    line = f"{request.commit[:12]} is taken in for {request.environment}: {said['class']}, against {against}"
    return Result(Outcome.SUCCEEDED, f"{line} (already)" if known else line, seq=done.seq, details=dict(said))
