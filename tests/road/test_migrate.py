"""Migrate, end to end: pending, applied and resulting revision; the exit status of the one-off decides."""

import pytest

from road.project import KEYS, Project, migration

TWO = {
    "app/migrations/0002.py": migration("0002", "0001"),
    "app/migrations/0003.py": migration("0003", "0002"),
}


@pytest.fixture
def deployed(project: Project) -> Project:
    project.commit("Three migrations", TWO)
    project.deployed()
    return project


def test_pending_applied_and_resulting_revision_are_recorded(deployed: Project):
    said = deployed.json("migrate")
    start, end = deployed.entries()[-2:]
    assert start.record.details["pending"] == ["0001", "0002", "0003"]
    assert end.record.details["applied"] == ["0001", "0002", "0003"]
    assert end.record.details["revision"] == said["details"]["revision"] == deployed.revision() == "0003"
    assert "already at 0003" in deployed.json("migrate")["line"]
    assert deployed.kinds()[-2:] == ["start migrate", "end migrate"]


def test_the_plan_of_a_migration_only_asks_for_the_revision(deployed: Project):
    said = deployed.json("migrate", "--plan")
    assert said["plan"]["pending"] == ["0001", "0002", "0003"]
    assert deployed.revision() is None
    assert deployed.kinds() == ["start deploy", "end deploy"]


def test_a_migration_that_exits_with_another_status_failed_with_its_last_lines(deployed: Project):
    deployed.mood(migrate_fails_at="0003")
    said = deployed.json("migrate", code=1)
    assert "no such column (migration 0003)" in said["reasons"][0]
    assert deployed.kinds()[-2:] == ["start migrate", "failed migrate"]
    details = deployed.entries()[-1].record.details
    assert (details["revision"], deployed.revision()) == ("0002", "0002")  # where it stands, not where it was
    deployed.mood()
    assert deployed.json("migrate")["details"]["applied"] == ["0003"]


@pytest.mark.later
def test_a_migration_that_is_killed_failed_and_says_so(deployed: Project):
    deployed.mood(migrate_is_killed_at="0002")
    said = deployed.json("migrate", code=1)
    assert "137" in said["reasons"][0]
    assert deployed.entries()[-1].record.details["revision"] == "0001"


@pytest.mark.slow
def test_a_migration_without_an_exit_status_is_unknown_until_its_end_was_seen(deployed: Project):
    deployed.change_config(('oneoff = "5s"', 'oneoff = "1s"'))
    deployed.mood(migrate_seconds=1)
    migrate = deployed.process("migrate", "--json")
    assert migrate.code == 4
    assert "left no exit status" in migrate.said["line"]
    assert "still runs" in deployed.json("reconcile", code=4)["line"]
    assert "invoke reconcile" in deployed.json("migrate", code=4)["line"]


@pytest.mark.slow
def test_a_migration_that_talks_all_the_time_still_meets_its_bound(deployed: Project):
    endless = "\"sh -c 'while :; do echo tick; sleep 0.05; done'\""
    deployed.change_config(('"python migrate.py upgrade {revision}"', endless))
    deployed.change_config(('oneoff = "5s"', 'oneoff = "2s"'))
    migrate = deployed.process("migrate", "--json")
    assert migrate.code == 4, migrate.text
    assert deployed.kinds()[-1] == "start migrate"


def test_two_heads_refuse(project: Project):
    files = {f"app/migrations/{name}.py": migration(name, "0001") for name in ("0002", "0002b")}
    project.commit("Two heads", files)
    project.json("test")
    said = project.json("deploy", code=3)
    assert "one_head" in {reason.partition(":")[0] for reason in said["reasons"]}
    assert project.calls() == []


