"""Heroku's list of releases: what there is, which one is ours, how it ends.

A release of a slug says of itself which one it is. That of an image says so in its description, "Deployed web
(142013fe2b5c)", the first digits of its config digest; one that only changes config vars keeps the image before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ...config import Limits
from ...errors import OutcomeUnknown, UsageError
from ...model import Absent, CannotTell, Claim, Found, PlatformRelease, Sought
from ...wait import until
from ..mark import MARKER, made_by, made_so_far
from .api import Api, known

RELEASES: Final = 30  # how far back releases are read; Heroku destroys artifacts beyond 20
BACK: Final = "Rollback to v"  # how the description of Heroku's own rollback begins
_NAME: Final = re.compile(r"v[1-9][0-9]{0,6}")
_IMAGE: Final = re.compile(r"Deployed web \(([0-9a-f]{12})\)")
_MARK: Final = re.compile(r"\((roadworthy [^()]+)\)$")
LOOK: Final = 2.0  # seconds to look for an effect whose answer was lost


class Releases:
    """The releases of apps; `poll` is seconds between looks."""

    def __init__(self, api: Api, limits: Limits, poll: float) -> None:
        self._api, self._limits, self._poll = api, limits, poll

    def app(self, app: str) -> Any:
        """heroku3's object of the app."""
        client = self._api.client()
        return self._api.read(lambda: client.app(app), f"app {app}")

    def of(self, here: Any) -> tuple[PlatformRelease, ...]:
        """The releases of an app of heroku3's, newest first."""
        found = self._api.read(
            lambda: here.releases(order_by="version", limit=RELEASES, sort="desc"), f"releases of {here.name}"
        )
        return with_images(
            [
                PlatformRelease(
                    order=int(r.version),
                    name=f"v{r.version}",
                    status=str(r.status),
                    current=bool(r.current),
                    artifact=str(r.slug.id or "") if r.slug else "",
                    description=str(r.description or ""),
                    user=str(r.user.email or "") if r.user else "",
                    created_at=r.created_at,
                    **recognised(str(r.description or "")),
                )
                for r in sorted(found, key=lambda r: -int(r.version))
            ]
        )

    def named(self, app: str, text: str) -> PlatformRelease | None:
        """The release of that name (`v12`), None where it is no name. Raises UsageError where there is none."""
        if not _NAME.fullmatch(text):
            return None
        listed = self.of(self.app(app))
        found = next((release for release in listed if release.name == text), None)
        if found is None:
            newest = listed[0].name if listed else "none"
            raise UsageError(f"{app} has no release {text} (the newest is {newest}): see `invoke history`")
        return found

    def find(self, app: str, claim: Claim) -> Sought:
        """The release that this claim made. Of two of one image the list does not tell, nor further back."""
        releases = self.of(self.app(app))
        ours = [r for r in releases if made_by(claim, r)]
        reaches = len(releases) < RELEASES or releases[-1].order <= claim.before + 1
        if not claim.image:
            if not ours and claim.before and not reaches:
                return CannotTell(
                    f"the last {RELEASES} releases of {app} do not reach back to v{claim.before}"
                )
            return Found(ours[0]) if ours else Absent()
        if len(ours) > 1 or not reaches:
            why = f"{len(ours)} releases" if reaches else f"the last {RELEASES} releases do not tell which"
            return CannotTell(f"{why} of {app} since v{claim.before} may be the one of {claim.image}")
        if ours:
            return Found(ours[0])
        # What ran before is left alone by the platform, which then makes no release.
        current = next((r for r in releases if r.status != "failed"), None)
        still = current is not None and current.order <= claim.before and current.artifact == claim.image
        return Found(current) if current and still else Absent()

    def look(self, app: str, find: Callable[[], Sought]) -> PlatformRelease | None:
        """What `find` finds within LOOK seconds after an effect. Raises OutcomeUnknown when it cannot tell."""
        within = min(LOOK, self._limits.release)
        return known(app, lambda: until(lambda: made_so_far(find()), within=within, every=self._poll))

    def verdict(self, app: str, version: int) -> str:
        """The platform's own word on a release; `pending` at the deadline is unknown, not success."""

        def terminal() -> str | None:
            status = str(self._api.get(f"/apps/{app}/releases/{version}")["status"])
            return status if status != "pending" else None

        status = until(terminal, within=self._limits.release, every=self._poll)
        if status is None:
            raise OutcomeUnknown(f"v{version} of {app} is still pending after {self._limits.release:.0f} s")
        return status


def recognised(description: str) -> dict[str, Any]:
    """What a release's description tells of it: the fields `deploys`, `mark` and `sets_mark`."""
    image, mark = _IMAGE.fullmatch(description), _MARK.search(description)
    return {
        "deploys": image[1] if image else "",
        "mark": mark[1] if mark else "",
        "sets_mark": MARKER in re.findall(r"\w+", description),
    }


def with_images(releases: Sequence[PlatformRelease]) -> tuple[PlatformRelease, ...]:
    """The releases, newest first, each that has no slug with the image that it runs; "" where that is not told."""
    shown: list[PlatformRelease] = []
    images: dict[int, str] = {}
    runs = ""
    for release in reversed(releases):
        image = release.deploys
        if release.artifact or image:
            pass
        elif release.description.startswith(BACK):
            image = _image_of(release.description.removeprefix(BACK), images)
        else:
            image = runs
        images[release.order] = image
        # Which of the two a change of config would keep after a release that failed is not documented.
        runs = image if release.status != "failed" or image == runs else ""
        shown.append(release if release.artifact else replace(release, artifact=image, image=bool(image)))
    return tuple(reversed(shown))


def _image_of(version: str, images: Mapping[int, str]) -> str:
    return images.get(int(version), "") if version.isascii() and version.isdigit() else ""
