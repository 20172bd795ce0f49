"""Who holds, and when it is certain that nobody does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from msgspec.structs import replace

from roadworthy.journal.entry import Entry, seal
from roadworthy.journal.lock import Holder, holder, lives, this_process

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
    assert str(found) == (
        f"ada at {found.host} (pid {found.pid}) since 2026-11-20T18:30:00.123456Z for deploy #1"
    )


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
    assert "somebody at an unknown host" in str(found)
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
