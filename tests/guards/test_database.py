"""The database is where the journal says, or nothing is deployed onto it; another schema is adopted."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from release_facts import KNOWN, asked, facts_of, plan_of, refused

from roadworthy import guard
from roadworthy.facts.migrations import Migrations
from roadworthy.model import Fact, History

FIRST = History((), "0002")
GONE = Fact("revision", missing="two heads")


def test_a_database_that_is_where_the_journal_says_passes():
    assert asked("database_is_as_recorded", "deploy").outcome == "pass"
    unmigrated = replace(KNOWN["history"], revision=None)
    assert asked("database_is_as_recorded", "deploy", history=unmigrated, revision=None).outcome == "pass"


def test_before_anything_was_verified_the_journal_knows_no_database():
    assert asked("database_is_as_recorded", "deploy", history=FIRST, revision="0009").outcome == "n/a"


def test_a_database_that_is_elsewhere_refuses_and_says_both_ways_on():
    said = asked("database_is_as_recorded", "deploy", revision="0009")
    assert refused(
        said, "is at 0009, the journal says 0002", "invoke migrate --env prod", "invoke adopt --env prod"
    )
    assert refused(asked("database_is_as_recorded", "deploy", revision=None), "is at no revision")
    unmigrated = replace(KNOWN["history"], revision=None)
    assert refused(asked("database_is_as_recorded", "deploy", history=unmigrated), "says no revision")


def test_a_database_of_which_nobody_knows_where_it_is_refuses_and_says_why():
    said = asked("database_is_as_recorded", "deploy", revision=GONE)
    assert refused(said, "revision is unknown: two heads;", "invoke rollback --env prod")


def test_a_schema_that_is_not_the_journals_is_something_to_adopt_once_anything_was_verified():
    assert asked("platform_has_drifted", "adopt", revision="0009").outcome == "pass"
    assert refused(asked("platform_has_drifted", "adopt", history=FIRST, revision="0009"), "nothing to adopt")
    assert refused(asked("platform_has_drifted", "adopt"), "nothing to adopt")


ASSUMED = Fact("revision", "0002", assumed="nobody was asked: it counts as at 0002")
ACTIONS = ("deploy", "migrate", "rollback", "certify", "adopt", "config", "complete")


@pytest.mark.parametrize("action", ACTIONS)
def test_no_guard_passes_on_a_database_that_was_not_asked(action: str):
    guards = guard.load(Path(__file__).parents[2], action)
    seen = guard.evaluate(guards, plan_of(action), facts_of(action))
    unseen = guard.evaluate(guards, plan_of(action), facts_of(action, revision=ASSUMED))
    for known, one in zip(seen, unseen, strict=True):
        assert known.reads == one.reads
        looked = "revision" in one.reads and known.outcome != "n/a"
        assert one.outcome == ("not asked" if looked and known.outcome == "pass" else known.outcome)
        assert ("nobody was asked" in one.reason) == looked, one


def test_a_project_without_migrations_has_no_database_to_compare():
    said = asked("database_is_as_recorded", "deploy", migrations=Migrations((), none=True), revision=None)
    assert said.outcome == "n/a"
