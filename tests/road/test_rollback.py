"""Rollback, end to end: to what was verified, by any of its names, without touching config vars."""

import pytest

from road.project import KEYS, Project, migration, until


@pytest.fixture
def twice(project: Project) -> Project:
    """Two commits were deployed, the second one runs."""
    project.deployed()
    project.commit("Second")
    project.deployed()
    return project


@pytest.mark.slow
@pytest.mark.parametrize("by", ["release", "digest", "default"])
def test_a_verified_package_is_gone_back_to_by_each_of_its_names(twice: Project, by):
    end = twice.entries()[1].record
    names = {"release": f"v{end.details['to']['release']}", "commit": twice.first, "digest": end.digest}
    said = twice.json("rollback", *(("--to", names[by]) if by in names else ()))
    assert twice.runs() == twice.first
    assert twice.kinds()[-2:] == ["start rollback", "end rollback"]
    assert said["details"]["to"]["digest"] == end.digest
    assert twice.json("verify")["details"]["differences"] == []


@pytest.mark.parametrize("to", ["", "v0", "v999", "v1", "latest", "v 2", "f" * 40, "main", "v3; true"])
def test_what_was_never_verified_is_refused_before_anything_changes(untouched: Project, to):
    before = untouched.calls()
    said = untouched.json("rollback", f"--to={to}", code=2)
    assert "\n" not in said["line"]
    assert untouched.calls() == before


def test_there_is_nothing_to_go_back_to_at_first(project: Project):
    project.deployed()
    assert "no verified package" in project.json("rollback", code=2)["line"]


@pytest.mark.later
def test_config_vars_are_left_alone(project: Project):
    var = f"/apps/{project.staging}/config-vars"
    project.api("PATCH", var, {"COLOUR": "old"})
    project.deployed()
    project.commit("Second")
    project.deployed()
    project.api("PATCH", var, {"COLOUR": "rotated"})
    project.json("rollback")
    assert project.runs() == project.first
    assert project.get("/env")[1]["COLOUR"] == "rotated"


def test_what_was_rolled_back_from_can_be_gone_forward_to(twice: Project):
    second = twice.runs()
    twice.json("rollback")
    twice.json("rollback", "--to", second)
    assert twice.runs() == second


@pytest.mark.slow
def test_a_package_that_is_incomplete_is_no_target_until_a_completion_says_yes(project: Project):
    project.deployed()
    second = project.commit("Second")
    project.deployed()
    said = project.json("complete", code=1)  # it skipped the stages before the deploy
    assert "rolled back" in said["line"]
    assert project.runs() == project.first

    before = project.changes()
    assert "no verified package" in project.json("rollback", code=2)["line"]
    (reason,) = project.json("rollback", "--to", second, code=3)["reasons"]
    assert (
        reason.startswith("rollback_target_was_verified: the completion of ")
        and " was NO (journal #" in reason
    )
    assert project.changes() == before

    project.released()
    project.json("deploy")
    project.json("migrate")
    project.json("complete")
    project.commit("Third")
    project.deployed()
    project.json("rollback")
    assert project.runs() == second


@pytest.mark.later
def test_a_failed_deploy_goes_back_to_what_ran_though_that_is_incomplete(project: Project):
    project.deployed()
    assert "no verified package to roll back to" in project.json("complete", code=1)["line"]
    project.commit("Worse", health="degraded")
    project.json("test")
    assert "rolled back" in project.json("deploy", code=1)["line"]
    assert project.runs() == project.first


@pytest.mark.slow
def test_where_everything_failed_a_rollback_goes_past_the_incomplete_one(project: Project):
    release = {"method": "POST", "path": "/releases"}
    refused = {**release, "kind": "status", "status": 422}
    project.deployed()
    project.commit("Second")
    project.deployed()
    project.faults(refused)
    assert "the rollback failed" in project.json("complete", code=1)["line"]
    third = project.commit("Worse", health="degraded")
    project.json("test")
    project.faults(
        {**release, "kind": "delay", "seconds": 0}, refused
    )  # the deploy's release, then the way back
    assert "the rollback failed" in project.json("deploy", code=1)["line"]
    assert project.armed() == [] and project.runs() == third
    project.json("rollback")
    assert project.runs() == project.first


@pytest.mark.slow
def test_a_rollback_over_an_expanding_migration_is_verified(project: Project):
    project.deployed()
    project.json("migrate")
    project.commit("Expand", {"app/migrations/0002.py": migration("0002", "0001")})
    second = project.deployed()["plan"]["to"]["commit"]
    project.json("migrate")
    project.json("rollback")
    said = project.json("verify")
    assert said["details"]["differences"] == []
    assert project.revision() == "0002"
    project.json("rollback", "--to", second)  # and forward again, over what is applied already
    assert project.json("verify")["details"]["differences"] == []


def test_a_rollback_over_a_contracting_migration_is_refused_with_what_a_person_must_do(project: Project):
    project.deployed()
    project.json("migrate")
    project.commit("Contract", {"app/migrations/0002.py": migration("0002", "0001", "contract")})
    project.deployed()
    project.json("migrate")
    said = project.json("rollback", code=3)
    assert said["line"] == "refused by migrations_can_be_rolled_back"
    assert "restore an earlier backup by hand" in said["reasons"][0]
    assert project.kinds()[-1] == "refused rollback"


