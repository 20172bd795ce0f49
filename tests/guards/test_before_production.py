"""What has to be so before production is asked for anything: the road behind a package, acceptance, the key."""

import pytest
from msgspec.structs import replace
from release_facts import (
    ACCEPTED,
    BOTH,
    NEW,
    OLD,
    PASSED,
    SLUG,
    STAGING,
    STANDING,
    ask,
    asked,
    facts_of,
    plan_of,
    refused,
)

from roadworthy.model import Credential, Eligibility, Maintenance, ReleasePackage, RunCommand

REQUIRED = ("load-release-package",)


def released(standing=STANDING, required=REQUIRED):
    return asked("package_is_released", "deploy", eligible=Eligibility(standing, required))


def test_a_package_that_came_all_the_way_passes():
    assert released().outcome == "pass"


def test_staging_is_where_a_package_is_proven():
    assert asked("package_is_released", "deploy", STAGING).outcome == "n/a"


def test_a_plan_without_a_package_was_released_by_nobody():
    plan = replace(plan_of("deploy"), package=None)
    assert refused(ask("package_is_released", plan, facts_of("deploy")), "no package", "invoke build")


@pytest.mark.parametrize("stage", ["intake", "build", "accepted", "released"])
def test_a_package_without_one_of_its_stages_refuses(stage):
    assert refused(released(replace(STANDING, **{stage: None})), NEW.commit[:12], "invoke")


def test_the_release_of_other_bytes_is_none_of_these():
    other = replace(PASSED, digest=OLD.digest)
    standing = replace(STANDING, build=other, accepted=replace(ACCEPTED, digest=OLD.digest), released=other)
    assert refused(
        released(standing), f"{OLD.digest[:12]} was released, not {NEW.digest[:12]}", "invoke build"
    )


def test_an_acceptance_that_looked_at_less_than_this_change_needs_refuses_and_names_the_checks():
    assert refused(
        released(required=(*REQUIRED, "migration")), "without migration,", f"--commit {NEW.commit}"
    )
    failed = replace(ACCEPTED, details={"checks": {"load-release-package": "failure"}})
    assert refused(released(replace(STANDING, accepted=failed)), "without load-release-package,")
    assert refused(
        released(replace(STANDING, accepted=replace(ACCEPTED, details={}))), "load-release-package"
    )


def given(*credentials: Credential):
    return asked("acceptance_cannot_change_production", "accept", STAGING, credentials=credentials)


def test_acceptance_without_a_credential_of_production_passes():
    assert given(Credential("OTHER")).outcome == "pass"
    assert given().outcome == "n/a"


def test_a_credential_of_production_is_found_wherever_it_stands():
    good = Credential("OTHER")
    assert refused(given(good, Credential("KEY", ("HEROKU_API_KEY",))), "KEY is HEROKU_API_KEY", "of its own")
    assert refused(
        given(good, Credential("KEY", (), ("capecraft",))), "KEY opens capecraft", "take its access"
    )


def test_an_uploaded_package_is_looked_at_to_its_last_step():
    plan = replace(plan_of("deploy"), steps=(ReleasePackage(NEW), ReleasePackage(NEW, "latest")))
    assert refused(ask("package_is_pinned", plan, facts_of("deploy")), "not a slug id")
    plan = replace(plan, steps=(ReleasePackage(NEW), ReleasePackage(NEW, SLUG)))
    assert ask("package_is_pinned", plan, facts_of("deploy")).outcome == "pass"
    plan = replace(
        plan, steps=(Maintenance(True, ""), ReleasePackage(NEW), RunCommand("alembic upgrade head"))
    )
    assert ask("package_is_pinned", plan, facts_of("deploy")).outcome == "pass"


@pytest.mark.parametrize(("said", "found"), [("", "ALLOW_PROD is not set;"), ("0", "is set, but not to 1;")])
def test_a_missing_key_and_a_wrong_one_are_told_apart(said, found):
    keys = {"keys": replace(BOTH, allow_prod=said)}
    assert refused(asked("production_is_unlocked", "deploy", plan=keys), found)
