"""Deploy: make one package the running release, and believe it only after looking again."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from ..action import Action, Effect, Takes, Undo
from ..compatibility import SOURCE
from ..facts.history import runs
from ..facts.observe import apps_of
from ..facts.package import known, recorded
from ..facts.revision import revision_in
from ..facts.standing import standing_of
from ..model import (
    Confirmation,
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
from ..packages.build import build
from ..record import after, before, releases
from . import migrate, watch
from .rollback import back_to
from .running import look

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Release the package of the commit; with `maintenance`, wrap the release and its migrations in it.

    Several components are released one after the other, in the order in which release.toml declares them.

    What already runs, verified, is left alone; a release of somebody else's is not verified, even when its
    package is the same (a change of config vars makes one). An artifact that the platform has for this app
    is released again rather than uploaded a second time.
    """
    package, observed, history = facts.package.value, facts.observed.value, facts.history.value
    pending = migrate.pending_in(facts) or ()
    name = observed.current.name if observed.current else ""
    already = ""
    closed = request.maintenance and observed.maintenance  # then there is maintenance mode to end
    if runs(package, history, observed) and not closed:
        already = f"{package.commit[:12]} already runs on {facts.environment.app} as {name}"
        already += migrate.said_of(pending, facts.name)
    apps = apps_of(config, facts.name, package)
    steps: tuple[Step, ...] = tuple(
        ReleasePackage(part, _known(part, history, observed), app if part.component else "")
        for part, app in apps
    )
    if request.maintenance:
        migration = migrate.steps(facts, config) if pending else ()
        named = [(part.component, app if part.component else "") for part, app in apps]
        begin = [Maintenance(True, app) for component, app in named if not observed.of(component).maintenance]
        steps = (*begin, *steps, *migration, *(Maintenance(False, app) for _, app in named))
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if already else steps,
        package=package,
        before=before(observed),
        after={**after(package), **(migrate.leads_to(facts) if request.maintenance and pending else {})},
        already=already,
        pending=migrate.revisions(pending),
        migrations=pending,
        watch=None if already else watch.planned(facts, config),
    )


def package_of(context: World, commit: str) -> Package:
    """The package that a deploy means: the recorded one, or, where none is recorded, a build of the commit."""
    if context.planning:
        return known(context, commit)
    standing = standing_of(context, commit)
    return recorded(context, commit, standing.build) if standing.build else build(context, commit)


def _known(part: Package, history: History, observed: Observed) -> str:
    """The artifact of this very package, where the platform has it for this app; else ""."""
    seen = observed.of(part.component).releases
    oldest = min((r.order for r in seen), default=0)
    # What was released before the oldest that the platform lists is not looked for: a journal may be long.
    listed = takewhile(lambda d: d.release >= oldest, history.of(part.component).deployed)
    known = next((d.artifact for d in listed if d.package.digest == part.digest), "")
    return known if part.kind == SOURCE and known in {r.artifact for r in seen} else ""


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """Exactly this package runs as exactly this release, answers every check, and goes on doing so.

    Of several components, each does.
    """
    expected = releases(plan, receipts)
    seen = look(context, plan, expected)
    if told := migrate.answers(context.config, receipts):
        revision = revision_in(told[-1])
        problems = (*seen.problems, *migrate.missing(plan, revision))
        seen = Confirmation(problems, {**seen.details, "revision": revision}, seen.attach)
    return watch.through(context, plan, expected, seen)


def undo(plan: Plan, facts: Facts) -> Undo | None:
    """Go back to what ran before, the last verified package."""
    return back_to(facts.history.value.running, plan.request)


def left(plan: Plan) -> str:
    """The migrations that a deploy which changed no schema leaves pending."""
    return "" if plan.request.maintenance else migrate.said_of(plan.migrations, plan.request.environment)


ACTION = Action(
    name="deploy",
    stage="deploy",
    plan=plan,
    confirm=confirm,
    takes=Takes.COMMIT,
    effect=Effect.RELEASES,
    prepare=package_of,
    undo=undo,
    undone_by="rollback",
    left=left,
    of_ship=True,
)
