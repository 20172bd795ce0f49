"""What must be proven about a commit before it may go to production."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from release_facts import CERTIFIED, NOW, STAGING, ask, asked, facts_of, plan_of, refused

from roadworthy.model import Blocker, CiState


def test_a_green_commit_passes():
    assert asked("ci_is_green", "deploy").outcome == "pass"


@pytest.mark.parametrize(
    "outcome",
    ["failure", "in_progress", "not found", "cancelled", "neutral", "skipped", "Success", ""],
)
def test_any_outcome_but_success_refuses_and_names_its_source(outcome):
    ci = CiState(outcome, "GitHub's check 'test'", "https://github.com/o/r/runs/4")
    assert refused(asked("ci_is_green", "deploy", ci=ci), "GitHub's check 'test'", repr(outcome), ci.url)


def test_a_commit_without_any_test_run_refuses_and_says_how_to_run_them():
    ci = CiState("missing", "no test run of this commit is in the journal")
    assert refused(asked("ci_is_green", "deploy", ci=ci), "no test run of this commit", "invoke test")


def test_a_valid_certificate_of_this_package_and_commit_passes():
    assert asked("staging_is_certified", "deploy").outcome == "pass"


def test_an_environment_that_asks_for_no_certificate_is_not_held_up():
    assert asked("staging_is_certified", "deploy", STAGING).reason == "staging needs no certificate"


AGAIN = "invoke certify --env staging"


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (None, ("not certified", "cccccccccccc")),
        (replace(CERTIFIED, package_digest="f" * 64), ("package ffffffffffff",)),
        (replace(CERTIFIED, commit="f" * 40), ("commit ffffffffffff",)),
        (replace(CERTIFIED, file_found=""), ("gone", CERTIFIED.path)),
        (replace(CERTIFIED, file_found="f" * 64), ("altered", CERTIFIED.path)),
        (replace(CERTIFIED, expires="2030-01-02T11:59:59Z"), ("expired at 2030-01-02T11:59:59Z",)),
    ],
)
def test_each_fault_of_a_certificate_refuses_in_its_own_words(certificate, words):
    assert refused(asked("staging_is_certified", "deploy", certificate=certificate), *words, AGAIN)


def test_a_certificate_ends_at_its_very_second():
    for late, outcome in ((timedelta(0), "refuse"), (timedelta(seconds=1), "pass")):
        expires = (NOW + late).strftime("%Y-%m-%dT%H:%M:%SZ")
        certificate = replace(CERTIFIED, expires=expires)
        assert asked("staging_is_certified", "deploy", certificate=certificate).outcome == outcome


def test_a_certificate_whose_expiry_is_no_time_refuses():
    assert (
        asked("staging_is_certified", "deploy", certificate=replace(CERTIFIED, expires="soon")).outcome
        == "refuse"
    )


def test_a_plan_without_a_package_cannot_be_certified():
    plan = replace(plan_of("deploy"), package=None)
    assert refused(ask("staging_is_certified", plan, facts_of("deploy")), "no package")


def test_no_open_problem_passes():
    assert asked("no_open_blockers", "deploy").outcome == "pass"


def test_open_problems_refuse_and_the_first_three_are_named():
    blockers = tuple(Blocker(f"#{n}", "P1", f"Problem {n}") for n in range(1, 6))
    verdict = asked("no_open_blockers", "deploy", blockers=blockers)
    assert refused(verdict, "P1 #1 Problem 1", "#3", "and 2 more")
    assert "#4" not in verdict.reason
    assert "more" not in asked("no_open_blockers", "deploy", blockers=blockers[:3]).reason


def test_staging_is_where_problems_are_looked_at():
    blockers = (Blocker("#1", "P0", "All is lost"),)
    assert asked("no_open_blockers", "deploy", STAGING, blockers=blockers).outcome == "n/a"
