"""Code and schema beside each other."""

import pytest
from msgspec.structs import replace
from release_facts import OLD, STAGING, asked, deployed, migration, migrations, refused

from roadworthy.facts.migrations import Migrations
from roadworthy.model import Fact, RollbackTarget

TWO_HEADS = migrations(migration("0003", "0002"), migration("0003b", "0002"))


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
def test_one_head_passes(action):
    assert asked("one_head", action).outcome == "pass"


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
def test_two_heads_refuse_and_are_named(action):
    assert refused(asked("one_head", action, migrations=TWO_HEADS), "0003, 0003b", "alembic merge heads")
    assert refused(asked("migrations_are_safe", action, migrations=TWO_HEADS), "one_head")


def test_no_migration_at_all_refuses():
    # Perhaps release.toml points to the wrong folder; then every migration would look safe.
    assert refused(asked("one_head", "deploy", migrations=Migrations(())), "package.migrations")
    assert asked("migrations_are_safe", "deploy", migrations=Migrations(())).outcome == "refuse"


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
def test_declared_migrations_that_the_code_can_wait_for_pass(action):
    assert asked("migrations_are_safe", action).outcome == "pass"


def test_nothing_pending_passes():
    assert asked("migrations_are_safe", "deploy", revision="0003").outcome == "pass"


@pytest.mark.parametrize("action", ["deploy", "migrate", "certify"])
@pytest.mark.parametrize("declared", [{"safe_under": ""}, {"safe_under": "fine"}, {"code_first": None}])
def test_a_pending_migration_that_is_not_declared_refuses_even_under_maintenance(action, declared):
    undeclared = migrations(migration("0003", "0002", **declared))
    for maintenance in (False, True):
        verdict = asked(
            "migrations_are_safe", action, migrations=undeclared, plan={"maintenance": maintenance}
        )
        assert refused(verdict, "migrations/versions/0003.py", "safe_under", "code_first")


def test_an_undeclared_migration_that_the_database_has_is_history():
    undeclared = migrations(migration("0003", "0002", safe_under="", code_first=None))
    assert asked("migrations_are_safe", "deploy", migrations=undeclared, revision="0003").outcome == "pass"


def test_code_that_needs_the_new_schema_is_deployed_under_maintenance_only():
    schema_first = migrations(migration("0003", "0002", code_first=False))
    assert refused(asked("migrations_are_safe", "deploy", migrations=schema_first), "0003", "--maintenance")
    wrapped = asked("migrations_are_safe", "deploy", migrations=schema_first, plan={"maintenance": True})
    assert wrapped.outcome == "pass"
    assert asked("migrations_are_safe", "migrate", migrations=schema_first).outcome == "pass"


def test_a_package_that_does_not_know_the_databases_revision_refuses():
    verdict = asked("migrations_are_safe", "deploy", revision="0099")
    assert verdict.outcome == "refuse" and "0099" in verdict.reason


def test_an_approved_migration_of_production_passes():
    assert asked("migration_is_approved", "migrate").outcome == "pass"
    assert asked("migration_is_approved", "deploy", plan={"maintenance": True}).outcome == "pass"


@pytest.mark.parametrize(
    "reference", ["CAB-17", "#7", "https://example.com/changes/1", "Anna, 2 Jan", "genehmigt: Öz", "x" * 200]
)
def test_an_approval_is_any_reference_that_a_person_can_look_up(reference):
    assert asked("migration_is_approved", "migrate", plan={"approval": reference}).outcome == "pass"


@pytest.mark.parametrize("reference", ["", "  ", "\n"])
def test_a_migration_of_production_without_an_approval_refuses(reference):
    for action, plan in (("migrate", {}), ("deploy", {"maintenance": True})):
        verdict = asked("migration_is_approved", action, plan={**plan, "approval": reference})
        assert refused(verdict, "0003", "--approval REF")


def test_what_is_to_be_approved_is_named_to_the_last_migration_with_its_kind_and_file():
    more = [migration(f"{n:04}", f"{n - 1:04}", safe_under="contract") for n in range(3, 9)]
    verdict = asked(
        "migration_is_approved",
        "migrate",
        migrations=migrations(*more),
        revision="0002",
        plan={"approval": ""},
    )
    assert verdict.outcome == "refuse"
    for one in more:
        assert f"{one.revision} contract (migrations/versions/{one.revision}.py)" in verdict.reason


@pytest.mark.parametrize("reference", ["a\nb", "x" * 201, "CAB-17\x1b[2J", "--", "…"])
def test_an_approval_that_is_no_reference_refuses(reference):
    assert refused(asked("migration_is_approved", "migrate", plan={"approval": reference}), "not a reference")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"action": "migrate", "environment": STAGING}, "staging is not production"),
        ({"action": "migrate", "revision": "0003"}, "no migration is pending"),
        ({"action": "deploy"}, "this deploy changes no schema"),
    ],
)
def test_no_approval_is_asked_for_where_productions_schema_stays_as_it_is(where, why):
    verdict = asked("migration_is_approved", plan={"approval": ""}, **where)
    assert (verdict.outcome, verdict.reason) == ("n/a", why)


