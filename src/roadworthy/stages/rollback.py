"""Rollback: a deploy of a package that was verified in this environment before. Config vars are left alone.

Heroku's own rollback would also bring back old config vars, rotated secrets among them; releasing the old
package as a new release does not.

It is not watched afterwards as a deploy is: its package was, the release to compare with is the one that is
being left, and production must be well again within `limits.rollback`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NoPackage
from ..facts.history import runs, runs_part
from ..facts.observe import apps_of
from ..model import Confirmation, Facts, Maintenance, Plan, Receipt, ReleasePackage, Request, Step
from ..record import after, before, releases
from .running import look

if TYPE_CHECKING:
    from ..context import Context

NAME = "rollback"


def plan(request: Request, facts: Facts, context: Context) -> Plan:
    """Release the target's package again: its slug when the platform has it, else its bytes from where they are."""
    target = facts.back.value
    if target is None:
        raise NoPackage(f"no verified package of {facts.name} is known to go back to")
    history, observed, there = facts.history.value, facts.observed.value, target.deployed
    package = there.package
    already = ""
    if runs(package, history, observed) and not observed.maintenance:
        already = f"{package.commit[:12]} already runs on {facts.environment.app}"
    apps = [(part, app if part.component else "") for part, app in apps_of(context, facts.name, package)]
    # What a deploy that failed never came to is left as it runs.
    left = {part.component for part, _ in apps if part.component and runs_part(part, history, observed)}
    steps: list[Step] = [
        ReleasePackage(part, there.of(part.component).slug if part.digest in target.on_platform else "", app)
        for part, app in reversed(apps)
        if part.component not in left
    ]
    # It must be seen healthy.
    steps += [Maintenance(False, app) for part, app in apps if observed.of(part.component).maintenance]
    to = after(package)
    for told in to.get("components", ()):
        if told["name"] in left:
            ran = there.of(told["name"])
            told |= {"release": ran.release, "slug": ran.slug}
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if already else tuple(steps),
        package=package,
        before=before(observed),
        after=to,
        already=already,
    )


def confirm(context: Context, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The old package runs again, as the newest release, and answers every check."""
    return look(context, plan, releases(plan, receipts))
