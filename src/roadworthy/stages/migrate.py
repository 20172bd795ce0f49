"""Migrate: a stage of its own, never implied by a deploy. The one-off process runs the released package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..errors import CheckFailed, Held, RoadworthyError
from ..model import Confirmation, Facts, Plan, Receipt, Request, RunCommand

if TYPE_CHECKING:
    from ..context import Context

NAME = "migrate"
# What `alembic current` prints: a revision, and whether it is a head; nothing at all on an empty database.
# What it says of a database that a newer package has migrated: after a rollback that is as it should be.
_AHEAD: Final = re.compile(r"Can't locate revision identified by '([0-9A-Za-z_]{1,40})'")
_CURRENT: Final = re.compile(r"([0-9A-Za-z_]{1,40})(?: \((?:head|branchpoint|mergepoint|, )*\))?")


def plan(request: Request, facts: Facts, context: Context) -> Plan:
    """Run the migration command and ask for the revision. When nothing is pending, nothing is run.

    The journal may not know yet where the database is: it was migrated by hand, restored from a copy, or was there
    before this toolkit. Then the plan has no step, and what is seen is written down: `to.seen` is true.

    Raises Held when `request.to` names a package and another one runs by now.
    """
    package = facts.package.value
    if request.to and request.to != package.digest:
        raise Held(f"{package.name} was deployed to {request.environment} meanwhile: nothing was migrated")
    revision, pending = facts.revision.value, pending_in(facts)
    commands = context.config.commands
    there = pending == ()
    known = there and facts.history.value.revision == revision
    already = f"the database of {facts.environment.app} is already at {revision}" if known else ""
    pending = pending or ()
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=() if there else (RunCommand(commands.migrate), RunCommand(commands.revision)),
        package=package,
        before={"revision": revision},
        after={"revision": pending[-1] if pending else revision, **({"seen": True} if there else {})},
        already=already,
        pending=pending,
    )


def pending_in(facts: Facts) -> tuple[str, ...] | None:
    """The pending revisions; None when it cannot be told, and then a guard says why and refuses."""
    try:
        return tuple(m.revision for m in facts.migrations.value.pending(facts.revision.value))
    except RoadworthyError:
        return None


def where_it_stands(context: Context, app: str) -> dict[str, Any]:
    """The revision after a failure, where the database tells it: a migration may have stopped half-way."""
    try:
        return {"revision": revision_in(context.platform.query(app, context.config.commands.revision))}
    except RoadworthyError:
        return {}


def confirm(context: Context, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The database says that it is at the last pending revision, or still where it was seen."""
    asked = receipts[-1] if receipts else context.platform.query(plan.app, context.config.commands.revision)
    revision = revision_in(asked)
    applied = plan.pending[: plan.pending.index(revision) + 1] if revision in plan.pending else ()
    details = {"revision": revision, "applied": list(applied)}
    return Confirmation(missing(plan, revision), details | ({"seen": True} if plan.after.get("seen") else {}))


def missing(plan: Plan, revision: str | None) -> tuple[str, ...]:
    """The problem, when the database is not where the plan leads."""
    expected = plan.after.get("revision", plan.pending[-1] if plan.pending else revision)
    return () if revision == expected else (f"the database is at {revision}, not at {expected}",)


def revision_in(receipt: Receipt) -> str | None:
    """The revision that a query printed; None when the database has none. Raises CheckFailed otherwise."""
    ahead = next((m[1] for line in receipt.output if (m := _AHEAD.search(line))), None)
    if receipt.exit_status != 0 and ahead:
        return ahead
    if receipt.exit_status != 0:
        last = "\n".join(f"  {line}" for line in receipt.output[-5:])
        raise CheckFailed(f"{receipt.step!r} exited with {receipt.exit_status}\n{last}")
    found = [m[1] for line in receipt.output if (m := _CURRENT.fullmatch(line.strip()))]
    if len(found) > 1:
        raise CheckFailed(f"the database is at several revisions: {', '.join(found[:5])}")
    return found[0] if found else None
