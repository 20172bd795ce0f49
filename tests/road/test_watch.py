"""The degradation window after a deploy, end to end on the sandbox."""

import json
import signal
import subprocess
from typing import Any

import pytest

from road.project import Project, ended, until
from road.test_api_faults import tokens, truly
from roadworthy.facts.baseline import ROUNDS

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

LOOK = 1  # health is asked once by the look just after the release; what comes then is the window
FAILS = {"from": LOOK + 2, "health": "degraded"}
SLOW = {"from": LOOK, "health_seconds": 0.4}  # the check itself allows 2 s


@pytest.fixture
def watched(project: Project) -> Project:
    """A project whose deploys to staging are watched for half a second."""
    window(project, "500ms")
    return project


def window(project: Project, length: str) -> None:
    project.change_config(
        ('watch = "1s" ', f'watch = "{length}" '),
        ("[environments.prod]", 'watch = "2m"\n\n[environments.prod]'),
    )


def forgive(project: Project, errors: int) -> None:
    project.change_config(("errors = 5 ", f"errors = {errors} "))


def worse(project: Project, **mood: object) -> dict[str, Any]:
    """Deploy an app of that mood over a good one; its window must find it worse."""
    project.deployed()
    project.commit("Worse", **mood)
    project.json("test")
    return project.json("deploy", code=1)


def rolled_back(project: Project, said: dict[str, Any], good: str) -> None:
    failed, start, end = project.entries()[-3:]
    assert [failed.record.kind, start.record.action, end.record.kind] == ["failed", "rollback", "end"]
    assert "rolled back" in said["line"]
    assert "watch" not in start.record.details
    truly(project, good)


def in_window(project: Project) -> "subprocess.Popen[str]":
    """A deploy that has asked a few rounds of its window."""
    before = asked(project) + ROUNDS + LOOK
    deploy = project.start("deploy", "--json")
    until(lambda: asked(project) >= before + 3, every=0.05)
    assert project.kinds()[-1] == "start deploy"
    return deploy


def asked(project: Project) -> int:
    log = project.invoke("sandbox.logs", "--app", project.staging, "--num", "1500").out
    return log.count('path="/api/health"')


def test_a_healthy_release_is_watched_for_the_whole_window_and_compared_with_the_one_before(watched: Project):
    watched.deployed()
    second = watched.commit("Second")
    said = watched.deployed()
    start, end = watched.entries()[-2:]
    planned, seen = start.record.details["watch"], end.record.details["watched"]
    assert said["plan"]["watch"] == planned
    before = planned.pop("before")
    assert planned == {"millis": 500, "errors": 5, "slower": 2, "noise": 250}
    names = ("health", "csrf", "me", "version")
    assert {name: usual["asked"] for name, usual in before.items()} == dict.fromkeys(names, ROUNDS)
    assert seen["millis"] >= 500
    assert seen["rounds"] >= 3
    assert [usual["asked"] for usual in seen["checks"].values()] == [seen["rounds"]] * 4
    (file,) = (e for e in end.record.evidence if e.name == "watch.json")
    answers = json.loads(watched.log().evidence(file.sha256))
    assert len(answers) == 4 * seen["rounds"]
    assert {(a["outcome"], a["reason"]) for a in answers} == {("passed", "")}
    truly(watched, second)
    assert "watch" not in watched.json("deploy")["plan"]  # it runs already
    watched.json("rollback")
    assert "watch" not in watched.entries()[-2].record.details


def test_what_fails_in_the_window_is_rolled_back(watched: Project):
    said = worse(watched, later=FAILS)
    assert "check health failed in" in said["reasons"][0]
    assert f"0 of {ROUNDS} before the deploy" in said["reasons"][0]
    rolled_back(watched, said, watched.git("rev-parse", "HEAD~1"))


def test_a_secret_that_an_answer_tells_in_the_window_is_in_no_evidence(watched: Project):
    secret = "correct-horse-battery-staple"
    watched.api("PATCH", f"/apps/{watched.staging}/config-vars", {"API_TOKEN": secret})
    watched.deployed()
    watched.commit("Tell", later={"from": LOOK, "health": secret})
    watched.json("test")
    ran = watched.invoke("deploy")
    assert ran.code == 1
    failed = watched.entries()[-3].record
    (file,) = (e for e in failed.evidence if e.name == "watch.json")
    told = watched.log().evidence(file.sha256).decode()
    assert "status is" in told
    assert secret not in told + ran.text + json.dumps(failed.details)


