"""Deploy, end to end on the sandbox."""

import json

import pytest

from road.project import KEYS, Project, migration, until


def test_a_deploy_is_journalled_before_it_changes_anything_and_after_it_was_seen(project: Project):
    said = project.deployed()
    assert project.kinds() == ["start deploy", "end deploy"]
    start, end = project.entries()
    changes = [call for call in project.calls() if not call["path"].endswith("log-sessions")]
    assert [call["path"].rpartition("/")[2] for call in changes] == ["slugs", "releases"]
    assert start.at[:-1] < changes[0]["at"].removesuffix("+00:00") < changes[-1]["at"] < end.at
    assert project.runs() == project.first
    assert said["evidence"].endswith("00000002.json")
    assert end.record.details["settles"] == start.seq
    assert end.record.digest == start.record.digest == said["plan"]["package"]["digest"]


def test_what_already_runs_is_left_alone(project: Project):
    project.deployed()
    before = project.changes()
    said = project.json("deploy")
    assert "already runs" in said["line"]
    assert project.kinds() == ["start deploy", "end deploy"]
    assert project.changes() == before


def test_the_plan_changes_nothing(project: Project):
    project.json("test")
    before, platform = project.calls(), project.releases()
    said = project.json("deploy", "--plan")
    assert said["plan"]["to"]["commit"] == project.first
    assert [v["guard"] for v in said["verdicts"]]
    assert (project.entries(), project.calls(), project.releases()) == ([], before, platform)


def test_a_refusal_names_every_reason_at_once_is_journalled_and_changes_nothing(project: Project):
    (project.root / "app" / "web.py").write_text("changed")
    before = project.releases()
    said = project.json("deploy", code=3)
    refused = {reason.partition(":")[0] for reason in said["reasons"]}
    assert refused == {"tree_is_clean", "ci_is_green"}
    assert project.kinds() == ["refused deploy"]
    assert project.releases() == before
    ran = project.invoke("deploy")
    assert ran.code == 3
    assert "tree_is_clean" in ran.err.splitlines()[-1]


@pytest.mark.later(2)
@pytest.mark.parametrize(
    ("keys", "code", "first"),
    [
        ({}, 2, "production_is_unlocked"),
        ({"ALLOW_PROD": "1"}, 42, "deploy_guard"),
        ({"ALLOW_PROD_DEPLOY": "YES"}, 2, "production_is_unlocked"),
        (KEYS, 3, "ci_is_green"),
    ],
)
def test_a_locked_production_comes_before_the_guard_of_the_machine_before_all_others(
    project: Project, keys, code, first
):
    said = project.json("deploy", "--env", "prod", env=keys, code=code)
    reasons = {reason.partition(":")[0] for reason in said["reasons"]}
    assert {first, "ci_is_green", "staging_is_certified"} <= reasons
    assert project.kinds("prod") == ["refused deploy"]
    assert project.calls("prod") == []


def test_a_failed_check_goes_back_to_the_last_verified_package(project: Project):
    project.deployed()
    good = project.runs()
    bad = project.commit("Break health", health="degraded")
    project.json("test")
    said = project.json("deploy", code=1)
    assert "check health" in said["reasons"][0]
    assert f"rolled back to {good[:12]}" in said["line"]
    assert project.kinds()[2:] == ["start deploy", "failed deploy", "start rollback", "end rollback"]
    failed, back = project.entries()[3], project.entries()[5]
    assert failed.record.details["problems"]
    assert failed.record.details["to"]["commit"] == bad
    assert back.record.details["automatic"] is True
    assert bad[:12] in back.record.details["change"]["why"]
    assert project.runs() == good
    assert project.json("verify")["details"]["differences"] == []


def test_a_first_deploy_that_fails_says_that_there_is_nothing_to_go_back_to(project: Project):
    project.commit("Break health", health="degraded")
    project.json("test")
    said = project.json("deploy", code=1)
    assert "no verified package to roll back to" in said["line"]
    assert project.kinds() == ["start deploy", "failed deploy"]


@pytest.mark.slow
def test_a_process_that_dies_at_boot_is_told_with_its_last_lines_while_the_old_one_serves(project: Project):
    project.deployed()
    good = project.runs()
    project.commit("Forget a setting", boot="die")
    project.json("test")
    deploy = project.start("deploy", "--json")
    answers = []
    while deploy.poll() is None:
        answers.append((project.get("/api/version")[0], project.runs()))
    out, err = deploy.communicate()
    said = json.loads(out)
    assert said["code"] == 1, err
    assert "DATABASE_PASSWORD is not set" in said["reasons"][0]
    assert set(answers) == {(200, good)}
    assert project.kinds()[2:] == ["start deploy", "failed deploy", "start rollback", "end rollback"]
    assert project.entries()[3].record.details["to"]["release"] == project.releases()[-2]["version"]


def test_a_process_that_never_comes_up_is_given_up_at_its_bound(project: Project):
    project.change_config(('boot = "5s"', 'boot = "300ms"'))
    project.deployed()
    good = project.runs()
    project.commit("Start slowly", boot_seconds=600)
    project.json("test")
    said = project.json("deploy", code=1)
    assert "not up after" in said["reasons"][0]
    assert project.runs() == good


