"""What is drift and what is not, as a pure function of what the journal and the platform say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from roadworthy.facts.drift import drift
from roadworthy.model import Claim, Deployed, History, Observed, Package, PlatformRelease
from roadworthy.platforms.heroku.releases import recognised

AT = datetime(2030, 1, 2, 12, tzinfo=UTC)
PACKAGE = Package("c" * 40, "d" * 64, 1000)
CLAIM = "roadworthy prod#9 0123456789ab"


def release(version: int, slug: str = "s1", **other: object) -> PlatformRelease:
    known = PlatformRelease(version, "succeeded", False, slug, f"Deploy v{version}", "ann@example.org", AT)
    known = replace(known, **other)
    return replace(known, name=f"v{version}", **recognised(known.description))


def observed(*releases: PlatformRelease, digest: str = PACKAGE.digest, maintenance: bool = False) -> Observed:
    return Observed("", maintenance, releases, (), digest, "")


VERIFIED = History((Deployed(PACKAGE, 7, "s1", 3, "2030-01-01T00:00:00Z"),), known=((7, "s1"),))


def test_what_was_verified_and_runs_is_no_drift():
    assert drift("prod", VERIFIED, observed(release(7), release(6, "s0"))) == ()


def test_a_release_by_hand_is_named_with_who_when_in_utc_and_both_ways_out():
    cape = timezone(timedelta(hours=2))
    by_hand = release(
        8, "s0", description="Rollback to v6", user="bob@example.org", created_at=AT.astimezone(cape)
    )
    (found,) = drift("prod", VERIFIED, observed(by_hand, release(7), digest="e" * 64))
    assert (found.what, found.journal, found.who, found.when) == (
        "release",
        "v7",
        "bob@example.org",
        "2030-01-02T12:00:00Z",
    )
    assert found.seen.startswith("v8 'Rollback to v6' by bob@example.org") and "eeeeeeeeeeee" in found.seen
    assert (
        "invoke adopt --env prod" in found.do
        and f"invoke rollback --env prod --to {PACKAGE.commit}" in found.do
    )


def test_every_release_since_the_recorded_one_is_named_newest_first_but_those_that_failed():
    releases = (release(10), release(9, status="failed"), release(8), release(7), release(6))
    assert [d.seen[:3].strip() for d in drift("prod", VERIFIED, observed(*releases))] == ["v10", "v8"]


def test_a_config_change_keeps_the_package_and_is_drift_all_the_same():
    (found,) = drift("prod", VERIFIED, observed(release(8, description="Set COLOUR config vars"), release(7)))
    assert "'Set COLOUR config vars'" in found.seen and "with package" not in found.seen


@pytest.mark.parametrize(
    "history",
    [
        replace(VERIFIED, known=((8, "s2"), (7, "s1"))),  # failed, and left behind
        replace(VERIFIED, claims=(Claim(CLAIM),)),  # open, or given up
        History(known=((8, "s2"),)),  # the first deploy, and it failed
        History(claims=(Claim(CLAIM),)),
    ],
)
def test_what_the_journal_knows_of_its_own_is_no_drift(history):
    ours = release(8, "s2", description=f"Deploy 12345678 ({CLAIM})")
    assert drift("prod", history, observed(ours, release(7), digest="e" * 64)) == ()


@pytest.mark.parametrize("description", [f"Deploy ({CLAIM[:-1]}c)", f"({CLAIM}) by hand", "Deploy", CLAIM])
def test_another_journals_token_is_not_ours(description):
    history = replace(VERIFIED, claims=(Claim(CLAIM),))
    assert drift("prod", history, observed(release(8, description=description), release(7)))


@pytest.mark.parametrize(
    ("current", "digest"),
    [
        (release(7, "s9"), PACKAGE.digest),  # the app was made anew, and its numbers began again
        (release(7), "e" * 64),  # the platform says another package than was verified
        (release(3, ""), ""),  # the app was made anew, and is empty
    ],
)
def test_the_same_number_is_not_enough(current, digest):
    assert [d.what for d in drift("prod", VERIFIED, observed(current, digest=digest))] == ["release"]


def test_a_platform_without_any_release_is_drift_once_something_was_recorded():
    assert [d.seen for d in drift("prod", VERIFIED, observed(digest=""))] == ["none"]
    assert drift("prod", History(), observed(digest="")) == ()


def test_a_new_app_is_no_drift_and_one_that_somebody_deployed_to_is():
    assert drift("prod", History(), observed(release(3, ""), release(2, ""), digest="")) == ()
    (found,) = drift("prod", History(), observed(release(4, "sx"), release(3, ""), digest="e" * 64))
    assert found.journal == "nothing" and "rollback" not in found.do


def test_maintenance_is_drift_unless_an_action_of_ours_may_have_left_it_on():
    (found,) = drift("prod", VERIFIED, observed(release(7), maintenance=True))
    assert (found.what, found.seen, found.who, found.when) == ("maintenance", "on", "", "")
    ours = replace(VERIFIED, maintenance=True)
    assert drift("prod", ours, observed(release(7), maintenance=True)) == ()


def test_what_the_platform_tells_is_bounded_and_cannot_move_the_cursor():
    hostile = release(8, description="\x1b[2J\n" + "x" * 5000, user="\x1b[2J" + "y" * 5000)
    (found,) = drift("prod", VERIFIED, observed(hostile, release(7)))
    assert str(found).isprintable() and len(str(found)) < 500


def test_where_nothing_was_verified_nothing_can_be_gone_back_to():
    (found,) = drift("prod", History(known=((7, "s1"),)), observed(digest=""))
    assert (found.journal, found.seen, found.do) == ("v7", "none", "")


@pytest.mark.parametrize(
    ("one", "digest", "gone"),
    [
        (release(7), "", True),
        (release(8), "", False),  # somebody's, of the same slug
        (release(7, "s2"), "", False),
        (release(7), "e" * 64, False),
    ],
)
def test_only_of_the_release_that_the_journal_knows_can_the_image_be_gone(
    one: PlatformRelease, digest: str, gone: bool
):
    (found,) = drift("prod", VERIFIED, observed(one, digest=digest))
    assert ("whose image is no longer in its registry" in str(found)) is gone
