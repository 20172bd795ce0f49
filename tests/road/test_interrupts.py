"""Ctrl-C, kill -9 and two releases at once: the journal says what is unknown, and reconcile finds the truth."""

import random
import signal
import subprocess
import time

import pytest

from road.project import Project, ended, until
from road.test_api_faults import tokens, truly


def interrupted(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 4, ran.text
    assert ran.said["outcome"] == "unknown"
    assert "it was interrupted" in ran.said["line"]
    assert "invoke reconcile --env staging" in ran.said["line"]
    return ran.text


@pytest.mark.slow
def test_ctrl_c_while_uploading(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 5, "method": "PUT", "path": "/blobs/*"})
    deploy = project.start("deploy", "--json")
    until(lambda: any(call["path"].endswith("/slugs") for call in project.calls()))
    interrupted(deploy)
    assert "invoke reconcile" in project.json("deploy", code=4)["line"]
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.kinds() == ["start deploy", "failed deploy"]
    project.json("deploy")
    truly(project, project.first)


@pytest.mark.later
def test_ctrl_c_while_the_release_is_pending_and_a_person_gives_it_up(project: Project):
    project.change_config(('release = "1s"', 'release = "30s"'))
    project.json("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    deploy = project.start("deploy", "--json")
    until(lambda: tokens(project))
    interrupted(deploy)
    assert "still pending" in project.json("reconcile", code=4)["line"]
    held = project.json("lock.status")
    assert "its process is gone, last heartbeat" in held["line"] and ", token 1; " in held["line"]
    assert "does not hold" in project.json("lock.unlock", "--token", "2", "--reason", "x", code=2)["line"]
    assert "--reason is missing" in project.json("lock.unlock", "--token", "1", code=2)["line"]
    project.json("lock.unlock", "--token", "1", "--reason", "the platform never settles it")
    assert project.kinds() == ["start deploy", "abandon deploy"]
    assert "is not locked" in project.json("lock.status")["line"]
    project.json("deploy")
    truly(project, project.git("rev-parse", "HEAD"))


def test_ctrl_c_while_the_app_starts_and_reconcile_waits_for_it(project: Project):
    project.deployed()
    second = project.commit("Start slowly", boot_seconds=1)
    project.json("test")
    deploy = project.start("deploy", "--json")
    until(lambda: len(tokens(project)) == 2)
    interrupted(deploy)
    project.json("reconcile")
    assert project.kinds()[-2:] == ["start deploy", "end deploy"]
    truly(project, second)


@pytest.mark.slow
def test_ctrl_c_while_the_app_dies_at_boot_and_reconcile_says_that_it_failed(project: Project):
    project.deployed()
    project.commit("Die", boot="die", boot_seconds=1)
    project.json("test")
    deploy = project.start("deploy", "--json")
    until(lambda: len(tokens(project)) == 2)
    interrupted(deploy)
    said = project.json("reconcile", code=1)
    assert "invoke rollback" in str(said["next"])
    assert project.kinds()[-2:] == ["start deploy", "failed deploy"]
    project.json("rollback", "--to", project.first)
    truly(project, project.first)


@pytest.mark.slow
def test_ctrl_c_during_a_migration(project: Project):
    project.deployed()
    project.mood(migrate_seconds=3)  # longer than what a reconcile gives it to arrive
    migrate = project.start("migrate", "--json")
    until(lambda: project.kinds()[-1] == "start migrate")
    until(lambda: project.one_offs())
    interrupted(migrate)
    said = project.json("reconcile", code=4)
    assert "still runs" in said["line"]
    until(lambda: project.revision() == "0001")
    until(lambda: project.invoke("reconcile").code == 0)
    assert project.kinds()[-2:] == ["start migrate", "end migrate"]
    assert project.entries()[-1].record.details["revision"] == "0001"
    assert "already at 0001" in project.json("migrate")["line"]


@pytest.mark.slow
def test_an_interrupted_certification_certifies_nothing(project: Project):
    project.deployed()
    project.mood(migrate_seconds=0.5)
    certify = project.start("certify", "--json")
    until(lambda: project.kinds()[-1] == "start certify")
    until(lambda: project.one_offs())
    interrupted(certify)
    until(lambda: project.revision() == "0001")
    until(lambda: project.invoke("reconcile").code == 0)
    assert "`invoke certify` again" in project.entries()[-1].record.details["problems"][0]
    assert not list((project.root / ".release").glob("*_certified"))
    project.mood()
    project.json("certify")


def killed(project: Project, after: float) -> None:
    """Deploy a new commit, kill the deploy at that moment, and take the road that its words then show."""
    commit = project.commit(f"Kill after {after:.3f} s")
    project.json("test")
    deploy = project.start("deploy", "--json")
    time.sleep(after)
    deploy.kill()
    deploy.communicate()
    begun = project.kinds()[-1:] == ["start deploy"]
    said = project.invoke("deploy", "--json")
    assert said.code == (4 if begun else 0), said.text
    if begun:
        assert "invoke reconcile --env staging" in said.said["line"]
        settled = project.json("reconcile")
        arrived = project.runs() == commit
        assert ("changed nothing" in settled["line"]) == (not arrived)
        assert project.kinds()[-1] == ("end deploy" if arrived else "failed deploy")
        project.json("deploy")
    truly(project, commit)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_9_at_random_instants_of_a_deploy(project: Project):
    project.json("test")
    began = time.monotonic()
    assert project.process("deploy").code == 0
    took = time.monotonic() - began
    chance = random.Random(20)
    for _ in range(8):
        killed(project, chance.uniform(0.3, 1.0) * took)


@pytest.mark.slow
def test_a_living_holder_is_waited_for_and_named(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 1, "method": "POST", "path": "/slugs"})
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    for command in ("deploy", "migrate", "rollback", "certify", "adopt --why=x", "reconcile"):
        said = project.json(*command.split(), code=5)
        assert f", pid {deploy.pid}, since" in said["line"]
    assert "its process is gone" not in project.json("lock.status")["line"]
    assert ended(deploy).code == 0
    assert project.kinds() == ["start deploy", "end deploy"]
    truly(project, project.first)