def test_a_release_that_the_platform_fails_changes_nothing(project: Project):
    project.deployed()
    good = project.runs()
    second = project.commit("Second")
    project.json("test")
    project.faults({"kind": "release_failed", "method": "POST", "path": "/releases"})
    said = project.json("deploy", code=1)
    assert "nothing was changed" in said["line"]
    assert project.kinds()[2:] == ["start deploy", "failed deploy"]
    assert project.json("verify")["details"]["differences"] == []
    assert "already runs" in project.json("deploy", "--commit", good)["line"]
    assert project.json("migrate")["plan"]["pending"] == ["0001"]
    project.json("deploy")
    assert project.runs() == second


def test_a_release_that_stays_pending_is_unknown_and_holds_the_environment(project: Project):
    project.json("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    deploy = project.process("deploy", "--json")
    assert deploy.code == 4
    assert deploy.said["outcome"] == "unknown"
    assert "invoke reconcile" in deploy.said["line"]
    assert project.kinds() == ["start deploy"]
    again = project.json("deploy", code=4)
    assert "invoke reconcile" in again["line"]
    assert "still pending" in project.json("reconcile", code=4)["line"]
    assert len(project.releases()) == 4  # three of the platform's own, and ours


@pytest.mark.later
def test_a_change_of_config_is_somebody_elses_release_and_the_next_deploy_makes_it_ours(project: Project):
    project.deployed()
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "blue"})
    until(lambda: project.get("/env")[1]["COLOUR"] == "blue")
    said = project.json("verify", code=1)
    assert {d["what"] for d in said["details"]["differences"]} == {"release", "processes"}
    project.json("deploy")
    assert project.json("verify")["details"]["differences"] == []
    assert project.get("/env")[1]["COLOUR"] == "blue"


def test_with_maintenance_the_release_and_its_migration_are_one_step_that_people_are_kept_out_of(
    project: Project,
):
    project.deployed()
    project.json("migrate")
    project.commit("Contract", {"app/migrations/0002.py": migration("0002", "0001", "contract", False)})
    project.json("test")
    assert project.json("deploy", code=3)["line"] == "refused by migrations_are_safe"
    said = project.json("deploy", "--maintenance")
    assert project.revision() == said["details"]["revision"] == "0002"
    tails = [call["path"].rpartition("/")[2] for call in project.calls() if call["path"] != ""]
    wanted = [project.staging, "slugs", "releases", "dynos", "dynos", project.staging]
    assert [t for t in tails if t != "log-sessions"][-6:] == wanted
    assert project.json("verify")["details"]["differences"] == []


@pytest.mark.later
def test_a_failed_migration_under_maintenance_goes_back_and_lets_people_in_again(project: Project):
    project.deployed()
    project.json("migrate")
    good = project.runs()
    files = {"app/migrations/0002.py": migration("0002", "0001", "contract", False)}
    project.commit("Contract", files, migrate_fails_at="0002")
    project.json("test")
    said = project.json("deploy", "--maintenance", code=1)
    assert "no such column" in said["reasons"][0]
    assert f"rolled back to {good[:12]}" in said["line"]
    assert project.entries()[-3].record.details["revision"] == "0001"
    assert project.runs() == good


@pytest.mark.later(1)
@pytest.mark.parametrize("where", ["/slugs", "/releases"])
def test_a_release_that_never_was_lets_people_in_again(project: Project, where: str):
    project.deployed()
    good = project.runs()
    project.commit("Next")
    project.json("test")
    project.faults({"kind": "status", "status": 422, "method": "POST", "path": where})
    said = project.json("deploy", "--maintenance", code=1)
    assert "nothing was changed" in said["line"]
    assert "maintenance" not in said["line"]
    assert project.api("GET", f"/apps/{project.staging}")["maintenance"] is False
    assert (project.runs(), project.get("/api/health")[0]) == (good, 200)


@pytest.mark.later
def test_people_who_were_kept_out_before_a_failed_deploy_stay_so_and_it_is_said(project: Project):
    project.deployed()
    project.commit("Next")
    project.json("test")
    project.api("PATCH", f"/apps/{project.staging}", {"maintenance": True})
    project.faults({"kind": "status", "status": 422, "method": "POST", "path": "/slugs"})
    said = project.json("deploy", "--maintenance", code=1)
    assert "is still in maintenance mode" in said["line"]
    assert project.api("GET", f"/apps/{project.staging}")["maintenance"] is True


@pytest.mark.later
def test_maintenance_that_cannot_be_ended_is_said(project: Project):
    project.deployed()
    project.commit("Next")
    project.json("test")
    app = {"method": "PATCH", "path": ""}
    first, then = {"kind": "delay", "seconds": 0, **app}, {"kind": "status", "status": 422, **app}
    project.faults(first, then, {"kind": "status", "status": 422, "method": "POST", "path": "/slugs"})
    said = project.json("deploy", "--maintenance", code=1)
    assert "may still be in maintenance mode" in said["reasons"][-1]
    assert "is still in maintenance mode" in said["line"]


def test_the_road_does_not_go_back_over_a_migration_that_the_old_code_cannot_live_with(project: Project):
    project.deployed()
    project.json("migrate")
    files = {"app/migrations/0002.py": migration("0002", "0001", "contract", False)}
    project.commit("Contract, and break health", files, health="degraded")
    project.json("test")
    said = project.json("deploy", "--maintenance", code=1)
    assert "the rollback refused" in said["line"]
    assert "maintenance" not in said["line"]  # it was over when the new code was looked at
    assert "migrations_can_be_rolled_back" in said["line"]
    refused = project.entries()[-1].record
    assert (refused.kind, refused.action) == ("refused", "rollback")
    reason = next(v["reason"] for v in refused.details["verdicts"] if v["outcome"] == "refuse")
    assert "0002 (contract)" in reason
