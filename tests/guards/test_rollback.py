"""The way back is known before it is needed."""

from msgspec.structs import replace
from release_facts import NEW, OLD, OLDER, ask, asked, deployed, facts_of, plan_of, refused

from roadworthy.model import History, RollbackTarget

GONE = RollbackTarget(deployed(OLD), False, "the platform has destroyed it")


def test_a_deploy_with_a_way_back_passes():
    assert asked("rollback_is_possible", "deploy").outcome == "pass"


def test_the_first_deploy_has_nothing_to_go_back_to():
    verdict = asked("rollback_is_possible", "deploy", history=History(), back=None)
    assert verdict.outcome == "n/a" and "first deploy of prod" in verdict.reason


def test_a_deploy_whose_way_back_is_gone_refuses():
    assert refused(asked("rollback_is_possible", "deploy", back=GONE), "destroyed", "invoke build")
    assert refused(asked("rollback_is_possible", "deploy", back=replace(GONE, why_not="")), "it is gone")
    assert refused(asked("rollback_is_possible", "deploy", back=None), "invoke history")


def test_a_target_that_was_verified_here_passes():
    assert asked("rollback_target_was_verified", "rollback").outcome == "pass"


def test_a_target_that_was_never_verified_here_refuses():
    strange = RollbackTarget(deployed(OLDER), True)
    assert refused(asked("rollback_target_was_verified", "rollback", back=strange), OLDER.digest[:12], "prod")


def test_a_target_that_its_completion_said_no_to_refuses_and_names_the_entry():
    history = History((deployed(NEW), deployed(OLD)), "0002", incomplete={OLD.digest: 8})
    verdict = asked("rollback_target_was_verified", "rollback", history=history)
    assert refused(verdict, OLD.digest[:12], "journal #8", "invoke history --env prod")
    elsewhere = replace(history, incomplete={NEW.digest: 8})
    assert asked("rollback_target_was_verified", "rollback", history=elsewhere).outcome == "pass"


def test_what_should_be_running_may_be_put_back_though_it_is_incomplete():
    history = History((deployed(OLD), deployed(OLDER)), "0002", incomplete={OLD.digest: 8})
    assert asked("rollback_target_was_verified", "rollback", history=history).outcome == "pass"


def test_an_unknown_target_refuses_and_is_quoted():
    verdict = asked("rollback_target_was_verified", "rollback", back=None, plan={"to": "v999"})
    assert refused(verdict, "'v999'", "invoke history --env prod")
    assert refused(asked("rollback_target_was_verified", "rollback", back=None), "the last verified package")


def test_a_plan_that_releases_something_else_than_the_verified_target_refuses():
    for package in (NEW, None):
        plan = replace(plan_of("rollback"), package=package)
        assert refused(
            ask("rollback_target_was_verified", plan, facts_of("rollback")), "run the command again"
        )


def test_a_target_that_can_be_had_passes():
    assert asked("rollback_target_is_available", "rollback").outcome == "pass"


def test_a_target_that_is_gone_refuses_before_anything_changes():
    assert refused(
        asked("rollback_target_is_available", "rollback", back=GONE), "destroyed", "choose another"
    )
    unsaid = replace(GONE, why_not="")
    assert refused(asked("rollback_target_is_available", "rollback", back=unsaid), "it is gone")
    assert refused(asked("rollback_target_is_available", "rollback", back=None), "invoke history")
