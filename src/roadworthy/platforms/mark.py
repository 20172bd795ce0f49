"""The mark on a release: what a start leaves on its effect, and by which it is found again."""

from __future__ import annotations

import re
from typing import Final

from ..model import Claim, PlatformRelease

MARKER: Final = (
    "ROADWORTHY_CONFIG"  # the config var that carries the token of the start which set others last
)
_IMAGE: Final = re.compile(r"Deployed web \(([0-9a-f]{12})\)")  # Heroku's own words


def made_by(claim: Claim, release: PlatformRelease) -> bool:
    """Whether the start that claims this made the release."""
    if claim.marked:
        return release.version > claim.before and MARKER in re.findall(r"\w+", release.description)
    if claim.image:
        return release.version > claim.before and image_named(release.description) == claim.image
    return release.description.endswith(f"({claim.token})")


def image_named(description: str) -> str:
    """The image (12 digits) that a release's description names; "" when it names none."""
    named = _IMAGE.fullmatch(description)
    return named[1] if named else ""
