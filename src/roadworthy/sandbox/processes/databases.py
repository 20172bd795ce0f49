"""Each app's own database: a SQLite file, or a role and a database in a PostgreSQL cluster of the sandbox.

Invariant: a database is made with its app and destroyed with its app; releases never touch it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Cluster(Protocol):
    """A running PostgreSQL server."""

    @property
    def port(self) -> int:
        """The port on loopback that the server listens on."""

    async def create(self, name: str, password: str) -> None:
        """Create a database, and a role of the same name with this password."""

    async def drop(self, name: str) -> None:
        """Drop a database and its role."""

    async def stop(self) -> None:
        """Stop the server."""


@dataclass(slots=True)
class Databases:
    """The databases of all apps; `engine` is `sqlite` or `postgres`, and a name is the app's."""

    folder: Path
    engine: str
    """What new apps get: `sqlite` or `postgres`."""
    cluster: Cluster | None = None

    async def provision(self, engine: str, app: str, password: str) -> None:
        """Make the app's database; harmless to repeat. Raises psycopg.Error when the cluster refuses."""
        if engine == "postgres":
            await self._cluster().create(_role(app), password)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)

    async def destroy(self, engine: str, app: str) -> None:
        """Remove the app's database with all that is in it; harmless where there is none."""
        if engine == "postgres":
            await self._cluster().drop(_role(app))
            return
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._file(app).with_name(self._file(app).name + suffix).unlink(missing_ok=True)

    def variables(self, engine: str, app: str, password: str) -> dict[str, str]:
        """The config vars by which an app finds its database.."""
        if engine == "postgres":
            role, port = _role(app), self._cluster().port
            return {"DATABASE_URL": f"postgres://{role}:{password}@127.0.0.1:{port}/{role}"}
        return {"DATABASE_URL": f"sqlite:///{self._file(app)}"}

    async def stop(self) -> None:
        """End the cluster, where one runs."""
        if self.cluster is not None:
            await self.cluster.stop()

    def _file(self, app: str) -> Path:
        return self.folder / f"{app}.sqlite"

    def _cluster(self) -> Cluster:
        assert self.cluster is not None, "the server starts the cluster before it serves apps that use it"
        return self.cluster


def _role(app: str) -> str:
    return app.replace("-", "_")