def went_on(project: Project, safe_under: str) -> None:
    """The first commit was released, and a second one has migrated what they run on."""
    project.released()
    project.deployed()
    project.json("migrate")
    project.commit("Second", {"app/migrations/0002.py": migration("0002", "0001", safe_under)})
    project.deployed()
    project.json("migrate")
    assert project.revision() == "0002"


@pytest.mark.slow
def test_an_older_commit_is_deployed_and_replayed_over_an_expanding_migration(project: Project):
    went_on(project, "expand")
    assert "is superseded" in project.json("deploy", "--commit", project.first, code=6)["line"]
    project.json("replay", "--sha", project.first)
    assert "already at 0002" in project.json("migrate")["line"]
    assert "'0002' is in no migration" in project.json("certify", code=3)["reasons"][0]
    project.json("deploy")
    project.json("replay", "--sha", project.first)
    assert (project.runs(), project.revision()) == (project.first, "0002")
    assert project.kinds()[-1] == "end complete"


@pytest.mark.slow
@pytest.mark.parametrize("declared", ["contract", "irreversible"])
def test_no_older_commit_is_deployed_or_replayed_over_a_migration_that_it_cannot_live_with(
    project: Project, declared: str
):
    went_on(project, declared)
    third = project.commit("Third")
    project.deployed()
    releases = project.releases()
    for words in (("deploy",), ("deploy", "--maintenance")):
        said = project.json(*words, "--commit", project.first, code=6)
        assert "is superseded" in said["line"], words
    for words in (
        ("replay", "--sha", project.first),
        ("rollback", "--to", project.first),
    ):
        said = project.json(*words, code=3)
        assert said["line"] == "refused by migrations_can_be_rolled_back", words
        assert f"0002 ({declared})" in said["reasons"][0]
    assert (project.releases(), project.runs()) == (releases, third)


@pytest.mark.slow
def test_an_older_commit_of_another_branch_of_migrations_is_refused(project: Project):
    project.deployed()
    project.json("migrate")
    project.commit("Here", {"app/migrations/0002.py": migration("0002", "0001")})
    project.deployed()
    project.json("migrate")
    project.git("checkout", "-q", project.first)
    project.commit("There", {"app/migrations/0002b.py": migration("0002b", "0001")})
    project.json("test")
    said = project.json("deploy", code=3)
    applied = "0002 is applied, which is in no migration of the package and does not follow its head 0002b"
    assert all(applied in reason for reason in said["reasons"])


@pytest.mark.later
def test_production_goes_back_only_with_both_keys_by_the_platforms_own_number(project: Project):
    project.deployed()
    project.json("migrate")
    project.json("certify")
    project.deployed(env="prod")
    number = project.entries("prod")[-1].record.details["to"]["release"]
    project.commit("Second")
    project.deployed()
    project.json("certify")
    project.deployed(env="prod")
    for env, code in (({}, 2), ({"ALLOW_PROD": "1"}, 42)):
        project.json("rollback", "--env", "prod", "--to", f"v{number}", env=env, code=code)
        assert project.runs("prod") != project.first
    project.json("rollback", "--env", "prod", "--to", f"v{number}", env=KEYS)
    assert project.runs("prod") == project.first


@pytest.mark.later
def test_a_rollback_ends_maintenance_because_it_must_be_seen_healthy(twice: Project):
    twice.api("PATCH", f"/apps/{twice.staging}", {"maintenance": True})
    until(lambda: twice.get("/api/health")[0] == 503)
    twice.json("rollback")
    assert twice.runs() == twice.first


def test_the_plan_of_a_rollback_changes_nothing(twice: Project):
    before = twice.changes()
    said = twice.json("rollback", "--plan")
    assert said["plan"]["to"]["commit"] == twice.first
    assert twice.changes() == before
    assert twice.kinds()[-1] == "end deploy"


@pytest.mark.later
def test_a_rollback_slower_than_its_bound_is_reported_as_a_failure(twice: Project):
    twice.change_config(('rollback = "2m"', 'rollback = "1ms"'))
    said = twice.json("rollback", code=1)
    assert "over the limit" in said["line"]
    assert twice.runs() == twice.first
    assert twice.json("verify")["details"]["differences"] == []


@pytest.mark.slow
def test_a_package_that_only_the_store_has_can_be_gone_back_to(project: Project):
    project.released()
    project.deployed()
    project.commit("Second")
    project.deployed()
    for file in (project.root / ".release" / "packages").glob(f"{project.first}.*"):
        file.unlink()
    slug = project.entries()[1].record.details["to"]["slug"]  # the platform has destroyed it
    project.faults({"kind": "status", "status": 404, "method": "GET", "path": f"/slugs/{slug}"})
    said = project.json("rollback")
    assert project.runs() == project.first
    assert said["details"]["to"]["slug"] != slug
