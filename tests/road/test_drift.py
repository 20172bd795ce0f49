"""Drift: what somebody did past the road is named, nothing happens on top of it, and two ways lead out.

Contract: E1 (the from-version is known), E8 (manual modification is detected), E14 (manual changes are refused).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import signal
import subprocess
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import pytest
import requests

from road.project import KEYS, REPOSITORY, Project, ended, until
from roadworthy.sandbox import control

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own invalid escape sequences
    import heroku3

WHY = "--why=the on-call team agreed to it"


@pytest.fixture
def twice(project: Project) -> Project:
    """Two commits were deployed, the second one runs."""
    project.deployed()
    project.json("migrate")
    project.commit("Second")
    project.deployed()
    return project


def heroku(project: Project) -> Any:
    """Somebody else's heroku3, pointed at the sandbox."""
    here = control.find(project.sandbox)
    assert here is not None
    client = heroku3.api.Heroku(session=requests.Session())
    client._heroku_url = here.url
    assert client.authenticate(here.api_key)
    return client


def rolled_back_by_hand(project: Project, place: str = "staging", to: int = -2) -> dict[str, Any]:
    """What `heroku rollback` does; the release that it made."""
    old = project.releases(place)[to]
    heroku(project).app(project.app(place)).rollback(old["id"])
    made = project.releases(place)[-1]
    assert made["description"] == f"Rollback to v{old['version']}"
    return made


def set_by_hand(project: Project, place: str = "staging", **values: str) -> dict[str, Any]:
    """What `heroku config:set` does; the release that it made."""
    project.api("PATCH", f"/apps/{project.app(place)}/config-vars", values)
    return project.releases(place)[-1]


def row(project: Project) -> dict[str, Any]:
    """Staging's row of `invoke status`."""
    rows = project.invoke("status", "--json").said["details"]["environments"]
    found: dict[str, Any] = next(r for r in rows if r["app"] == project.staging)
    return found


