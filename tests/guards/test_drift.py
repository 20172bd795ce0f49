"""Nothing happens on top of drift; what is adopted is proven."""

import pytest
from msgspec.structs import replace
from release_facts import NEW, NOW, OLD, ROOT, STAGING, STANDING, asked, deployed, refused

from roadworthy import guard
from roadworthy.model import CiState, Drift, Eligibility, Fact, History

WHEN = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
RELEASE = Drift(
    "release", "v7", f"v8 'Rollback to v6' by bob@example.org, {WHEN}", "bob@example.org", WHEN, "adopt it"
)
MAINTENANCE = Drift("maintenance", "off", "on", "", "", "turn it off")
RULE = "platform_is_as_recorded"


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
def test_without_drift_it_passes_and_on_drift_it_says_what_who_when_and_what_to_do(action):
    assert asked(RULE, action, STAGING).outcome == "pass"
    assert refused(asked(RULE, action, STAGING, drift=(RELEASE,)), "v8", "bob@example.org", WHEN, "adopt it")
    assert refused(asked(RULE, action, STAGING, drift=(MAINTENANCE,)), "maintenance on", "turn it off")
    assert refused(asked(RULE, action, STAGING, drift=(RELEASE, MAINTENANCE)), "and 1 more")


def test_a_deploy_of_what_should_run_puts_it_back_and_any_other_refuses():
    same = History((deployed(NEW),), "0002")
    verdict = asked(RULE, "deploy", history=same, drift=(RELEASE,))
    assert (
        verdict.outcome == "n/a" and "this restores" in verdict.reason and "bob@example.org" in verdict.reason
    )
    assert refused(asked(RULE, "deploy", history=History((deployed(OLD), deployed(NEW))), drift=(RELEASE,)))
    assert refused(asked(RULE, "deploy", history=History(), drift=(RELEASE,)))


@pytest.mark.parametrize("action", ["migrate", "certify"])
def test_only_a_deploy_puts_anything_back(action):
    assert refused(asked(RULE, action, STAGING, drift=(RELEASE,), history=History((deployed(NEW),))))


def test_maintenance_by_hand_ends_with_a_deploy_that_says_so_and_with_no_other():
    same = History((deployed(NEW),), "0002")
    assert refused(asked(RULE, "deploy", history=same, drift=(MAINTENANCE,)))
    assert refused(asked(RULE, "deploy", history=same, drift=(RELEASE, MAINTENANCE)))
    ends = {"maintenance": True}
    assert asked(RULE, "deploy", plan=ends, drift=(MAINTENANCE,)).outcome == "n/a"
    assert asked(RULE, "deploy", plan=ends, history=same, drift=(RELEASE, MAINTENANCE)).outcome == "n/a"
    assert refused(asked(RULE, "deploy", plan=ends, drift=(RELEASE, MAINTENANCE)), "v8")


def test_a_rollback_is_not_asked():
    assert RULE not in {g.__name__ for g, _ in guard.load(ROOT, "rollback")}


def test_there_must_be_something_to_adopt_that_can_be_checked():
    assert asked("platform_has_drifted", "adopt", drift=(RELEASE,)).outcome == "pass"
    assert refused(asked("platform_has_drifted", "adopt"), "nothing to adopt")
    assert refused(asked("platform_has_drifted", "adopt", drift=(RELEASE, MAINTENANCE)), "turn it off")


PROVEN = "adopted_package_is_proven"
ELSE = History((deployed(OLD),), "0002")


def test_what_was_verified_here_is_proven_without_a_test_run():
    red = CiState("failure", "the run")
    assert asked(PROVEN, "adopt", ci=red).outcome == "pass"


def test_what_never_came_by_the_road_needs_green_tests():
    assert asked(PROVEN, "adopt", history=ELSE).outcome == "pass"
    for outcome in ("failure", "missing", ""):
        verdict = asked(PROVEN, "adopt", history=ELSE, ci=CiState(outcome, "the run"))
        assert refused(verdict, "the run", "invoke test", OLD.commit)


@pytest.mark.parametrize("missing", ["accepted", "released", "build"])
def test_tests_alone_open_no_production_to_what_somebody_put_there(missing):
    standing = replace(STANDING, **{missing: None})
    eligible = Eligibility(standing, ())
    verdict = asked(PROVEN, "adopt", history=ELSE, eligible=eligible)
    assert refused(verdict, "by hand", "MISSING", "rollback --env prod")
    assert asked(PROVEN, "adopt", STAGING, history=ELSE, eligible=eligible).outcome == "pass"
    assert asked(PROVEN, "adopt", eligible=eligible).outcome == "pass", "it was verified here before"


def test_another_package_than_was_released_of_its_commit_is_put_back():
    other = replace(STANDING, build=replace(STANDING.build, digest="e" * 64))
    assert refused(asked(PROVEN, "adopt", history=ELSE, eligible=Eligibility(other, ())), "eeeeeeeeeeee")


def test_what_cannot_be_proven_is_put_back():
    unknown = Fact("package", missing="package eeeeeeeeeeee is not what is built from 0123456789ab")
    assert refused(
        asked(PROVEN, "adopt", package=unknown),
        "is not what is built",
        f"rollback --env prod --to {NEW.commit}",
    )


def test_where_nothing_was_verified_it_is_only_written_down():
    unknown = Fact("package", missing="whatever it is")
    assert asked(PROVEN, "adopt", package=unknown, history=History()).outcome == "n/a"