def test_a_fault_that_would_pass_when_asked_again_is_counted(watched: Project):
    said = worse(watched, later={"from": LOOK + 1, "each": 2, "health_code": 503})
    assert "check health failed in" in said["reasons"][0]


def test_what_runs_without_having_been_verified_is_no_baseline(watched: Project):
    watched.deployed()
    watched.api("PATCH", f"/apps/{watched.staging}/config-vars", {"COLOUR": "red"})
    watched.deployed()  # it puts back what should run
    assert watched.entries()[-2].record.details["watch"]["before"] == {}


def test_a_certain_failure_ends_the_window_at_once(project: Project):
    window(project, "60s")
    forgive(project, 0)
    project.commit("Worse", later=FAILS)
    project.json("test")
    said = project.json("deploy", code=1)
    assert "no baseline" in said["reasons"][0]
    assert "no verified package to roll back to" in said["line"]  # the first deploy of all
    assert said["details"]["watched"]["rounds"] == FAILS["from"] - LOOK + 1


def test_what_is_slower_than_before_is_rolled_back_although_each_check_passes(watched: Project):
    said = worse(watched, later=SLOW)
    assert "check health took more than" in said["reasons"][0]
    failed = watched.entries()[-3].record.details
    assert {check["failed"] for check in failed["watched"]["checks"].values()} == {0}
    rolled_back(watched, said, watched.git("rev-parse", "HEAD~1"))


def test_noise_within_what_is_forgiven_is_no_degradation(watched: Project):
    forgive(watched, 60)
    watched.deployed()
    noisy = watched.commit(
        "Noisy", later={"from": LOOK, "each": 3, "health": "degraded"}, health_seconds=0.05
    )
    said = watched.deployed()
    assert said["details"]["watched"]["checks"]["health"]["failed"]
    assert watched.kinds()[-1] == "end deploy"
    assert watched.runs() == noisy


def test_the_first_deploy_has_nothing_to_compare_with_and_says_so(watched: Project):
    watched.json("test")
    ran = watched.invoke("deploy")
    assert ran.code == 0
    assert "there was nothing to compare with" in ran.out
    assert watched.entries()[0].record.details["watch"]["before"] == {}


def test_somebody_elses_release_in_the_window_is_not_taken_for_ours(project: Project):
    window(project, "2s")
    project.deployed()
    project.commit("Second")
    project.json("test")
    deploy = in_window(project)
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "red"})
    ran = ended(deploy)
    assert ran.code == 1
    assert any("the platform runs v" in reason for reason in ran.said["reasons"])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_deploy_that_was_cut_off_in_its_window_is_watched_again_for_the_whole_of_it(
    project: Project, ending
):
    window(project, "1500ms")
    project.deployed()
    second = project.commit("Second")
    project.json("test")
    deploy = in_window(project)
    deploy.send_signal(ending)
    ran = ended(deploy)
    assert ran.code == (4 if ending == signal.SIGINT else -signal.SIGKILL), ran.text
    assert "invoke reconcile" in project.json("deploy", code=4)["line"]
    project.json("reconcile")
    end = project.entries()[-1].record
    assert (end.kind, end.action) == ("end", "deploy")
    assert end.details["watched"]["millis"] >= 1500
    truly(project, second)


def test_reconcile_compares_with_the_baseline_that_the_start_recorded(project: Project):
    window(project, "1500ms")
    project.deployed()
    project.commit("Second")
    project.json("test")
    deploy = in_window(project)
    deploy.kill()
    deploy.communicate()
    project.mood(health_seconds=0.4)
    said = project.json("reconcile", code=1)
    assert "check health took more than" in said["reasons"][0]
    assert "invoke rollback" in str(said["next"])
    assert project.kinds()[-1] == "failed deploy"


def test_a_window_that_was_given_up_settles_and_rolls_back_nothing(project: Project):
    window(project, "2s")
    project.deployed()
    second = project.commit("Second", later={"from": LOOK + 30, "health": "degraded"})
    project.json("test")
    deploy = in_window(project)
    token = str(project.entries()[-1].seq)
    project.json("lock.unlock", "--token", token, "--reason", "a mistake")
    ran = ended(deploy)
    assert ran.code == 4, ran.text
    assert project.kinds()[-2:] == ["start deploy", "abandon deploy"]
    assert len(tokens(project)) == 2
    assert project.runs() == second
