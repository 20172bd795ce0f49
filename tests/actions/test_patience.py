"""Who waits for an app knows when nobody is left to answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.actions.patience import Patience, over
from roadworthy.errors import Unreachable
from roadworthy.model import Observed, Process


def seen(*states: str, maintenance: bool = False, kind: str = "web") -> Observed:
    processes = tuple(Process(f"{kind}.{n}", kind, state, 1) for n, state in enumerate(states, 1))
    return Observed("http://x", maintenance, (), processes)


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (seen("up"), ""),
        (seen("starting"), ""),
        (seen("crashed", "starting"), ""),
        (seen("crashed", "crashed"), "its web process is crashed"),
        (seen("down"), "its web process is down"),
        (seen(), "it has no web process"),
        (seen("up", kind="worker"), "it has no web process"),
        (seen("up", maintenance=True), "its app is in maintenance mode"),
    ],
)
def test_an_app_may_answer_while_one_of_its_web_processes_lives(observed: Observed, words: str) -> None:
    assert over(observed) == words


def test_the_platform_is_asked_once_for_all_checks_and_its_silence_ends_no_wait() -> None:
    asked: list[str] = []

    def observe(app: str) -> Observed:
        asked.append(app)
        if app == "silent":
            raise Unreachable("no answer")
        return seen("crashed")

    apps = {"web": "first", "worker": "silent"}
    context: Any = SimpleNamespace(
        config=SimpleNamespace(apps=lambda environment: apps), platform=SimpleNamespace(observe=observe)
    )
    patience = Patience(context, "staging")
    assert [patience(""), patience(""), patience("worker")] == ["its web process is crashed"] * 2 + [""]
    assert asked == ["first", "silent"]
