"""An app's processes: what runs, what arrives, what leaves, and where requests go.

Invariants:
- requests go to the web instances of one release, or, for the moment an instance is replaced, to two of its kind; a
  release gets them only when all its web instances listen, and then all at once;
- a release that fails to come up changes nothing for the one that serves;
- an instance that leaves is first taken off the router, then drained, then ended;
- every process is ended by `stop`.

Deciding is synchronous and happens where a state changes (`_changed`), so nothing can slip in between.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from .instance import Instance, LiveInstance, OneOff, Runnable, Site
from .limits import Limits
from .logs import LogStore
from .router import Router
from .words import Words

__all__ = ["AppRuntime", "Instance", "Runnable"]

_MOST_OF_A_TYPE = 100
_REMEMBERED = 1000


@dataclass(slots=True)
class _Fleet:
    """The instances of one release."""

    runnable: Runnable
    quantities: dict[str, int]
    instances: dict[str, LiveInstance] = field(default_factory=dict)
    successors: dict[str, LiveInstance] = field(default_factory=dict)
    """Instances that boot to take the place of one that still works."""

    def members(self) -> list[LiveInstance]:
        return [*self.instances.values(), *self.successors.values()]

    def wanted(self) -> list[str]:
        """Names of the instances there should be."""
        return [
            f"{kind}.{number}"
            for kind, quantity in self.quantities.items()
            if kind in self.runnable.processes
            for number in range(1, min(quantity, _MOST_OF_A_TYPE) + 1)
        ]


class AppRuntime:
    """Runs one app behind one port."""

    def __init__(
        self,
        app: str,
        *,
        port: int,
        marker: str,
        logs: LogStore,
        words: Words,
        boot_timeout: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._limits = limits
        self._router = Router(
            port, lambda trace: logs.append(app, logs.platform, "router", words.request(trace)), limits
        )
        self._site = Site(
            app, logs, words, marker, boot_timeout, limits, lambda instance: self._changed(instance)
        )
        self._serving: _Fleet | None = None
        self._arriving: _Fleet | None = None
        self._failed: _Fleet | None = None
        self._leaving: set[LiveInstance] = set()
        self._one_offs: dict[str, LiveInstance] = {}
        self._past: OrderedDict[str, int | None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; requests get 503 (H14) until something runs. Raises UsageError if the port is taken."""
        await self._router.start()

    async def switch(self, runnable: Runnable, formation: Mapping[str, int]) -> None:
        """Start this release; it takes over when its web instances listen, or fails and changes nothing.

        Returns at once; `instances()` tells how it goes. An unfinished switch is given up.
        """
        self._give_up()
        self._failed = None
        fleet = self._arriving = _Fleet(runnable, dict(formation))
        self._fill(fleet)
        self._settle()

    async def scale(self, formation: Mapping[str, int]) -> None:
        """Change how many instances of these types run, now and after an unfinished switch."""
        for fleet in (self._serving, self._arriving):
            if fleet:
                fleet.quantities.update(formation)
                wanted = set(fleet.wanted())
                for name in [name for name in fleet.instances if name not in wanted]:
                    self._leave(fleet.instances.pop(name))
                    if successor := fleet.successors.pop(name, None):
                        self._leave(successor)
                self._fill(fleet)
        self._settle()

    async def restart(self, instance: str | None = None) -> None:
        """Replace an instance (name or id), or all of them, without a gap; what failed is tried again."""
        if instance is None and (again := self._arriving or (self._failed if not self._serving else None)):
            await self.switch(again.runnable, again.quantities)
        elif self._serving:
            for live in list(self._serving.instances.values()):
                if instance in (None, live.name, live.id):
                    self._replace(self._serving, live)

    async def stop_instance(self, instance: str) -> None:
        """End an instance (name or id); one of the formation stays down until a restart, scale or switch."""
        for live in self._all():
            if instance in (live.name, live.id):
                live.leaving = True
                self._reroute()
                self._later(self._drain_and_end(live))

    async def run(
        self,
        command: str,
        runnable: Runnable,
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        stdin: asyncio.StreamReader | None = None,
        stdout: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> Instance:
        """Start a one-off in this release; its output goes to `stdout` if given, else to the log."""
        live = LiveInstance(self._site, runnable, name, command, OneOff(env or {}, stdin, stdout))
        self._one_offs[live.id] = live
        live.start()
        self._later(self._remember(live))
        return live.snapshot()

    async def wait(self, instance_id: str) -> int | None:
        """Exit status of an instance that ended or will; None for one that is unknown or was never started."""
        for live in self._all():
            if live.id == instance_id:
                return await live.over()
        return self._past.get(instance_id)

    def instances(self) -> list[Instance]:
        """All there are, by release and name: serving, arriving, crashed, leaving, and one-offs."""
        return sorted(
            (live.snapshot() for live in self._all()),
            key=lambda instance: (instance.version, instance.name, instance.created_at),
        )

    def set_maintenance(self, on: bool) -> None:
        """Answer every request with 503 (H80), or not."""
        self._router.maintenance = on

    def set_forwarded(self, address: str) -> None:
        """Tell the app's processes that they were asked at this address; "" is the router's own."""
        self._router.forwarded = address

    async def stop(self) -> None:
        """End everything and wait for it."""
        self._router.close()
        self._give_up()
        try:
            await asyncio.gather(*(live.end() for live in self._all()))
            await asyncio.gather(*self._tasks)
        finally:
            for live in self._all():
                live.kill()
            await self._router.stop()

    def _all(self) -> list[LiveInstance]:
        fleets = [fleet for fleet in (self._serving, self._arriving, self._failed) if fleet]
        members = [live for fleet in fleets for live in fleet.members()]
        return [*members, *self._leaving, *self._one_offs.values()]

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new(self, fleet: _Fleet, name: str) -> LiveInstance:
        live = LiveInstance(
            self._site, fleet.runnable, name, fleet.runnable.processes[name.rpartition(".")[0]]
        )
        live.kept = fleet is self._serving
        return live

    def _fill(self, fleet: _Fleet) -> None:
        """Start what is missing."""
        for name in fleet.wanted():
            if name not in fleet.instances or fleet.instances[name].state == "down":
                fleet.instances[name] = self._new(fleet, name)
                fleet.instances[name].start()

    def _changed(self, live: LiveInstance) -> None:
        fleet = self._serving
        if fleet and fleet.successors.get(live.name) is live:
            self._succeed(fleet, live)
        self._settle()

    def _settle(self) -> None:
        """Bring routing in line with what there is now."""
        self._judge()
        self._reroute()

    def _judge(self) -> None:
        """Let the arriving release take over, or fail, once that is clear."""
        fleet = self._arriving
        if not fleet:
            return
        states = {live.state for live in fleet.instances.values()}
        if states & {"crashed", "down"}:
            self._arriving, self._failed = None, fleet
            for name in [name for name, live in fleet.instances.items() if live.state != "crashed"]:
                self._leave(fleet.instances.pop(name))
        elif states <= {"up"}:
            before, self._serving, self._arriving = self._serving, fleet, None
            for live in fleet.instances.values():
                live.kept = True
            for live in before.members() if before else []:
                self._leave(live)

    def _give_up(self) -> None:
        fleet, self._arriving = self._arriving, None
        for live in fleet.instances.values() if fleet else []:
            self._leave(live)

    def _replace(self, fleet: _Fleet, live: LiveInstance) -> None:
        if earlier := fleet.successors.pop(live.name, None):
            self._leave(earlier)
        successor = self._new(fleet, live.name)
        if live.state == "up" and not live.leaving:
            successor.kept = False
            fleet.successors[live.name] = successor
        else:
            fleet.instances[live.name] = successor
            self._leave(live)
        successor.start()

    def _succeed(self, fleet: _Fleet, live: LiveInstance) -> None:
        if live.state == "up":
            live.kept = True
            before, fleet.instances[live.name] = fleet.instances[live.name], live
            del fleet.successors[live.name]
            self._leave(before)
        elif live.state == "crashed":
            self._leave(fleet.successors.pop(live.name))

    def _reroute(self) -> None:
        """Tell the router who serves, and what to say if nobody does."""
        web = (
            [live for live in self._serving.instances.values() if live.type == "web"] if self._serving else []
        )
        crashed = any(not live.leaving for live in web) or (not self._serving and self._failed is not None)
        self._router.absence = "H10" if crashed else "H14"
        self._router.route([live.upstream for live in web if live.serves and live.upstream])

    def _leave(self, live: LiveInstance) -> None:
        live.leaving = True
        self._leaving.add(live)
        self._later(self._drain_and_end(live))

    async def _drain_and_end(self, live: LiveInstance) -> None:
        try:
            if live.upstream and live.state == "up":
                async with asyncio.timeout(self._limits.drain):
                    await live.upstream.drained()
        except TimeoutError:
            text = f"Requests still in flight after {self._limits.drain:g} seconds"
            self._site.note(live.name, text)
        await live.end()
        self._leaving.discard(live)

    async def _remember(self, live: LiveInstance) -> None:
        """Keep the exit status of a one-off for whoever asks later."""
        self._past[live.id] = await live.over()
        del self._one_offs[live.id]
        while len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)
