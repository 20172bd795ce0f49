"""The two keys of production."""

import pytest
from release_facts import STAGING, asked, facts_of, plan_of, refused
from release_facts import ask as ask_guard

from guards.deploy_guard import decide
from roadworthy import guard
from roadworthy.config import Environment
from roadworthy.model import Keys

MUTATIONS = ("deploy", "migrate", "rollback")


@pytest.mark.parametrize("action", MUTATIONS)
def test_a_command_that_says_allow_prod_opens_production(action):
    assert asked("production_is_unlocked", action).outcome == "pass"


@pytest.mark.parametrize("value", ["", "0", "true", "yes", "YES", "01", "1 ", " 1", "1\n", "１", "11"])
def test_production_stays_locked_for_anything_but_exactly_1(value):
    verdict = asked("production_is_unlocked", "deploy", plan={"keys": Keys(value, "YES")})
    assert refused(verdict, "locked", "ALLOW_PROD=1")
    assert verdict.code == 2


@pytest.mark.parametrize("files", [(".env",), ("release.toml",), (".env", "release.toml")])
def test_a_key_in_a_file_refuses_even_a_command_that_says_it_too(files):
    verdict = asked("production_is_unlocked", "deploy", plan={"keys": Keys("1", "YES", files)})
    assert refused(verdict, *files, "delete it")


def test_an_automatic_rollback_carries_the_keys_of_its_deploy_and_no_more():
    assert asked("production_is_unlocked", "rollback", plan={"automatic": True}).outcome == "pass"
    locked = asked("production_is_unlocked", "rollback", plan={"automatic": True, "keys": Keys()})
    assert locked.outcome == "refuse"


@pytest.mark.parametrize("action", MUTATIONS)
def test_the_lock_does_not_apply_to_staging(action):
    verdict = asked("production_is_unlocked", action, STAGING, plan={"keys": Keys()})
    assert (verdict.outcome, verdict.reason) == ("n/a", "staging is not production")


@pytest.mark.parametrize("action", MUTATIONS)
def test_deploy_guard_lets_a_machine_with_the_key_change_production(action):
    assert asked("deploy_guard", action).outcome == "pass"


@pytest.mark.parametrize("action", MUTATIONS)
@pytest.mark.parametrize("value", ["", "yes", "Yes", "1", "YES ", "YES\n", "true"])
def test_deploy_guard_refuses_with_42_without_exactly_yes(action, value):
    verdict = asked("deploy_guard", action, plan={"keys": Keys("1", value)})
    assert refused(verdict, "capecraft", "ALLOW_PROD_DEPLOY=YES")
    assert verdict.code == 42


def test_deploy_guard_does_not_apply_to_staging():
    verdict = asked("deploy_guard", "deploy", STAGING, plan={"keys": Keys()})
    assert (verdict.outcome, verdict.reason) == ("n/a", "autorisen is not a production app")


def test_deploy_guard_refuses_a_plan_for_an_app_that_is_not_of_its_environment():
    verdict = ask_guard("deploy_guard", plan_of("deploy"), facts_of("deploy", STAGING))
    assert refused(verdict, "capecraft", "release.toml")


def test_without_any_key_the_exit_code_is_2_and_with_the_first_it_is_42():
    def code(keys):
        return guard.exit_code(
            [
                asked(name, "deploy", plan={"keys": keys})
                for name in ("deploy_guard", "production_is_unlocked")
            ]
        )

    assert code(Keys()) == 2
    assert code(Keys("1")) == 42


@pytest.mark.parametrize("name", [None, "", "a b", "Capecraft", "-x", "x" * 31])
def test_what_is_no_name_of_an_app_is_none_wherever_it_is_written(name: str | None):
    environments = {"prod": Environment(app=name or "", production=True)}
    assert decide(name, "YES", environments) == 2
