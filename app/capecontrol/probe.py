"""Ask the database, within a deadline, and never with more than a few threads.

A database may refuse, or hang. A hanging one holds at most `THREADS` threads; who comes after waits for a
free one until the same deadline. So the answer is always there in less than two seconds.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio
import anyio.to_thread

from capecontrol.database import Database, DatabaseAway

DEADLINE = 1.5
THREADS = 4
log = logging.getLogger("capecontrol")


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the database answered, and the revision it is at (None: not migrated yet, or away)."""

    connected: bool
    revision: str | None


class Probe:
    """Asks one database. It logs a change of its state, not every failure."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limiter: anyio.CapacityLimiter | None = None
        self._said = "connected"

    async def ask(self) -> Answer:
        """The state of the database now, on a connection of its own."""
        self._limiter = self._limiter or anyio.CapacityLimiter(THREADS)
        try:
            with anyio.fail_after(DEADLINE):
                revision = await anyio.to_thread.run_sync(
                    self._database.revision, DEADLINE, abandon_on_cancel=True, limiter=self._limiter
                )
        except (DatabaseAway, TimeoutError) as error:
            self._say(f"away: {str(error) or f'no answer within {DEADLINE} s'}")
            return Answer(connected=False, revision=None)
        self._say("connected")
        return Answer(connected=True, revision=revision)

    def _say(self, state: str) -> None:
        if state != self._said:
            self._said = state
            log.info("database %s", state)
