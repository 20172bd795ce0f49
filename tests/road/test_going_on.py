"""A ship that was stopped goes on where it stopped, and nothing is called good before every stage is done.

Each walk here ended in a YES once, though no migration, no verification or no completion had been: said again after
a refusal, after stages that were run by hand, after a failure, and while another deploy was open.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from road.project import KEYS, Project, until
from road.test_api_faults import tokens
from road.test_interrupts import interrupted

YES = ("--approval", "CR-1")
PROD = ("--env", "prod")
KEYED = "ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES"
FUSSY = '''from roadworthy.model import Facts, Plan


def package_is_running(plan: Plan, facts: Facts) -> str | None:
    """It says nothing before the deploy, and refuses whatever comes after it."""
    running = facts.history.value.running
    return "it is Friday" if running and running.seq else None
'''


@pytest.fixture
def certified(project: Project) -> Project:
    """A project whose commit is complete and certified on staging, so that it may go to production."""
    project.json("ship")
    project.json("certify")
    return project


def ship(project: Project, *words: str, code: int) -> dict[str, Any]:
    return project.json("ship", *PROD, *words, env=KEYS, code=code)


def says_no(project: Project, env: str = "prod") -> str:
    """The decision is NO, in its line and in its file; gives the line."""
    commit = project.git("rev-parse", "HEAD")
    said = project.json("decide", "--env", env, code=1)
    file = json.loads((project.root / f".artifacts/release/{commit}/decision.json").read_bytes())
    assert (said["line"][:3], file["releaseable"]) == ("NO:", False)
    return str(said["line"])


def says_yes(project: Project, env: str = "prod") -> None:
    """Decision, verification, status, platform and database agree that this commit is completely released."""
    commit = project.git("rev-parse", "HEAD")
    assert project.json("decide", "--env", env)["line"].startswith("YES")
    project.json("verify", "--env", env)
    rows = {row["environment"]: row for row in project.json("status")["details"]["environments"]}
    assert (rows[env]["state"], rows[env]["commit"]) == ("as recorded", commit)
    assert (rows[env]["complete"], rows[env]["left"]) == (True, [])
    assert {stage["state"] for stage in rows[env]["stages"]} <= {"done", "not needed"}
    assert project.runs(env) == commit
    assert project.revision(env) == rows[env]["revision"] == "0001"
    kinds = project.kinds(env)
    assert {"end deploy", "end migrate", "end complete"} <= set(kinds)


def test_what_a_person_can_be_asked_for_is_asked_before_production_changes(certified: Project):
    said = ship(certified, code=3)
    assert (said["outcome"], said["line"]) == ("refused", "refused by migration_is_approved")
    assert certified.kinds("prod") == ["refused deploy"]
    assert certified.calls("prod") == []
    assert said["next"] == [f"{KEYED} invoke ship --env prod --commit {certified.first} --approval REF"]
    assert "DEPLOY_RELEASE_PACKAGE_FAILED" in says_no(certified)
    assert [row["stage"] for row in said["details"]["stages"]][-1] == "deploy"
    ship(certified, *YES, code=0)
    says_yes(certified)


def test_a_ship_goes_on_at_the_migration_that_was_refused(certified: Project):
    certified.json("deploy", *PROD, env=KEYS)
    certified.json("migrate", *PROD, env=KEYS, code=3)
    row = next(r for r in certified.json("status")["details"]["environments"] if r["environment"] == "prod")
    told = {stage["stage"]: (stage["state"], stage["entry"]) for stage in row["stages"]}
    assert (told["deploy"], told["migrations"]) == (("done", "prod #2"), ("refused", "prod #3"))
    assert (row["complete"], row["left"][0]) == (False, "invoke migrate --env prod --approval REF")
    for _ in range(2):
        said = ship(certified, code=3)
        assert said["next"] == [f"{KEYED} invoke ship --env prod --commit {certified.first} --approval REF"]
        assert "DONE_COMPLETE" in says_no(certified)
    assert certified.kinds("prod")[:2] == ["start deploy", "end deploy"]
    assert certified.revision("prod") is None
    releases = certified.releases("prod")
    ship(certified, *YES, code=0)
    assert certified.releases("prod") == releases, "what runs was left alone"
    says_yes(certified)


@pytest.mark.later
def test_a_ship_goes_on_after_stages_that_were_run_by_hand(certified: Project):
    certified.json("deploy", *PROD, env=KEYS)
    certified.json("migrate", *PROD, *YES, env=KEYS)
    assert "DONE_COMPLETE" in says_no(certified)
    ship(certified, code=0)
    assert certified.kinds("prod")[-2:] == ["start complete", "end complete"]
    says_yes(certified)
    kinds = certified.kinds("prod")
    ship(certified, code=0)
    assert certified.kinds("prod") == kinds, "what is complete is left alone"


@pytest.mark.later
def test_a_ship_whose_verification_failed_is_not_complete_until_it_succeeds(certified: Project):
    certified.json("deploy", *PROD, env=KEYS)
    certified.json("migrate", *PROD, *YES, env=KEYS)
    certified.mood("prod", health="degraded")
    said = ship(certified, code=1)
    assert said["details"]["stages"][-1]["stage"] == "post-deploy verification"
    assert certified.kinds("prod")[-1] == "end migrate"
    says_no(certified)
    certified.mood("prod")
    ship(certified, code=0)
    says_yes(certified)


def test_what_is_refused_after_something_changed_is_a_failure_that_says_what_runs(project: Project):
    (project.root / "guards/package_is_running.py").write_text(FUSSY)
    commit = project.commit("Release on no Friday")
    said = project.process("ship", "--json", "--log").said
    assert (said["outcome"], said["code"]) == ("failed", 1)
    runs = f"{project.staging} runs {commit[:12]} as v{project.releases()[-1]['version']} now"
    assert said["line"] == f"refused by package_is_running; {runs}"
    assert said["next"] == [f"invoke ship --env staging --commit {commit}"]
    assert project.kinds()[:3] == ["start deploy", "end deploy", "refused migrate"]
    assert project.runs() == commit


@pytest.mark.later
def test_while_another_deploy_is_open_and_when_it_failed_and_stayed_the_decision_is_no(project: Project):
    project.json("ship")
    decided = ("decide", "--commit", project.first)
    assert project.json(*decided)["line"].startswith("YES")
    project.commit("Die", boot="die", boot_seconds=1)
    project.json("test")
    deploy = project.start("deploy", "--json")
    until(lambda: len(tokens(project)) == 2)
    said = project.json(*decided, code=1)
    assert "its deploy has begun and not ended (staging #" in "".join(said["reasons"])
    interrupted(deploy)
    assert project.json(*decided, code=1)["next"] == ["invoke reconcile --env staging"]
    project.json("reconcile", code=1)
    assert project.kinds()[-1] == "failed deploy"
    said = project.json(*decided, code=1)
    assert "DEPLOY_RELEASE_PACKAGE_FAILED" in said["line"]
    release = next(e for e in project.entries() if e.record.kind == "end").record.details["to"]["release"]
    assert project.releases()[-1]["version"] > release, "the platform has gone on, whoever answers meanwhile"
    assert said["next"][0] == f"invoke deploy --env staging --commit {project.first}"
    project.json("ship", "--commit", project.first)
    assert project.json(*decided)["line"].startswith("YES")
    assert project.runs() == project.first


@pytest.mark.later
def test_a_deploy_that_failed_before_it_changed_anything_asks_for_one_more_look(project: Project):
    project.json("ship")
    project.commit("Second")
    project.json("test")
    project.faults({"kind": "release_failed", "method": "POST", "path": "/releases"})
    assert "nothing was changed" in project.json("deploy", code=1)["line"]
    said = project.json("decide", "--commit", project.first, code=1)
    done = [word.split()[1:] for word in said["next"]]
    assert [words[0] for words in done] == ["verify", "complete"], "what runs was left alone"
    for words in done:
        project.json(*words)
    assert project.kinds()[-2:] == ["start complete", "end complete"]
    assert project.json("decide", "--commit", project.first)["line"].startswith("YES")


def test_a_change_that_needs_no_deployment_deploys_where_what_runs_is_not_complete(certified: Project):
    certified.json("deploy", *PROD, env=KEYS)
    certified.json("migrate", *PROD, *YES, env=KEYS)
    documented = certified.commit("Explain", {"docs/more.md": "# More\n"})
    certified.json("ship")
    certified.json("certify")
    assert "DEPLOY_RELEASE_PACKAGE_FAILED" in says_no(certified)
    ship(certified, code=0)
    assert certified.runs("prod") == documented
    again = certified.commit("Explain more", {"docs/more.md": "# Even more\n"})
    certified.released()
    kinds = certified.kinds("prod")
    assert "needs no deployment" in ship(certified, code=0)["line"]
    assert certified.kinds("prod") == [*kinds, "note decide"]
    assert certified.runs("prod") == documented
    assert certified.json("decide", *PROD, "--commit", again)["line"].startswith("YES")
