"""Each stop names the commands that lead on: copied and run as they are printed, they get further."""

import shlex

import pytest

from road.project import Project, ended, until
from road.test_wait import give_up, hold


def copied(project: Project, line: str):
    """Run a command line as it was printed, in a shell's words: NAME=value before it is its environment."""
    words = shlex.split(line)
    env = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    assert words.pop(0) == "invoke", line
    return project.invoke(*words, "--json", env=env)


def follow(project: Project, said: dict, most: int = 12) -> list[str]:
    """Do what each stop says first, until nothing is left to do; the commands that were run."""
    done: list[str] = []
    todo = list(said["next"])
    while todo and len(done) < most:
        line = todo.pop(0)
        ran = copied(project, line)
        done.append(line)
        assert ran.code in (0, 1), f"{line}: {ran.text}"
    return done


def test_a_screen_shows_them_in_order_before_the_last_line_and_never_breaks_them(project: Project):
    ran = project.invoke("deploy")
    lines = ran.err.splitlines()
    assert lines[-3].strip() == f"next: invoke test --commit {project.first}"
    assert lines[-2].strip() == f"then: invoke deploy --env staging --commit {project.first}"
    assert "refused by" in lines[-1]


def test_an_untested_commit_is_tested_and_deployed_as_it_says(project: Project):
    said = project.json("deploy", code=3)
    assert follow(project, said) == [
        f"invoke test --commit {project.first}",
        f"invoke deploy --env staging --commit {project.first}",
    ]
    assert project.runs() == project.first


@pytest.mark.slow
def test_from_the_first_refusal_to_complete_production_by_what_each_stop_says(project: Project):
    """A person who only copies: every refusal of the way to production names what leads past it."""
    ways = []
    said = project.json("deploy", "--env", "prod", code=2)
    for _ in range(20):
        if not said["next"] or (said["code"] == 0 and project.kinds("prod")[-1:] == ["end complete"]):
            break
        for line in said["next"]:
            ran = copied(project, line)
            ways.append((line, ran.code))
            said = ran.said
            if ran.code:
                break
    assert project.kinds("prod")[-1] == "end complete", ways
    assert project.runs("prod") == project.first
    assert project.revision("prod") == "0001"
    assert project.json("decide", "--env", "prod")["line"].startswith("YES")
    approved = next(line for line, code in ways if "--approval REF" in line and not code)
    assert approved.startswith("ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES invoke ")


def test_a_deploy_says_what_is_left_of_its_release(project: Project):
    said = project.deployed()
    assert said["next"][-3:] == [
        "invoke migrate --env staging",
        "invoke verify --env staging",
        "invoke complete --env staging",
    ]


@pytest.mark.later
def test_a_failed_deploy_is_verified_and_a_mended_commit_follows(project: Project):
    project.deployed()
    project.json("migrate")
    project.commit("Break health", health="degraded")
    project.json("test")
    said = project.json("deploy", code=1)
    assert said["next"] == ["invoke verify --env staging", "invoke deploy --env staging"]
    assert copied(project, said["next"][0]).code == 0
    mended = project.commit("Mend it")
    project.json("test")
    assert copied(project, said["next"][1]).code == 0
    assert project.runs() == mended


def test_who_is_held_waits_as_it_says(project: Project):
    project.json("test")
    start = hold(project)
    said = project.json("deploy", "--why", "it's time", code=5)
    why = shlex.quote("it's time")
    assert said["next"][0] == f"invoke deploy --env staging --commit {project.first} --why {why} --wait 10m"
    assert copied(project, said["next"][1]).code == 0
    give_up(project, start)
    assert copied(project, said["next"][0]).code == 0
    assert project.entries()[-1].record.details["change"]["why"] == "it's time"


@pytest.mark.slow
def test_an_unknown_outcome_is_reconciled_and_the_command_said_again(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 5, "method": "POST", "path": "/slugs"})
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    deploy.kill()
    ended(deploy)
    said = project.json("deploy", code=4)
    assert said["next"] == [
        "invoke reconcile --env staging",
        f"invoke deploy --env staging --commit {project.first}",
    ]
    settled = copied(project, said["next"][0])
    assert (settled.code, settled.said["outcome"]) == (0, "succeeded"), settled.text
    app = project.staging
    assert f"settled: deploy #1 of {app} changed nothing; {app} runs " in settled.said["line"]
    assert project.kinds()[-1] == "failed deploy"
    assert copied(project, said["next"][1]).code == 0
    assert project.runs() == project.first


@pytest.mark.later
def test_a_superseded_commit_names_how_to_go_back_on_purpose(project: Project):
    project.released()
    project.commit("Newer")
    project.deployed()
    said = project.json("deploy", "--commit", project.first, code=6)
    assert said["next"] == ["invoke status", f"invoke replay --env staging --sha {project.first}"]
    assert copied(project, said["next"][1]).code == 0
    assert project.runs() == project.first


@pytest.mark.later
def test_drift_is_put_back_or_adopted(project: Project):
    project.deployed()
    project.json("migrate")
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"BY_HAND": "yes"})
    status = project.json("status", code=1)
    back = f"invoke rollback --env staging --to {project.first}"
    assert status["next"][:2] == [back, "invoke adopt --env staging --why WHY"]
    assert project.json("verify", code=1)["next"] == [back]
    assert copied(project, back).code == 0
    assert project.json("verify")["next"] == []


def test_the_plan_names_the_command_that_does_it(project: Project):
    project.json("test")
    said = project.json("deploy", "--plan", "--wait", "5s")
    assert said["next"] == [f"invoke deploy --env staging --commit {project.first} --wait 5s"]
    assert copied(project, said["next"][0]).code == 0


def test_no_value_of_a_config_var_is_named(project: Project):
    project.deployed()
    start = hold(project)
    said = project.json("config", "--set", "COLOUR", env={"COLOUR": "s3cret"}, code=5)
    give_up(project, start)
    assert said["next"][0] == "invoke config --env staging --set COLOUR --wait 10m"


def test_nothing_to_do_names_what_is_left(project: Project):
    project.deployed()
    said = project.json("deploy")
    assert "already runs" in said["line"]
    assert "invoke migrate --env staging" in said["next"]
    project.json("migrate")
    assert "invoke complete --env staging" in project.json("migrate")["next"]


def test_with_the_sandbox_down_it_is_started_first(project: Project):
    (project.root / ".release" / "sandbox").unlink()
    assert project.json("status", code=1)["next"] == ["invoke sandbox.up"]


def test_a_change_without_its_documentation_takes_another_commit(project: Project):
    project.deployed()
    commit = project.commit("Add a rule", {"guards/new_rule.py": "x = 1\n"})
    for words in (("intake",), ("intake", "--commit", commit)):
        said = project.json(*words, code=1)
        assert "DOCS_DRIFT" in said["line"]
        assert said["next"] == [f"git show --stat {commit}", "invoke ship --env staging"]


@pytest.mark.later
def test_while_another_one_is_at_work_it_is_named_and_waited_for(project: Project):
    project.json("test")
    start = hold(project)
    wait = f"invoke ship --env staging --commit {project.first} --wait 10m"
    assert project.json("decide", code=1)["next"] == ["invoke lock.status --env staging", wait]
    assert project.json("status", code=1)["next"] == ["invoke lock.status --env staging"]
    give_up(project, start)
    assert copied(project, wait).code == 0
    assert project.json("decide")["line"].startswith("YES")
