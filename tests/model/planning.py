"""Guards and plans as the model sees them: what a command would do from what it has read, or nothing."""

from __future__ import annotations

from typing import Final

from .world import (
    CONTRACT,
    RUNS,
    SCHEMA_OF,
    Command,
    Rules,
    Start,
    World,
    backwards,
    drifted,
    newest,
    packages,
    recorded_schema,
    running,
)

SENDS: Final = {"deploy": "release", "rollback": "release", "migrate": "migrate"}


def plan(command: Command, world: World, rules: Rules) -> Start | None:
    """The start that this command would write; None where a guard refuses or nothing is to be done."""
    make = {
        "deploy": _deploy,
        "rollback": _rollback,
        "migrate": _migrate,
        "config": _config,
        "complete": _complete,
        "adopt": _adopt,
    }[command.action]
    told = make(command, world, rules)
    if told is None:
        return None
    package, schema = told
    seen = tuple(newest(world.platform, app)[0] for app in range(len(world.platform.apps)))
    return Start("start", command.action, package, seen, running(world.journal).package, schema)


Told = tuple[str, int] | None  # package, and the schema that a migration leads to


def _schema(world: World, rules: Rules) -> int:
    return world.platform.schema if rules.asks_database else recorded_schema(world.journal)


def _runs(world: World, package: str) -> bool:
    return all(one == package for one in packages(world.platform))


def _as_it_ran(world: World) -> bool:
    """Whether each app runs the very release that was verified."""
    ran = running(world.journal)
    numbers = tuple(newest(world.platform, app)[0] for app in range(len(world.platform.apps)))
    return numbers == ran.releases


def _deploy(command: Command, world: World, rules: Rules) -> Told:
    package, ran = command.about, running(world.journal)
    if drifted(world.journal, world.platform) and package != ran.package:
        return None
    if ran.package == package and _as_it_ran(world):
        return None
    return None if _schema(world, rules) >= CONTRACT and package != "C" else (package, 0)


def _rollback(command: Command, world: World, rules: Rules) -> Told:
    package = command.about
    ended = [start for one, start in backwards(world.journal) if one.kind == "end"]
    if package not in [start.package for start in ended if start.action in RUNS]:
        return None
    if _schema(world, rules) >= CONTRACT and package != "C":
        return None
    return None if _runs(world, package) and _as_it_ran(world) else (package, 0)


def _migrate(command: Command, world: World, rules: Rules) -> Told:
    ran, seen = running(world.journal).package, world.platform.schema
    if drifted(world.journal, world.platform) or not _runs(world, ran):
        return None
    recorded = not rules.asks_database or recorded_schema(world.journal) == seen
    if seen >= SCHEMA_OF[ran] and recorded:
        return None
    return ran, max(SCHEMA_OF[ran], seen) if rules.asks_database else SCHEMA_OF[ran]


def _config(command: Command, world: World, rules: Rules) -> Told:
    ran = running(world.journal).package
    if drifted(world.journal, world.platform) or newest(world.platform, 0)[1].package != ran:
        return None
    return ran, 0


def _complete(command: Command, world: World, rules: Rules) -> Told:
    ran = running(world.journal).package
    return (ran, 0) if _runs(world, ran) else None


def _adopt(command: Command, world: World, rules: Rules) -> Told:
    if not drifted(world.journal, world.platform) or len(set(packages(world.platform))) > 1:
        return None
    return packages(world.platform)[0], 0
