"""The world of the model: a journal, a platform, a network without promises, and sessions of people and machines.

Everything is a frozen value with names, so that a whole world can be put into a set. Nothing happens here: these
are the values and what can be read in them. `steps.py` says what may happen next, `promises.py` what must hold.
Packages A, B and C need the schemas 1, 2 and 3; beside 3, a `contract` step, older code cannot run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

SCHEMA_OF: Final = {"A": 1, "B": 2, "C": 3}
CONTRACT: Final = 3  # from this schema on only C can run
RELEASES: Final = ("deploy", "rollback", "adopt", "config")  # their end says which releases are ours
RUNS: Final = ("deploy", "rollback", "adopt")  # their end says which package runs
SETTLING: Final = ("end", "failed", "abandon")


class Command(NamedTuple):
    """What somebody types. `about` is a package, or the config var that is set."""

    action: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.about}".strip()


class Start(NamedTuple):
    """The claim, written before the effect; its place in the journal is its token.

    `newest` has the newest release of each app as the facts had it, `base` the package that ran, `schema` the
    revision to which a migration leads (0 of anything else).
    """

    kind: str
    action: str
    package: str
    newest: tuple[int, ...]
    base: str
    schema: int


class Settled(NamedTuple):
    """An `end`, `failed` or `abandon` of a start.

    `releases` are the numbers that it says it made, app by app, 0 where none; () is "nothing was changed". `schema`
    is the revision that it names, `deployment` the end that a completion is about.
    """

    kind: str
    start: int
    releases: tuple[int, ...] = ()
    schema: int = 0
    deployment: int = 0


Journal = tuple["Start | Settled", ...]


class Release(NamedTuple):
    """A release of an app: its package, the start that made it, and how: release, image (has no mark), config."""

    package: str
    start: int
    made_by: str


class Platform(NamedTuple):
    """What really is. A release's number is its place in the list of its app.

    `variables` are the starts that set the two config vars last, `marker` the one that set the marker. `migrated`
    has the start of each migration that had an effect, and where it led. `revoked` are the starts whose credential
    is gone, `names` the (start, app) whose name is taken. `changes` counts what an etag counts.
    """

    apps: tuple[tuple[Release, ...], ...]
    variables: tuple[int, int] = (0, 0)
    marker: int = 0
    schema: int = 1
    migrated: tuple[tuple[int, int], ...] = ()
    revoked: frozenset[int] = frozenset()
    names: frozenset[tuple[int, int]] = frozenset()
    changes: int = 0


class Sent(NamedTuple):
    """A request on its way. It may be delayed for as long as it likes, lost, or doubled.

    `admitted`: its credential was looked at and is good, and the effect is still to come.
    """

    start: int
    kind: str  # release, migrate, or the config var that it sets
    app: int
    package: str
    etag: int = 0
    admitted: bool = False
    schema: int = 0  # the revision that a migration names, 0 for "whatever the package has"


class Session(NamedTuple):
    """A command that runs: at which of its steps, and what it knows.

    `head` is the length of the journal when the facts were read, `plan` what will be written as its start, `etag`
    the platform's at that moment, `outcome` what it will write.
    """

    command: Command
    package: str
    at: str
    start: int = 0
    app: int = 0
    head: int = 0
    plan: Start | None = None
    etag: int = 0
    outcome: Settled | None = None


class Tally(NamedTuple):
    """What has been used up of the family's budget; late effects (start, kind); each YES (by what, about whom)."""

    crashes: int = 0
    copies: int = 0
    unlocks: int = 0
    sessions: int = 0
    late: tuple[tuple[int, str], ...] = ()
    said: tuple[tuple[str, str], ...] = ()


class World(NamedTuple):
    journal: Journal
    platform: Platform
    network: tuple[Sent, ...]
    sessions: tuple[Session, ...]
    tally: Tally


class Rules(NamedTuple):
    """What the tool does. The defaults are what is to be built; each mutant changes one of them.

    `fence`: what closes the way for requests of a start. `credential`: a key of its own, revoked. `name`: a name on
    the platform that only one can take. `etag`: If-Match. `none`.
    `drain`: after the fence is closed, wait until what was admitted before has had its effect.
    `admits`: a platform that looks at the credential first and may have the effect later.
    `unlock_closes`, `reconcile_closes`: who closes the fence before settling.
    `etag_of_facts`: the etag is the one of the facts, and not read just before sending.
    `names_target`: a migration names its revision, and not the head of whatever package runs when it arrives.
    `asks_database`: guards and plans ask the database for the schema, and not the journal.
    `strict`: a YES needs a newest change that ended well and no open start; `ship` migrates and completes.
    """

    fence: str = "credential"
    drain: bool = True
    admits: bool = True
    unlock_closes: bool = True
    reconcile_closes: bool = True
    etag_of_facts: bool = True
    names_target: bool = True
    asks_database: bool = True
    strict: bool = True


class Family(NamedTuple):
    """A bounded part of the world: who may type what, how often, and what may go wrong."""

    commands: tuple[Command, ...]
    sessions: int = 4
    at_once: int = 2
    crashes: int = 1
    copies: int = 0
    unlocks: int = 0
    apps: int = 1
    image: bool = False  # images carry no token: recognised by being newer and of that package
    stale_lists: bool = False  # a list of releases may be older than the request before it
    false_death: bool = False  # reconcile may believe that a living holder is dead
    longest: int = 12  # entries


def first(family: Family) -> World:
    """A was deployed as release 1 of each app and verified; the schema is A's."""
    nothing = (0,) * family.apps
    journal = (Start("start", "deploy", "A", nothing, "", 0), Settled("end", 1, (1,) * family.apps, 1))
    app = (Release("A", 1, "release"),)
    return World(journal, Platform((app,) * family.apps), (), (), Tally())


