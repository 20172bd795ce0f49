"""Which migrations a package has, and which later ones the database of an environment has seen beside them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError, UsageError
from . import git
from .migrations import Migrations, migrations_at

if TYPE_CHECKING:
    from ..context import Context
    from ..model import History

ALEMBIC: Final = "alembic.ini"
RAN: Final = 20  # packages of the past that are asked for their migrations


def migrations_of(context: Context, commit: str, history: History, observed: str = "") -> Migrations:
    """The migrations of the package of `commit`, and the later ones that are applied where it has to run.

    Raises UsageError when they cannot be read, and when what is applied does not follow the package's head.
    """
    own = own_migrations(context, commit)
    if history.revision in {None, *(one.revision for one in own.all)}:
        return own
    ran = migrations_that_ran(context, history, observed)
    return own.followed_by(ran, str(history.revision)) if ran else own


def migrations_that_ran(context: Context, history: History, observed: str = "") -> Migrations | None:
    """The migrations of a package that knows the revision which is applied; None when no package does.

    That may be the one that runs (the `observed` commit), even one that failed after its migrations, or one that
    ran before.
    """
    for commit in dict.fromkeys(
        filter(None, (observed, *(d.package.commit for d in history.deployed[:RAN])))
    ):
        with suppress(RoadworthyError):
            found = own_migrations(context, commit)
            if history.revision in {None, *(one.revision for one in found.all)}:
                return found
    return None


def own_migrations(context: Context, commit: str) -> Migrations:
    """Those of the package of `commit`. Raises UsageError when they cannot be read."""
    rules = context.config.package
    if not rules.migrates:
        if git.show(context.paths.root, commit, f"{rules.path}/{ALEMBIC}") is not None:
            raise UsageError(
                f'package.migrations is "none", but {rules.path}/{ALEMBIC} is there: name the migrations'
            )
        return Migrations((), none=True)
    return migrations_at(context.paths.root, commit, f"{rules.path}/{rules.migrations}")