@pytest.mark.slow
def test_of_two_deploys_at_once_one_wins_and_the_other_does_nothing(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 0.7, "method": "POST", "path": "/slugs", "count": 2})
    both = [project.start("deploy", "--json") for _ in range(2)]
    codes = sorted(ended(process).code for process in both)
    assert codes == [0, 5]
    assert project.kinds() == ["start deploy", "end deploy"]
    assert len(tokens(project)) == 1
    truly(project, project.first)


@pytest.mark.slow
def test_a_deploy_that_decided_on_old_facts_does_nothing(project: Project):
    project.deployed()
    old = project.commit("Old plan")
    project.json("test")
    project.faults({"kind": "delay", "seconds": 3, "method": "GET", "path": "/dynos"})
    slow = project.start("deploy", "--json", "--commit", old)
    until(lambda: not project.armed())
    new = project.commit("Newer")
    project.deployed()
    ran = ended(slow)
    assert ran.code == 5, ran.text
    assert "run the command again" in ran.said["line"]
    assert project.kinds()[-2:] == ["start deploy", "failed deploy"]
    assert len(tokens(project)) == 2
    truly(project, new)


@pytest.mark.slow
def test_a_release_that_went_on_while_the_facts_were_read_is_not_taken_for_drift(project: Project):
    project.deployed()
    old = project.commit("Old plan")
    project.json("test")
    project.faults({"kind": "delay", "seconds": 3, "method": "GET", "path": "/releases"})
    slow = project.start("deploy", "--json", "--commit", old)
    until(lambda: not project.armed())
    new = project.commit("Newer")
    project.deployed()
    ran = ended(slow)
    assert ran.code == 5, ran.text
    assert "run the command again" in ran.said["line"]
    assert project.kinds()[-2:] == ["start deploy", "end deploy"]
    truly(project, new)


@pytest.mark.slow
def test_a_holder_that_was_given_up_while_it_lived_does_nothing_more(project: Project):
    project.json("test")
    project.faults({"kind": "delay", "seconds": 0.9, "method": "POST", "path": "/slugs"})
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    said = project.json("lock.unlock", "--token", "1", "--reason", "a mistake")
    ran = ended(deploy)
    assert tokens(project) == []
    if "settled by its own holder" in said["line"]:  # while the unlock waited for what was sent
        assert ran.code == 1 and "the key of this start is revoked" in ran.text
        assert project.kinds() == ["start deploy", "failed deploy"]
        return
    assert ran.code == 5, ran.text
    assert "was abandoned while it ran" in ran.said["line"]
    assert project.kinds() == ["start deploy", "abandon deploy"]