# ---- what the journal says -------------------------------------------------------------------------------


def open_start(journal: Journal) -> int:
    """The number of the start that is open; 0 when none is."""
    for seq in range(len(journal), 0, -1):
        kind = journal[seq - 1].kind
        if kind == "start":
            return seq
        if kind in SETTLING:
            return 0
    return 0


def start_of(journal: Journal, seq: int) -> Start:
    found = journal[seq - 1]
    assert isinstance(found, Start)
    return found


def backwards(journal: Journal) -> Iterator[tuple[Settled, Start]]:
    """What was settled, newest first, each with its start."""
    for entry in reversed(journal):
        if isinstance(entry, Settled):
            yield entry, start_of(journal, entry.start)


class Running(NamedTuple):
    """The verified package, its releases by now (a change of config vars makes newer ones), and its end."""

    package: str
    releases: tuple[int, ...]
    end: int


def running(journal: Journal) -> Running:
    releases: tuple[int, ...] = ()
    for seq in range(len(journal), 0, -1):
        entry = journal[seq - 1]
        if not isinstance(entry, Settled) or entry.kind != "end":
            continue
        start = start_of(journal, entry.start)
        if start.action == "config" and not releases:
            releases = entry.releases
        if start.action in RUNS:
            return Running(start.package, releases or entry.releases, seq)
    raise AssertionError("the first entries deploy A")


def recorded_schema(journal: Journal) -> int:
    """The newest revision that an outcome names."""
    return next((one.schema for one, _ in backwards(journal) if one.kind != "abandon" and one.schema), 0)


def completed(journal: Journal, end: int) -> bool:
    """Whether a completion of this deployment ended well."""
    return any(
        one.kind == "end" and start.action == "complete" and one.deployment == end
        for one, start in backwards(journal)
    )


def complete(journal: Journal) -> bool:
    """Whether a completion of what runs stands, and no change that failed or was given up since leaves a doubt."""
    end, cleared = running(journal).end, set[str]()
    for one, start in backwards(journal):
        if one is journal[end - 1]:
            return False
        kind = "migrate" if start.action == "migrate" else "release"
        if start.action == "complete" and one.deployment == end:
            return one.kind == "end"
        if start.action != "complete":
            if one.kind == "end":
                cleared.add(kind)
            elif kind not in cleared:
                return False
    return False


def known(journal: Journal, app: int) -> tuple[int, ...]:
    """The releases of an app that may be the current one: the last verified, and what failed after it."""
    found: list[int] = []
    for one, start in backwards(journal):
        if one.kind == "end" and start.action in RELEASES:
            return (*found, one.releases[app])
        if one.kind == "failed" and start.action not in ("adopt", "complete") and one.releases:
            found += [one.releases[app]] if one.releases[app] else []
    return tuple(found)


def claims(journal: Journal) -> tuple[int, ...]:
    """The starts since the last verified release whose own may be there unrecorded: given up, or open."""
    found: list[int] = []
    for one, start in backwards(journal):
        if one.kind == "end" and start.action in RELEASES:
            break
        if one.kind == "abandon":
            found.append(one.start)
    begun = open_start(journal)
    return (*found, begun) if begun else tuple(found)


# ---- what the platform shows, as the tool reads it ---------------------------------------------------------


def newest(platform: Platform, app: int) -> tuple[int, Release]:
    releases = platform.apps[app]
    return len(releases), releases[-1]


def packages(platform: Platform) -> list[str]:
    """What each app runs."""
    return [releases[-1].package for releases in platform.apps]


def drifted(journal: Journal, platform: Platform) -> bool:
    """Whether an app's current release is none that the journal knows or claims."""
    for app in range(len(platform.apps)):
        number, release = newest(platform, app)
        if number in known(journal, app):
            continue
        if not any(_claimed(journal, seq, app, number, release) for seq in claims(journal)):
            return True
    return False


def _claimed(journal: Journal, seq: int, app: int, number: int, release: Release) -> bool:
    """Whether the tool takes a release for that of this start. Only a slug's carries a token."""
    start = start_of(journal, seq)
    newer = number > start.newest[app]
    if start.action == "config":
        return newer and release.made_by == "config"
    if release.made_by == "image":
        return newer and release.package == start.package
    return release.made_by == "release" and release.start == seq


def release_of(world: World, seq: int, app: int, *, image: bool) -> int:
    """The number of the release that a start made of an app, as the tool recognises it; 0 for none."""
    start, releases = start_of(world.journal, seq), world.platform.apps[app]
    if start.action == "config":
        if world.platform.marker != seq:
            return 0
        later = [n for n, one in enumerate(releases, 1) if n > start.newest[app] and one.made_by == "config"]
        return later[-1] if later else 0
    if image:
        later = [
            n
            for n, one in enumerate(releases, 1)
            if n > start.newest[app] and one.package == start.package and one.made_by != "config"
        ]
        if later:
            return later[0]
        there = releases[-1].package == start.package and len(releases) <= start.newest[app]
        return len(releases) if there else 0
    marked = [n for n, one in enumerate(releases, 1) if one.start == seq and one.made_by == "release"]
    return marked[-1] if marked else 0


def as_planned(world: World, seq: int, releases: tuple[int, ...]) -> bool:
    """The second look: does every app run the package of this start, as that very release?"""
    start = start_of(world.journal, seq)
    if start.action == "migrate":
        return world.platform.schema >= start.schema
    for app, expected in enumerate(releases):
        number, release = newest(world.platform, app)
        if release.package != start.package or (expected and number != expected):
            return False
        left = not expected and start.action in ("deploy", "rollback")
        if left and number != running(world.journal[: seq - 1]).releases[app]:
            return False
    return True
