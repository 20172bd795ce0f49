"""What must hold in every world, and what an audit of the log and the platform says. Pure.

I1  one start is open at a time
I2  nothing runs that the journal's settled outcome denies
I3  a YES means that this package runs, migrated and verified
I4  no effect is credited to another start
I5  nobody is locked out for ever (`exploring.locked_out`, and `migrate_never`)
I6  an audit of the log and the platform sees any breach
"""

from __future__ import annotations

from collections.abc import Iterator

from .planning import plan
from .steps import Model
from .world import (
    CONTRACT,
    SCHEMA_OF,
    Command,
    Journal,
    Settled,
    Start,
    World,
    backwards,
    claims,
    completed,
    drifted,
    known,
    newest,
    open_start,
    packages,
    recorded_schema,
    running,
    start_of,
)


def broken(world: World, model: Model) -> Iterator[str]:
    """The promises that this world breaks, by name."""
    if _two_open(world.journal):
        yield "I1 two starts are open"
    if world.tally.late:
        yield "I2 a late effect"
    words = {word for word, _ in world.tally.said}
    yield from (why for word, why in _WORDS.items() if word in words)
    if _credited_to_another(world):
        yield "I4 credited to another start"
    if not world.network and not world.sessions and not open_start(world.journal):
        yield from _at_rest(world, model)


_WORDS = {
    "false": "I3 a completion said YES of what is not so",
    "stale": "I3 decide said YES over another package",
    "unmigrated": "I3 ship said YES without its migration",
}


def _two_open(journal: Journal) -> bool:
    count = 0
    for entry in journal:
        count += 1 if isinstance(entry, Start) else -1
        if count > 1:
            return True
    return False


def _credited_to_another(world: World) -> bool:
    for one, start in backwards(world.journal):
        if one.kind == "end" and start.action in ("deploy", "rollback"):
            for app, number in enumerate(one.releases):
                if number and world.platform.apps[app][number - 1].start != one.start:
                    return True
    return False


def _at_rest(world: World, model: Model) -> Iterator[str]:
    """What must hold once nothing is under way any more."""
    journal, platform, ran = world.journal, world.platform, running(world.journal)
    denied = _denied(world)
    strange = [
        app
        for app in range(len(platform.apps))
        if newest(platform, app)[1].package != ran.package and not _accounted(world, app)
    ]
    if denied:
        yield "I2 an outcome denies what there is"
    if strange:
        yield "I3 another package runs"
    if len(set(packages(platform))) > 1 and journal[-1].kind == "end":
        yield "I3 half of a package runs"
    if completed(journal, ran.end) and (strange or platform.schema < SCHEMA_OF[ran.package]):
        yield "I3 a YES stands over another package"
    if platform.schema >= CONTRACT and ran.package != "C":
        yield "I3 code runs beside a schema it cannot live with"
    if platform.schema > 1 and not _approved(journal, platform.schema):
        yield "I2 a migration that no start approved"
    if denied or strange or world.tally.late:
        if not seen_by_a_look(world):
            yield "I6 a look at what runs sees nothing"
        if not seen_by_an_audit(world):
            yield "I6 the audit sees nothing"
    if _migrate_never(world, model):
        yield "I5 complete says migrate, migrate says already"


def _accounted(world: World, app: int) -> bool:
    number, release = newest(world.platform, app)
    return number in known(world.journal, app) or release.start in claims(world.journal)


def _approved(journal: Journal, schema: int) -> bool:
    return any(isinstance(one, Start) and one.action == "migrate" and one.schema >= schema for one in journal)


def _denied(world: World) -> set[int]:
    """The starts whose outcome says that nothing was changed, though the platform has an effect of theirs."""
    found: set[int] = set()
    for one, start in backwards(world.journal):
        if one.kind != "failed" or start.action == "complete":
            continue
        none, releases = not any(one.releases), world.platform.apps
        if start.action in ("deploy", "rollback"):
            there = any(
                made.start == one.start and made.made_by != "config" for app in releases for made in app
            )
            another = any(
                app[-1].start == one.start and len(app) != one.releases[place]
                for place, app in enumerate(releases if one.releases else ())
            )
            if there and (none or another):
                found.add(one.start)
        if start.action == "config" and none and any(made.start == one.start for made in releases[0]):
            found.add(one.start)
        ahead = recorded_schema(world.journal) < world.platform.schema
        if start.action == "migrate" and ahead and world.platform.schema >= start.schema > one.schema:
            found.add(one.start)
    return found


def _migrate_never(world: World, model: Model) -> bool:
    """A schema that is where the package needs it, that the journal does not know, and that nobody can record."""
    journal, needed = world.journal, SCHEMA_OF[running(world.journal).package]
    if not recorded_schema(journal) < needed <= world.platform.schema or drifted(journal, world.platform):
        return False
    return plan(Command("migrate"), world, model.rules) is None


# ---- what an audit says -------------------------------------------------------------------------------------


def seen_by_a_look(world: World) -> bool:
    """Whether what runs now, and the database, differ from the journal: what status and verify said before."""
    journal, platform, ran = world.journal, world.platform, running(world.journal)
    now = [
        (number, one.package) for number, one in (newest(platform, app) for app in range(len(platform.apps)))
    ]
    as_it_ran = now == [(number, ran.package) for number in ran.releases]
    return drifted(journal, platform) or not as_it_ran or platform.schema != recorded_schema(journal)


def seen_by_an_audit(world: World) -> bool:
    """The look, and: each effect is named by the entry that settles its start; the marker is the newest's."""
    if seen_by_a_look(world):
        return True
    named: set[tuple[int, int, int]] = set()
    ended: dict[int, int] = {}
    for entry in world.journal:
        if not isinstance(entry, Settled) or entry.kind == "abandon":
            continue
        if start_of(world.journal, entry.start).action != "complete":
            named |= {(entry.start, app, number) for app, number in enumerate(entry.releases)}
        if entry.kind == "end":
            ended[entry.start] = entry.schema
    if any(ended.get(start, 0) < schema for start, schema in world.platform.migrated):
        return True
    for app, releases in enumerate(world.platform.apps):
        if any((made.start, app, number) not in named for number, made in enumerate(releases, 1)):
            return True
    configs = (
        one.start for one, start in backwards(world.journal) if (one.kind, start.action) == ("end", "config")
    )
    return world.platform.marker != next(configs, 0)
