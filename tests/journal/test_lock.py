"""Who holds, and when it is certain that nobody does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from roadworthy.journal import lock
from roadworthy.journal.entry import Entry, seal
from roadworthy.journal.lock import Fate, Holder, held, holder, lives, seen_here, this_process, to_do

from .test_entry import draft, sign


def start(**actor: object) -> Entry:
    return seal(draft(actor=actor), sign)[0]


def me() -> Holder:
    return holder(start(**this_process()))


def test_a_holder_says_who_where_since_when_and_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    found = me()
    assert (found.user, found.host, found.pid) == ("ada", os.uname().nodename, os.getpid())
    assert (found.place, found.action, found.token) == ("sandbox/prod", "deploy", 1)
    assert found.since == "2026-11-20T18:30:00.123456Z"
    assert str(found) == (f"deploy #1 (ada@{found.host}, pid {found.pid}, since 2026-11-20T18:30:00.123456Z)")


@pytest.mark.parametrize(("attempt", "known"), [("3", 3), ("", 1), ("x", 1), ("9" * 30, 1)])
def test_a_ci_run_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch, attempt: str, known: int) -> None:
    given = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SERVER_URL": "https://github.test",
        "GITHUB_REPOSITORY": "team/app",
        "GITHUB_RUN_ATTEMPT": attempt,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    url = "https://github.test/team/app/actions/runs/42"
    assert this_process()["ci"] == {"url": url, "run_id": "42", "attempt": known}
    assert (me().ci_url, me().ci_run, me().ci_attempt) == (url, "42", known)
    assert url in str(me())
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert "ci" not in this_process()


@pytest.mark.parametrize(
    "actor", [{}, {"pid": "x", "user": 3, "ci": 4}, {"ci": {"url": None}}, {"pid": True}]
)
def test_a_holder_that_says_little_is_shown_and_counts_as_alive(actor: dict[str, object]) -> None:
    found = holder(start(**actor))
    assert "(unknown user@unknown host, pid unknown, since " in str(found)
    assert lives(found) is None


def test_a_running_process_is_not_dead() -> None:
    assert lives(me()) is True


def test_a_number_that_was_given_to_another_process_proves_death() -> None:
    assert lives(replace(me(), started=me().started + 1)) is False


@pytest.mark.parametrize("reaped", [True, False])
def test_a_process_that_ended_is_dead(reaped: bool) -> None:
    """Also while its parent has not asked for its status: then it still has its number."""
    program = (
        "import json, roadworthy.journal.lock as l; print(json.dumps(l.this_process()), flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    found = holder(start(**json.loads(child.stdout.readline())))
    assert lives(found) is True
    os.kill(child.pid, signal.SIGKILL)
    if reaped:
        child.wait(10)
    else:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lives(found) is False
    child.communicate(timeout=10)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another"},
        {"boot_id": "another"},
        {"pid_namespace": "pid:[1]"},
        {"host": ""},
        {"boot_id": ""},
        {"pid_namespace": ""},
        {"pid": 0},
        {"pid": -1},
        {"started": 0},
    ],
)
def test_what_cannot_be_seen_from_here_is_neither_alive_nor_dead(elsewhere: dict[str, object]) -> None:
    dead = replace(me(), started=me().started + 1)
    assert lives(replace(dead, **elsewhere)) is None  # type: ignore[arg-type]


def test_where_a_machine_does_not_tell_its_boot_nobody_is_seen_to_be_dead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without /proc two machines of one name look the same: a process that is gone here may live there."""
    with subprocess.Popen((sys.executable, "-S", "-c", "")) as process:
        process.wait(10)
    monkeypatch.setattr(lock, "_PROC", tmp_path)
    said = this_process()
    assert (said["boot_id"], said["pid_namespace"], said["started"]) == ("", "", 0)
    gone = replace(me(), pid=process.pid, started=5)
    assert lives(gone) is None
    assert seen_here(gone).dead is False


def test_a_process_that_cannot_be_read_is_not_proven_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    found = me()
    monkeypatch.setattr(lock, "_about", lambda stat: [])
    assert lives(found) is None


def test_what_is_seen_of_a_holder_is_said() -> None:
    assert seen_here(me()) == Fate(True, "its process is running")
    assert seen_here(replace(me(), started=me().started + 1)) == Fate(False, "its process is gone")
    assert seen_here(replace(me(), host="another")) == Fate(
        None, "this machine cannot see whether it still runs"
    )


COMMIT = "ab" * 20
ENVIRONMENT = replace(holder(start()), place="sandbox/prod", token=7)
ABOUT_A_PACKAGE = replace(ENVIRONMENT, place=f"sandbox/package-{COMMIT}")


@pytest.mark.parametrize(
    ("of", "alive", "do"),
    [
        (ENVIRONMENT, True, "wait for it, for example with `--wait 10m`"),
        (ABOUT_A_PACKAGE, True, "wait until it ends"),
        (ENVIRONMENT, False, "to find out what happened, run `invoke reconcile --env prod`"),
        (ABOUT_A_PACKAGE, False, "run its command again"),
        (
            ENVIRONMENT,
            None,
            "wait for it, for example with `--wait 10m`; if you know that it is dead, run `invoke reconcile "
            "--env prod` on its machine, or `invoke lock.unlock --env prod --token 7 --reason …` anywhere",
        ),
        (
            ABOUT_A_PACKAGE,
            None,
            "wait until it ends; if you know that it is dead, run its command again on its machine, "
            f"or `invoke lock.unlock --commit {COMMIT} --token 7 --reason …` anywhere",
        ),
    ],
)
def test_what_to_do_follows_from_what_is_known_of_the_holder(of: Holder, alive: bool | None, do: str) -> None:
    assert to_do(of, Fate(alive)) == do
    dead = alive is False
    locked = f"{of.place}: {of} did not finish" if dead else f"{of.place} is locked by {of}"
    assert held(of, Fate(alive)) == f"{locked}; {do}"
    late = locked if dead else f"{of.place} is still locked after 2.5 s by {of}"
    assert held(of, Fate(alive, "it was seen"), 2.5) == f"{late}: it was seen; {do}"


@pytest.mark.parametrize(
    ("tasks", "zombie"),
    [("", False), ("Z", True), ("X", True), ("ZX", True), ("ZS", False), ("R", False), ("Z-", False)],
)
def test_a_process_is_a_zombie_when_all_its_threads_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: str, zombie: bool
) -> None:
    """One of which nothing can be read, and a process without threads, is no proof of anything."""
    monkeypatch.setattr(lock, "_PROC", tmp_path)
    for number, state in enumerate(tasks):
        task = tmp_path / "7" / "task" / str(number)
        task.mkdir(parents=True)
        if state != "-":
            (task / "stat").write_text(f"{number} (a name) {state} " + " ".join("1" * 50))
    assert lock._is_zombie(7) is zombie
