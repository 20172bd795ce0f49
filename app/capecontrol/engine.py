"""The SQLAlchemy engine, for the board and for migrations.

SQLite's transactions are made explicit here, so DDL is transactional there too. A connection with the
execution option `writes` takes SQLite's write lock when its transaction begins and not half-way, where two
writers could only fail.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, Pool, QueuePool, create_engine, event

from capecontrol.database import Database, Sqlite


def make_engine(database: Database, patience: float, pool: type[Pool] = QueuePool) -> Engine:
    """An engine whose connections wait at most `patience` seconds (see `Database.connect`)."""
    dialect = "sqlite://" if isinstance(database, Sqlite) else "postgresql+psycopg://"
    engine = create_engine(
        dialect,
        creator=lambda: database.connect(patience),
        poolclass=pool,
        pool_pre_ping=pool is QueuePool,
        hide_parameters=True,  # a traceback in the log shows the statement, not what people typed
    )
    if isinstance(database, Sqlite):

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
