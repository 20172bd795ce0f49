"""The database that DATABASE_URL names: how to open it, and at which revision it is.

This module needs no SQLAlchemy, whose import costs more than the rest of the boot. So a new process says
"healthy" as soon as its database truly answered, and loads the rest meanwhile. The engine opens its
connections here too: there is one way in.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONNECT_SECONDS = 2  # libpq takes no less


class DatabaseAway(Exception):
    """The database did not answer; the message says what the driver said."""


@dataclass(frozen=True, slots=True)
class Sqlite:
    """A SQLite file. It is created when its folder exists, as a new add-on would be: empty."""

    path: str

    def connect(self, patience: float) -> sqlite3.Connection:
        """A connection that waits `patience` seconds for another writer. Transactions are explicit."""
        return sqlite3.connect(self.path, timeout=patience, isolation_level=None, check_same_thread=False)

    def revision(self, patience: float) -> str | None:
        """The migration this database is at, None before the first. Raises DatabaseAway."""
        known = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'alembic_version')"
        try:
            with closing(self.connect(patience)) as connection:
                return _revision(connection, known)
        except sqlite3.Error as error:
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL database, by its libpq URL."""

    url: str

    def connect(self, patience: float) -> Any:
        """A connection whose statements, and waits for locks, end after `patience` seconds."""
        import psycopg

        limit = int(patience * 1000)
        return psycopg.connect(
            self.url,
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=limit,
            options=f"-c statement_timeout={limit} -c lock_timeout={limit}",
        )

    def revision(self, patience: float) -> str | None:
        """The migration this database is at, None before the first. Raises DatabaseAway."""
        import psycopg

        try:
            with closing(self.connect(patience)) as connection:
                return _revision(connection, "SELECT to_regclass('alembic_version') IS NOT NULL")
        except psycopg.Error as error:
            raise DatabaseAway(f"{type(error).__name__}: {error}".partition("\n")[0]) from error


Database = Sqlite | Postgres


def parse(url: str) -> Database:
    """The database of a DATABASE_URL, also in Heroku's own `postgres://` form.

    Raises ValueError with the end of a sentence that begins with "DATABASE_URL"; it never quotes the URL.
    """
    if not url:
        raise ValueError("is not set: give sqlite:////path/file.db or postgresql://…")
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest in ("/", "/:memory:") or "?" in rest:
            raise ValueError("names no SQLite file: give sqlite:////absolute/path or sqlite:///relative")
        return Sqlite(rest[1:])
    if scheme not in ("postgres", "postgresql"):
        raise ValueError("has an unknown scheme: give sqlite or postgresql")
    try:
        parts = urlsplit(url)
        fit = parts.port != 0 and bool(parts.path.strip("/")) and not re.search("%(?![0-9A-Fa-f]{2})", url)
    except ValueError:
        fit = False
    if not fit:
        raise ValueError("is malformed: give postgresql://user:password@host:port/name, percent-encoded")
    return Postgres(f"postgresql://{rest}")


def _revision(connection: Any, known: str) -> str | None:
    if not connection.execute(known).fetchone()[0]:
        return None
    rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    return ",".join(row[0] for row in rows) or None
