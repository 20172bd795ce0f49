"""Config: change config vars of what runs, on the road: guarded, verified, and put back when it does harm.

A change of config vars is a release of the package that runs. It carries the token of its start in a
config var of its own, so that it is recognised whatever words the platform has for it. The journal has names and
never values: who goes back after a kill needs the old values from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..action import Action, Effect, Undo
from ..compatibility import ARTIFACT
from ..drivers import TRAITS
from ..errors import NoPackage, UsageError
from ..model import Confirmation, Facts, Plan, Receipt, Request, SetConfig
from ..record import after, before, releases
from .running import look

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_OURS: Final = re.compile(
    rf"({'|'.join(traits.settings for traits in TRAITS.values())}|ROADWORTHY_).*|__.*|ALLOW_PROD(_DEPLOY)?"
)  # the platform's, and this toolkit's


def wanted(names: list[str], gone: list[str], environ: Mapping[str, str]) -> dict[str, str | None]:
    """The config vars to change: `names` with their values in `environ`, and None for those that are to go.

    Raises UsageError for a name that none may have, is named twice, or has no value there.
    """
    if not names and not gone:
        raise UsageError("nothing to change: name config vars with --set or --unset")
    for name in (*names, *gone):
        if "=" in name:
            shown = name.partition("=")[0][:40]
            raise UsageError(
                f"others can see values on a command line: use --set {shown}, with {shown} in the environment"
            )
        if not _NAME.fullmatch(name) or _OURS.fullmatch(name):
            raise UsageError(f"{name[:40]!r} is not a config var name of an app")
        if [*names, *gone].count(name) > 1:
            raise UsageError(f"{name} is named twice")
    if missing := [name for name in names if name not in environ]:
        raise UsageError(f"{missing[0]} has no value: put it into the environment of this command")
    return {**{name: environ[name] for name in names}, **dict.fromkeys(gone)}


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Change what is not so yet. The package that runs stays, and is verified again."""
    observed, running = facts.observed.value, facts.history.value.running
    if running is None:
        raise NoPackage(f"nothing was ever deployed to {facts.name}: run `invoke deploy --env {facts.name}`")
    package, now = running.package, facts.config.value
    change = {name: value for name, value in request.config.items() if now.get(name) != value}
    to = after(package)
    for told in to.get("components", ()):
        ran = running.of(told["name"])
        told |= {"release": ran.release, ARTIFACT: ran.artifact}
    apps = config.apps(facts.name)
    component = request.component or (next(iter(apps)) if package.parts else "")
    app = apps[component] if component else ""
    changed = {
        "set": sorted(name for name, value in change.items() if value is not None),
        "unset": sorted(name for name, value in change.items() if value is None),
    }
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=(SetConfig(change, app, component),) if change else (),
        package=package,
        before=before(observed),
        after={**to, "vars": {**changed, **({"component": component} if component else {})}},
        already=""
        if change
        else f"the config vars of {app or facts.environment.app} have these values already",
    )


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """The same package runs as the new release, and answers every check."""
    return look(context, plan, releases(plan, receipts))


def undo(plan: Plan, facts: Facts) -> Undo:
    """Put the config vars of a plan back as the facts had them."""
    now = facts.config.value
    were = {name: now.get(name) for step in plan.steps if isinstance(step, SetConfig) for name in step.values}
    return Undo(
        replace(plan.request, config=were, why="a change of config vars failed"),
        doing="restoring the old config vars",
        done="restored the config vars",
        undoing="restoring the config vars",
        by_hand="set the old config vars by hand",
    )


ACTION = Action(
    name="config",
    stage="deploy",
    plan=plan,
    confirm=confirm,
    effect=Effect.RELEASES,
    undo=undo,
    undone_by="config",
    asks_database=False,
    reads_vars=True,
    lost="the old values are not recorded: set the old config vars by hand",
)
