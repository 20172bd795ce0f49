"""Traces of the model on the real tool: a request that stays on its way until the test lets it through.

The postman of `matrix/crashing.py` has the request of a command that was killed, and waits for a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from road.project import Project, Ran, ended, migration, until
from roadworthy.sandbox import control

pytestmark = pytest.mark.slow
RUNNER = Path(__file__).parents[1] / "matrix" / "crashing.py"


class Post:
    """A request on its way."""

    def __init__(self, go: Path) -> None:
        self._go = go

    def deliver(self, words: str = "deliver") -> list[int]:
        """Let it through, once or `deliver twice`; what the platform answered each time."""
        times = len(words.split())
        self._go.write_text(words)
        answers = self._go.with_name(f"{self._go.name}.answers")
        said = until(
            lambda: answers.exists() and len(found := answers.read_text().split()) == times and found
        )
        return [int(one) for one in said]

    def drop(self) -> None:
        self._go.write_text("drop")


def killed(project: Project, tmp_path: Path, at: str, *words: str, **environ: str) -> Post:
    """Run a command that is killed when it sends the request `at`, which stays on its way."""
    go = tmp_path / f"go-{len(list(tmp_path.glob('go-*')))}"
    process = subprocess.Popen(
        (sys.executable, str(RUNNER), *words, "--json"),
        cwd=project.root,
        env=os.environ
        | environ
        | {"CRASH_AT": at, "CRASH_NOTES": str(tmp_path / "notes"), "LATE_GO": str(go)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said: Ran = ended(process)
    assert said.code == -signal.SIGKILL, said.text
    return Post(go)


@pytest.fixture
def ready(project: Project) -> Project:
    """A deployed and migrated project."""
    project.deployed()
    project.json("migrate")
    return project


def unfenced(project: Project) -> None:
    """The next action gets no key of its own: its late requests have their effect."""
    project.faults_at({"kind": "status", "status": 403, "method": "POST", "path": "/oauth/*"})


def reasons(project: Project, word: str, code: int = 1) -> str:
    return json.dumps(project.json(word, code=code)["reasons"])


# ---- an effect that nobody saw (V2, V3) ---------------------------------------------------------------------


def test_a_late_release_under_the_next_deploy_is_named_by_every_look(ready: Project, tmp_path: Path) -> None:
    """It arrives between the next deploy's facts and its release: what runs is as recorded, and all the same."""
    b = ready.commit("B")
    ready.json("test")
    unfenced(ready)
    post = killed(ready, tmp_path, "late:/releases:1", "deploy")
    seq = ready.entries()[-1].seq
    ready.json("reconcile")
    ready.commit("C")
    ready.released()
    ready.faults({"kind": "hold", "method": "POST", "path": "/slugs"})
    deploying = ready.start("deploy", "--json")
    until(lambda: ready.kinds()[-1] == "start deploy")
    post.deliver()
    control.clear_faults(ready.sandbox)
    assert ended(deploying).code == 0
    words = f"the late effect of our own start #{seq} (deploy of {b[:12]})"
    assert words in reasons(ready, "status")
    assert words in reasons(ready, "verify")
    refused = ready.json("complete", code=3)
    assert words in refused["line"] and refused["next"] == ["invoke status"]
    assert words in json.dumps(ready.json("deploy", "--plan", "--commit", b, code=3)["verdicts"])
    ready.json("adopt", "--why", "it ran for a second")
    ready.json("status")
    ready.json("verify")
    ready.json("complete")


def test_what_a_late_change_of_settings_left_is_named_after_the_rollback_that_keeps_it(
    ready: Project, tmp_path: Path
) -> None:
    unfenced(ready)
    post = killed(ready, tmp_path, "late:/config-vars:1", "config", "--set", "COLOUR", COLOUR="late")
    seq = ready.entries()[-1].seq
    ready.json("reconcile")
    post.deliver()
    words = f"the late effect of our own start #{seq} (config of"
    assert words in reasons(ready, "status")
    ready.json("rollback", "--to", ready.first)
    assert ready.get("/env")[1]["COLOUR"] == "late"
    for word in ("status", "verify"):
        assert words in reasons(ready, word)
    ready.json("adopt", "--why", "COLOUR may stay")
    ready.json("status")


