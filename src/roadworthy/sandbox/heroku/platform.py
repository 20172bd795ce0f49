"""The running sandbox: what it remembers, joined to the processes that run because of it.

Invariants:
- Every change of an app's code or config makes a release, and an app's releases are made one after another.
- What runs is the app's current release: the newest that succeeded. A failed or pending one never starts.
- Memory changes before processes do, so after a `kill -9` the next start runs what was last promised.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import UsageError
from ...packages.podman import Container
from ...processes import free_port
from ..processes import images as images_of
from ..processes.databases import Databases
from ..processes.runtime import AppRuntime, Runnable
from . import shapes, slugs
from .state import Addon, App, Formation, Release, Slug, State, new_id, now
from .words import PLATFORM, WORDS

if TYPE_CHECKING:
    from ..processes.logs import LogStore

UNPACKED_RELEASES = 10
"""Releases of an app, the newest, whose slugs stay unpacked; the blobs of all stay."""
Fate = Literal["pending", "failed"]
"""How an injected fault makes a release end."""


@dataclass(slots=True)
class Platform:
    """The apps of one sandbox: their state on disk and their processes."""

    folder: Path
    state: State
    logs: LogStore
    databases: Databases
    marker: str
    boot_timeout: float
    registry: str = ""
    """The host of the registry in which the images of releases are; "" where there is none."""
    runtimes: dict[str, AppRuntime] = field(default_factory=dict)
    _order: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _phases: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Bring up every app at its current release; what was under way when we died has failed."""
        for app in self.state.all(App):
            for release in self.state.all(Release, app=app.id, status="pending"):
                self.state.change(release, status="failed")
                self.log(app, "release", f"Release v{release.version} was cut off by a restart")
            app = self.state.put(await self._open(app))
            if (current := self.current(app)) and (current.slug or current.images):
                try:
                    await self._run(app, current)
                except UsageError as error:
                    self.log(app, "release", f"Release v{current.version} cannot be started: {error}")

    async def stop(self) -> None:
        """Stop all processes and databases, and close the state."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(runtime.stop() for runtime in self.runtimes.values()), *self._tasks,
                             return_exceptions=True)  # fmt: skip
        await self.databases.stop()
        self.state.close()

    async def create_app(self, name: str) -> App:
        """A new app with a database of its own. The name must be free and well formed."""
        stamp = now()
        app = App(new_id(), name, stamp, stamp, port=free_port(), maintenance=False, current=None, config={})
        addon = Addon(
            id=new_id(),
            app=app.id,
            name=f"{self.databases.engine}-{name}",
            engine=self.databases.engine,
            secret=secrets.token_urlsafe(24),
            created_at=stamp,
            updated_at=stamp,
        )
        await self.databases.provision(addon.engine, app.name, addon.secret)
        app = await self._open(app)
        with self.state.transaction():
            self.state.add(app)
            self.state.add(addon)
            nothing: dict[str, Any] = {"slug": None, "images": {}, "config": {}}
            for description in ("Initial release", "Enable Logplex", f"Attach DATABASE (@ref:{addon.name})"):
                release = self.state.add_release(app, description, "succeeded", **nothing)
            app = self.state.change(app, current=release.version)
        self.log(app, "api", "Initial release by user " + shapes.EMAIL)
        return app

    async def delete_app(self, app: App) -> None:
        """End the app's processes and forget it, its slugs and its database."""
        runtime = self.runtime(app)
        del self.runtimes[app.id]
        await runtime.stop()
        for addon in self.state.all(Addon, app=app.id):
            await self.databases.destroy(addon.engine, app.name)
        for slug in self.state.all(Slug, app=app.id):
            self.blob(slug).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "apps" / app.id, ignore_errors=True)
        with self.state.transaction():
            self.state.remove(Release, app=app.id)
            self.state.remove(Slug, app=app.id)
            self.state.remove(Formation, app=app.id)
            self.state.remove(Addon, app=app.id)
            self.state.remove(App, id=app.id)

    async def set_maintenance(self, app: App, on: bool) -> App:
        """Turn maintenance mode of an app on or off."""
        self.runtime(app).set_maintenance(on)
        return self.state.change(app, maintenance=on)

    async def release(
        self,
        app: App,
        description: str,
        *,
        slug: Slug | None = None,
        images: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        fate: Fate | None = None,
    ) -> Release:
        """Make the app's next release; what is not given stays as in the current one.

        A release whose slug has a `release` process is pending until that process ended, and runs only if
        it exited with 0. Raises UsageError when the slug cannot be unpacked; then no release is made.
        """
        async with self._order[app.id]:
            app = self.state.all(App, id=app.id)[0]
            current = self.current(app)
            kept = slug.id if slug else current.slug if current and not images else None
            row = self.state.one(Slug, id=kept) if kept else None
            processes = await self._processes(app, row) if row else {}
            if images is None and slug is None and current:
                images = current.images or None
            unfit = images_of.why_not(self.registry) if images else ""
            if images and not unfit:
                await asyncio.to_thread(images_of.fetch, self.registry, app.name, images, self._shared())
            waits = bool(fate) or "release" in processes
            with self.state.transaction():
                if config is not None:
                    app = self.state.change(app, config=config)
                release = self.state.add_release(
                    app,
                    description,
                    "failed" if unfit else "pending" if waits else "succeeded",
                    slug=kept,
                    images=images or {},
                    config=app.config,
                )
                if release.status == "succeeded":
                    app = self.state.change(app, current=release.version)
            self.log(app, "api", f"Release v{release.version} created by user {shapes.EMAIL}")
            self.log(app, "api", f"{description} by user {shapes.EMAIL}")
            if release.status == "succeeded":
                await self._run(app, release)
        if unfit:
            self.log(app, "release", f"The image was recorded but cannot be run here: {unfit}")
        elif fate == "failed":
            self.state.change(release, status="failed")
            self.log(app, "release", "Release failed (injected)")
        elif waits and fate is None:
            self._spawn(self._release_phase(app, release, await self.runnable(app, release)))
        return release

    def runtime(self, app: App) -> AppRuntime:
        """The app's processes. Raises UsageError while the app is being deleted."""
        if app.id not in self.runtimes:
            raise UsageError(f"{app.name} is being deleted")
        return self.runtimes[app.id]

    def current(self, app: App) -> Release | None:
        """The app's current release; None before the first."""
        return self.state.one(Release, app=app.id, version=app.current) if app.current else None

    def config(self, app: App, release: Release | None = None) -> dict[str, str]:
        """The app's config vars (or those of one release), with what its add-ons say laid over them."""
        return {**(release.config if release else app.config), **self.addon_config(app)}

    def addon_config(self, app: App) -> dict[str, str]:
        """The config vars that the app's add-ons provide, such as DATABASE_URL."""
        found: dict[str, str] = {}
        for addon in self.state.all(Addon, app=app.id):
            found |= self.databases.variables(addon.engine, app.name, addon.secret)
        return found

    def formation(self, app: App) -> list[Formation]:
        """The process types of an app, with their quantities."""
        return self.state.all(Formation, app=app.id)

    async def scale(self, app: App, quantities: Mapping[str, int]) -> None:
        """Set the quantity of process types, and start or stop their processes."""
        for row in self.formation(app):
            if row.type in quantities and quantities[row.type] != row.quantity:
                self.state.change(row, quantity=quantities[row.type])
                self.log(app, "api", f"Scaled to {row.type}@{quantities[row.type]}:{shapes.SIZE} "
                                     f"by user {shapes.EMAIL}")  # fmt: skip
        await self.runtime(app).scale({row.type: row.quantity for row in self.formation(app)})

    async def runnable(self, app: App, release: Release) -> Runnable:
        """What the release runs. Raises UsageError when it has no slug or image, or one that cannot be unpacked."""
        if release.images:
            return self._container(app, release)
        slug = self.state.one(Slug, id=release.slug) if release.slug else None
        if slug is None:
            raise UsageError(f"{app.name} v{release.version} has no slug to run")
        folder, commit = await self._unpacked(app, slug), slug.commit_id or ""
        env = {**self._env(app, release), "HEROKU_SLUG_COMMIT": commit, "HEROKU_BUILD_COMMIT": commit}
        return Runnable(release.version, folder, await self._processes(app, slug), env)

    def _container(self, app: App, release: Release) -> Runnable:
        """One-offs run the `web` image, as on Heroku; a process of a type runs its image's own command."""
        image = release.images.get("web") or next(iter(release.images.values()))
        processes = dict.fromkeys(release.images, "")
        container = Container(image, self._shared())
        return Runnable(release.version, self.folder, processes, self._env(app, release), container)

    def _shared(self) -> Path:
        shared = self.folder / "db"
        shared.mkdir(exist_ok=True)
        return shared

    def _env(self, app: App, release: Release) -> dict[str, str]:
        return {
            **self.config(app, release),
            "HEROKU_APP_ID": app.id,
            "HEROKU_APP_NAME": app.name,
            "HEROKU_RELEASE_CREATED_AT": release.created_at,
            "HEROKU_RELEASE_VERSION": f"v{release.version}",
        }

    def blob(self, slug: Slug) -> Path:
        """The file with the bytes of a slug."""
        return self.folder / "slugs" / slug.id

    def log(self, app: App, dyno: str, text: str) -> None:
        """Add a line to an app's log, as the process `dyno` of the platform."""
        self.logs.append(app.name, "app" if dyno == "api" else PLATFORM, dyno, text)

    async def _open(self, app: App) -> App:
        """Start the app's router, at the port it had before or, where that is taken, at another."""
        for tries_left in reversed(range(10)):
            runtime = AppRuntime(
                app.name,
                port=app.port,
                marker=self.marker,
                logs=self.logs,
                words=WORDS,
                boot_timeout=self.boot_timeout,
            )
            try:
                await runtime.start()
            except UsageError:
                if not tries_left:
                    raise
                app = replace(app, port=free_port())
                continue
            runtime.set_maintenance(app.maintenance)
            self.runtimes[app.id] = runtime
            break
        return app

    async def _run(self, app: App, release: Release) -> None:
        if not release.slug and not release.images:
            return
        runnable = await self.runnable(app, release)
        known = {row.type: row for row in self.formation(app)}
        types = [name for name in runnable.processes if name != "release"]
        with self.state.transaction():
            for name in known.keys() - set(types):
                self.state.remove(Formation, id=known[name].id)
            for name in (name for name in types if name not in known):
                self.state.add(Formation(new_id(), app.id, name, int(name == "web"), now(), now()))
        quantities = {row.type: row.quantity for row in self.formation(app)}
        await self.runtime(app).switch(runnable, quantities)
        kept = {row.slug for row in self.state.all(Release, app=app.id)[-UNPACKED_RELEASES:]}
        for folder in (self.folder / "apps").glob(f"{app.id}/*"):
            if folder.name not in kept and not folder.name.endswith(slugs.PART):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _release_phase(self, app: App, release: Release, runnable: Runnable) -> None:
        """Run the release's own command; only if it exits with 0 does the release succeed and run."""
        async with self._phases[app.id]:
            name, runtime = f"release.{secrets.randbelow(9000) + 1000}", self.runtime(app)
            dyno = await runtime.run(runnable.processes["release"], runnable, name=name)
            status = await runtime.wait(dyno.id)
            async with self._order[app.id]:
                if app.id not in self.runtimes:
                    return  # the app was deleted meanwhile
                app = self.state.all(App, id=app.id)[0]
                release = self.state.change(release, status="succeeded" if status == 0 else "failed")
                if status != 0:
                    self.log(app, "release", f"Release v{release.version} failed: exit status {status}")
                elif release.version > (app.current or 0):
                    await self._run(self.state.change(app, current=release.version), release)

    async def _processes(self, app: App, slug: Slug) -> dict[str, str]:
        root = await self._unpacked(app, slug)
        return dict(slug.process_types) or slugs.processes(root)

    async def _unpacked(self, app: App, slug: Slug) -> Path:
        """The slug's files, a copy for each app, so that what one app writes no other app sees."""
        if slug.size is None:
            raise UsageError(f"the slug {slug.id} has no blob yet: PUT it to the URL that its creation gave")
        target = self.folder / "apps" / app.id / slug.id
        return await asyncio.to_thread(slugs.unpack, self.blob(slug), target, slug.checksum)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
