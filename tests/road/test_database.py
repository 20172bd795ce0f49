"""A database that somebody changed past the road: named before a deploy, refused, and two ways lead on."""

from __future__ import annotations

import pytest

from road.project import Project, migration

WHY = "--why=restored from the copy of last night"


@pytest.fixture
def migrated(project: Project) -> Project:
    """Two migrations are applied and recorded; another commit is tested."""
    project.commit("Two migrations", {"app/migrations/0002.py": migration("0002", "0001")})
    project.deployed()
    project.json("migrate")
    project.commit("Another change")
    project.json("test")
    return project


@pytest.mark.later(1)
@pytest.mark.parametrize("seen", [None, "0001", "0009"])
def test_nothing_is_deployed_onto_a_database_that_is_not_where_the_journal_says(
    migrated: Project, seen: str | None
):
    migrated.migrated_by_hand(seen)
    before = migrated.changes()
    said = migrated.json("deploy", code=3)
    reason = next(r for r in said["reasons"] if r.startswith("database_is_as_recorded"))
    assert f"the database is at {seen or 'no revision'}, the journal says 0002" in reason
    assert "invoke migrate --env staging" in reason
    assert "invoke adopt --env staging" in reason
    assert migrated.changes() == before
    assert migrated.kinds()[-1] == "refused deploy"
    assert migrated.json("verify", code=1)["details"]["differences"][0]["what"] == "revision"


def test_migrating_brings_it_back_to_the_head_and_the_deploy_goes_on(migrated: Project):
    migrated.migrated_by_hand("0001")
    assert migrated.json("migrate")["details"]["applied"] == ["0002"]
    migrated.json("deploy")
    assert migrated.json("verify")["details"]["differences"] == []


@pytest.mark.later
def test_adopting_accepts_it_and_the_next_deploy_names_what_is_pending(migrated: Project):
    migrated.migrated_by_hand("0001")
    said = migrated.json("adopt", WHY)
    assert said["details"]["revision"] == "0001"
    (drift,) = migrated.entries()[-2].record.details["to"]["drift"]
    assert (drift["what"], drift["journal"], drift["seen"]) == ("database", "0002", "0001")
    assert migrated.json("deploy")["plan"]["pending"] == ["0002"]
    migrated.json("migrate")
    assert migrated.json("verify")["details"]["differences"] == []


def test_there_is_nothing_to_adopt_where_the_database_is_as_recorded(migrated: Project):
    assert "nothing to adopt" in migrated.json("adopt", WHY, code=3)["reasons"][0]


def test_a_rollback_asks_the_database_and_not_the_journal(migrated: Project):
    """Somebody applied what older code cannot live with, and the journal does not know."""
    files = {"app/migrations/0003.py": migration("0003", "0002", "contract")}
    migrated.commit("Drop what the older code reads", files)
    migrated.deployed()
    migrated.migrated_by_hand("0003")
    said = migrated.json("rollback", code=3)
    assert "migrations_can_be_rolled_back: older code cannot run since migration 0003" in said["reasons"][0]


@pytest.mark.later
def test_where_the_code_that_runs_cannot_ask_a_rollback_goes_by_the_journal_and_says_so(migrated: Project):
    first = migrated.runs()
    migrated.json("deploy")
    migrated.change_config(("python migrate.py current", "python -c 'raise SystemExit(7)'"))
    ran = migrated.invoke("rollback")
    assert ran.code == 0, ran.text
    assert "exited with 7" in ran.text
    assert "the database counts as at 0002, which the journal says" in ran.text
    assert migrated.runs() == first


@pytest.mark.later
def test_a_deploy_does_not_go_by_the_journal_when_nobody_can_ask(migrated: Project):
    migrated.change_config(("python migrate.py current", "python -c 'raise SystemExit(7)'"))
    said = migrated.json("test")
    said = migrated.json("deploy", code=3)
    reason = next(r for r in said["reasons"] if r.startswith("database_is_as_recorded"))
    assert "the database revision is unknown: " in reason
    assert "exited with 7" in reason
    assert "invoke rollback --env staging" in reason


@pytest.mark.slow
def test_a_completion_asks_the_database(project: Project):
    project.json("ship")
    project.commit("Another change")
    project.released()
    project.json("deploy")
    project.migrated_by_hand(None)
    said = project.json("complete", code=1)
    assert any("the database is at None, the journal says 0001" in reason for reason in said["reasons"])


# ---- what is pending is named everywhere ----------------------------------------------------------------

DOC = '"""drop what nobody reads\n\nAnd more of it."""\n'
NAMED = ["0001 expand", "0002 expand", "0003 irreversible"]


@pytest.fixture
def waiting(project: Project) -> Project:
    files = {
        "app/migrations/0002.py": migration("0002", "0001"),
        "app/migrations/0003.py": DOC + migration("0003", "0002", "irreversible"),
    }
    project.commit("Three migrations", files)
    project.json("test")
    return project


def test_a_plan_names_all_pending_migrations_with_kind_file_and_first_line(waiting: Project):
    said = waiting.json("deploy", "--plan")["plan"]["migrations"]
    assert [one["revision"] for one in said] == ["0001", "0002", "0003"]
    assert (said[2]["safe_under"], said[2]["file"]) == ("irreversible", "app/migrations/0003.py")
    assert said[2]["doc"] == "drop what nobody reads"
    text = waiting.invoke("deploy", "--plan").text
    assert "pending     0003 irreversible (app/migrations/0003.py: drop what nobody reads)" in text
    assert "pending     0002 expand (app/migrations/0002.py)" in text


def test_deploy_verify_and_status_say_what_is_pending_until_it_is_migrated(waiting: Project):
    tail = f"pending: {', '.join(NAMED)}: run `invoke migrate --env staging`"
    assert waiting.json("deploy")["line"].endswith(tail)
    assert waiting.entries()[-1].record.details["migrations"][2]["safe_under"] == "irreversible"
    assert waiting.json("deploy")["line"].endswith(tail)  # it already runs, and they still wait
    said = waiting.json("verify")
    assert (said["line"].endswith(tail), said["details"]["pending"]) == (True, NAMED)
    assert waiting.json("status")["details"]["environments"][0]["pending"] == NAMED
    assert "(pending: 0001 expand, 0002 expand, 0003 irreversible)" in waiting.invoke("status").text
    waiting.json("migrate")
    for word in ("deploy", "verify", "status"):
        assert "pending:" not in waiting.invoke(word).text, word


@pytest.mark.later
def test_a_plan_says_that_it_did_not_ask_the_database(waiting: Project):
    waiting.json("deploy")
    waiting.json("migrate")
    waiting.migrated_by_hand("0002")
    waiting.commit("Another change")
    waiting.json("test")
    said = waiting.json("deploy", "--plan")
    (verdict,) = [one for one in said["verdicts"] if one["guard"] == "database_is_as_recorded"]
    assert (verdict["outcome"], said["code"]) == ("not asked", 0)
    why = "for a plan the database is not asked: it counts as at 0003, as recorded"
    assert verdict["reason"] == why
    assert "database_is_as_recorded" in waiting.invoke("deploy", "--plan").out
    assert f"not asked: {why}" in " ".join(waiting.invoke("deploy", "--plan").out.split())
    assert "the database is at 0002" in "".join(waiting.json("deploy", code=3)["reasons"])
