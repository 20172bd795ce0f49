"""Faults of the system that this toolkit replaces, each shown not to exist here."""

import importlib
import sys

import pytest
from msgspec.structs import replace
from release_facts import CERTIFIED, NEW, ROOT, asked, facts_of, migration, migrations, plan_of, refused

from roadworthy import config, guard
from roadworthy.git import Tree
from roadworthy.model import Keys

sys.path.insert(0, str(ROOT))
TWO_HEADS = migrations(migration("0003", "0002"), migration("0003b", "0002"))


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
def test_fault_1_two_alembic_heads_are_seen_before_anything_is_done(action):
    # The original ran `alembic upgrade head` at a commit with two heads, and production hid that it failed.
    assert refused(asked("one_head", action, migrations=TWO_HEADS), "2 heads", "0003, 0003b")


@pytest.mark.parametrize("action", ["deploy", "migrate", "rollback"])
@pytest.mark.parametrize(("keys", "code"), [(Keys(), 2), (Keys("1"), 42), (Keys("", "YES"), 2)])
def test_fault_10_no_way_to_change_production_goes_around_the_guards(action, keys, code):
    # There, migrate had no guard at all, rollback and promote knew only one of the two.
    verdicts = guard.evaluate(guard.load(ROOT, action), plan_of(action, keys=keys), facts_of(action))
    assert guard.exit_code(verdicts) == code
    assert guard.refusals(verdicts)


def test_fault_10_the_guard_knows_production_by_every_name_it_has():
    # There, the guard compared with one literal name.
    environments = config.read(ROOT).environments
    deploy_guard = importlib.import_module("guards.deploy_guard")
    production = [n for e in environments.values() if e.production for n in (e.app, *e.aliases)]
    assert len(production) >= 2
    assert {deploy_guard.decide(name, None, environments) for name in production} == {42}


def test_fault_10_the_refusal_keeps_its_own_exit_code():
    # There, make turned 42 into 2.
    assert asked("deploy_guard", "deploy", plan={"keys": Keys("1")}).code == 42


def test_fault_10_no_target_says_allow_prod_by_itself():
    # There, ops-release-all and ship-log passed ALLOW_PROD=1 themselves; a key in a file is refused here.
    assert refused(
        asked("production_is_unlocked", "deploy", plan={"keys": Keys("1", "YES", ("release.toml",))})
    )


def test_fault_13_a_certificate_is_consumed_and_editing_it_opens_nothing():
    # There, it was editable text that nothing read.
    edited = replace(CERTIFIED, file_found="f" * 64)
    assert refused(asked("staging_is_certified", "deploy", certificate=edited), "altered")
    assert refused(asked("staging_is_certified", "deploy", certificate=None), "not certified")


def test_fault_13_a_certificate_is_bound_to_one_package():
    other = replace(CERTIFIED, package_digest="f" * 64)
    assert refused(asked("staging_is_certified", "deploy", certificate=other))


def test_fault_13_a_dirty_tree_is_not_released_as_its_head():
    dirty = Tree(NEW.commit, "main", False, (" M app/web.py",), False)
    assert refused(asked("tree_is_clean", "deploy", tree=dirty), "app/web.py")
