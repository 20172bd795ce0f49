"""One instance: a place in the formation, or a one-off, and the process that lives in it.

Invariants:
- a state changes in one place (`_become`), which tells the runtime in the same step, so that routing never
  lags behind what is listed;
- death is seen at once, in every state; a crash is what nobody asked for;
- an instance that does not serve yet (`kept` is false) dies once and for all; one that does is started again, at
  once the first time, then with growing pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...packages.podman import Container
from ...processes import free_port
from .exchange import Upstream
from .limits import Limits
from .logs import LogStore
from .probe import until_it_listens
from .runner import LineSink, Process, Sink
from .surroundings import environment
from .words import Words

CANNOT_START = 127
"""Exit status of a command that the kernel would not start, as a shell reports it."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A release that can run: its unpacked files, the commands of its process types, its config vars; or the
    image's `container`.
    """

    version: int
    folder: Path
    processes: Mapping[str, str]
    env: Mapping[str, str]
    container: Container | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """What there is to see of an instance; `state` is starting, up, crashed or down."""

    id: str
    name: str
    type: str
    command: str
    state: str
    version: int
    created_at: datetime
    updated_at: datetime
    exit_status: int | None
    attach_url: None = None


@dataclass(frozen=True, slots=True)
class Site:
    """What all instances of one app share; `changed` is called in the same step as a state changes."""

    app: str
    logs: LogStore
    words: Words
    marker: str
    boot_timeout: float
    limits: Limits
    changed: Callable[[LiveInstance], None]

    def note(self, origin: str, text: str) -> None:
        """Say something in the app's log, as the platform."""
        self.logs.append(self.app, self.logs.platform, origin, text)


@dataclass(frozen=True, slots=True)
class OneOff:
    """What a one-off has beside its command: variables, and who is attached, if anyone."""

    env: Mapping[str, str]
    stdin: asyncio.StreamReader | None
    stdout: Sink | None


