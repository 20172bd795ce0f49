"""Migrate: a stage of its own, never implied by a deploy. The one-off process runs the released package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..action import Action, Effect
from ..errors import Held, Refused, RoadworthyError
from ..facts.revision import revision_in, revision_of
from ..model import Confirmation, Facts, MissingFact, Plan, Receipt, Request, RunCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import Config
    from ..facts.migrations import Migration
    from ..world import World


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Run the migration command and ask for the revision. When nothing is pending, nothing is run.

    The journal may not know yet where the database is: it was migrated by hand, restored from a copy, or was there
    before this toolkit. Then the plan has no step, and what is seen is written down: `to.seen` is true.

    Raises Held when `request.to` names a package and another one runs by now, Refused when the database does not
    tell where it is.
    """
    package = facts.package.value
    if request.to and request.to != package.digest:
        raise Held(f"{package.name} was deployed to {request.environment} meanwhile: nothing was migrated")
    revision, pending = told(facts), pending_in(facts)
    there = pending == ()
    known = there and facts.history.value.revision == revision
    already = f"the database of {facts.environment.app} is already at {revision}" if known else ""
    if not config.package.migrates:
        already = (
            f'nothing to migrate: {facts.environment.app} has no migrations (package.migrations is "none")'
        )
    pending = pending or ()
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if there else steps(facts, config),
        package=package,
        before={"revision": revision},
        after={**leads_to(facts), **({"seen": True} if there else {})},
        already=already,
        pending=revisions(pending),
        migrations=pending,
    )


def told(facts: Facts) -> str | None:
    """Where the database says that it is. Raises Refused when it does not tell."""
    try:
        return facts.revision.value
    except MissingFact as error:
        raise Refused(f"the database revision of {facts.environment.app} is unknown: {error}") from error


def steps(facts: Facts, config: Config) -> tuple[RunCommand, ...]:
    """Migrate to the package's head, and ask the database where it is."""
    if not config.package.migrates:
        return ()
    there = leads_to(facts).get("revision")
    return RunCommand(command(config, there)), RunCommand(config.commands.revision)


def command(config: Config, revision: str | None) -> str:
    """The shell words that migrate to a revision. One that is named cannot go further, however late it arrives."""
    return config.commands.migrate.replace("{revision}", revision or "head")


def answers(config: Config, receipts: Sequence[Receipt]) -> tuple[Receipt, ...]:
    """What was said each time that the database was asked where it is, in order."""
    return tuple(receipt for receipt in receipts if receipt.step == config.commands.revision)


def leads_to(facts: Facts) -> dict[str, Any]:
    """The revision at which nothing of the package is pending; {} when it cannot be told, and a guard refuses."""
    try:
        return {"revision": facts.migrations.value.end}
    except RoadworthyError:
        return {}


def pending_in(facts: Facts) -> tuple[Migration, ...] | None:
    """The pending migrations; None when it cannot be told, and then a guard says why and refuses."""
    try:
        return facts.migrations.value.pending(facts.revision.value)
    except RoadworthyError:
        return None


def revisions(pending: Sequence[Migration]) -> tuple[str, ...]:
    """How a plan and its entries name pending migrations."""
    return tuple(one.revision for one in pending)


def said_of(pending: Sequence[object], environment: str) -> str:
    """That migrations are pending, as the end of a line; "" where none is."""
    names = ", ".join(map(str, pending))
    return f"; pending: {names}: run `invoke migrate --env {environment}`" if pending else ""


def where_it_stands(context: World, app: str) -> dict[str, Any]:
    """The revision after a failure, where the database tells it: a migration may have stopped half-way."""
    try:
        return {"revision": revision_of(context, app)}
    except RoadworthyError:
        return {}


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The database says that it is at the last pending revision, or still where it was seen."""
    told = answers(context.config, receipts)
    revision = revision_in(told[-1]) if told else revision_of(context, plan.app)
    applied = plan.pending[: plan.pending.index(revision) + 1] if revision in plan.pending else ()
    details = {"revision": revision, "applied": list(applied)}
    return Confirmation(missing(plan, revision), details | ({"seen": True} if plan.after.get("seen") else {}))


def missing(plan: Plan, revision: str | None) -> tuple[str, ...]:
    """The problem, when the database is not where the plan leads."""
    expected = plan.after.get("revision", plan.pending[-1] if plan.pending else revision)
    return () if revision == expected else (f"the database is at {revision}, not at {expected}",)


ACTION = Action(
    name="migrate", stage="migrate", plan=plan, confirm=confirm, effect=Effect.DATABASE, of_ship=True
)
