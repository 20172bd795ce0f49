"""Waiting for one's turn: a living holder is waited for, a dead one's work is settled, nobody is passed over."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from road.project import REPOSITORY, Project, ended, until
from road.test_api_faults import tokens, truly
from roadworthy.execution import run as release
from roadworthy.journal.entry import Entry, Record
from roadworthy.journal.lock import holder, this_process
from roadworthy.journal.store import Folder
from roadworthy.model import Result

RUN = "https://github.test/team/app/actions/runs/42"
COMMANDS = ("deploy", "migrate", "rollback", "certify", "ship")


def starts(project: Project) -> list[Entry]:
    return [entry for entry in project.entries() if entry.record.kind == "start"]


def slow_upload(project: Project, seconds: float) -> None:
    """The next deploy holds the environment for at least this long before it changes anything."""
    project.faults({"kind": "delay", "seconds": seconds, "method": "POST", "path": "/slugs"})


def hold(project: Project, place: str = "staging", **actor: object) -> Entry:
    """An open start that another process wrote, which may lie about itself."""
    said = {"actor": {**this_process(), **actor}, "change": {"id": "other", "why": "another release"}}
    to = {"app": project.app(place), "from": {}, "to": {}}
    where = {"environment": place, "target": "sandbox"}
    return project.log(place).append(
        Record("start", "deploy", "deploy", subject="none", digest="", details={**said, **to}, **where)
    )


def give_up(project: Project, start: Entry) -> None:
    details = {"settles": start.seq, "reason": "the test is over", "actor": this_process()}
    place = start.record.environment
    where = {"environment": place, "target": "sandbox"}
    project.log(place).append(
        Record("abandon", "deploy", "deploy", subject="none", digest="", details=details, **where)
    )


ELSEWHERE = {"host": "another", "ci": {"url": RUN, "run_id": "42", "attempt": 1}}


# ---- a living holder -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_second_waits_for_the_first_and_then_wins_with_a_higher_token(project: Project):
    project.json("test")
    second = project.commit("Second")
    project.json("test")
    slow_upload(project, 2)
    first = project.start("deploy", "--json", "--commit", project.first)
    until(lambda: project.kinds() == ["start deploy"])
    waiting = project.process("deploy", "--wait", "30s", "--json")
    assert (ended(first).code, waiting.code) == (0, 0), waiting.text
    assert project.kinds() == ["start deploy", "end deploy"] * 2
    assert [start.seq for start in starts(project)] == [1, 3]
    assert starts(project)[1].record.details["from"]["commit"] == project.first, "the plan is stale"
    assert f", pid {first.pid}, since" in waiting.err
    assert "waiting for staging" in waiting.err
    truly(project, second)


@pytest.mark.slow
def test_who_waits_decides_anew_and_finds_nothing_left_to_do(project: Project):
    project.json("test")
    slow_upload(project, 0.7)
    both = [project.start("deploy", "--wait", "30s", "--json") for _ in range(2)]
    assert [ended(process).code for process in both] == [0, 0]
    assert project.kinds() == ["start deploy", "end deploy"]
    assert len(tokens(project)) == 1


@pytest.mark.slow
def test_a_plan_that_somebody_overtook_is_made_anew_while_there_is_time(project: Project):
    project.deployed()
    project.git("checkout", "-q", "-b", "aside")
    aside = project.commit("Aside")
    project.json("test")
    project.git("checkout", "-q", "main")
    project.faults({"kind": "delay", "seconds": 3, "method": "GET", "path": "/releases"})
    slow = project.start("deploy", "--json", "--commit", aside, "--wait", "30s")
    until(lambda: not project.armed())
    new = project.commit("Newer")
    project.deployed()
    assert ended(slow).code == 0
    assert project.kinds() == ["start deploy", "end deploy"] * 3
    assert project.entries()[-1].record.details["from"]["commit"] == new
    truly(project, aside)


@pytest.mark.slow
def test_a_plan_that_a_newer_commit_overtook_is_superseded(project: Project):
    project.deployed()
    old = project.commit("Old plan")
    project.json("test")
    project.faults({"kind": "delay", "seconds": 3, "method": "GET", "path": "/releases"})
    slow = project.start("deploy", "--json", "--commit", old, "--wait", "30s")
    until(lambda: not project.armed())
    new = project.commit("Newer")
    project.deployed()
    assert ended(slow).code == 6
    assert project.kinds() == ["start deploy", "end deploy"] * 2
    truly(project, new)


@pytest.mark.later(2)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_wait_ends_in_time_with_5_and_the_holder_is_named(project: Project, command: str):
    project.deployed()
    start = hold(project)
    began = time.monotonic()
    said = project.json(command, "--wait", "400ms", code=5)
    assert time.monotonic() - began >= 0.4
    assert f", pid {this_process()['pid']}, since" in said["line"]
    assert "still locked after 0.4 s by" in said["line"]
    assert project.entries()[-1] == start
    give_up(project, start)


def test_without_wait_a_held_environment_is_refused_at_once(project: Project):
    start = hold(project)
    assert "still" not in project.json("deploy", code=5)["line"]
    give_up(project, start)


@pytest.mark.slow
def test_a_plan_waits_too_and_changes_nothing(project: Project):
    project.json("test")
    slow_upload(project, 0.7)
    first = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    assert "already" in project.json("deploy", "--plan", "--wait", "30s")["line"]
    assert ended(first).code == 0
    assert project.kinds() == ["start deploy", "end deploy"]


@pytest.mark.later
def test_a_rollback_by_itself_waits_for_nobody(project: Project, monkeypatch: pytest.MonkeyPatch):
    """Whoever came in after a failed deploy acts on what is there; going back after that would undo it."""
    project.deployed()
    project.commit("Unhealthy", health="ill")
    project.json("test")
    true, came = release.recover, []

    def somebody_comes_in(*args: Any) -> Result:
        came.append(hold(project))
        return true(*args)

    monkeypatch.setattr(release, "recover", somebody_comes_in)
    said = project.json("deploy", "--wait", "30s", code=5)
    assert "then the rollback" in said["line"]
    assert f"is locked by {holder(came[0])}" in said["line"]
    assert project.kinds()[-2:] == ["failed deploy", "start deploy"]
    give_up(project, came[0])


@pytest.mark.later(12)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("text", ["", "10", "0s", "-1s", "10 m", "soon", "1e3s", "9999999h", "\n10m", "١s"])
def test_a_wait_that_is_no_duration_is_one_line(untouched: Project, command: str, text: str):
    line = untouched.json(command, f"--wait={text}", code=2)["line"]
    assert line.startswith("--wait: ")
    assert "is not a duration" in line and "\n" not in line


@pytest.mark.slow
def test_a_migration_of_a_ship_is_of_the_package_that_it_shipped(project: Project):
    """Somebody deploys between the two halves of a ship: what they deployed is not migrated in its name."""
    project.json("test")
    project.faults(
        {"kind": "delay", "seconds": 2, "method": "POST", "path": "/dynos"},
    )
    ship = project.start("ship", "--json", "--wait", "30s")
    until(lambda: project.kinds() == ["start deploy", "end deploy"])
    project.commit("Somebody else's")
    project.deployed()
    ran = ended(ship)
    assert ran.code == 6, ran.text
    assert "is superseded in staging by" in ran.said["line"]
    assert project.revision() is None


# ---- a dead holder ---------------------------------------------------------------------------------------


def killed_deploy(project: Project, at: str) -> str:
    """A new commit whose deploy was killed: before its release was asked for, or after."""
    commit = project.commit(f"Killed {at} its release")
    project.json("test")
    before = len(tokens(project))
    if at == "before":
        slow_upload(project, 5)
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds()[-1:] == ["start deploy"])
    if at == "after":
        until(lambda: len(tokens(project)) > before)
    deploy.kill()
    assert ended(deploy).code == -signal.SIGKILL
    return commit


@pytest.mark.slow
@pytest.mark.parametrize(("at", "outcome"), [("before", "failed deploy"), ("after", "end deploy")])
def test_a_killed_holder_is_taken_over_and_the_outcome_is_what_the_platform_shows(
    project: Project, at: str, outcome: str
):
    project.deployed()
    killed_deploy(project, at)
    left = starts(project)[-1]
    assert "invoke reconcile" in project.json("deploy", code=4)["line"]
    third = project.commit("Third")
    project.json("test")
    said = project.process("deploy", "--wait", "20s", "--json")
    assert said.code == 0, said.text
    assert f"(journal #{left.seq}) was interrupted" in said.err
    assert project.kinds()[-3:] == [outcome, "start deploy", "end deploy"]
    assert project.entries()[-3].record.details["settles"] == left.seq
    assert starts(project)[-1].seq > left.seq
    truly(project, third)


@pytest.mark.slow
def test_a_holder_that_is_killed_while_somebody_waits_is_taken_over(project: Project):
    project.json("test")
    slow_upload(project, 20)
    first = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    waiting = project.start("deploy", "--wait", "30s", "--json")
    time.sleep(1)
    assert waiting.poll() is None
    assert project.kinds() == ["start deploy"]
    first.kill()
    first.communicate()
    assert ended(waiting, within=10).code == 0, "a process that is gone is seen at once"
    assert project.kinds() == ["start deploy", "failed deploy", "start deploy", "end deploy"]
    truly(project, project.first)


@pytest.mark.slow
def test_of_many_who_take_over_one_settles_and_all_go_on(project: Project):
    project.json("test")
    killed_deploy(project, "before")
    waiting = [project.start("deploy", "--wait", "60s", "--json") for _ in range(3)]
    ran = [ended(process) for process in waiting]
    assert [r.code for r in ran] == [0, 0, 0], [r.text for r in ran]
    # Who comes second to close a fence that another has closed notes that its key was gone.
    entries = [entry for entry in project.entries() if entry.record.kind != "note"]
    kinds = [f"{entry.record.kind} {entry.record.action}" for entry in entries]
    assert kinds[:4] == ["start deploy", "failed deploy", "start deploy", "end deploy"]
    overtaken = entries[4:]  # who had decided already begins, sees it, and decides anew
    assert kinds[4:] == ["start deploy", "failed deploy"] * (len(overtaken) // 2)
    assert all("was written while" in str(e.record.details["problems"]) for e in overtaken[1::2])
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def test_what_even_reconcile_cannot_tell_is_not_gone_past(project: Project):
    project.change_config(('release = "1s"', 'release = "30s"'))
    project.json("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    deploy = project.start("deploy", "--json")
    until(lambda: tokens(project))
    deploy.kill()
    deploy.communicate()
    assert "still pending" in project.json("deploy", "--wait", "20s", code=4)["line"]
    assert project.kinds() == ["start deploy"]


def test_a_plan_settles_nothing(project: Project):
    project.json("test")
    killed_deploy(project, "before")
    assert "invoke reconcile" in project.json("deploy", "--plan", "--wait", "5s", code=4)["line"]
    assert project.kinds() == ["start deploy"]


# ---- a holder in CI --------------------------------------------------------------------------------------


class GitHub(ThreadingHTTPServer):
    """Says `status` and `body` about every run, and counts who asks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.asked = 200, 0
        self.body = {"id": 42, "html_url": RUN, "run_attempt": 1, "repository": {"full_name": "team/app"}}

    def say(self, state: str, status: int = 200, **more: object) -> None:
        self.status, self.body = status, {**self.body, "status": state, **more}