@pytest.mark.slow
def test_production_migrates_only_with_an_approval_and_both_keys(deployed: Project):
    deployed.json("migrate")
    deployed.json("certify")
    deployed.deployed(env="prod")
    assert deployed.json("migrate", "--env", "prod", code=2)["line"].startswith(
        "refused by production_is_unlocked"
    )
    said = deployed.json("migrate", "--env", "prod", env=KEYS, code=3)
    assert [r.partition(":")[0] for r in said["reasons"]] == ["migration_is_approved"]
    deployed.json("migrate", "--env", "prod", "--approval", "CR-7", env=KEYS)
    assert deployed.entries("prod")[-2].record.details["approval"] == "CR-7"
    assert deployed.revision("prod") == "0003"


def test_migrate_says_what_to_do_when_nothing_was_deployed(project: Project):
    assert "invoke deploy" in project.json("migrate", code=2)["line"]


# ---- a database that the journal does not know ----------------------------------------------------------


def test_a_database_that_is_at_the_head_already_is_written_down_once(deployed: Project):
    deployed.migrated_by_hand("0003")
    said = deployed.json("migrate")
    assert said["line"] == f"nothing to migrate, {deployed.staging} seen at 0003"
    start, end = deployed.entries()[-2:]
    assert (start.record.kind, start.record.details["to"]) == ("start", {"revision": "0003", "seen": True})
    told = end.record.details
    assert (end.record.kind, told["seen"], told["revision"]) == ("end", True, "0003")
    assert (told["applied"], told["pending"], told["receipts"]) == ([], [], [])
    assert not [c for c in deployed.calls() if "upgrade" in str(c.get("body", c))]
    deployed.json("verify")
    assert "already at 0003" in deployed.json("migrate")["line"]
    assert deployed.kinds()[-2:] == ["start migrate", "end migrate"]


@pytest.mark.later
def test_what_is_seen_is_not_written_down_when_the_database_moves_meanwhile(deployed: Project, monkeypatch):
    from roadworthy.facts import revision

    deployed.migrated_by_hand("0003")
    seen = revision.revision_in
    answers = iter(["0003", "0002"])
    monkeypatch.setattr(revision, "revision_in", lambda receipt: (seen(receipt), next(answers))[1])
    said = deployed.json("migrate", code=1)
    assert said["reasons"] == ["the database is at 0002, not at 0003"]
    assert deployed.entries()[-1].record.kind == "failed"


@pytest.mark.slow
def test_a_ship_of_a_database_that_was_migrated_by_hand_goes_to_its_end(project: Project):
    project.migrated_by_hand("0001")
    said = project.json("ship")
    assert any("nothing to migrate" in row["line"] for row in said["details"]["stages"])
    assert "end complete" in project.kinds()
    project.json("decide")


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("python -S -c pass", "the database is at None, not at 0003"),
        ("python migrate.py upgrade 0002", "the database is at 0002, not at 0003"),
    ],
)
def test_a_migration_that_ends_at_another_revision_failed(deployed: Project, command: str, seen: str):
    deployed.change_config(("python migrate.py upgrade {revision}", command))
    assert deployed.json("migrate", code=1)["reasons"] == [seen]
    details = deployed.entries()[-1].record.details
    assert (deployed.entries()[-1].record.kind, details["revision"]) == ("failed", deployed.revision())
    assert deployed.entries()[-2].record.details["to"] == {"revision": "0003"}


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ('echo {\\"revision\\": 3}', "no revision can be read"),
        ("printf '0002\\\\n0003\\\\n'", "at several revisions: 0002, 0003"),
        ("sh -c 'echo 0003; exit 1'", "exited with 1"),
    ],
)
def test_a_revision_that_cannot_be_told_refuses_and_is_no_empty_database(
    deployed: Project, command: str, says: str
):
    deployed.change_config(("python migrate.py current", command))
    for action in ("migrate", "certify"):
        said = deployed.json(action, code=3)
        assert said["outcome"] == "refused"
        assert said["line"].startswith(f"the database revision of {deployed.staging} is unknown: ")
        assert says in said["line"]
    assert deployed.revision() is None
    assert deployed.kinds()[-1] == "end deploy"