def audited(project: Project) -> None:
    """The auditor finds the journal whole."""
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def audited_by_both(project: Project) -> None:
    """So does the one of the shell, which takes half a second for each log."""
    audited(project)
    state = project.root / ".release"
    for place in (state / "journal" / "sandbox").iterdir():
        done = subprocess.run(
            (REPOSITORY / "scripts/audit.sh", place, "--trust", state / "keys"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def names(said: dict[str, Any]) -> set[str]:
    """The guards that refused."""
    return {v["guard"] for v in said["verdicts"] if v["outcome"] == "refuse"}


def recorded(project: Project) -> None:
    """Platform, app, database and journal agree, and so does the auditor."""
    assert row(project)["state"] == "as recorded"
    assert project.json("verify")["details"]["differences"] == []
    audited(project)


# ---- it is named, and nothing happens on top of it -------------------------------------------------------


@pytest.mark.slow
def test_a_rollback_by_hand_is_named_with_who_and_when_and_refuses_what_would_come_on_top(twice: Project):
    """E1, E8, E14."""
    running = twice.releases()[-1]["version"]
    made = rolled_back_by_hand(twice)
    (drift,) = row(twice)["drift"]
    assert (drift["what"], drift["journal"]) == ("release", f"v{running}")
    assert f"v{made['version']} 'Rollback to v" in drift["seen"]
    assert (drift["who"], drift["when"]) == (made["user"]["email"], made["created_at"])
    twice.commit("Third")
    twice.json("test")
    before = twice.releases(), twice.calls()
    for command in ("deploy", "migrate", "certify"):
        said = twice.json(command, code=3)
        assert "platform_is_as_recorded" in names(said)
        (reason,) = (r for r in said["reasons"] if r.startswith("platform_is_as_recorded"))
        for word in (
            made["user"]["email"],
            made["created_at"],
            "invoke adopt --env",
            "invoke rollback --env",
        ):
            assert word in reason, reason
        assert twice.kinds()[-1] == f"refused {command}"
    assert twice.releases() == before[0]


def test_a_config_var_set_by_hand_is_named_and_refuses_another_package(twice: Project):
    """E8: the release of a config change names the var and never its value."""
    made = set_by_hand(twice, COLOUR="dark-blue")
    set_by_hand(twice, SHAPE="round")
    newest, first = row(twice)["drift"]
    assert "'Set SHAPE config vars'" in newest["seen"] and "'Set COLOUR config vars'" in first["seen"]
    assert first["when"] == made["created_at"]
    assert "dark-blue" not in json.dumps([newest, first])
    twice.commit("Third")
    twice.json("test")
    assert names(twice.json("deploy", code=3)) == {"platform_is_as_recorded"}


@pytest.mark.slow
def test_maintenance_by_hand_is_named_and_ended_only_by_whoever_says_so(twice: Project):
    twice.api("PATCH", f"/apps/{twice.staging}", {"maintenance": True})
    (drift,) = row(twice)["drift"]
    assert (drift["what"], drift["seen"], drift["who"]) == ("maintenance", "on", "")
    for command in ("deploy", "migrate", "certify"):
        assert "platform_is_as_recorded" in names(twice.json(command, code=3))
    assert names(twice.json("adopt", WHY, code=3)) == {"platform_has_drifted"}
    assert twice.get("/api/health")[0] == 503
    twice.json("deploy", "--maintenance")  # what runs already, released again so that it can be seen healthy
    assert twice.get("/api/health")[0] == 200
    recorded(twice)


@pytest.mark.slow
def test_a_rollback_to_what_should_run_ends_maintenance_by_hand(twice: Project):
    second = twice.runs()
    twice.api("PATCH", f"/apps/{twice.staging}", {"maintenance": True})
    assert f"--to {second}`" in row(twice)["drift"][0]["do"]
    twice.json("rollback", "--to", second)
    assert twice.runs() == second
    recorded(twice)


# ---- the way out by the road -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("way", ["deploy", "rollback"])
def test_what_the_journal_says_may_always_be_put_back(twice: Project, way):
    second = twice.runs()
    rolled_back_by_hand(twice)
    until(lambda: twice.runs() == twice.first)
    said = twice.json(way, *(("--to", second) if way == "rollback" else ()))
    assert twice.runs() == second
    if way == "deploy":
        (verdict,) = (v for v in said["verdicts"] if v["guard"] == "platform_is_as_recorded")
        assert verdict["outcome"] == "n/a" and "restores what the journal says" in verdict["reason"]
    recorded(twice)


@pytest.mark.slow
def test_on_call_people_can_roll_back_out_of_drift_to_any_verified_package(twice: Project):
    set_by_hand(twice, COLOUR="broken")
    twice.json("rollback")
    assert twice.runs() == twice.first
    recorded(twice)


# ---- the way out by a statement --------------------------------------------------------------------------


@pytest.mark.slow
def test_an_adopted_rollback_is_journalled_checked_and_consistent_everywhere(twice: Project):
    """E1, E13: from, to, who did it, who accepted it, when and why."""
    second = twice.runs()
    made = rolled_back_by_hand(twice)
    changes = twice.changes()
    said = twice.json("adopt", WHY, "--change=INC-7")
    assert twice.kinds()[-2:] == ["start adopt", "end adopt"]
    start, end = twice.entries()[-2:]
    assert twice.changes() == changes, "the database was asked for its revision; nothing else"
    assert start.record.details["from"]["commit"] == second
    to = end.record.details["to"]
    assert (to["commit"], to["release"], to["slug"]) == (twice.first, made["version"], made["slug"]["id"])
    assert (to["drift"][0]["who"], to["drift"][0]["when"]) == (made["user"]["email"], made["created_at"])
    assert start.record.details["change"] == {"id": "INC-7", "why": WHY[6:]}
    assert {c["outcome"] for c in end.record.details["checks"]} == {"passed"}
    assert end.record.details["revision"] == "0001"
    assert f"as v{made['version']}" in said["line"]
    recorded(twice)
    found = twice.json("why")["details"]
    assert (found["action"], found["commit"], found["from"]) == ("adopt", twice.first, second)
    assert found["release"] == made["version"] and made["user"]["email"] in found["adopted"][0]
    shown = twice.json("history")["details"]["entries"][0]
    assert (shown["action"], shown["kind"], shown["release"]) == ("adopt", "end", made["version"])
    twice.json("certify")
    twice.json("rollback")  # what ran before the adoption is a way back
    assert twice.runs() == second
    twice.json("rollback", "--to", f"v{made['version']}")  # and so is what was adopted
    assert twice.runs() == twice.first
    recorded(twice)
    audited_by_both(twice)


@pytest.mark.later
def test_an_adopted_release_can_be_exported(twice: Project, tmp_path):
    made = rolled_back_by_hand(twice)
    twice.json("adopt", WHY)
    folder = tmp_path / "export"
    twice.json("evidence.export", "--release", f"v{made['version']}", "--to", str(folder))
    layout = json.loads(base64.b64decode(json.loads((folder / "root.layout").read_text())["payload"]))
    assert [step["name"] for step in layout["steps"]] == ["01.package.test", "02.staging.adopt"]


@pytest.mark.slow
def test_after_an_adopted_config_change_the_next_deploy_goes_on(twice: Project):
    set_by_hand(twice, COLOUR="blue")
    twice.json("adopt", WHY)
    recorded(twice)
    third = twice.commit("Third")
    twice.deployed()
    assert twice.runs() == third
    assert twice.get("/env")[1]["COLOUR"] == "blue"


@pytest.mark.slow
def test_there_is_nothing_to_adopt_at_first_and_nothing_a_second_time(twice: Project):
    for _ in range(2):
        said = twice.json("adopt", WHY, code=3)
        assert names(said) == {"platform_has_drifted"} and "nothing to adopt" in said["reasons"][0]
        set_by_hand(twice, COLOUR="blue")
        if twice.kinds()[-2:] != ["end adopt", "refused adopt"]:
            twice.json("adopt", WHY)
    assert twice.kinds().count("end adopt") == 1


@pytest.mark.slow
def test_an_adoption_without_a_reason_is_refused_before_anything(twice: Project):
    set_by_hand(twice, COLOUR="blue")
    before = twice.kinds()
    for words in ((), ("--why=  ",)):
        assert "--why is missing" in twice.json("adopt", *words, code=2)["line"]
    assert twice.kinds() == before


@pytest.mark.slow
def test_what_fails_its_checks_is_not_adopted(twice: Project):
    twice.commit("Break health", health="degraded")
    twice.json("test")
    twice.json("deploy", code=1)  # and rolled back by itself
    rolled_back_by_hand(twice)  # to the broken one
    until(lambda: twice.get("/api/health")[1] != {"status": "ok"})
    said = twice.json("adopt", WHY, code=1)
    assert "check health" in said["reasons"][0]
    assert twice.kinds()[-1] == "failed adopt"
    assert row(twice)["state"] == "drift"
    twice.json("rollback", "--to", twice.json("why")["details"]["commit"])
    recorded(twice)


@pytest.mark.slow
def test_a_package_that_this_road_did_not_build_cannot_be_adopted_but_put_right(twice: Project):
    """E14: an unverified artefact stays out, whatever commit its maker claims."""
    second = twice.runs()
    foreign(twice, commit=twice.first)
    until(lambda: row(twice)["state"] == "drift")
    said = twice.json("adopt", WHY, code=3)
    assert names(said) == {"adopted_package_is_proven"}
    assert "is not what is built from" in said["reasons"][0]
    assert f"invoke rollback --env staging --to {second}" in said["reasons"][0]
    twice.json("rollback", "--to", second)
    recorded(twice)


@pytest.mark.slow
def test_a_package_of_ours_that_never_came_by_the_road_is_adopted_only_with_green_tests(twice: Project):
    third = twice.commit("Third")
    twice.json("intake")
    released_by_hand(twice, twice.json("build")["details"])
    until(lambda: twice.runs() == third)
    said = twice.json("adopt", WHY, code=3)
    assert names(said) == {"adopted_package_is_proven"} and "invoke test --commit" in said["reasons"][0]
    twice.json("test")
    twice.json("adopt", WHY)
    recorded(twice)
    assert twice.json("why")["details"]["commit"] == third


# ---- what is no drift ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_failed_deploy_that_was_left_behind_is_not_drift_and_the_next_deploy_mends_it(project: Project):
    project.commit("Break health", health="degraded")
    project.json("test")
    project.json("deploy", code=1)
    found = row(project)
    assert (found["state"], found["drift"]) == ("unverified", [])
    assert names(project.json("adopt", WHY, code=3)) == {"platform_has_drifted"}
    project.commit("Mend it")
    project.deployed()
    assert row(project)["state"] == "as recorded"


@pytest.mark.slow
def test_a_release_of_ours_is_no_drift_while_its_start_is_open_nor_when_it_was_given_up(twice: Project):
    twice.commit("Third")
    twice.json("test")
    twice.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    twice.process("deploy", "--json")
    found = row(twice)
    assert (found["state"], found["drift"]) == ("open", [])
    token = twice.entries()[-1].seq
    twice.json("lock.unlock", "--token", str(token), "--reason", "nobody knows")
    found = row(twice)
    assert (found["state"], found["drift"]) == ("unverified", [])
    twice.json("deploy")
    recorded(twice)


# ---- the first deploy ------------------------------------------------------------------------------------


def test_the_first_deploy_onto_an_app_that_runs_something_unknown_asks_for_a_statement(project: Project):
    """E1: nobody deploys over a version that is not even written down, be it another team's app."""
    made = foreign(project)
    project.json("test")
    said = project.json("deploy", code=3)
    assert names(said) == {"platform_is_as_recorded"}
    assert made["user"]["email"] in said["reasons"][0] and "invoke adopt" in said["reasons"][0]
    assert "counts as no verified package" in project.json("adopt", WHY)["line"]
    end = project.entries()[-1]
    assert (end.record.subject, end.record.details["to"]["release"]) == ("none", made["version"])
    assert row(project)["state"] == "unverified"
    assert "no verified package" in project.json("rollback", code=2)["line"]
    assert "nothing had been deployed" in project.json("why", code=2)["line"]
    project.json("deploy")
    assert project.entries()[-1].record.details["from"]["release"] == made["version"]
    assert project.runs() == project.first
    assert row(project)["state"] == "as recorded"
    audited_by_both(project)


@pytest.mark.later
def test_an_app_that_another_journal_deployed_to_is_seen_and_can_be_taken_over(project: Project):
    """Two machines with a journal of their own each: the second one does not deploy over the first."""
    project.deployed()
    (project.root / ".release/journal").rename(project.root / ".release/lost")
    assert "lost entries up to #2" in project.json("test", code=1)["line"]
    project.json("evidence.accept-loss", WHY)
    project.json("test")
    project.commit("Second")
    project.json("test")
    said = project.json("deploy", code=3)
    assert names(said) == {"platform_is_as_recorded"}
    assert "(roadworthy staging#1" in project.releases()[-1]["description"]
    project.json("adopt", WHY)
    project.json("deploy")
    assert row(project)["state"] == "as recorded"
    audited(project)


# ---- production ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_production_is_adopted_with_both_keys_and_only_what_was_verified_there(project: Project):
    """E14: a hotfix past the pipeline does not become production's by a statement."""
    for message in ("First", "Second"):
        project.commit(message)
        project.deployed()
        project.json("migrate")
        project.json("certify")
        project.deployed(env="prod")
        if message == "First":
            project.json("migrate", "--env=prod", "--approval=CAB-1", env=KEYS)
    rolled_back_by_hand(project, "prod")
    for env, code in (({}, 2), ({"ALLOW_PROD": "1"}, 42), ({"ALLOW_PROD_DEPLOY": "YES"}, 2)):
        project.json("adopt", "--env=prod", WHY, env=env, code=code)
        assert project.kinds("prod")[-1] == "refused adopt"
    project.json("adopt", "--env=prod", WHY, env=KEYS)
    assert project.json("verify", "--env=prod")["details"]["differences"] == []
    project.commit("Hotfix")
    project.json("intake")
    released_by_hand(project, project.json("build")["details"], "prod")
    project.json("test")
    said = project.json("adopt", "--env=prod", WHY, env=KEYS, code=3)
    assert names(said) == {"adopted_package_is_proven"}
    assert "never verified in prod" in said["reasons"][0]
    audited_by_both(project)


# ---- kills and races -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("after", ["nothing", "another change"])
def test_a_killed_adoption_is_settled_by_looking_again(twice: Project, after):
    rolled_back_by_hand(twice)
    twice.mood(health_seconds=1)
    adopt = twice.start("adopt", WHY, "--json")
    until(lambda: twice.kinds()[-1] == "start adopt")
    adopt.kill()
    assert ended(adopt).code == -signal.SIGKILL
    twice.mood()
    assert row(twice)["state"] == "open"
    assert "invoke reconcile" in twice.json("adopt", WHY, code=4)["line"]
    if after == "nothing":
        twice.json("reconcile")
        assert twice.kinds()[-1] == "end adopt"
        recorded(twice)
    else:
        set_by_hand(twice, COLOUR="blue")
        assert "the platform runs v" in twice.json("reconcile", code=1)["reasons"][0]
        assert twice.kinds()[-1] == "failed adopt"
        assert row(twice)["state"] == "drift"


@pytest.mark.slow
def test_of_two_adoptions_at_once_one_counts(twice: Project):
    rolled_back_by_hand(twice)
    both = [twice.start("adopt", WHY, "--json") for _ in range(2)]
    codes = sorted(ended(process).code for process in both)
    assert codes[0] == 0 and codes[1] in (3, 5)  # the other was overtaken, or came when nothing was left
    assert twice.kinds().count("end adopt") == 1
    recorded(twice)


@pytest.mark.slow
def test_what_changes_while_it_is_being_adopted_is_not_adopted(twice: Project):
    set_by_hand(twice, COLOUR="blue")
    twice.mood(health_seconds=1)
    adopt = twice.start("adopt", WHY, "--json")
    until(lambda: twice.kinds()[-1] == "start adopt")
    made = set_by_hand(twice, COLOUR="red")
    assert ended(adopt).code in (0, 1)
    twice.mood()
    assert f"v{made['version']}" in row(twice)["drift"][0]["seen"]


# ---- somebody else's releases ----------------------------------------------------------------------------


def foreign(project: Project, commit: str = "") -> dict[str, Any]:
    """Somebody releases a package of their own, as `git push heroku` would; the release."""
    project.json("intake")
    package = project.json("build")["details"]
    file = Path(package["file"])
    data = gzip.compress(gzip.decompress(file.read_bytes()))
    return released_by_hand(project, {**package, "commit": commit}, data=data)


def released_by_hand(
    project: Project, package: dict[str, Any], place: str = "staging", data: bytes = b""
) -> dict[str, Any]:
    """Somebody uploads a package and releases it without the road."""
    data = data or Path(package["file"]).read_bytes()
    app = f"/apps/{project.app(place)}"
    body = {
        "process_types": {"web": "python web.py"},
        "checksum": f"SHA256:{hashlib.sha256(data).hexdigest()}",
        "commit": package["commit"] or None,
    }
    slug = project.api("POST", f"{app}/slugs", body)
    request = urllib.request.Request(slug["blob"]["url"], data=data, method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass
    made: dict[str, Any] = project.api("POST", f"{app}/releases", {"slug": slug["id"]})
    return made
