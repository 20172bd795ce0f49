"""Which of a package's processes are started on an empty database, and after which the schema is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Struct, field

from roadworthy.errors import CheckFailed, UsageError
from roadworthy.trial import starting as module
from roadworthy.trial.database import URL


class Place(Struct, frozen=True):
    """Where a package is tried; `did` is what was started there."""

    processes: dict[str, str]
    did: list[str]
    environ: dict[str, str] = field(default_factory=lambda: {URL: "sqlite:///head"})
    folder: Path = Path("/trial/web")
    package: Any = SimpleNamespace(component="", commit="c" * 40)
    fails: bool = False

    def run(self, command: str) -> None:
        self.did.append(f"ran {command} on {self.environ[URL]}")

    @contextmanager
    def serving(self, command: str, log: Path, boot: float, more: dict[str, str]) -> Iterator[str]:
        if self.fails:
            raise UsageError("it did not come up")
        self.did.append(f"served {command} on {self.environ[URL]}")
        yield "http://127.0.0.1:1"
        self.did.append("ended")


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was started and looked at, in order."""
    found: list[str] = []

    class Watch:
        problems = ("a problem",)

        def __init__(self, places: Any, where: str) -> None:
            found.append(f"watched {where}")

        def look(self, who: str) -> None:
            found.append(f"looked after {who}")

        def others(self, urls: Any) -> None:
            found.append(f"others beside {dict(urls)}")

    @contextmanager
    def empty() -> Iterator[str]:
        yield "sqlite:///empty"

    monkeypatch.setattr(module, "Watch", Watch)
    monkeypatch.setattr(module, "_database", lambda _: SimpleNamespace(empty=empty))
    monkeypatch.setattr(module, "processes_of", lambda place: place.processes)
    monkeypatch.setattr(module, "_ask", lambda *_: found.append("asked"))
    return found


CONTEXT: Any = SimpleNamespace(config=SimpleNamespace(limits=SimpleNamespace(boot=1.0)))


def test_each_process_starts_on_the_empty_database_and_is_looked_at(did: list[str]):
    place: Any = Place({"web": "serve", "release": "prepare", "worker": "work"}, did)
    assert module.on_empty(CONTEXT, [place]) == ("a problem",)
    assert did == [
        "watched an empty database",
        "ran prepare on sqlite:///empty",
        "looked after the release phase 'prepare'",
        "served serve on sqlite:///empty",
        "asked",
        "looked after its web process",
        "ended",
        "others beside {'': 'http://127.0.0.1:1'}",
    ]


@pytest.mark.parametrize("place", [Place({"worker": "work"}, []), Place({"web": "serve"}, [], fails=True)])
def test_what_does_not_come_up_is_looked_at_all_the_same_and_not_asked(did: list[str], place: Any):
    module.on_empty(CONTEXT, [place])
    assert did == ["watched an empty database", "looked after its web process", "others beside {}"]


def test_without_a_database_nothing_is_started(did: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_database", lambda _: None)
    place: Any = Place({"web": "serve"}, did)
    assert module.on_empty(CONTEXT, [place]) == did == []


def test_what_cannot_be_told_is_a_problem(did: list[str], monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> None:
        raise CheckFailed("no database is to be had")

    monkeypatch.setattr(module, "_database", broken)
    assert module.on_empty(CONTEXT, []) == ["no database is to be had"]


def test_the_processes_beside_web_and_release_are_settled_and_looked_at(monkeypatch: pytest.MonkeyPatch):
    found: list[str] = []
    monkeypatch.setattr(module, "_database", lambda _: None)
    monkeypatch.setattr(module, "processes_of", lambda place: place.processes)
    place: Any = Place({"web": "serve", "release": "prepare", "worker": "work", "clock": "tick"}, [])
    watch = module.Watch([place], "an empty database")
    monkeypatch.setattr(watch, "_settle", lambda _, command, more: found.append(f"{command} {more}"))
    monkeypatch.setattr(watch, "look", found.append)
    watch.others({"api": "http://x", "": "http://y"})
    told = "{'API_URL': 'http://x'}"
    assert found == [f"work {told}", "its process 'worker'", f"tick {told}", "its process 'clock'"]


def test_a_changed_schema_is_a_problem_once(monkeypatch: pytest.MonkeyPatch):
    seen = iter(["empty", "empty", "a table", "a table"])
    monkeypatch.setattr(module, "_database", lambda _: SimpleNamespace(schema=lambda: next(seen)))
    monkeypatch.setattr(module, "changes", lambda before, now: f"{now} is new" if before != now else "")
    watch = module.Watch([], "an empty database")
    for who in ("release", "web", "worker"):
        watch.look(who)
    assert watch.problems == [f"web changed the schema of an empty database: a table is new; {module.ONLY}"]
