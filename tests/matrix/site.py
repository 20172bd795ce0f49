"""One project on a sandbox of its own, its four actions, and what must hold whenever one of them was killed.

A fresh site every so often keeps the journal short and stays below the platform's hourly limit of calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from road.project import Project, ended, until

from roadworthy.context import Context
from roadworthy.journal.entry import Entry
from roadworthy.record import token
from roadworthy.report.terminal import Screen
from roadworthy.sandbox import control

RUNNER = Path(__file__).with_name("crashing.py")
ACTIONS = ("deploy", "migrate", "rollback", "certify")
HEAD = "0001"
CERTIFICATIONS = 8
"""On one release: then the platform's log, of 1,500 lines, would no longer reach back to it."""
COUNTED = """
with open(DATABASE + ".runs", "a") as file:
    file.write(sys.argv[1] + "\\n")
main()
"""


class Site:
    """`wanted` is what the action that is being killed must have reached in the end."""

    def __init__(self, folder: Path, journal: str = "") -> None:
        """`journal` is the `[journal]` table of release.toml, "" for the folder store."""
        self.notes = folder / "notes"
        self.project = project = Project(folder / "project", folder / "platform")
        self._numbers = 0
        migrate = (project.root / "app" / "migrate.py").read_text().removesuffix("main()\n") + COUNTED
        config = project.root / "release.toml"
        config.write_text(config.read_text().replace('poll = "10ms"', 'poll = "50ms"', 1) + journal)
        project.commit("Count the migrations", {"app/migrate.py": migrate})
        project.deployed()
        project.json("migrate")
        self.first = project.commit("First on this schema")
        project.deployed()
        self.second = project.commit("Second")
        project.deployed()
        assert project.revision() == HEAD

    # ---- the actions ---------------------------------------------------------------------------------

    def prepare(self, action: str) -> tuple[str, ...]:
        """Make it so that `action` has something to do; the words of its command."""
        project, self._numbers = self.project, self._numbers + 1
        self.wanted = project.runs()
        if action == "deploy":
            self.wanted = project.commit(f"Change {self._numbers}")
            project.json("test")
        if action == "reconcile":
            made = len(project.releases())
            self.wanted = project.commit(f"Change {self._numbers}")
            project.json("test")
            assert ended(self.start(("deploy",), "late:/releases:1")).code == -signal.SIGKILL
            until(lambda: len(project.releases()) > made)
        if action == "migrate":
            with contextlib.closing(sqlite3.connect(project.database())) as database, database:
                database.execute("DELETE FROM alembic_version")
        if action == "rollback":
            self.wanted = self._other()
            return ("rollback", "--to", self.wanted)
        if action == "certify" and self._numbers % CERTIFICATIONS == 0:
            self.wanted = self._other()
            project.json("rollback", "--to", self.wanted)
        return (action,)

    def _other(self) -> str:
        return self.second if self.project.runs() == self.first else self.first

    def start(self, words: tuple[str, ...], at: str = "") -> subprocess.Popen[str]:
        """The command as a process of its own, which is killed at the point `at`."""
        return subprocess.Popen(
            (sys.executable, str(RUNNER), *words, "--json"),
            cwd=self.project.root,
            env={**os.environ, "CRASH_AT": at, "CRASH_NOTES": str(self.notes)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def points(self, action: str) -> list[str]:
        """Every point of a run that nobody kills: before and after each effect."""
        words = self.prepare(action)
        self.notes.unlink(missing_ok=True)
        ran = ended(self.start(words))
        assert ran.code == 0, ran.text
        told = [line.split()[:2] for line in self.notes.read_text().splitlines() if line[:5] != "kept "]
        return [f"{kind}:{number}:{side}" for kind, number in told for side in ("before", "after")]

    def resume(self, words: tuple[str, ...], upgrades: int) -> None:
        """After a kill: reconcile, then the action again; judge the truth of both, and everything else.

        `upgrades` is how many migrations there were before the killed run.
        """
        project, action = self.project, words[0]
        opened = project.log().open_start()
        said = until(lambda: (ran := project.invoke("reconcile", "--json")).code != 4 and ran, within=20)
        made = self.upgrades() - upgrades
        assert made <= (2 if action == "certify" else 1), f"one start migrated {made} times"
        if opened:
            self._settled_truly(opened, said.code)
        else:
            assert said.code == 0, said.text
            assert "is open" in said.said["line"]
        project.json(*words)
        assert self.upgrades() - upgrades - made <= (2 if action == "certify" else 1)
        self.check(action)

    def _settled_truly(self, start: Entry, code: int) -> None:
        """The recorded outcome is what the platform shows."""
        project, action = self.project, start.record.action
        settled = project.entries()[-1]
        assert settled.record.details["settles"] == start.seq
        assert settled.record.kind == ("failed" if code else "end")
        if action == "certify":
            assert code == 1
        elif action == "migrate":
            assert (code == 0) == (project.revision() == HEAD)
        else:
            released = [r for r in project.releases() if r["description"].endswith(f"({token(start)})")]
            assert len(released) == (0 if code else 1), settled.record.details
            assert code or project.runs() == self.wanted
        if code:
            assert action == "certify" or self.problem(settled) in ("nothing", "migrate"), (
                settled.record.details
            )

    @staticmethod
    def problem(settled: Entry) -> str:
        """Which of the two failures that a kill may leave it is."""
        text = " ".join(settled.record.details["problems"])
        return "nothing" if "nothing was changed" in text else "migrate" if "migrate again" in text else text

    # ---- what must hold ------------------------------------------------------------------------------

    def check(self, action: str) -> None:
        """Everything that holds when a killed action has been taken to its end."""
        project = self.project
        assert project.json("evidence.audit")["outcome"] == "succeeded"
        entries = project.entries()
        holding: Entry | None = None
        for entry in entries:
            kind = entry.record.kind
            if kind == "start":
                assert holding is None, f"two starts are open at #{entry.seq}"
                holding = entry
            elif kind in ("end", "failed", "abandon"):
                assert holding and entry.record.details["settles"] == holding.seq
                holding = None
        assert holding is None, "a start stays open"
        starts = {token(e) for e in entries if e.record.kind == "start"}
        told = (str(release["description"]) for release in project.releases())
        made = Counter(text.rpartition("(")[2].removesuffix(")") for text in told if "roadworthy" in text)
        assert set(made) <= starts
        assert all(number == 1 for number in made.values()), made
        assert project.json("verify")["details"]["differences"] == []
        assert (project.runs(), project.revision()) == (self.wanted, HEAD)
        self.nothing_is_lost()
        if action == "certify":
            text = (project.root / ".release" / f"{project.staging}_certified").read_text()
            start = next(e for e in reversed(entries) if e.record.kind == "start")
            assert f"CERTIFIED_SHA={self.wanted}\n" in text
            assert f"CERTIFIED_ENTRY={start.seq} {start.sha256}\n" in text

    def nothing_is_lost(self) -> None:
        """Every put that returned is still there, byte for byte."""
        store = Context(self.project.root, Screen(json=True, stream=io.StringIO()), {}).store
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        for line in lines:
            if line.startswith("kept "):
                _, name, digest = line.split()
                data = store.get(name)
                assert data is not None and hashlib.sha256(data).hexdigest() == digest, name

    def upgrades(self) -> int:
        """How often a migration was really run, as the app itself counted."""
        database = self.project.database()
        runs = database.with_name(database.name + ".runs")
        return runs.read_text().splitlines().count("upgrade") if runs.exists() else 0


@contextlib.contextmanager
def site(folder: Path, journal: str = "") -> Iterator[Site]:
    """A site, and the end of its sandbox."""
    folder.mkdir()
    control.up(folder / "platform", boot_timeout=5)
    try:
        yield Site(folder, journal)
    finally:
        control.down(folder / "platform")
