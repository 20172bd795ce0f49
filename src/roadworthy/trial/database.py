"""The database of a trial: what its schema is, and an empty one beside it.

Read by the drivers of this package and never by the app's own code, which is what is being watched.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from ..errors import CheckFailed

if TYPE_CHECKING:
    import psycopg

Schema = Mapping[str, str]  # the definition of each object, by its kind and name: "table orders"
URL: Final = "DATABASE_URL"  # the config var that names it
WITHIN: Final = 10  # seconds that a database has to answer
SHOWN: Final = 5  # changes that are named
_URL: Final = re.compile(
    r"(sqlite|postgres(?:ql)?)(?:\+[a-z0-9_]+)?://(.*)", re.DOTALL
)  # SQLAlchemy names drivers, too

_VERSIONS: Final = "table alembic_version"
_REVISION: Final = "SELECT version_num FROM alembic_version ORDER BY 1"
_OURS: Final = """(SELECT oid, nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') n"""
_NO_EXTENSION: Final = "NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.objid = o.oid)"
_COLUMNS: Final = """(SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull,
    attidentity, attgenerated, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = o.oid AND attnum > 0 AND NOT attisdropped)"""
# Everything that a migration can make, but for what is the server's own or an extension's.
_CATALOGUE: Final = (
    "SELECT 'schema ' || nspname, '' FROM pg_namespace WHERE nspname !~ '^pg_' "
    "AND nspname NOT IN ('information_schema', 'public')",
    "SELECT 'extension ' || extname, extversion FROM pg_extension",
    f"SELECT 'table ' || nspname || '.' || relname, concat_ws(' ', relkind, relrowsecurity, {_COLUMNS}) "
    f"FROM pg_class o JOIN {_OURS} ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'f') AND {_NO_EXTENSION}",
    f"SELECT 'sequence ' || nspname || '.' || relname, '' "
    f"FROM pg_class o JOIN {_OURS} ON n.oid = relnamespace WHERE relkind = 'S' AND {_NO_EXTENSION}",
    f"SELECT 'view ' || nspname || '.' || relname, pg_get_viewdef(o.oid) "
    f"FROM pg_class o JOIN {_OURS} ON n.oid = relnamespace WHERE relkind IN ('v', 'm') AND {_NO_EXTENSION}",
    f"SELECT 'index ' || nspname || '.' || relname, pg_get_indexdef(o.oid) "
    f"FROM pg_class o JOIN {_OURS} ON n.oid = relnamespace WHERE relkind IN ('i', 'I') AND {_NO_EXTENSION}",
    "SELECT 'constraint ' || nspname || '.' || conname, "
    "concat_ws(' ', conrelid::regclass, pg_get_constraintdef(o.oid)) "
    f"FROM pg_constraint o JOIN {_OURS} ON n.oid = connamespace",
    f"SELECT 'trigger ' || tgrelid::regclass || '.' || tgname, concat_ws(' ', tgenabled, pg_get_triggerdef(o.oid)) "
    f"FROM pg_trigger o JOIN pg_class c ON c.oid = tgrelid JOIN {_OURS} ON n.oid = relnamespace "
    "WHERE NOT tgisinternal",
    f"SELECT 'function ' || o.oid::regprocedure, pg_get_functiondef(o.oid) "
    f"FROM pg_proc o JOIN {_OURS} ON n.oid = pronamespace WHERE prokind IN ('f', 'p') AND {_NO_EXTENSION}",
    f"SELECT 'type ' || nspname || '.' || typname, concat_ws(' ', format_type(typbasetype, typtypmod), "
    f"(SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = o.oid)) "
    f"FROM pg_type o JOIN {_OURS} ON n.oid = typnamespace WHERE typtype IN ('e', 'd') AND {_NO_EXTENSION}",
)


class Sqlite(msgspec.Struct, frozen=True):
    """A SQLite file; one that is not there is an empty database."""

    prefix: str  # of its URL
    path: Path

    def schema(self) -> dict[str, str]:
        """What is in it. Raises CheckFailed when it cannot be read."""
        if not self.path.exists():
            return {}
        try:
            where = f"file:{quote(str(self.path))}?mode=ro"
            with closing(sqlite3.connect(where, uri=True, timeout=WITHIN)) as connection:
                rows = connection.execute(
                    r"SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master"
                    r" WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'"
                )
                found = {str(name): str(sql) for name, sql in rows}
                at = connection.execute(_REVISION).fetchall() if _VERSIONS in found else []
                return found | _revision(at)
        except sqlite3.Error as error:
            raise CheckFailed(f"the schema of the SQLite database cannot be read: {error}") from error

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of an empty database beside it."""
        yield f"{self.prefix}{self.path.with_name(f'empty-{self.path.name}')}"


class Postgres(msgspec.Struct, frozen=True):
    """A PostgreSQL database, by its libpq URL; `scheme` is that of the app's own."""

    scheme: str
    url: str

    def schema(self) -> dict[str, str]:
        """What is in it. Raises CheckFailed when it cannot be read."""
        with self._connected("its schema cannot be read") as connection:
            found = {str(name): str(sql) for part in _CATALOGUE for name, sql in connection.execute(part)}
            there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            at = connection.execute(_REVISION).fetchall() if there and there[0] else []
            return found | _revision(at)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a new database on the same server, which is dropped again.

        Raises CheckFailed when the role may not create one.
        """
        from psycopg.sql import SQL, Identifier

        name = f"roadworthy_trial_{secrets.token_hex(6)}"
        with self._connected(
            "an empty database beside it cannot be created (ALTER ROLE … CREATEDB)"
        ) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield urlunsplit((self.scheme, *urlsplit(self.url)[1:2], f"/{name}", *urlsplit(self.url)[3:]))
        finally:
            with self._connected(f"{name} cannot be dropped") as connection:
                connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    @contextmanager
    def _connected(self, otherwise: str) -> Iterator[psycopg.Connection]:
        import psycopg

        try:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=WITHIN) as connection:
                yield connection
        except psycopg.Error as error:
            # The error's own text may quote the URL, and with it a password.
            raise CheckFailed(f"of the PostgreSQL database {otherwise}: {type(error).__name__}") from error


def database(url: str, folder: Path) -> Sqlite | Postgres | None:
    """The database that a DATABASE_URL names, a relative path from `folder`; None of an empty one.

    Raises CheckFailed when it is of another kind.
    """
    if not url:
        return None
    match = _URL.fullmatch(url)
    if match and match[1] == "sqlite":
        path = match[2].partition("?")[0].removeprefix("/")
        if path and path != ":memory:":
            return Sqlite(url[: match.start(2) + 1], folder / path)
    elif match:
        return Postgres(url.partition("://")[0], f"postgresql://{match[2]}")
    raise CheckFailed(
        "DATABASE_URL of [acceptance] names neither a SQLite file nor a PostgreSQL database: "
        "cannot tell whether the app changes its schema when it starts"
    )


def _revision(rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """The revision is part of the schema: a migration may change nothing else."""
    return {"the revision": ", ".join(str(row[0]) for row in rows)} if rows else {}


def changes(before: Schema, after: Schema) -> str:
    """What is different, in words, at most SHOWN of it; "" when nothing is."""
    said = [f"{name} is new" for name in after if name not in before]
    said += [f"{name} is gone" for name in before if name not in after]
    said += [f"{name} is another" for name in after if name in before and after[name] != before[name]]
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return ", ".join(sorted(said)[:SHOWN]) + more