class _Answer(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        assert self.path.startswith("/repos/team/app/actions/runs/42?")
        self.server.asked += 1
        data = json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[GitHub]:
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def github(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with serving() as server:
        config = project.root / "release.toml"
        api = f"http://127.0.0.1:{server.server_port}"
        table = f'\n[github]\nrepository = "team/app"\ncheck = "test"\napi = "{api}"\n'
        config.write_text(config.read_text() + table)
        project.git("commit", "-q", "-am", "Read CI from GitHub")
        monkeypatch.setenv("GITHUB_TOKEN", "token-of-a-test")
        yield server


def test_a_run_that_is_over_is_settled_by_reconcile(project: Project, github: GitHub):
    hold(project, **ELSEWHERE)
    github.say("in_progress")
    assert RUN in project.json("reconcile", code=5)["line"]
    assert "GitHub says its run is in_progress" in project.json("lock.status")["line"]
    github.say("completed", conclusion="cancelled")
    assert "GitHub says its run is completed" in project.json("lock.status")["line"]
    assert "invoke reconcile" in project.json("migrate", code=4)["line"]
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.kinds() == ["start deploy", "failed deploy"]


def test_a_run_that_ends_while_somebody_waits_is_taken_over(project: Project, github: GitHub, monkeypatch):
    monkeypatch.setattr("roadworthy.execution.turn.CI_POLL", 0.3)
    hold(project, **ELSEWHERE)
    github.say("in_progress")
    timer = threading.Timer(0.7, github.say, ("completed",))
    timer.start()
    ran = project.invoke(
        "rollback", "--wait", "20s", "--json"
    )  # it ends with 2: there is nothing to go back to
    timer.join()
    assert ran.code == 2, ran.text
    assert project.kinds() == ["start deploy", "failed deploy"]
    assert github.asked >= 3


@pytest.mark.later(2)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, {"state": "in_progress"}),
        (200, {"state": "completed", "repository": {"full_name": "team/other"}}),
        (200, {"state": "completed", "html_url": RUN.replace("app", "other")}),
        (200, {"state": "completed", "id": 43}),
        (200, {"state": "completed", "run_attempt": 0}),
        (404, {"state": "completed"}),
        (500, {"state": "completed"}),
    ],
)
def test_a_run_that_is_not_proven_over_is_never_taken_over(project: Project, github: GitHub, status, said):
    start = hold(project, **ELSEWHERE)
    github.say(status=status, **said)
    for command in (("deploy", "--wait", "300ms"), ("deploy",), ("reconcile",)):
        assert RUN in project.json(*command, code=5)["line"]
    assert github.asked
    assert project.entries()[-1] == start


