"""Rollback: a deploy of a package that was verified in this environment before. Config vars are left alone.

A platform's own rollback may also bring back old config vars, rotated secrets among them; releasing the old
package as a new release does not.

It is not watched afterwards as a deploy is: its package was, the release to compare with is the one that is
being left, and production must be well again within `limits.rollback`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..action import Action, Effect, Takes, Undo
from ..compatibility import ARTIFACT
from ..errors import NoPackage
from ..facts.history import runs
from ..facts.observe import apps_of
from ..model import (
    Confirmation,
    Deployed,
    Facts,
    History,
    Maintenance,
    Observed,
    Package,
    Plan,
    Receipt,
    ReleasePackage,
    Request,
    Step,
)
from ..record import after, before, releases
from .running import look

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Release the target's package again: its artifact where the platform has it, else its bytes.

    A component that is no part of it is left as it runs, but for maintenance mode, which is of ours.
    """
    target = facts.back.value
    if target is None:
        raise NoPackage(f"{facts.name} has no verified package to roll back to")
    history, observed, there = facts.history.value, facts.observed.value, target.deployed
    package = there.package
    already = ""
    if runs(package, history, observed) and not observed.maintenance:
        already = f"{package.commit[:12]} already runs on {facts.environment.app}"
    apps = [(part, app if part.component else "") for part, app in apps_of(config, facts.name, package)]
    # What a deploy never came to, or a rollback that was cut off brought back already, is left as it runs.
    left = {part.component for part, _ in apps if part.component and _back_already(part, history, observed)}
    left = left if len(left) < len(apps) else set()  # and yet it is not well: all of them are started anew
    steps: list[Step] = [
        ReleasePackage(
            part, there.of(part.component).artifact if part.digest in target.on_platform else "", app
        )
        for part, app in reversed(apps)
        if part.component not in left
    ]
    # It must be seen healthy.
    closed = [name for name, seen in (observed.parts or {"": observed}).items() if seen.maintenance]
    steps += [Maintenance(False, config.apps(facts.name)[name] if name else "") for name in closed]
    to = after(package)
    for told in to.get("components", ()):
        if told["name"] in left:
            current = observed.of(told["name"]).current
            told |= {"release": current.order, ARTIFACT: current.artifact} if current else {}
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if already else tuple(steps),
        package=package,
        before=before(observed),
        after=to,
        already=already,
    )


def _back_already(part: Package, history: History, observed: Observed) -> bool:
    """Whether one component runs this package as a release that the journal knows, and all its processes do."""
    seen, known = observed.of(part.component), history.of(part.component).known
    current = seen.current
    if current is None or seen.digest != part.digest or (current.order, current.artifact) not in known:
        return False
    served = [one for one in seen.processes if one.type not in ("run", "release")]
    return all((one.state, one.release) == ("up", current.order) for one in served)


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The old package runs again, as the newest release, and answers every check."""
    return look(context, plan, releases(plan, receipts))


def back_to(deployed: Deployed | None, failed: Request) -> Undo | None:
    """The rollback to a verified package, after what was asked for has failed; None where there is no package."""
    if deployed is None:
        return None
    package, commit = deployed.package, deployed.package.commit[:12]
    why = f"{failed.action} of {failed.commit[:12]} failed"
    return Undo(
        replace(failed, action=ACTION.name, to=package.digest, why=why),
        doing=f"rolling back to {commit}, the last verified package",
        done=f"rolled back to {commit}",
        undoing="the rollback",
        by_hand=f"`invoke rollback --env {failed.environment}`",
    )


def left(plan: Plan) -> str:
    """The components that are no part of the package, and stay as they are."""
    ran, to = ([one["name"] for one in of.get("components", ())] for of in (plan.before, plan.after))
    apart = [name for name in ran[0 if to else 1 :] if name not in to]
    return f"; {', '.join(apart)} is not part of it and was left unchanged" if apart else ""


ACTION = Action(
    name="rollback",
    stage="rollback",
    plan=plan,
    confirm=confirm,
    takes=Takes.TARGET,
    effect=Effect.RELEASES,
    left=left,
    bounded=True,
)
