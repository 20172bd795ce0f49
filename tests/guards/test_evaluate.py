"""How guards are asked: all of them, and doubt refuses."""

from release_facts import STAGING, facts_of, plan_of

from roadworthy import guard
from roadworthy.guard import NotApplicable
from roadworthy.model import Verdict

PLAN, FACTS = plan_of("deploy"), facts_of("deploy")


def holds(plan, facts):
    """It holds."""


def refuses(plan, facts):
    """It never holds."""
    return "no: do something else"


def does_not_apply(plan, facts):
    raise NotApplicable("not here")


def crashes(plan, facts):
    return {}["gone"]


def looks(plan, facts):
    """It looks twice.

    And has more to say.
    """
    assert facts.tree.value.clean and facts.ci.value.outcome and facts.tree.value.clean


def outcomes(*guards):
    return [v.outcome for v in guard.evaluate([(g, 3) for g in guards], PLAN, FACTS)]


def test_all_are_asked_even_when_the_first_refuses():
    assert outcomes(refuses, holds, does_not_apply, refuses) == ["refuse", "pass", "n/a", "refuse"]


def test_a_crash_refuses_and_names_itself():
    (verdict,) = guard.evaluate([(crashes, 3)], PLAN, FACTS)
    assert verdict.outcome == "refuse" and "KeyError" in verdict.reason


def test_not_applicable_says_why():
    (verdict,) = guard.evaluate([(does_not_apply, 3)], PLAN, FACTS)
    assert (verdict.outcome, verdict.reason) == ("n/a", "not here")


def test_production_without_guards_refuses_and_staging_does_not():
    (verdict,) = guard.evaluate((), PLAN, FACTS)
    assert verdict.outcome == "refuse" and "deploy" in verdict.reason
    assert guard.evaluate((), plan_of("deploy", STAGING), facts_of("deploy", STAGING)) == ()


def test_the_first_docstring_line_is_the_rule_and_reads_are_recorded_once_per_guard():
    first, second = guard.evaluate([(looks, 3), (holds, 3)], PLAN, FACTS)
    assert (first.rule, first.reads) == ("It looks twice.", ("tree", "ci"))
    assert second.reads == (), "what one guard read is not charged to the next"


def test_a_locked_production_is_2_before_42_before_3():
    def code(*codes):
        return guard.exit_code([Verdict("g", "refuse", "", "", "", (), c) for c in codes])

    assert [code(3, 42, 2), code(3, 42), code(3), code(42, 3)] == [2, 42, 3, 42]
    passed = Verdict("g", "pass", "", "", "", (), 2)
    assert guard.exit_code([passed, Verdict("h", "refuse", "", "", "", (), 3)]) == 3


def test_an_action_that_nobody_declared_has_no_guards():
    from release_facts import ROOT

    assert guard.load(ROOT, "launch") == ()
