"""Read what progress is computed from: the journals, the repository, the configuration. It changes nothing."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from ..facts.history import history_of
from ..facts.running import Running, running
from ..facts.schema import migrations_of
from ..facts.standing import place_of, read_standing
from ..model import Fact
from .progress import Asked, Journal, Mark, Progress, progress

if TYPE_CHECKING:
    from ..context import Context
    from ..facts.migrations import Migrations
    from ..journal.entry import Entry
    from ..journal.log import Log

MOST: Final = 200  # entries behind the newest deployment in which a refusal is looked for


def progress_of(context: Context, environment: str, commit: str) -> Progress:
    """Where a commit stands in an environment by now. Raises what reading a journal or the clone raises."""
    return progress(asked_of(context, environment, commit))


def asked_of(context: Context, environment: str, commit: str) -> Asked:
    """Everything that the progress of a commit in an environment depends on."""
    there, package = context.log(environment), context.log(place_of(commit))
    standing, settled = read_standing(package.entries()), there.settled()
    production = context.config.environment(environment).production
    runs = running(settled)
    no_deploy, required = "", tuple[str, ...]()
    if runs is None or runs.end.commit != commit:
        from ..stages.decide import required_checks
        from ..stages.intake import scope_of

        scope = scope_of(context, environment, commit)
        required = required_checks(scope, context.config.acceptance)
        # Elsewhere every commit is shown, also one that changes nothing that runs.
        no_deploy = scope.reason_code if production else ""
    return Asked(
        commit=commit,
        environment=environment,
        production=production,
        standing=standing,
        package=Journal(place_of(commit), package.settled(), (), _mark(package.open_start())),
        there=Journal(environment, settled, _refused(there, runs), _mark(there.open_start())),
        no_deploy=no_deploy,
        migrations=_migrations(context, environment, commit),
        required=required,
        own_tests=context.config.github is None,
    )


def _refused(log: Log, runs: Running | None) -> tuple[Mark, ...]:
    since = takewhile(lambda e: runs is None or e.seq > runs.end.seq, islice(log.backwards(), MOST))
    return tuple(Mark(e.seq, e.record.action, e.record.digest) for e in since if e.record.kind == "refused")


def _mark(start: Entry | None) -> Mark | None:
    return Mark(start.seq, start.record.action, start.record.digest) if start else None


def _migrations(context: Context, environment: str, commit: str) -> Fact[Migrations]:
    try:
        history = history_of(context, context.log(environment))
        return Fact("migrations", migrations_of(context, commit, history))
    except RoadworthyError as error:
        return Fact("migrations", missing=str(error))