def back_to(then: str | None) -> dict:
    return {"back": RollbackTarget(deployed(OLD, then), True)}


def test_a_rollback_over_no_migration_or_an_expanding_one_passes():
    assert asked("migrations_can_be_rolled_back", "rollback", **back_to("0002")).outcome == "pass"
    assert (
        asked("migrations_can_be_rolled_back", "rollback", revision="0003", **back_to("0002")).outcome
        == "pass"
    )


@pytest.mark.parametrize("declared", ["contract", "irreversible", ""])
def test_a_rollback_over_a_migration_that_older_code_cannot_live_with_refuses(declared):
    applied = migrations(migration("0003", "0002", safe_under=declared), migration("0004", "0003"))
    verdict = asked(
        "migrations_can_be_rolled_back", "rollback", migrations=applied, revision="0004", **back_to("0002")
    )
    assert refused(verdict, f"0003 ({declared or 'undeclared'})", "by hand", "backup")
    assert "0004" not in verdict.reason


def test_a_migration_from_before_the_target_is_not_in_the_way():
    applied = migrations(migration("0003", "0002", safe_under="contract"), migration("0004", "0003"))
    verdict = asked(
        "migrations_can_be_rolled_back", "rollback", migrations=applied, revision="0004", **back_to("0003")
    )
    assert verdict.outcome == "pass"


def test_a_target_of_unknown_revision_refuses_once_a_migration_is_applied():
    verdict = asked("migrations_can_be_rolled_back", "rollback", revision="0002", **back_to(None))
    assert refused(verdict, "the journal has no revision for", "0002")
    assert (
        asked("migrations_can_be_rolled_back", "rollback", revision=None, **back_to(None)).outcome == "pass"
    )


def test_a_database_of_unknown_revision_refuses():
    verdict = asked("migrations_can_be_rolled_back", "rollback", revision=None, **back_to("0002"))
    assert refused(verdict, "0002", "current revision is unknown")


def test_nothing_to_go_back_to_refuses():
    assert refused(asked("migrations_can_be_rolled_back", "rollback", back=None), "invoke history --env prod")


@pytest.mark.parametrize(
    ("config", "outcome"),
    [({}, "n/a"), ({"COLOUR": "1"}, "n/a"), ({"RUN_DB_MIGRATIONS_ON_STARTUP": "0"}, "pass")],
)
def test_config_vars_that_start_no_migration_pass(config, outcome):
    asked_for = {"config": config}
    assert asked("startup_runs_no_migrations", "config", plan=asked_for).outcome == outcome


@pytest.mark.parametrize("value", ["1", "", "00", "false", None])
def test_config_vars_that_might_migrate_at_start_refuse(value):
    plan = {"config": {"RUN_DB_MIGRATIONS_ON_STARTUP": value}}
    assert refused(asked("startup_runs_no_migrations", "config", plan=plan), "set it to 0")


def behind(**declared: object) -> dict:
    """A package that knows 0001 and 0002, and a database that a newer one has brought to 0004."""
    later = (migration("0003", "0002", **declared), migration("0004", "0003"))
    return {"migrations": replace(migrations(), later=later), "revision": "0004"}


def test_a_deploy_that_goes_back_over_expanding_migrations_passes():
    assert asked("migrations_can_be_rolled_back", "deploy", **behind()).outcome == "pass"
    assert asked("migrations_are_safe", "deploy", **behind()).outcome == "pass", "nothing is pending"


@pytest.mark.parametrize("declared", ["contract", "irreversible", ""])
@pytest.mark.parametrize("plan", [{}, {"replay": True}, {"maintenance": True}])
def test_a_deploy_that_goes_back_over_a_migration_that_older_code_cannot_live_with_refuses(declared, plan):
    verdict = asked("migrations_can_be_rolled_back", "deploy", plan=plan, **behind(safe_under=declared))
    assert refused(verdict, f"0003 ({declared or 'undeclared'})", "by hand", "backup")
    assert "0004" not in verdict.reason


def test_a_deploy_that_goes_forward_is_no_way_back():
    verdict = asked("migrations_can_be_rolled_back", "deploy")
    assert (verdict.outcome, verdict.reason) == (
        "n/a",
        "the database is not ahead of the package's migrations",
    )


def test_a_deploy_whose_migrations_cannot_be_read_refuses():
    unread = Fact("migrations", missing="no migrations lead up from revision 0002b to 0004")
    verdict = asked("migrations_can_be_rolled_back", "deploy", migrations=unread)
    assert verdict.outcome == "refuse" and unread.missing in verdict.reason