def test_github_is_asked_only_when_it_is_configured_and_may_know(
    project: Project, github: GitHub, monkeypatch
):
    github.say("completed")
    monkeypatch.delenv("GITHUB_TOKEN")
    start = hold(project, **ELSEWHERE)
    assert "GITHUB_TOKEN is not set" in project.json("lock.status")["line"]
    project.json("reconcile", code=5)
    give_up(project, start)
    monkeypatch.setenv("GITHUB_TOKEN", "token-of-a-test")
    hold(project, host="another", ci={"url": RUN})
    assert "this machine cannot see whether it still runs" in project.json("lock.status")["line"]
    project.json("reconcile", code=5)
    assert github.asked == 0


def test_a_process_that_is_seen_to_live_is_never_taken_over_whatever_becomes_of_its_run(
    project: Project, github: GitHub
):
    github.say("completed")
    start = hold(project, ci=ELSEWHERE["ci"])
    assert "its process is running" in project.json("lock.status")["line"]
    for command in (("deploy", "--wait", "300ms"), ("reconcile",)):
        project.json(*command, code=5)
    assert project.entries()[-1] == start
    assert github.asked == 0


# ---- signs of life ---------------------------------------------------------------------------------------


def test_a_holder_is_heard_of_while_it_works(project: Project):
    project.json("test")
    slow_upload(project, 1)
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    said = until(
        lambda: (s := project.json("lock.status"))["details"]["last_heard_of_seconds_ago"] is not None and s
    )
    assert said["details"]["last_heard_of_seconds_ago"] <= 5
    assert said["details"]["holder"]["pid"] == deploy.pid
    assert not said["details"]["proven_dead"]
    assert "last heartbeat " in said["line"]
    assert ended(deploy).code == 0
    assert "is not locked" in project.json("lock.status")["line"]
    assert project.json("evidence.audit")["outcome"] == "succeeded"
    audit = (str(REPOSITORY / "scripts/audit.sh"), str(project.root / ".release/journal/sandbox/staging"))
    trust = ("--trust", str(project.root / ".release" / "keys"))
    done = subprocess.run((*audit, *trust), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.later(1)
@pytest.mark.parametrize("who", [{}, ELSEWHERE])
def test_a_holder_that_may_live_is_not_taken_over_however_long_it_was_not_heard_of(
    project: Project, who: dict[str, object]
):
    start = hold(project, **who)
    for command in (("deploy", "--wait", "300ms"), ("deploy",), ("reconcile",)):
        project.json(*command, code=5)
    assert "no heartbeat yet" in project.json("lock.status")["line"]
    store = Folder(project.root / ".release" / "journal")
    store.beat("sandbox/staging", start.seq)
    os.utime(store.root / "beats/sandbox/staging" / f"{start.seq:08d}", (0, 0))
    for command in (("deploy", "--wait", "300ms"), ("deploy",), ("reconcile",)):
        project.json(*command, code=5)
    assert project.json("lock.status")["details"]["last_heard_of_seconds_ago"] > 50 * 365 * 86400
    assert project.entries()[-1] == start


@pytest.mark.later(1)
@pytest.mark.parametrize("moment", [(2**40, 2**40), (-(2**30), -(2**30))])
def test_a_beat_proves_no_life(project: Project, moment: tuple[int, int]):
    """Of a killed holder the last beat may be young, or forged: its work is settled all the same."""
    project.json("test")
    killed_deploy(project, "before")
    store = Folder(project.root / ".release" / "journal")
    store.beat("sandbox/staging", 1)
    os.utime(store.root / "beats/sandbox/staging/00000001", moment)
    said = project.json("lock.status")
    assert said["details"]["last_heard_of_seconds_ago"] >= 0
    assert said["details"]["proven_dead"]
    project.json("deploy", "--wait", "5s")


@pytest.mark.later
def test_beats_that_cannot_be_left_stop_no_release(project: Project):
    project.json("test")
    (project.root / ".release/journal").mkdir(exist_ok=True)
    (project.root / ".release/journal/beats").write_text("in the way")
    project.json("deploy")
    start = hold(project)
    assert "no heartbeat yet" in project.json("lock.status")["line"]
    give_up(project, start)
    truly(project, project.first)
