"""Which migrations a package has, and which later ones the database of an environment has seen beside them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from .. import git
from ..errors import RoadworthyError, UsageError
from .migrations import Migrations, migrations_at

if TYPE_CHECKING:
    from ..world import World

ALEMBIC: Final = "alembic.ini"
RAN: Final = 20  # packages of the past that are asked for their migrations


def migrations_of(context: World, commit: str, revision: str | None, ran: Iterable[str] = ()) -> Migrations:
    """The migrations of the package of `commit`, and the later ones that are applied where it has to run.

    The database is at `revision`; `ran` are the commits that ran there, newest first. Raises UsageError when the
    migrations cannot be read, and when what is applied does not follow the package's head.
    """
    own = own_migrations(context, commit)
    if _knows(own, revision):
        return own
    found = migrations_that_ran(context, revision, ran)
    return own.followed_by(found, str(revision)) if found else own


def migrations_that_ran(context: World, revision: str | None, ran: Iterable[str]) -> Migrations | None:
    """The migrations of the newest of these commits whose package knows the revision; None when no package does.

    That may be the one that runs, even one that failed after its migrations, or one that ran before.
    """
    for commit in dict.fromkeys(filter(None, islice(ran, RAN))):
        with suppress(RoadworthyError):
            found = own_migrations(context, commit)
            if _knows(found, revision):
                return found
    return None


def _knows(migrations: Migrations, revision: str | None) -> bool:
    return revision in {None, *(one.revision for one in migrations.all)}


def own_migrations(context: World, commit: str) -> Migrations:
    """Those of the package of `commit`. Raises UsageError when they cannot be read."""
    rules = context.config.package
    if not rules.migrates:
        if git.show(context.paths.root, commit, f"{rules.path}/{ALEMBIC}") is not None:
            raise UsageError(
                f'package.migrations is "none", but {rules.path}/{ALEMBIC} is there: name the migrations'
            )
        return Migrations((), none=True)
    return migrations_at(context.paths.root, commit, f"{rules.path}/{rules.migrations}")
