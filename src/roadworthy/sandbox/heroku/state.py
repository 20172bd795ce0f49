"""What the sandbox remembers: apps, releases, slugs, formations and add-ons, in one SQLite file.

Invariants:
- A row is a frozen value; it changes only by being replaced in the file, inside a transaction.
- A transaction is on disk (WAL, synchronous=FULL) before the call that made it returns, so `kill -9` at
  any moment leaves either all of a change or nothing of it.
- Release versions of one app are 1, 2, 3, … without gaps, given inside the inserting transaction.

Times are text as Heroku writes them (`2026-11-20T18:30:00Z`, UTC).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ...errors import UsageError


@dataclass(frozen=True, slots=True)
class App:
    """A row of the table of apps. Times are UTC, as the API writes them."""

    id: str
    name: str
    created_at: str
    updated_at: str
    port: int
    maintenance: bool
    current: int | None
    """The version that runs, or should: the newest release that succeeded."""
    config: Mapping[str, str]
    """Config vars as a person set them; the add-ons' vars are laid over them when read."""


@dataclass(frozen=True, slots=True)
class Release:
    """A row of the table of releases; `status` is pending, succeeded or failed."""

    id: str
    app: str
    version: int
    created_at: str
    updated_at: str
    description: str
    status: str
    slug: str | None
    images: Mapping[str, str]
    """Docker image id by process type, where the release is one of images."""
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Slug:
    """A row of the table of slugs; `size` is None until the bytes are uploaded."""

    id: str
    app: str
    created_at: str
    updated_at: str
    commit_id: str | None
    commit_description: str | None
    buildpack_description: str | None
    checksum: str | None
    process_types: Mapping[str, str]
    size: int | None
    """Bytes of the blob; None until it was uploaded."""
    secret: str
    """What the blob's URL must carry: whoever has the URL may read and write the blob, as on S3."""


@dataclass(frozen=True, slots=True)
class Formation:
    """A row of the table of process types: how many processes of one type an app should run."""

    id: str
    app: str
    type: str
    quantity: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Addon:
    """A row of the table of add-ons; each is a database."""

    id: str
    app: str
    name: str
    engine: str
    """`sqlite` or `postgres`."""
    secret: str
    """The database role's password (PostgreSQL)."""
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One fact about the sandbox itself, such as the port that it had last time."""

    id: str
    value: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """A key beside the account's own. Deleted is revoked: the very next request that carries it is refused."""

    id: str
    token: str
    token_id: str
    scope: str
    """Its scopes, with a space between."""
    description: str
    expires_in: int | None
    expires: float | None
    """Seconds since 1970."""
    created_at: str
    updated_at: str


Row = TypeVar("Row", App, Release, Slug, Formation, Addon, Setting, Authorization)
Dated = TypeVar("Dated", App, Release, Slug, Formation, Addon)
TABLES = (App, Release, Slug, Formation, Addon, Setting, Authorization)
UNIQUE = {App: "UNIQUE(name)", Release: "UNIQUE(app, version)", Formation: "UNIQUE(app, type)"}


def now() -> str:
    """The UTC time, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id() -> str:
    """A new random id."""
    return str(uuid4())


class State:
    """The rows of the sandbox; every method is one short, synchronous step."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        with self.transaction():
            for table in TABLES:
                columns = [f.name if f.name != "id" else "id PRIMARY KEY" for f in fields(table)]
                columns += [UNIQUE[table]] if table in UNIQUE else []
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table.__name__} ({', '.join(columns)})")

    def close(self) -> None:
        """Close the database file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's changes, or none; a transaction within another is part of it."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def all(self, kind: type[Row], **where: object) -> list[Row]:
        """The rows that match, oldest first."""
        clause = " AND ".join(f"{column} = ?" for column in where) or "1"
        names = ", ".join(f.name for f in fields(kind))
        found = self._db.execute(
            f"SELECT {names} FROM {kind.__name__} WHERE {clause} ORDER BY rowid", list(where.values())
        )
        return [_row(kind, values) for values in found]

    def one(self, kind: type[Row], **where: object) -> Row | None:
        """The first row whose columns have these values; None when there is none."""
        rows = self.all(kind, **where)
        return rows[0] if rows else None

    def add(self, row: Row) -> Row:
        """Insert a row and return it."""
        marks = ", ".join("?" for _ in fields(row))
        with self.transaction():
            self._db.execute(f"INSERT INTO {type(row).__name__} VALUES ({marks})", _values(row))
        return row

    def put(self, row: Row) -> Row:
        """Write the row over the one with its id, or add it."""
        marks = ", ".join(f"{f.name} = ?" for f in fields(row))
        with self.transaction():
            changed = self._db.execute(
                f"UPDATE {type(row).__name__} SET {marks} WHERE id = ?", [*_values(row), row.id]
            ).rowcount
            return row if changed else self.add(row)

    def change(self, row: Dated, **values: Any) -> Dated:
        """Change these fields of the row with this one's id, and date it; returns the row as it is now.

        Other fields keep what the file has, which may be newer than `row`. Raises UsageError when it is gone.
        """
        with self.transaction():
            fresh = self.one(type(row), id=row.id)
            if fresh is None:
                raise UsageError(f"{type(row).__name__} {row.id} was deleted")
            return self.put(replace(fresh, **values, updated_at=now()))

    def remove(self, kind: type[Row], **where: object) -> None:
        """Delete the rows whose columns have these values."""
        clause = " AND ".join(f"{column} = ?" for column in where)
        with self.transaction():
            self._db.execute(f"DELETE FROM {kind.__name__} WHERE {clause}", list(where.values()))

    def add_release(self, app: App, description: str, status: str, **content: Any) -> Release:
        """Add the app's next release; `content` is slug, images and config."""
        with self.transaction():
            last = self._db.execute("SELECT max(version) FROM Release WHERE app = ?", [app.id]).fetchone()[0]
            stamp = now()
            return self.add(
                Release(
                    id=new_id(),
                    app=app.id,
                    version=(last or 0) + 1,
                    created_at=stamp,
                    updated_at=stamp,
                    description=description,
                    status=status,
                    **content,
                )
            )


def _values(row: Row) -> list[object]:
    values = [getattr(row, f.name) for f in fields(row)]
    return [json.dumps(dict(value)) if isinstance(value, Mapping) else value for value in values]


def _row(kind: type[Row], values: tuple[Any, ...]) -> Row:
    read: list[Any] = []
    for field, value in zip(fields(kind), values, strict=True):
        declared = str(field.type)
        if declared.startswith("Mapping"):
            value = json.loads(value)
        elif declared == "bool":
            value = bool(value)
        read.append(value)
    return kind(*read)