class LiveInstance:
    """An instance with its process. `start` it once; `end` it when it is not wanted any more."""

    def __init__(
        self, site: Site, runnable: Runnable, name: str, command: str, one_off: OneOff | None = None
    ) -> None:
        self.name, self.type, self.runnable = name, name.rpartition(".")[0], runnable
        self.kept = False
        self.leaving = False
        self.upstream: Upstream | None = None
        self._site, self._command, self._one_off = site, command, one_off
        self._process: Process | None = None
        self._unwanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._new_life()

    @property
    def serves(self) -> bool:
        """Whether it may get requests."""
        return self.upstream is not None and self.state == "up" and not self.leaving

    def snapshot(self) -> Instance:
        """What is known of the process now, as an immutable value."""
        return Instance(
            id=self.id,
            name=self.name,
            type=self.type,
            command=self._command,
            state=self.state,
            version=self.runnable.version,
            created_at=self._created_at,
            updated_at=self._updated_at,
            exit_status=self.exit_status,
        )

    def start(self) -> None:
        """Bring it to life, in a task of its own."""
        self._task = asyncio.get_running_loop().create_task(self._lives(), name=f"instance {self.name}")

    async def end(self) -> None:
        """SIGTERM, grace, SIGKILL; returns when nothing of it is left. May be called by several at once."""
        first = not self._unwanted.is_set()
        self._unwanted.set()
        process = self._process
        if process and not process.exited.done():
            if first:
                if not self._one_off:
                    self._log(f"State changed from {self.state} to down")
                    self._become("down")
                self._log("Stopping all processes with SIGTERM")
            await process.end(self._site.limits.grace)
            if first and process.overstayed:
                seconds = f"{self._site.limits.grace:g}"
                self._log(
                    "Error R12 (Exit timeout) -> At least one process failed to exit within "
                    f"{seconds} seconds of SIGTERM"
                )
                self._log("Stopping remaining processes with SIGKILL")
        elif self.state != "down":
            self._become("down")
        await self.over()

    def kill(self) -> None:
        """SIGKILL to all of it, now; for when there is no time to wait."""
        self._unwanted.set()
        if self._process:
            self._process.kill()

    async def over(self) -> int | None:
        """Its last exit status, once it is not alive any more and will not be again."""
        if self._task:
            await asyncio.shield(self._task)
        return self.exit_status

    def _new_life(self) -> None:
        self.id, self.state = str(uuid4()), "starting"
        self.exit_status: int | None = None
        self._created_at = self._updated_at = datetime.now(UTC)

    def _become(self, state: str) -> None:
        self.state, self._updated_at = state, datetime.now(UTC)
        self._site.changed(self)

    def _log(self, text: str) -> None:
        self._site.note(self.name, text)

    async def _lives(self) -> None:
        backoff, clock = self._site.limits.backoff, asyncio.get_running_loop().time
        deaths = 0
        while not self._unwanted.is_set():
            born = clock()
            await self._live()
            if not self.kept:
                return
            if clock() - born >= self._site.limits.stable:
                deaths = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff[min(deaths, len(backoff) - 1)]):
                    await self._unwanted.wait()
                    return
            deaths += 1
            self._new_life()
            self._log("State changed from crashed to starting")
            self._site.changed(self)

    async def _live(self) -> None:
        """From start to death; returns when everything is logged."""
        site, one_off = self._site, self._one_off
        self._log(f"Starting process with command `{self._command}`")
        lines = LineSink(lambda texts: site.logs.extend(site.app, "app", self.name, texts))
        try:
            port = free_port()
            env = environment(
                {**self.runnable.env, **(one_off.env if one_off else {})},
                folder=self.runnable.folder,
                own={site.words.name: self.name, site.words.id: self.id},
                port=port,
                marker=site.marker,
            )
            container = self.runnable.container
            self._process = process = Process(
                container.line(self._command, env) if container else self._command,
                folder=self.runnable.folder,
                env=env,
                carries=f"{site.words.id}={self.id}",
                output=(one_off.stdout if one_off else None) or lines,
                stdin=one_off.stdin if one_off else None,
            )
        except (OSError, ValueError) as error:
            self._log(f"Process could not be started: {error}")
            self._log_death(*self._died(CANNOT_START))
            return
        try:
            if self.type == "web" and not one_off:
                self.upstream = Upstream(self.name, port)
                await self._boot(process, port)
            elif not self._unwanted.is_set():
                self._is_up()
            status = await asyncio.shield(process.exited)
            change = self._died(status)
            await process.wait()
            lines.finish()
            self._log_death(*change)
        finally:
            process.kill()

    async def _boot(self, process: Process, port: int) -> None:
        """Wait until the process listens, dies, or has taken too long."""
        probing = asyncio.create_task(until_it_listens(port))
        try:
            either: list[asyncio.Future[Any]] = [probing, process.exited]
            await asyncio.wait(
                either,
                timeout=self._site.boot_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if process.exited.done() or self._unwanted.is_set():
                return
            if probing.done():
                probing.result()
                self._is_up()
                return
            self._log(
                "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within "
                f"{self._site.boot_timeout:g} seconds of launch"
            )
            self._log("Stopping process with SIGKILL")
            process.kill()
        finally:
            probing.cancel()

    def _is_up(self) -> None:
        self._log("State changed from starting to up")
        self._become("up")

    def _died(self, status: int) -> tuple[str, str]:
        """Note a death; returns the states before and after it."""
        before, self.exit_status = self.state, status
        wanted = not self._unwanted.is_set() and not self._one_off
        after = "crashed" if wanted else "down"
        self._become(after)
        return before, after

    def _log_death(self, before: str, after: str) -> None:
        self._log(f"Process exited with status {self.exit_status}")
        if self._one_off:
            self._log(f"State changed from {before} to complete")
        elif after == "crashed":
            self._log(f"State changed from {before} to crashed")
