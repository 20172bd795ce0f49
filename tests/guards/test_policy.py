"""The policy as a whole: how its files look, and that doubt about any fact refuses."""

import ast
import hashlib
import importlib
import re
import sys

import pytest
from release_facts import KNOWN, ROOT, STAGING, asked, facts_of, plan_of

from roadworthy import guard
from roadworthy.model import Drift, Fact, History, Keys

sys.path.insert(0, str(ROOT))
policy = importlib.import_module("guards")
FILES = sorted(f for f in (ROOT / "guards").glob("*.py") if f.name != "__init__.py")
MUTATIONS = ("deploy", "migrate", "rollback", "adopt")

BY_HAND = Drift("release", "v7", "v8", "bob@example.org", "2030-01-02T12:00:00Z", "adopt it")

NEEDS = [
    ("deploy", "tree_is_clean", "tree"),
    ("deploy", "release_phase_is_disabled", "start_commands"),
    ("deploy", "ci_is_green", "ci"),
    ("deploy", "staging_is_certified", "certificate"),
    ("deploy", "package_is_not_older", "older"),
    ("deploy", "package_is_not_older", "history"),
    ("deploy", "one_head", "migrations"),
    ("deploy", "migrations_are_safe", "migrations"),
    ("deploy", "migrations_are_safe", "revision"),
    ("migrate", "migration_is_approved", "migrations"),
    ("migrate", "migration_is_approved", "revision"),
    ("migrate", "package_is_running", "history"),
    ("migrate", "package_is_running", "observed"),
    ("deploy", "rollback_is_possible", "history"),
    ("deploy", "rollback_is_possible", "back"),
    ("deploy", "no_open_blockers", "blockers"),
    ("deploy", "platform_is_as_recorded", "drift"),
    ("migrate", "platform_is_as_recorded", "drift"),
    ("adopt", "platform_has_drifted", "drift"),
    ("adopt", "adopted_package_is_proven", "history"),
    ("rollback", "rollback_target_was_verified", "back"),
    ("rollback", "rollback_target_was_verified", "history"),
    ("rollback", "rollback_target_is_available", "back"),
    ("rollback", "migrations_can_be_rolled_back", "back"),
    ("rollback", "migrations_can_be_rolled_back", "revision"),
    ("rollback", "migrations_can_be_rolled_back", "migrations"),
]


@pytest.mark.parametrize(("action", "name", "fact"), NEEDS)
def test_a_fact_that_is_missing_refuses_with_its_reason(action, name, fact):
    verdict = asked(name, action, **{fact: Fact(fact, missing="the wire was cut")})
    assert (verdict.outcome, verdict.reason) == ("refuse", "cannot tell: the wire was cut")
    assert fact in verdict.reads


def test_a_guard_of_before_reads_the_start_commands_by_their_old_name():
    facts = facts_of("deploy")
    assert facts.procfile is facts.start_commands


@pytest.mark.parametrize("action", MUTATIONS)
def test_a_good_release_passes_every_guard(action):
    known = {"drift": (BY_HAND,)} if action == "adopt" else {}
    verdicts = guard.evaluate(guard.load(ROOT, action), plan_of(action), facts_of(action, **known))
    assert not guard.refusals(verdicts), guard.refusals(verdicts)
    assert len(verdicts) == len(policy.GUARDS[action])


def test_a_good_certification_passes_every_guard():
    plan, facts = plan_of("certify", STAGING), facts_of("certify", STAGING)
    assert {v.outcome for v in guard.evaluate(guard.load(ROOT, "certify"), plan, facts)} == {"pass"}


def test_the_first_deploy_to_staging_needs_no_key_and_no_certificate():
    known = {**KNOWN, "history": History(), "back": None, "certificate": None}
    plan, facts = plan_of("deploy", STAGING, keys=Keys()), facts_of("deploy", STAGING, **known)
    assert not guard.refusals(guard.evaluate(guard.load(ROOT, "deploy"), plan, facts))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_guard_is_one_short_pure_function_named_as_its_file(file):
    tree = ast.parse(file.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    expected = {"deploy_guard": ["deploy_guard", "decide"]}.get(file.stem, [file.stem])
    assert [f.name for f in functions] == expected
    assert all(f.end_lineno - f.lineno + 1 < 40 for f in functions)
    assert not any(isinstance(node, ast.ClassDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    pure = {"re", "datetime", "collections.abc", "roadworthy.guard", "roadworthy.model", "roadworthy.config"}
    assert imported <= pure, "a rule looks at facts only"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_the_first_line_of_a_guards_docstring_is_its_rule(file):
    (function, *_) = (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef))
    rule = (ast.get_docstring(function) or "").splitlines()[0]
    assert re.fullmatch(r"[A-Z].{20,110}", rule)


def test_the_policy_is_a_literal_and_names_every_guard():
    source = ast.parse((ROOT / "guards" / "__init__.py").read_text())
    (table,) = (n.value for n in source.body if isinstance(n, ast.Assign) and n.targets[0].id == "GUARDS")
    assert isinstance(table, ast.Dict)
    assert all(
        isinstance(v, ast.Tuple) and all(isinstance(e, ast.Name) for e in v.elts) for v in table.values
    )
    named = {g.__name__ for guards in policy.GUARDS.values() for g in guards}
    assert named == {f.stem for f in FILES}


@pytest.mark.parametrize("action", MUTATIONS)
def test_every_change_of_production_asks_for_both_keys_first(action):
    assert [g.__name__ for g in policy.GUARDS[action]][:2] == ["production_is_unlocked", "deploy_guard"]


def test_the_exit_codes_belong_to_guards_that_exist():
    assert policy.EXIT_CODES == {"production_is_unlocked": 2, "deploy_guard": 42}
    loaded = {g.__name__: code for g, code in guard.load(ROOT, "deploy")}
    assert (loaded["production_is_unlocked"], loaded["deploy_guard"], loaded["one_head"]) == (2, 42, 3)


def test_no_rule_knows_a_way_around_itself():
    for file in FILES:
        assert not re.search(r"skip|bypass|override|force", file.read_text(), re.IGNORECASE), file.name


def test_a_verdict_carries_the_rule_the_files_digest_and_what_was_read():
    verdict = asked("ci_is_green", "deploy")
    assert verdict.rule == "The tests of this very commit ended in success."
    assert verdict.sha256 == hashlib.sha256((ROOT / "guards" / "ci_is_green.py").read_bytes()).hexdigest()
    assert verdict.reads == ("ci",)
