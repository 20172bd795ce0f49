"""Work orders in the database, on every schema from revision 0001 on.

On Heroku the new code runs before its migrations do. So each transaction first looks which columns there
are, and reads and writes only those. That look also holds the table (a read lock on PostgreSQL, the write
lock on SQLite), so no migration can slip in between the look and the write.

`is_done` is the legacy of 0001. From 0002 on `status` says the same, and 0003 drops `is_done`; in between
both are written, and either counts, because older code may still run beside this one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from capecontrol.database import Database, DatabaseAway

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, TableClause

PATIENCE = 1.5
PRIORITIES = ("low", "normal", "urgent")
SHOWN = 50
FINISHED = {"status": "done", "is_done": True}


class NotMigrated(Exception):
    """The table of work orders is not there yet."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One piece of work on one asset. `created_at` is UTC."""

    id: int
    title: str
    asset: str
    priority: str
    done: bool
    created_at: datetime


class Board:
    """The work orders of one database. Every method may raise DatabaseAway or NotMigrated."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def warm(self) -> None:
        """Load SQLAlchemy and build the engine, once; no connection is opened."""
        with self._lock:
            if self._engine is None:
                from capecontrol.engine import make_engine

                self._engine = make_engine(self._database, PATIENCE)

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()

    def newest(self) -> list[WorkOrder]:
        """At most SHOWN work orders, the open ones first, then the newest first."""
        from sqlalchemy import false, or_, select

        with self._transaction(writes=False) as (connection, orders):
            done = or_(false(), *(orders.c[n] == value for n, value in _present(orders, FINISHED).items()))
            statement = select(orders, done.label("done")).order_by(done, orders.c.id.desc()).limit(SHOWN)
            return [_work_order(dict(row)) for row in connection.execute(statement).mappings()]

    def add(self, title: str, asset: str, priority: str) -> None:
        """A new open work order. A priority is lost while the schema has no place for it (0001)."""
        values = {
            "title": title,
            "asset": asset,
            "priority": priority,
            "status": "open",
            "is_done": False,
            "created_at": datetime.now(UTC),
        }
        with self._transaction(writes=True) as (connection, orders):
            connection.execute(orders.insert().values(_present(orders, values)))

    def complete(self, order_id: int) -> None:
        """Mark a work order done; nothing happens if it is not there or is done already."""
        with self._transaction(writes=True) as (connection, orders):
            values = _present(orders, FINISHED)
            connection.execute(orders.update().where(orders.c.id == order_id).values(values))

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[tuple[Connection, TableClause]]:
        self.warm()
        from sqlalchemy import Boolean, DateTime, Integer, Text, column, inspect, table
        from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

        types: dict[str, Any] = {"id": Integer, "is_done": Boolean, "created_at": DateTime(timezone=True)}
        assert self._engine is not None
        try:
            with self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
                if not inspect(connection).has_table("work_orders"):
                    raise NotMigrated
                names = connection.exec_driver_sql("SELECT * FROM work_orders LIMIT 0").keys()
                yield connection, table("work_orders", *(column(n, types.get(n, Text)) for n in names))
        except (InterfaceError, OperationalError, TimeoutError) as error:
            said = getattr(error, "orig", error)
            raise DatabaseAway(f"{type(said).__name__}: {said}".partition("\n")[0]) from error


def _present(orders: TableClause, values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name in orders.c}


def _work_order(row: dict[str, Any]) -> WorkOrder:
    return WorkOrder(
        id=row["id"],
        title=row["title"],
        asset=row["asset"],
        priority=row.get("priority", "normal"),
        done=bool(row["done"]),
        created_at=row["created_at"].replace(tzinfo=row["created_at"].tzinfo or UTC),
    )
