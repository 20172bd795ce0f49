"""Images on Heroku: copied by digest into the app's repository, and released by the digest of their config.

    <registry>/<app>/web@sha256:…  tag <first 12 digits of the config digest>

The platform takes no description for such a release; it writes "Deployed web (142013fe2b5c)", these same digits.
The tag finds the image again. It is no proof: what it names must have a config whose digest begins like that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...errors import CheckFailed, OutcomeUnknown, Unreachable, UsageError
from ...model import Claim, Package, PlatformRelease
from ..base import Progress
from .api import Api
from .releases import Releases

if TYPE_CHECKING:
    from ...packages.registry import Manifest

ONE: Final = "Heroku runs an image of one: name one in package.platforms and commit again"
TYPE: Final = "web"  # the process type whose image a package is
ACCEPT: Final = "application/vnd.heroku+json; version=3.docker-releases"


class Images:
    """The images of apps in the registry at `host`; "" is none."""

    def __init__(self, api: Api, releases: Releases, host: str, environ: Mapping[str, str]) -> None:
        self._api, self._releases, self._host, self._environ = api, releases, host, environ
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def repository(self, app: str) -> str:
        """Where the app's images lie. Raises UsageError where there is no registry."""
        if not self._host:
            raise UsageError(
                "this sandbox has no registry: name one in targets.sandbox.registry, then sandbox.up"
            )
        return f"{self._host}/{app}/{TYPE}"

    def package_of(self, app: str, image: str) -> tuple[str, str]:
        """(digest, commit) of the image whose config digest begins so; ("", "") when the registry has none."""
        from ...packages import image as images

        if (app, image) not in self._known:
            found = self._tagged(app, image)
            if found is None or found.config is None or short(found.config.digest) != image:
                return "", ""
            try:
                commit = images.commit_of(found, self._environ)
            except Unreachable:
                raise
            except CheckFailed:  # the registry has lost the config
                return "", ""
            self._known[app, image] = found.digest.removeprefix("sha256:"), commit
        return self._known[app, image]

    def _tagged(self, app: str, image: str) -> Manifest | None:
        """What the image's tag names; None also when that is nothing that anybody can read."""
        from ...packages import registry

        try:
            return registry.tagged(self.repository(app), image, environ=self._environ)
        except Unreachable:
            raise
        except CheckFailed:
            return None

    def promote(self, app: str, package: Package, progress: Progress) -> None:
        """Copy the package into the app's repository, as the bytes that it is, and read every byte there once.

        Nothing runs it yet, so repeating is harmless. The tag is put back where somebody moved it: it only finds
        the image, and one that finds another is of no use. Raises CheckFailed, also for what was altered.
        """
        from ...packages import registry

        progress(f"copying {package.size:,} bytes to {self.repository(app)}")
        ref = registry.promote(package.ref, self.repository(app), environ=self._environ, whole=True)
        found = registry.read(ref, environ=self._environ)
        if found.config is None or found.config.digest != package.config:
            raise CheckFailed(
                f"{ref} has not the config {package.config[:19]} that was recorded: do not trust it"
            )
        tag = short(package.config)
        there = self._tagged(app, tag)
        config = there.config.digest if there and there.config else ""
        stray = config == package.config or short(config) != tag  # else another image has the same 12 digits
        registry.named(ref, tag, environ=self._environ, moving=stray)

    def claim(self, app: str, package: Package) -> Claim:
        """What a release of this package, made after now, can be recognised by."""
        listed = self._releases.of(self._releases.app(app))
        return Claim("", listed[0].order if listed else 0, short(package.config))

    def release(self, app: str, package: Package, claim: Claim, progress: Progress) -> PlatformRelease:
        """Release the image once. The answer names no release, so it is looked for, as after a lost answer."""
        progress(f"releasing {package.commit[:8]}")
        body = {"updates": [{"type": TYPE, "docker_image": package.config}]}
        lost = ""
        try:
            self._api.write("PATCH", f"/apps/{app}/formation", body, accept=ACCEPT)
        except OutcomeUnknown as error:
            lost = f"{error}; "
        found = self._releases.look(app, lambda: self._releases.find(app, claim))
        if found is None:
            raise OutcomeUnknown(
                f"{lost}no release of {app} since v{claim.before} is of {claim.image} so far"
            )
        return found


def short(config: str) -> str:
    """How the platform's list names an image: the first 12 digits of its config digest."""
    return config.removeprefix("sha256:")[:12]
