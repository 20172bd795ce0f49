"""Deploy: make one package the running release, and believe it only after looking again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..facts.history import runs
from ..model import Confirmation, Facts, Maintenance, Plan, Receipt, ReleasePackage, Request, RunCommand, Step
from ..record import after, before
from . import migrate, watch
from .running import look

if TYPE_CHECKING:
    from ..context import Context

NAME = "deploy"


def plan(request: Request, facts: Facts, context: Context) -> Plan:
    """Release the package of the commit; with `maintenance`, wrap the release and its migrations in it.

    What already runs, verified, is left alone; a release of somebody else's is not verified, even when its
    package is the same (a change of config vars makes one). A slug that the platform has for this app is
    released again rather than uploaded a second time.
    """
    package, observed, history = facts.package.value, facts.observed.value, facts.history.value
    pending = migrate.pending_in(facts) or ()
    version = observed.current.version if observed.current else 0
    already = ""
    closed = request.maintenance and observed.maintenance  # then there is maintenance mode to end
    if runs(package, history, observed) and not closed:
        already = f"{package.commit[:12]} already runs on {facts.environment.app} as v{version}"
    known = next((d.slug for d in history.deployed if d.package.digest == package.digest), "")
    there = package.kind == "slug" and known in {r.slug for r in observed.releases}
    steps: tuple[Step, ...] = (ReleasePackage(package, known if there else ""),)
    if request.maintenance:
        commands = context.config.commands
        migration = (RunCommand(commands.migrate), RunCommand(commands.revision)) if pending else ()
        begin = () if observed.maintenance else (Maintenance(True),)
        steps = (*begin, *steps, *migration, Maintenance(False))
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if already else steps,
        package=package,
        before=before(observed),
        after=after(package),
        already=already,
        pending=pending,
        watch=None if already else watch.planned(facts, context),
    )


def confirm(context: Context, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """Exactly this package runs as exactly this release, answers every check, and goes on doing so."""
    released = next(r for r in receipts if r.release)
    seen = look(context, plan, released.release)
    queried = [r for r in receipts if r.step == context.config.commands.revision]
    if queried:
        revision = migrate.revision_in(queried[-1])
        problems = (*seen.problems, *migrate.missing(plan, revision))
        seen = Confirmation(problems, {**seen.details, "revision": revision}, seen.attach)
    return watch.through(context, plan, released.release, seen)
