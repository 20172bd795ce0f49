"""Runs the pending migrations on the database of DATABASE_URL, in one transaction, one process at a time.

The lock (an advisory lock on PostgreSQL, the write lock on SQLite) is taken before the current revision is
read. So of two processes that upgrade at once, the second finds nothing to do.
"""

import os

from alembic import context
from alembic.runtime.migration import MigrationInfo
from alembic.util import CommandError
from capecontrol.database import Postgres, parse
from capecontrol.engine import make_engine
from sqlalchemy import NullPool

PATIENCE = 60.0  # seconds: for the lock, and for each statement on PostgreSQL
LOCK = "SELECT pg_advisory_xact_lock(hashtext('capecontrol.migrations'))"


def say(step: MigrationInfo, **_: object) -> None:
    """One line for each migration. They share a transaction: they count once the command ends with 0."""
    came, went = (
        ",".join(ids) or "base" for ids in (step.source_revision_ids, step.destination_revision_ids)
    )
    print(f"{'stamped' if step.is_stamp else 'migrated'} {came} -> {went}", flush=True)


def main() -> None:
    """Alembic's entry for every command that needs a database."""
    if context.is_offline_mode():
        raise CommandError("there is no offline mode: migrations here read the data they move")
    url = os.environ.get("DATABASE_URL", "")
    try:
        database = parse(url)
    except ValueError as error:
        raise CommandError(f"DATABASE_URL {error}") from error
    engine = make_engine(database, PATIENCE, NullPool)
    with engine.connect().execution_options(writes=True) as connection:
        context.configure(connection=connection, transactional_ddl=True, on_version_apply=say)
        with context.begin_transaction():
            if isinstance(database, Postgres):
                connection.exec_driver_sql(LOCK)
            context.run_migrations()


main()