# ---- the fence (V1, V4, V8, V13) ----------------------------------------------------------------------------


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("settled_by", ["reconcile", "unlock", "wait"])
def test_what_a_killed_deploy_sent_has_no_effect_once_it_is_settled(
    ready: Project, tmp_path: Path, settled_by: str, twice: bool
) -> None:
    ready.commit("B")
    ready.released()
    post = killed(ready, tmp_path, "late:/releases:1", "deploy")
    start = ready.entries()[-1]
    assert start.record.details["fence"]["kind"] == "credential"
    keys = [one["access_token"]["token"].encode() for one in ready.api("GET", "/oauth/authorizations")]
    assert keys
    if settled_by == "reconcile":
        assert "changed nothing" in ready.json("reconcile")["line"]
    elif settled_by == "unlock":
        ready.json("lock.unlock", "--token", str(start.seq), "--reason", "its machine is lost")
    else:
        ready.json("deploy", "--wait", "30s")
    settled = next(one for one in ready.entries() if one.record.details.get("settles") == start.seq)
    assert settled.record.details["fenced"] == {"how": "revoked"}
    before = ready.releases()
    assert set(post.deliver("deliver twice" if twice else "deliver")) == {401}
    assert ready.releases() == before
    ready.json("deploy")
    for word in ("status", "verify", "migrate", "complete"):
        ready.json(word)
    kept = [path.read_bytes() for path in (ready.root / ".release").rglob("*") if path.is_file()]
    assert kept and not [key for key in keys for data in kept if key in data], (
        "a start's key was written down"
    )


@pytest.mark.parametrize("action", ["config", "migrate", "maintenance"])
def test_what_any_other_killed_action_sent_has_no_effect_either(
    ready: Project, tmp_path: Path, action: str
) -> None:
    files = {"app/migrations/0002.py": migration("0002", "0001", code_first=action != "maintenance")}
    ready.commit("B", files)
    ready.json("test")
    if action == "migrate":
        ready.json("deploy")
    at, words = {
        "config": ("late:/config-vars:1", ("config", "--set", "COLOUR")),
        "migrate": ("late:/dynos:2", ("migrate",)),
        "maintenance": (f"late:/apps/{ready.staging}:1", ("deploy", "--maintenance")),
    }[action]
    post = killed(ready, tmp_path, at, *words, COLOUR="late")
    ready.json("reconcile")
    before = ready.releases()
    assert post.deliver() == [401]
    assert ready.releases() == before and ready.revision() == "0001"
    assert not ready.api("GET", f"/apps/{ready.staging}")["maintenance"]
    ready.json("status")
    ready.json("verify")


def test_what_came_before_the_fence_was_closed_is_seen(ready: Project, tmp_path: Path) -> None:
    b = ready.commit("B")
    ready.json("test")
    post = killed(ready, tmp_path, "late:/releases:1", "deploy")
    assert post.deliver() == [201]
    ready.json("reconcile")
    assert ready.kinds()[-1] == "end deploy" and ready.runs() == b
    ready.json("verify")


def test_a_start_whose_fence_cannot_be_closed_stays_open_unless_a_person_says_otherwise(
    ready: Project, tmp_path: Path
) -> None:
    ready.commit("B")
    ready.json("test")
    post = killed(ready, tmp_path, "late:/releases:1", "deploy")
    token, before = str(ready.entries()[-1].seq), ready.kinds()
    ready.faults_at({"kind": "status", "status": 503, "method": "DELETE", "path": "/oauth/*", "count": 99})
    assert "could not be revoked" in ready.json("reconcile", code=4)["line"]
    unlock = ("lock.unlock", "--token", token, "--reason", "its machine is lost")
    ready.json(*unlock, code=4)
    assert ready.kinds() == before
    ready.json(*unlock, "--unfenced")
    control.clear_faults(ready.sandbox)
    assert ready.kinds()[-1] == "abandon deploy" and post.deliver() == [201]


def test_who_was_unlocked_alive_changes_nothing_more(ready: Project) -> None:
    """Its own look says that it still holds the environment; then it is unlocked, and then it sends."""
    ready.commit("B")
    ready.json("test")
    ready.faults({"kind": "hold", "method": "POST", "path": "/releases"})
    alive = ready.start("deploy", "--json")
    until(lambda: ready.kinds()[-1] == "start deploy" and not ready.armed())
    token = str(ready.entries()[-1].seq)
    ready.json("lock.unlock", "--token", token, "--reason", "I believe that it is dead")
    before = ready.releases()
    control.clear_faults(ready.sandbox)
    said = ended(alive)
    assert said.code == 4, said.text
    assert ready.releases() == before


