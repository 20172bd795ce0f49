"""Read what progress is computed from: the journals, the repository, the configuration. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Reversible
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from ..facts.history import as_of, revised
from ..facts.newer import overtaken
from ..facts.running import Running, ran, running
from ..facts.schema import migrations_of
from ..facts.standing import read_standing
from ..journal.entry import place_of
from ..journal.lock import ACTED, holder, lives
from ..model import Fact
from .lines import Asked, Journal, Mark, Progress
from .progress import progress

if TYPE_CHECKING:
    from ..facts.migrations import Migrations
    from ..journal.entry import Entry
    from ..journal.index import Settled
    from ..journal.log import Log
    from ..world import World

MOST: Final = 200  # entries behind the newest deployment in which a refusal is looked for


def progress_of(context: World, environment: str, commit: str) -> Progress:
    """Where a commit stands in an environment by now. Raises what reading a journal or the clone raises."""
    return progress(asked_of(context, environment, commit))


def progress_of_what_runs(context: World, environment: str) -> Progress | None:
    """Where the package stands that runs there by the journal; None where nothing was ever verified."""
    runs = running(context.log(environment).settled())
    return progress_of(context, environment, runs.end.commit) if runs else None


def asked_of(context: World, environment: str, commit: str, until: str = "") -> Asked:
    """Everything that the progress of a commit in an environment depends on: now, or as it was at a moment.

    `until` is that moment, written as in entries.
    """
    there, package = context.log(environment), context.log(place_of(commit))
    standing = read_standing(e for e in package.entries() if not until or e.at <= until)
    settled = _settled(there, until)
    production = context.config.environment(environment).production
    runs = running(settled)
    no_deploy, required = "", tuple[str, ...]()
    if runs is None or runs.end.commit != commit:
        from ..facts.acceptance_checks import required_checks
        from ..facts.scope import scope_of

        scope = scope_of(context, environment, commit)
        required = required_checks(scope, context.config.acceptance)
        # Elsewhere every commit is shown, also one that changes nothing. What was overtaken is no release.
        if production and scope.reason_code and overtaken(context, there, commit) is None:
            no_deploy = scope.reason_code
    return Asked(
        commit=commit,
        environment=environment,
        production=production,
        standing=standing,
        package=Journal(place_of(commit), _settled(package, until), (), _open(package, until)),
        there=Journal(environment, settled, _refused(there, runs, until), _open(there, until)),
        no_deploy=no_deploy,
        migrations=_migrations(context, commit, settled),
        required=required,
        own_tests=context.config.github is None,
    )


def _settled(log: Log, until: str) -> Reversible[Settled]:
    return as_of(log.settled(), until) if until else log.settled()


def _by(log: Log, until: str) -> Iterator[Entry]:
    """What was written by then, newest first."""
    return (entry for entry in log.backwards() if not until or entry.at <= until)


def _refused(log: Log, runs: Running | None, until: str) -> tuple[Mark, ...]:
    since = takewhile(lambda e: runs is None or e.seq > runs.end.seq, islice(_by(log, until), MOST))
    return tuple(Mark(e.seq, e.record.action, e.record.digest) for e in since if e.record.kind == "refused")


def _open(log: Log, until: str) -> Mark | None:
    if until:
        newest = next((e for e in _by(log, until) if e.record.kind in ACTED), None)
        start = newest if newest and newest.record.kind == "start" else None
    else:
        start = log.open_start()
    return mark_of(start) if start else None


def mark_of(start: Entry) -> Mark:
    """An open start, and whether its holder is seen from here to be dead."""
    dead = lives(holder(start)) is False
    return Mark(start.seq, start.record.action, start.record.digest, dead)


def _migrations(context: World, commit: str, settled: Reversible[Settled]) -> Fact[Migrations]:
    newest = revised(settled)
    try:
        at = newest.revision if newest else None
        return Fact("migrations", migrations_of(context, commit, at, ran(settled)))
    except RoadworthyError as error:
        return Fact("migrations", missing=str(error))
