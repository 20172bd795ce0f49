"""Heroku, by its Platform API: the sandbox and the real one are the same code with another address.

heroku3 reads; what it lacks or sends against Heroku's own schema (slugs, releases with a description, one-off
dynos, maintenance, log sessions) goes through the same session. Sources: Heroku Platform API reference and
its JSON hyper-schema.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from ...config import Limits
from ...errors import CheckFailed, OutcomeUnknown, Unreachable, UsageError
from ...mask import Mask
from ...model import (
    Absent,
    Claim,
    Fence,
    Maintenance,
    Observed,
    Package,
    PlatformRelease,
    Process,
    Receipt,
    ReleasePackage,
    RunCommand,
    SetConfig,
    Sought,
    Step,
)
from ..base import Progress
from ..mark import MARKER
from . import slugs
from .api import Api, known, millis
from .dynos import Dynos
from .fence import Fences
from .images import ONE, Images
from .releases import Releases


class Heroku:
    """The driver. `poll` is seconds between looks; `urls` are public addresses by app.

    `registry` is the host of the registry whose images the platform runs, and `environ` names our logins there.
    """

    def __init__(
        self,
        api: str,
        key: str,
        *,
        limits: Limits,
        poll: float,
        urls: Mapping[str, str],
        registry: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._api = Api(api, key, limits)
        self._key = key
        self._urls = urls
        self._limits, self._poll = limits, poll
        self._fences = Fences(self._api)
        self._releases = Releases(self._api, limits, poll)
        self._dynos = Dynos(self._api, limits, poll, self.mask)
        self._images = Images(self._api, self._releases, registry, environ or {})

    # ---- reads ---------------------------------------------------------------------------------------

    def url(self, app: str) -> str:
        """See `Platform.url`."""
        return self._urls.get(app) or str(self._api.get(f"/apps/{app}")["web_url"]).rstrip("/")

    def observe(self, app: str) -> Observed:
        """See `Platform.observe`."""
        here = self._releases.app(app)
        releases = self._releases.of(here)
        dynos = self._api.read(here.dynos, f"dynos of {app}")
        seen = Observed(
            url=self._urls.get(app) or str(here.web_url).rstrip("/"),
            maintenance=bool(here.maintenance),
            releases=releases,
            processes=tuple(
                Process(d.name, d.type, d.state, int(d.release.version or 0), d.command) for d in dynos
            ),
        )
        digest, commit = self.package_of(app, seen.current) if seen.current else ("", "")
        return replace(seen, digest=digest, commit=commit)

    def package_of(self, app: str, release: PlatformRelease) -> tuple[str, str]:
        """See `Platform.package_of`."""
        if not release.artifact:
            return "", ""
        if "-" in release.artifact:  # a UUID; an image's id has none
            return slugs.package_of(self._api, app, release.artifact)
        return self._images.package_of(app, release.artifact)

    def named(self, app: str, text: str) -> PlatformRelease | None:
        """See `Platform.named`."""
        return self._releases.named(app, text)

    def accepts(self, app: str, package: Package) -> str:
        """See `Platform.accepts`."""
        if package.kind != "image":
            return ""
        try:
            self.repository(app)
        except UsageError as error:
            return str(error)
        return (
            ""
            if package.config
            else f"the image of {package.commit[:12]} is for several platforms, and {ONE}"
        )

    def find(self, app: str, claim: Claim) -> Sought:
        """See `Platform.find`."""
        if claim.marked and self.config(app).get(MARKER) != claim.token:
            return Absent()
        return self._releases.find(app, claim)

    def repository(self, app: str) -> str:
        """See `Platform.repository`."""
        return self._images.repository(app)

    def query(self, app: str, command: str) -> Receipt:
        """See `Platform.query`."""
        return self._dynos.run(app, command, again=True)

    def logs(self, app: str, since: datetime, release: PlatformRelease | None = None) -> Sequence[bytes]:
        """See `Platform.logs`."""
        lines = self._dynos.logs(app, since)
        # The API tells the second only; the log's own line tells where in that second the release began.
        begins = re.compile(rb"\S+ app\[api\]: Release v%d created by " % (release.order if release else 0))
        return lines[next((number for number, line in enumerate(lines) if begins.match(line)), 0) :]

    def config(self, app: str) -> Mapping[str, str]:
        """See `Platform.config`."""
        here = self._releases.app(app)
        values: dict[str, str] = self._api.read(lambda: here.config().to_dict(), f"config of {app}")
        return values

    def mask(self, app: str) -> Mask:
        """See `Platform.mask`."""
        return Mask((*self.config(app).values(), self._key, *filter(None, (self._api.acting,))))

    @property
    def clock_ahead(self) -> float | None:
        """See `Platform.clock_ahead`."""
        return self._api.clock_ahead

    def take_attempts(self) -> list[dict[str, Any]]:
        """See `Platform.take_attempts`."""
        return self._api.take_attempts()

    # ---- the fence -----------------------------------------------------------------------------------

    def open_fence(self, lasts: float) -> Fence | None:
        """See `Platform.open_fence`."""
        return self._fences.open(lasts)

    def close_fence(self, fence: Fence) -> str:
        """See `Platform.close_fence`."""
        return self._fences.close(fence)

    # ---- the one verb that changes -------------------------------------------------------------------

    def apply(self, app: str, step: Step, *, token: str, progress: Progress) -> Receipt:
        """See `Platform.apply`."""
        match step:
            case ReleasePackage():
                return self._release(app, step, token, progress)
            case RunCommand():
                return self._dynos.run(app, step.command)
            case SetConfig():
                return self._set_config(app, step, token, progress)
            case Maintenance():
                started = time.monotonic()
                self._api.write("PATCH", f"/apps/{app}", {"maintenance": step.on}, again=True)
                return Receipt(f"maintenance {'on' if step.on else 'off'}", millis(started))

    def _release(self, app: str, step: ReleasePackage, token: str, progress: Progress) -> Receipt:
        started = time.monotonic()
        make = self._release_image if step.package.kind == "image" else self._release_slug
        version, slug = make(app, step, token, progress)
        return self._settled(app, version, slug, started, progress)

    def _settled(self, app: str, version: int, slug: str, started: float, progress: Progress) -> Receipt:
        """Wait for a release, and until it has started."""
        progress(f"v{version} is released, waiting for it to settle")
        status = known(app, lambda: self._releases.verdict(app, version))
        if status != "succeeded":
            tail = self._dynos.last_lines(app)
            raise CheckFailed(f"v{version} of {app} {status}, says the platform\n{tail}")
        progress(f"v{version} is starting")
        known(app, lambda: self._dynos.boot(app, version))
        return Receipt("release", millis(started), release=version, artifact=slug)

    def _set_config(self, app: str, step: SetConfig, token: str, progress: Progress) -> Receipt:
        """Change config vars once. The answer names no release, so it is looked for, as after a lost answer."""
        started = time.monotonic()
        try:
            listed = self._releases.of(self._releases.app(app))
        except Unreachable as error:
            raise CheckFailed(f"{error}; so nothing was changed") from error
        claim = Claim(token, listed[0].order if listed else 0, marked=True)
        progress(f"changing {', '.join(step.values)}")
        lost = ""
        try:
            self._api.write("PATCH", f"/apps/{app}/config-vars", {MARKER: token, **step.values})
        except OutcomeUnknown as error:
            lost = f"{error}; "
        made = self._releases.look(app, lambda: self.find(app, claim))
        if made is None:
            raise OutcomeUnknown(
                f"{lost}no release of {app} since v{claim.before} changes its config vars so far"
            )
        return self._settled(app, made.order, made.artifact, started, progress)

    def _release_slug(
        self, app: str, step: ReleasePackage, token: str, progress: Progress
    ) -> tuple[int, str]:
        try:
            slug = step.artifact or slugs.upload(self._api, app, step.package, progress)
        except (Unreachable, OutcomeUnknown) as error:  # a slug that is not released changes nothing
            raise CheckFailed(f"the package was not uploaded, so nothing was released: {error}") from error
        commit = step.package.commit[:8]
        progress(f"releasing {commit}")
        version = slugs.release(self._api, self._releases, app, slug, f"Deploy {commit}", Claim(token))
        return version, slug

    def _release_image(self, app: str, step: ReleasePackage, _: str, progress: Progress) -> tuple[int, str]:
        try:
            self._images.promote(app, step.package, progress)
            claim = self._images.claim(app, step.package)
        except Unreachable as error:  # an image that is not released changes nothing
            raise CheckFailed(f"the image was not copied, so nothing was released: {error}") from error
        made = self._images.release(app, step.package, claim, progress)
        return made.order, made.artifact