def test_where_the_key_may_make_no_other_a_deploy_says_so_and_goes_on(ready: Project) -> None:
    ready.commit("B")
    ready.json("test")
    ready.faults_at({"kind": "status", "status": 403, "method": "POST", "path": "/oauth/*"})
    ran = ready.invoke("deploy")
    assert ran.code == 0 and "this key may not make another" in ran.text
    assert ready.entries()[-2].record.details["fence"] == {"kind": "none"}
    assert "fenced" not in ready.entries()[-1].record.details


# ---- migrations (V5, V6, V7) --------------------------------------------------------------------------------


def test_a_late_migration_goes_no_further_than_it_was_approved_for(ready: Project, tmp_path: Path) -> None:
    """B's migration arrives when C runs, whose contract step nobody approved."""
    ready.commit("B", {"app/migrations/0002.py": migration("0002", "0001")})
    ready.deployed()
    unfenced(ready)
    post = killed(ready, tmp_path, "late:/dynos:2", "migrate")
    ready.json("reconcile")
    ready.commit("C", {"app/migrations/0003.py": migration("0003", "0002", "contract")})
    ready.deployed()
    post.deliver()
    until(lambda: ready.revision() != "0001")
    assert ready.revision() == "0002"
    assert "the journal says 0001, seen 0002" in reasons(ready, "verify")
    ready.commit("D")
    ready.json("test")
    said = json.dumps(ready.json("deploy", code=3)["reasons"])
    assert "the database is at 0002, the journal says 0001" in said


@pytest.mark.parametrize("settled_by", ["reconcile", "unlock"])
def test_a_migration_that_ended_outside_its_start_is_recorded_by_the_next(
    project: Project, tmp_path: Path, settled_by: str
) -> None:
    project.released()
    project.json("deploy")
    unfenced(project)
    post = killed(project, tmp_path, "late:/dynos:2", "migrate")
    if settled_by == "reconcile":
        project.json("reconcile")
    post.deliver()
    until(lambda: project.revision() == "0001")
    if settled_by == "unlock":
        token = project.entries()[-1].seq
        project.json("lock.unlock", "--token", str(token), "--reason", "its machine is lost")
    assert "the journal says None, seen 0001" in reasons(project, "verify")
    assert "seen at 0001" in project.json("migrate")["line"]
    project.json("complete")
    project.json("verify")


# ---- YES and NO (V9, V10) -----------------------------------------------------------------------------------


def test_decide_says_no_while_a_start_is_open_and_after_it_failed(project: Project, tmp_path: Path) -> None:
    project.released()
    for word in ("deploy", "migrate", "complete"):
        project.json(word)
    b = project.git("rev-parse", "HEAD")
    assert project.json("decide", "--commit", b)["line"].startswith("YES")
    c = project.commit("C", health="ill")
    project.json("test")
    killed(project, tmp_path, "late:/releases:1", "deploy").deliver()
    until(lambda: project.runs() == c)
    assert project.json("decide", "--commit", b, code=1)["line"].startswith("NO")
    project.json("reconcile", code=1)
    assert project.json("decide", "--commit", b, code=1)["line"].startswith("NO")


def test_ship_after_a_deploy_alone_goes_on_with_the_migration(project: Project) -> None:
    project.released()
    project.json("deploy")
    project.json("ship")
    assert project.revision() == "0001"
    assert project.kinds()[-2:] == ["start complete", "end complete"]
    assert "end migrate" in project.kinds()


# ---- maintenance (V15) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["before its slug", "before it closes the app"])
def test_status_names_maintenance_that_a_deploy_left(ready: Project, tmp_path: Path, cut: str) -> None:
    files = {"app/migrations/0002.py": migration("0002", "0001", code_first=False)}
    ready.commit("B", files)
    ready.json("test")
    late = cut == "before it closes the app"
    at = f"late:/apps/{ready.staging}:1" if late else "late:/slugs:1"
    unfenced(ready)
    post = killed(ready, tmp_path, at, "deploy", "--maintenance")
    ready.json("reconcile", code=0 if late else 1)
    if late:
        post.deliver()
    else:
        post.drop()
    assert ready.api("GET", f"/apps/{ready.staging}")["maintenance"]
    said = ready.json("status", code=1)
    assert "is in maintenance mode, left by a deploy that did not succeed" in json.dumps(said["reasons"])
    assert "maintenance" in reasons(ready, "verify")
    ready.json("deploy", "--maintenance")
    ready.json("status")
    ready.json("verify")
