"""The deployment contract, E8 to E14: the deployment, its verification, completion or rollback, and its record.

Each test is named for the requirement that it shows, on a real project, journal and sandbox.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from road.project import KEYS, Project, migration, until
from roadworthy.decision.lines import LINES

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

BAD = {
    "availability": {"boot": "die"},
    "health": {"health": "degraded"},
    "health's status": {"health_code": 503},
    "smoke: the cookie": {"cookie": "other=1; Path=/"},
    "smoke: an open door": {"me": 200},
    "the version": {"version": "1" * 40},
}
LATER = {"later": {"from": 1, "health": "degraded"}}  # well when the deploy looks, and not any more after it


@pytest.fixture
def complete(project: Project) -> Project:
    """A project whose first commit went through all seven stages on staging."""
    project.json("ship")
    return project


def went_back(project: Project, said: dict[str, Any], failed: str) -> None:
    """The failure, then a rollback of its own, that ends verified, within its bound, in what ran before."""
    kinds = project.kinds()[-4:]
    assert kinds == [f"start {failed}", f"failed {failed}", "start rollback", "end rollback"]
    assert said["outcome"] == "failed"
    assert 0 < said["details"]["rollback"]["millis"] <= 120_000
    assert project.runs() == project.first
    assert project.json("verify")["details"]["differences"] == []
    project.json("smoke")


# ---- E8: deploy ------------------------------------------------------------------------------------------


def test_e08_a_deployment_is_a_desired_state_that_is_declared_and_then_is_so(project: Project):
    project.json("test")
    plan = project.json("deploy", "--plan")["plan"]
    assert project.calls() == []
    project.json("deploy")
    start, end = project.entries()
    assert start.record.details["to"] == plan["to"]
    assert plan["to"].items() <= end.record.details["to"].items()
    assert project.releases()[-1]["version"] == end.record.details["to"]["release"]
    assert project.runs() == plan["to"]["commit"]
    before = project.changes()
    assert "already runs" in project.json("deploy")["line"]
    assert project.changes() == before


def test_e08_the_artefact_is_the_same_before_and_after(project: Project):
    project.json("intake")
    digest = project.json("build")["details"]["digest"]
    project.json("test")
    project.json("deploy")
    file = project.root / ".release" / "packages" / f"{project.first}.tgz"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest == project.entries()[-1].record.digest
    assert file.stat().st_mode & 0o222 == 0


def test_e08_what_was_changed_by_hand_is_found(complete: Project):
    complete.api("PATCH", f"/apps/{complete.staging}/config-vars", {"COLOUR": "red"})
    assert "release" in "".join(complete.json("verify", code=1)["reasons"])
    complete.commit("Second")
    complete.json("test")
    assert complete.json("deploy", code=3)["line"] == "refused by platform_is_as_recorded"


# ---- E9, E11: verification after the deploy --------------------------------------------------------------


@pytest.mark.parametrize("mood", BAD.values(), ids=BAD)
def test_e09_e11_a_failed_check_after_the_deploy_goes_back_by_itself(complete: Project, mood: dict[str, Any]):
    complete.commit("Worse", **mood)
    complete.json("test")
    said = complete.json("deploy", code=1)
    went_back(complete, said, "deploy")


def test_e11_health_that_degrades_after_the_deploy_goes_back_by_itself(project: Project):
    project.change_config(
        ('watch = "1s" ', 'watch = "500ms" '),
        ("[environments.prod]", 'watch = "2m"\n\n[environments.prod]'),
    )
    project.first = project.git("rev-parse", "HEAD")
    project.deployed()
    project.json("migrate")
    project.commit("Worse", **LATER)
    project.json("test")
    went_back(project, project.json("deploy", code=1), "deploy")


# ---- E10, E11: completion --------------------------------------------------------------------------------


def incomplete(project: Project, criterion: str) -> dict[str, Any]:
    """Completion fails by this criterion, and goes back."""
    said = project.json("complete", code=1)
    failed = next(e for e in reversed(project.entries()) if e.record.kind == "failed")
    criteria = failed.record.details["criteria"]
    assert [name for name, found in criteria.items() if found != "holds"] == [criterion]
    assert failed.record.details["decision"] == "NO"
    assert any(reason.startswith(f"DONE_{criterion.upper()}") for reason in said["reasons"])
    return said


def test_e10_e11_a_deployment_that_skipped_stages_is_not_complete(complete: Project):
    complete.commit("Second")
    complete.deployed()
    went_back(complete, incomplete(complete, "stages_in_order"), "complete")


def test_e10_e11_a_deployment_whose_checks_fail_later_is_not_complete(complete: Project):
    complete.commit("Second", **LATER)
    complete.released()
    complete.json("deploy")
    went_back(complete, incomplete(complete, "checks_pass"), "complete")


def test_e10_e11_a_deployment_without_its_migration_is_not_complete(complete: Project):
    changed = {"app/migrations/0002.py": migration("0002", "0001"), "docs/schema.md": "# The schema\n"}
    complete.commit("Second", changed)
    complete.released()
    complete.json("deploy")
    went_back(complete, incomplete(complete, "schema_is_current"), "complete")


def test_e10_e11_a_deployment_whose_evidence_is_gone_is_not_complete(complete: Project):
    complete.commit("Second")
    complete.released()
    complete.json("deploy")
    lost = complete.entries()[-1].record.evidence[0]
    (complete.root / ".release" / "journal" / "evidence" / lost.sha256).unlink()
    went_back(complete, incomplete(complete, "evidence_is_kept"), "complete")


def test_e10_e11_a_deployment_whose_packages_evidence_is_gone_is_not_complete(complete: Project):
    commit = complete.commit("Second")
    complete.released()
    complete.json("deploy")
    built = next(e.record for e in complete.entries(f"package-{commit}") if e.record.stage == "build"
                 and e.record.kind == "end")  # fmt: skip
    (manifest,) = (item.sha256 for item in built.evidence if item.name == "manifest.json")
    (complete.root / ".release" / "journal" / "evidence" / manifest).unlink()
    said = complete.json("complete", code=1)
    assert "cannot compute the decision" in said["reasons"][0]
    went_back(complete, said, "complete")


def test_e10_a_deployment_that_nobody_can_reach_is_not_complete(complete: Project):
    complete.commit("Second")
    complete.released()
    complete.json("deploy")
    complete.api("PATCH", f"/apps/{complete.staging}", {"maintenance": True})
    until(lambda: complete.get("/api/health")[0] == 503)
    complete.json("complete", code=1)
    failed = next(e for e in reversed(complete.entries()) if e.record.kind == "failed")
    assert "maintenance" in failed.record.details["criteria"]["package_runs"]
    assert complete.runs() == complete.first


def test_e10_what_was_not_completed_is_a_failure_that_operators_see(complete: Project):
    second = complete.commit("Second")
    complete.released()
    complete.json("deploy")
    assert "DONE_COMPLETE" in complete.json("decide", code=1)["line"]
    complete.json("complete")
    assert complete.json("decide")["line"].startswith("YES")
    rows = complete.json("status")["details"]["environments"]
    assert second[:12] in str(next(row for row in rows if row["app"] == complete.staging))


# ---- E12: rollback ---------------------------------------------------------------------------------------


def test_e12_a_rollback_goes_to_what_was_released_and_touches_no_data(complete: Project):
    complete.commit("Second")
    complete.json("ship")
    data, before = complete.database().read_bytes(), len(complete.changes())
    complete.json("rollback")
    assert complete.database().read_bytes() == data
    made = [(c["method"], c["path"].rpartition("/")[2]) for c in complete.changes()[before:]]
    assert made == [("POST", "releases")], "no config var, no process but the question, no new artefact"
    start, end = complete.entries()[-2:]
    assert {v["outcome"] for v in start.record.details["verdicts"]} <= {"pass", "n/a"}
    assert {check["outcome"] for check in end.record.details["checks"]} == {"passed"}
    released = [e for e in complete.entries(f"package-{complete.first}") if e.record.action == "release"]
    assert released[-1].record.digest == end.record.digest


def test_e12_what_was_never_released_there_is_no_target(complete: Project):
    second = complete.commit("Second")
    complete.released()
    before = complete.calls()
    assert "was never verified" in complete.json("rollback", "--to", second, code=2)["line"]
    assert complete.calls() == before


def test_e12_a_rollback_over_its_bound_says_so(complete: Project):
    complete.commit("Second")
    complete.deployed()
    complete.change_config(('rollback = "2m"', 'rollback = "1ms"'))
    assert "over the limit of 0.001 s" in complete.json("rollback", code=1)["line"]
    assert complete.runs() == complete.first


# ---- E13: the record -------------------------------------------------------------------------------------


def test_e13_what_when_and_why_can_be_told_of_every_stage(complete: Project):
    complete.json("certify")
    words = ("--why", "because of the audit", "--change", "WO-12", "--approval", "CR-1")
    complete.json("ship", "--env", "prod", *words, env=KEYS)
    said = complete.json("why", "--env", "prod")["details"]
    assert (said["change"], said["why"], said["app"]) == ("WO-12", "because of the audit", complete.prod)
    assert said["digest"] == complete.entries("prod")[-1].record.digest
    assert tuple(row["stage"] for row in said["stages"]) == LINES
    assert {row["state"] for row in said["stages"]} == {"done"}
    assert all("" < row["began"] <= row["ended"] and row["entry"] for row in said["stages"])
    kinds = complete.kinds("prod")
    assert kinds[:2] == ["start deploy", "end deploy"], "target and result are the journal and the kind"


# ---- E14: what is forbidden ------------------------------------------------------------------------------


def test_e14_a_hotfix_outside_the_pipeline_and_an_unverified_artefact_are_refused(complete: Project):
    complete.json("certify")
    fix = complete.commit("Hotfix", {"app/hotfix.py": "x = 1\n"})
    asked = ("deploy", "--env", "prod", "--approval", "CR-1")
    reasons = complete.json(*asked, env=KEYS, code=3)["reasons"]
    named = {reason.partition(":")[0] for reason in reasons}
    assert {"ci_is_green", "package_is_released", "staging_is_certified"} <= named
    (complete.root / "app" / "hotfix.py").write_text("x = 2\n")
    reasons = complete.json(*asked, env=KEYS, code=3)["reasons"]
    assert any(reason.startswith("tree_is_clean") for reason in reasons)
    assert complete.calls("prod") == []
    assert complete.kinds(f"package-{fix}") == []


def test_e14_a_manual_change_stops_the_road_until_somebody_says_what_it_was(complete: Project):
    complete.api("PATCH", f"/apps/{complete.staging}", {"maintenance": True})
    complete.commit("Second")
    complete.json("test")
    assert complete.json("deploy", code=3)["line"] == "refused by platform_is_as_recorded"


def test_e14_a_deploy_modifies_no_runtime_state(project: Project):
    project.json("test")
    project.json("deploy")
    made = [(c["method"], c["path"].rpartition("/")[2]) for c in project.calls()]
    assert set(made) == {("POST", "slugs"), ("POST", "releases")}
    assert project.revision() is None, "the schema is another command's"
    release = "release: python migrate.py upgrade head\n"
    procfile = (project.root / "app" / "Procfile").read_text()
    project.commit("Migrate on deploy", {"app/Procfile": procfile + release})
    project.json("test")
    assert project.json("deploy", code=3)["line"] == "refused by release_phase_is_disabled"


def test_e14_a_stage_cannot_be_skipped_by_replaying(complete: Project):
    skipped = complete.commit("Second")
    complete.json("test")
    complete.json("intake")
    complete.json("build")
    said = complete.json("replay", "--sha", skipped, code=3)
    assert "a replay builds nothing: verification: not reached" in said["line"]
    assert complete.runs() == complete.first
