"""Does a package change its schema when it starts? Schemas change only by `invoke migrate`.

Its release phase, its web process and then its other processes are started as the platform starts them, on an
empty database and on one at the package's head; after each, the schema is compared. An app that cannot start on an
empty database is fine: it only must not make a schema there.

What a process changes later than it is watched here (SETTLED after its start, or when the web process has answered
the checks) nobody sees.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..compatibility import SOURCE
from ..errors import CheckFailed, UsageError
from ..packages import start_commands
from ..wait import until
from . import place as apart
from .database import URL, changes, database

if TYPE_CHECKING:
    from ..world import World
    from .database import Postgres, Schema, Sqlite
    from .package import Trial

SETTLED: Final = 2.0  # seconds that a process other than web is watched
ASKED: Final = 1.0  # seconds for the checks on an empty database, whose answers do not count
ONLY: Final = "schemas change only by `invoke migrate`"


def processes_of(place: Trial) -> Mapping[str, str]:
    """The commands of a component by process type, its release phase too; "" is an image's own command.

    Raises UsageError when its start commands cannot be read.
    """
    if place.package.kind != SOURCE:
        return {"web": ""}
    return start_commands.processes((place.folder / start_commands.NAME).read_bytes())


def told(urls: Mapping[str, str]) -> dict[str, str]:
    """The variables by which components learn where the others answer: API_URL, for example."""
    return {f"{component.upper()}_URL": url for component, url in urls.items() if component}


def on_empty(context: World, places: Sequence[Trial]) -> list[str]:
    """Start everything on an empty database: what is wrong with what became of the schema."""
    try:
        beside = _database(places)
        if beside is None:
            return []
        with beside.empty() as url:
            there = [replace(place, environ={**place.environ, URL: url}) for place in places]
            return _started_on(context, there)
    except (CheckFailed, UsageError) as error:
        return [str(error)]


def _started_on(context: World, places: Sequence[Trial]) -> list[str]:
    watch = Watch(places, "an empty database")
    for place in places:
        if command := processes_of(place).get(start_commands.RELEASE):
            place.run(command)
            watch.look(f"the release phase {command!r}")
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        for place in places:
            web = processes_of(place).get("web")
            if web is None:
                continue
            with suppress(UsageError, OSError):  # it need not come up here
                log = place.folder.parent / f"empty-{place.package.component}.log"
                up = place.serving(web, log, context.config.limits.boot, told(urls))
                urls[place.package.component] = stack.enter_context(up)
        if urls:
            _ask(context, places[0].package.commit, urls)
        watch.look("its web process")
    watch.others(urls)
    return watch.problems


def _ask(context: World, commit: str, urls: Mapping[str, str]) -> None:
    """Let it answer once: some apps do at the first request what others do at their start."""
    from ..checks import http

    deadline = time.monotonic() + ASKED
    first = next(iter(urls.values()))
    # A component that did not come up cannot be asked; that it must come up is asked elsewhere.
    checks = [check for check in context.config.checks if check.component in ("", *urls)]
    http.run(
        checks,
        first,
        commit=commit,
        deadline=deadline,
        timeout=ASKED,
        others=urls,
        environ=context.environ,
        forwarded=context.config.acceptance.forward_url,
    )


class Watch:
    """Looks at the schema of the trial's database again and again; `problems` is who has changed it, and how."""

    def __init__(self, places: Sequence[Trial], where: str = "a database at its head") -> None:
        self.problems: list[str] = []
        self._places, self._where = places, where
        self._database = _database(places)
        self._seen = self._schema()

    def look(self, who: str) -> None:
        """Compare with the last look."""
        seen = self._schema()
        if what := changes(self._seen, seen):
            self.problems.append(f"{who} changed the schema of {self._where}: {what}; {ONLY}")
        self._seen = seen

    def others(self, urls: Mapping[str, str]) -> None:
        """Start the processes beside web, watch them for SETTLED seconds, and compare."""
        for place in self._places:
            for kind, command in processes_of(place).items():
                if kind not in ("web", start_commands.RELEASE):
                    self._settle(place, command, told(urls))
                    self.look(f"its process {kind!r}")

    def _settle(self, place: Trial, command: str, more: Mapping[str, str]) -> None:
        environ = {**place.environ, **more}
        with suppress(OSError):
            words = start_commands.words(command, place.folder)
            process = apart.start(words, place.folder, environ, subprocess.DEVNULL)
            with apart.ending(process):
                until(process.poll, within=SETTLED, every=apart.POLL)

    def _schema(self) -> Schema:
        return self._database.schema() if self._database else {}


def _database(places: Sequence[Trial]) -> Sqlite | Postgres | None:
    first = places[0]
    return database(first.environ.get(URL, ""), first.folder)
