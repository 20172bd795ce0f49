"""Rollback: a deploy of a package that was verified in this environment before. Config vars are left alone.

Heroku's own rollback would also bring back old config vars, rotated secrets among them; releasing the old
package as a new release does not.

It is not watched afterwards as a deploy is: its package was, the release to compare with is the one that is
being left, and production must be well again within `limits.rollback`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import NoPackage
from ..facts.history import runs
from ..model import Confirmation, Facts, Maintenance, Plan, Receipt, ReleasePackage, Request, Step
from ..record import after, before
from .running import look

if TYPE_CHECKING:
    from ..context import Context

NAME = "rollback"


def plan(request: Request, facts: Facts, context: Context) -> Plan:
    """Release the target's package again: its slug when the platform has it, else its bytes from where they are."""
    target = facts.back.value
    if target is None:
        raise NoPackage(f"no verified package of {facts.name} is known to go back to")
    observed, there = facts.observed.value, target.deployed
    file = context.paths.packages / f"{there.package.commit}.tgz"
    package = replace(there.package, file=str(file) if file.is_file() else "")
    already = ""
    if runs(package, facts.history.value, observed) and not observed.maintenance:
        already = f"{package.commit[:12]} already runs on {facts.environment.app}"
    steps: list[Step] = [ReleasePackage(package, there.slug if target.on_platform else "")]
    if observed.maintenance:
        steps.append(Maintenance(False))  # it must be seen healthy
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if already else tuple(steps),
        package=package,
        before=before(observed),
        after=after(package),
        already=already,
    )


def confirm(context: Context, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The old package runs again, as the newest release, and answers every check."""
    return look(context, plan, next(r.release for r in receipts if r.release))
