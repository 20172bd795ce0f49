"""The mark on a release: what a start leaves on its effect, and by which it is found again."""

from __future__ import annotations

from typing import Final

from ..errors import OutcomeUnknown
from ..model import CannotTell, Claim, Found, PlatformRelease, Sought

MARKER: Final = (
    "ROADWORTHY_CONFIG"  # the config var that carries the token of the start which set others last
)


def made_by(claim: Claim, release: PlatformRelease) -> bool:
    """Whether the start that claims this made the release."""
    if claim.marked:
        return release.order > claim.before and release.sets_mark
    if claim.image:
        return release.order > claim.before and release.deploys == claim.image
    return release.mark == claim.token


def made_so_far(sought: Sought) -> PlatformRelease | None:
    """The release that was found; None while it is absent. Raises OutcomeUnknown where the platform cannot tell."""
    match sought:
        case Found(release):
            return release
        case CannotTell(why):
            raise OutcomeUnknown(why)
        case _:
            return None
