"""An effect that arrives after its start was settled: recognised as that start's, and given time to arrive."""

import json
import time

import pytest

from road.project import Project, ended, until
from roadworthy.journal.claims import token
from roadworthy.platforms.mark import MARKER


def settled_too_early(project: Project, action: str = "deploy") -> tuple[str, int]:
    """A start whose holder was killed before its effect, settled as nothing; its token and its number."""
    project.deployed()
    project.json("migrate")
    if action == "deploy":
        project.commit("Second")
        project.json("test")
        path, method, words, env = "/slugs", "POST", ("deploy",), None
    else:
        path, method, words, env = "/config-vars", "PATCH", ("config", "--set", "COLOUR"), {"COLOUR": "red"}
    project.faults({"kind": "hang", "method": method, "path": path})
    process = project.start(*words, "--json", env=env)
    until(lambda: project.kinds()[-1] == f"start {action}" and not project.armed())
    process.kill()
    ended(process)
    start = project.entries()[-1]
    assert "changed nothing" in project.json("reconcile")["line"]
    return token(start), start.seq


def everywhere(project: Project, seq: int, action: str) -> None:
    """Every command that looks at the platform says whose it is, and none that nobody knows it."""
    words = f"the late effect of our own start #{seq} ({action} of "
    assert words in json.dumps(project.json("status", code=1)["reasons"])
    assert words in json.dumps(project.json("verify", code=1)["reasons"])
    assert words in json.dumps(project.json("reconcile")["reasons"])
    assert words in json.dumps(project.json("deploy", "--plan", "--commit", project.first)["verdicts"])
    assert (
        f"settled as failed by #{seq + 1} before it arrived" in project.json("status", code=1)["reasons"][0]
    )
    project.json("adopt", "--why", "it may stay")
    assert words in project.json("why")["details"]["adopted"][0]
    assert words in project.json("history")["details"]["entries"][0]["adopted"][0]
    assert project.json("verify")["details"]["differences"] == []


@pytest.mark.slow
def test_a_late_release_is_the_start_that_sent_it_and_no_strangers(project: Project):
    said, seq = settled_too_early(project)
    slug = next(r["slug"]["id"] for r in project.releases()[::-1] if r["slug"])
    late = {"slug": slug, "description": f"Deploy something ({said})"}
    project.api("POST", f"/apps/{project.staging}/releases", late)
    everywhere(project, seq, "deploy")


@pytest.mark.slow
def test_a_late_change_of_config_vars_is_recognised_by_the_one_that_it_set(project: Project):
    said, seq = settled_too_early(project, "config")
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "red", MARKER: said})
    everywhere(project, seq, "config")


@pytest.mark.slow
@pytest.mark.parametrize("forged", ["digest", "number", "environment"])
def test_a_token_that_no_start_of_this_journal_has_is_a_strangers(project: Project, forged: str):
    said, seq = settled_too_early(project)
    said = {
        "digest": said[:-12] + "0" * 12,
        "number": said.replace(f"#{seq} ", f"#{seq + 40} "),
        "environment": said.replace("staging", "prod"),
    }[forged]
    slug = next(r["slug"]["id"] for r in project.releases()[::-1] if r["slug"])
    late = {"slug": slug, "description": f"Deploy something ({said})"}
    project.api("POST", f"/apps/{project.staging}/releases", late)
    reasons = json.dumps(project.json("status", code=1)["reasons"])
    # A token of this environment can only be of an entry that the journal has not, or not any more.
    named = (
        "Deploy something" if forged == "environment" else "the journal sandbox/staging lost entries up to #"
    )
    assert "the late effect of" not in reasons and named in reasons


@pytest.mark.slow
def test_who_waits_settles_nothing_that_may_still_arrive(project: Project):
    """`limits.http` is how long a request may take: nobody knows whether it was sent just before the kill."""
    project.deployed()
    project.change_config(('http = "1s"', 'http = "2s"'))
    project.commit("Second")
    project.json("test")
    project.faults({"kind": "hang", "method": "POST", "path": "/slugs"})
    process = project.start("deploy", "--json")
    until(lambda: project.kinds()[-1] == "start deploy" and not project.armed())
    process.kill()
    ended(process)
    before = project.kinds()
    said = project.json("deploy", "--wait", "300ms", code=4)
    assert "may still arrive within 2 s" in said["line"] and project.kinds() == before
    began = time.monotonic()
    project.json("deploy", "--wait", "30s")
    assert time.monotonic() - began >= 2
    assert project.kinds()[len(before) :] == ["failed deploy", "start deploy", "end deploy"]
