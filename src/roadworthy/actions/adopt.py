"""Adopt: a signed statement that accepts a change made outside roadworthy as it is.

Nothing is changed on the platform. What is adopted is looked at like a deploy, with every check, before it
counts as verified, and the database is asked for its revision, for the same hand may have changed that. Where
nothing was ever verified, what runs is only written down: the first deploy then starts from a known release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..action import Action, Takes
from ..compatibility import ARTIFACT
from ..facts.observe import observe
from ..facts.revision import revision_of
from ..model import Confirmation, Drift, Facts, MissingFact, Plan, Receipt, Request
from ..record import releases
from .running import look, wait_for_start

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """No step: from what the journal says, to what the platform runs, and who made that when."""
    running, observed = facts.history.value.running, facts.observed.value
    try:
        package = facts.package.value
    except MissingFact:
        package = None
    observed = observed.as_of(package) if package else observed
    current = observed.current
    drifts = [*facts.drift.value, *_of_the_schema(facts)]
    components = [
        {
            "name": name,
            "digest": seen.digest,
            "size": 0,
            "release": seen.current.order if seen.current else 0,
            ARTIFACT: seen.current.artifact if seen.current else "",
        }
        for name, seen in observed.parts.items()
    ]
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=(),
        package=package,
        before={
            "commit": running.package.commit if running else "",
            "digest": running.package.digest if running else "",
            "release": running.release if running else 0,
        },
        after={
            "commit": package.commit if package else observed.commit,
            "digest": observed.digest,
            "size": package.size if package else 0,
            "release": current.order if current else 0,
            ARTIFACT: current.artifact if current else "",
            "drift": [msgspec.to_builtins(d) for d in drifts],
            **({"components": components} if components else {}),
        },
    )


def _of_the_schema(facts: Facts) -> list[Drift]:
    said, revision = facts.history.value, facts.revision
    if said.running is None or revision.missing or revision.known == said.revision:
        return []
    return [Drift("database", str(said.revision), str(revision.known), "", "", "")]


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """It still is what was accepted, answers every check, and the database tells its revision."""
    if plan.package is None:
        observed = observe(context, plan.request.environment)
        seen = (observed.current.order if observed.current else 0, observed.digest)
        same = seen == (plan.after["release"], plan.after["digest"])
        name = observed.current.name if observed.current else "no release"
        return Confirmation(() if same else (f"the platform runs {name} now: run invoke status",))
    wait_for_start(context, plan.request.environment, plan.package)
    found = look(context, plan, releases(plan, ()))
    return replace(found, details={**found.details, "revision": revision_of(context, plan.app)})


ACTION = Action(name="adopt", stage="verification", plan=plan, confirm=confirm, takes=Takes.FOUND)
