"""Which release is of which image, and whose: told by the platform's own list, or not told at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from roadworthy.config import Limits
from roadworthy.errors import OutcomeUnknown
from roadworthy.model import CannotTell, Claim, Found, PlatformRelease
from roadworthy.platforms.heroku.api import Api
from roadworthy.platforms.heroku.releases import RELEASES, Releases, recognised, with_images
from roadworthy.platforms.mark import made_by

AT = datetime(2030, 1, 2, 12, tzinfo=UTC)
OURS, OTHER = "a" * 12, "b" * 12
CLAIM = Claim("roadworthy prod#9 0123456789ab", 7, OURS)


def release(version: int, said: str, *, slug: str = "", status: str = "succeeded") -> PlatformRelease:
    return PlatformRelease(
        version, status, False, slug, said, "ann@example.org", AT, f"v{version}", **recognised(said)
    )


def web(version: int, image: str = OURS, status: str = "succeeded") -> PlatformRelease:
    return release(version, f"Deployed web ({image})", status=status)


def config(version: int) -> PlatformRelease:
    return release(version, "Set COLOUR config vars")


def shown(*oldest_first: PlatformRelease) -> list[str]:
    """The image of each release, oldest first."""
    return [r.artifact for r in reversed(with_images(oldest_first[::-1]))]


def find(claim: Claim, *oldest_first: PlatformRelease) -> int | None:
    """The number of the release that is found in this list."""
    releases = Releases(Api("http://127.0.0.1:1", "", Limits()), Limits(), 0.01)
    releases.app = lambda app: app  # type: ignore[method-assign]
    releases.of = lambda here: with_images(oldest_first[::-1])  # type: ignore[method-assign]
    found = releases.find("app", claim)
    if isinstance(found, CannotTell):
        raise OutcomeUnknown(found.why)
    return found.release.order if isinstance(found, Found) else None


def test_a_release_keeps_the_image_before_it_unless_it_names_one():
    assert shown(config(1), web(2), config(3), web(4, OTHER), config(5)) == ["", OURS, OURS, OTHER, OTHER]


def test_a_rollback_of_herokus_own_has_the_image_of_its_target():
    assert shown(web(2), web(3, OTHER), release(4, "Rollback to v2"), config(5)) == [OURS, OTHER, OURS, OURS]
    assert shown(web(3), release(4, "Rollback to v2"), release(5, "Rollback to v²")) == [OURS, "", ""]


def test_a_slug_is_a_slug_and_ends_what_was_an_image():
    assert shown(web(2), release(3, "Deploy 1234", slug="1-2"), config(4)) == [OURS, "1-2", ""]


def test_which_image_a_change_of_config_has_after_one_that_failed_is_not_guessed():
    assert shown(web(2), web(3, OTHER, "failed"), config(4)) == [OURS, OTHER, ""]
    assert shown(web(2), web(3, OURS, "failed"), config(4)) == [OURS, OURS, OURS]


@pytest.mark.parametrize(
    "said",
    [
        f"Deployed web ({OURS}) by hand",
        f"Deployed worker ({OURS})",
        f"Deployed web ({OURS[:-1]})",
        f"Deployed web ({OURS.upper()})",
        f"({OURS})",
        "Set COLOUR config vars",
    ],
)
def test_what_does_not_name_the_image_exactly_is_not_ours(said: str):
    assert not made_by(CLAIM, release(8, said))


def test_a_release_is_ours_when_it_is_newer_than_the_start_saw_and_of_our_image():
    assert made_by(CLAIM, web(8))
    assert not made_by(CLAIM, web(7))
    assert not made_by(CLAIM, web(8, OTHER))
    assert not made_by(CLAIM, release(8, f"Deploy 12345678 ({CLAIM.token})"))


def test_the_token_is_what_counts_for_a_slug():
    claim = replace(CLAIM, image="")
    assert made_by(claim, release(8, f"Deploy 12345678 ({CLAIM.token})", slug="1-2"))
    assert not made_by(claim, web(8))


def test_ours_is_found_also_when_somebody_released_after_it():
    assert find(CLAIM, web(6, OTHER), config(7), web(8), config(9)) == 8
    assert find(CLAIM, web(6, OTHER), config(7), web(8), web(9, OTHER)) == 8


def test_one_that_failed_before_the_start_is_not_taken_for_ours():
    assert find(CLAIM, web(6, OTHER), web(7, OURS, "failed")) is None


def test_an_image_that_ran_already_makes_no_release_and_is_found_as_it_runs():
    assert find(CLAIM, web(6), config(7)) == 7
    assert find(CLAIM, web(6), config(7), config(8)) is None
    assert find(CLAIM, web(6, OTHER), config(7)) is None


def test_two_releases_of_our_image_are_unknown():
    with pytest.raises(OutcomeUnknown, match="2 releases of app since v7"):
        find(CLAIM, web(8), web(9, OTHER), web(10))


def test_a_list_that_does_not_reach_back_to_the_start_is_unknown():
    later = [config(n) for n in range(10, 10 + RELEASES)]
    with pytest.raises(OutcomeUnknown, match="do not tell which"):
        find(CLAIM, *later)
    assert find(replace(CLAIM, before=9), *later) is None
