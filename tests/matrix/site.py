"""One project on a sandbox of its own, its actions, and what must hold whenever one of them was killed.

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
from typing import NamedTuple

from road.project import KEYS, REPOSITORY, Project, ended, migration, until

from roadworthy.context import Context
from roadworthy.journal.claims import token
from roadworthy.journal.entry import Entry
from roadworthy.journal.store import Store
from roadworthy.platforms.mark import MARKER
from roadworthy.report.terminal import Screen
from roadworthy.sandbox import control

RUNNER = Path(__file__).with_name("crashing.py")
ACTIONS = (
    "deploy",
    "migrate",
    "rollback",
    "config",
    "certify",
    "adopt",
    "complete",
    "incomplete",
    "sick",
    "production",
)
"""`sick` is a deploy of an app that dies, `incomplete` a completion that says NO: both go back by themselves."""
MAINTENANCE = "maintenance"
"""A deploy with its migration, of which the older packages on a site know nothing: so it has sites of its own."""
CERTIFICATIONS = 8
"""On one release: then the platform's log, of 1,500 lines, would no longer reach back to it."""
COUNTED = """
with open(DATABASE + ".runs", "a") as file:
    file.write(sys.argv[1] + "\\n")
main()
"""
CONFIGURED = (
    ('poll = "10ms"', 'poll = "50ms"'),
    ('certified_in = "staging"', 'certified_in = "staging"\nwatch = "150ms"'),
    ('noise = "250ms"', 'noise = "5s"'),  # how fast a busy machine answers is not asked here
)


class Act(NamedTuple):
    """One run of an action: its command, where it acts, and the code that it ends with when nobody kills it."""

    action: str
    words: tuple[str, ...]
    place: str = "staging"
    code: int = 0


class Site:
    """`wanted` is what the action that is being killed must have reached in the end."""

    def __init__(self, folder: Path, journal: str = "") -> None:
        """`journal` is the `[journal]` table of release.toml, "" for the folder store."""
        self.notes = folder / "notes"
        self.project = project = Project(folder / "project", folder / "platform")
        self.head = "0001"
        self._numbers = 0
        migrate = (project.root / "app" / "migrate.py").read_text().removesuffix("main()\n") + COUNTED
        config = project.root / "release.toml"
        text = config.read_text()
        for old, new in CONFIGURED:
            assert old in text, old
            text = text.replace(old, new, 1)
        config.write_text(text + journal)
        project.commit("Count the migrations", {"app/migrate.py": migrate})
        project.deployed()
        project.json("migrate")
        self.first = project.commit("First on this schema")
        project.deployed()
        self.second = project.commit("Second")
        project.deployed()
        assert project.revision() == self.head

    # ---- the actions ---------------------------------------------------------------------------------

    def prepare(self, action: str) -> Act:
        """Make it so that `action` has something to do."""
        self._numbers += 1
        self.wanted = self.project.runs()
        made = getattr(self, f"_{action}")()
        assert isinstance(made, Act)
        self._known = len(self.project.entries(made.place))
        return made

    def _deploy(self) -> Act:
        self._tested()
        return Act("deploy", ("deploy",))

    def _reconcile(self) -> Act:
        made = len(self.project.releases())
        late = self._deploy()
        assert ended(self.start(late, "late:/releases:1")).code == -signal.SIGKILL
        until(lambda: len(self.project.releases()) > made)
        return Act("reconcile", ("reconcile",))

    def _maintenance(self) -> Act:
        after = f"{int(self.head) + 1:04}"
        self.wanted = self.project.commit(
            f"Change {self._numbers}", {f"app/migrations/{after}.py": migration(after, self.head)}
        )
        self.project.json("test")
        self.head = after
        return Act("maintenance", ("deploy", "--maintenance"))

    def _migrate(self) -> Act:
        with contextlib.closing(sqlite3.connect(self.project.database())) as database, database:
            database.execute("DELETE FROM alembic_version")
        return Act("migrate", ("migrate",))

    def _rollback(self) -> Act:
        self.wanted = self._other()
        return Act("rollback", ("rollback", "--to", self.wanted))

    def _config(self) -> Act:
        return Act("config", ("config", "--set", "COLOUR"))

    def _certify(self) -> Act:
        if self._numbers % CERTIFICATIONS == 0:
            self.wanted = self._other()
            self.project.json("rollback", "--to", self.wanted)
        return Act("certify", ("certify",))

    def _adopt(self) -> Act:
        """Somebody has rolled back by hand."""
        project = self.project
        self.wanted = self._other()
        old = next(
            r for r in reversed(project.releases()) if f"Deploy {self.wanted[:8]} " in r["description"]
        )
        project.api("POST", f"/apps/{project.staging}/releases", {"release": old["id"]})
        until(lambda: project.runs() == self.wanted)
        return Act("adopt", ("adopt", "--why=the team agreed to it"))

    def _complete(self) -> Act:
        self.wanted = self.project.commit(f"Change {self._numbers}")
        self.project.released()
        self.project.json("deploy")
        return Act("complete", ("complete",))

    def _incomplete(self) -> Act:
        """What runs was never accepted; what it goes back to was."""
        before = self.wanted
        self.project.released(before)
        self._tested()
        self.project.json("deploy")
        self.wanted = before
        return Act("incomplete", ("complete",), code=1)

    def _sick(self) -> Act:
        before = self.wanted
        self._tested(boot="die")
        self.wanted = before
        return Act("sick", ("deploy",), code=1)

    def _production(self) -> Act:
        """A released package with a certificate."""
        project, first = self.project, not self.project.entries("prod")
        self.wanted = project.commit(f"Change {self._numbers}")
        project.released()
        project.json("deploy")
        project.json("certify")
        words = ("deploy", "--env", "prod")
        if first:
            project.json(*words, env=KEYS)
            project.json("migrate", "--env", "prod", "--approval", "CR-1", env=KEYS)
            return self._production()
        return Act("production", words, "prod")

    def _tested(self, **mood: object) -> None:
        self.wanted = self.project.commit(f"Change {self._numbers}", **mood)
        self.project.json("test")

    def _other(self) -> str:
        return self.second if self.project.runs() == self.first else self.first

    def start(self, act: Act, at: str = "") -> subprocess.Popen[str]:
        """The command as a process of its own, which is killed at the point `at`."""
        keys = KEYS if act.place == "prod" else {}
        return subprocess.Popen(
            (sys.executable, str(RUNNER), *act.words, "--json"),
            cwd=self.project.root,
            env={**os.environ, **keys, **self._values(), "CRASH_AT": at, "CRASH_NOTES": str(self.notes)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _values(self) -> dict[str, str]:
        """What a change of config vars sets; another one each time."""
        return {"COLOUR": f"colour {self._numbers}"}

    def points(self, action: str) -> list[str]:
        """Every point of a run that nobody kills: before and after each effect."""
        act = self.prepare(action)
        self.notes.unlink(missing_ok=True)
        ran = ended(self.start(act))
        assert ran.code == act.code, ran.text
        return points_in(self.notes)

    def resume(self, act: Act, upgrades: int) -> None:
        """After a kill: reconcile, then the action again; judge the truth of both, and everything else.

        `upgrades` is how many migrations there were before the killed run.
        """
        project, place = self.project, ("--env", act.place)
        once = 2 if act.action == "certify" else 1
        opened = project.log(act.place).open_start()
        keys = {**(KEYS if act.place == "prod" else {}), **self._values()}
        said = until(
            lambda: (ran := project.invoke("reconcile", *place, "--json", env=keys)).code != 4 and ran,
            within=20,
        )
        made = self.upgrades() - upgrades
        assert made <= once, f"one start migrated {made} times"
        if opened:
            self._settled_truly(act, opened, said.code or int("changed nothing" in said.said["line"]))
        else:
            assert said.code == 0, said.text
            assert "has no unfinished action" in said.said["line"]
        project.json(*act.words, env=keys, code=self._code_again(act))
        assert self.upgrades() - upgrades - made <= once
        self.check(act)

    def _code_again(self, act: Act) -> int:
        """How the action ends when it is done again, after what reconcile has found."""
        last = next(iter(self.project.kinds(act.place)[self._known :][::-1]), "")
        if act.action == "adopt":
            return 3 if last == "end adopt" else 0  # nothing to adopt any more
        if act.action == "incomplete":
            return 0 if last == "end rollback" else 1  # what it went back to is complete
        return act.code

    def _settled_truly(self, act: Act, start: Entry, code: int) -> None:
        """The recorded outcome is what the platform shows."""
        project, action = self.project, start.record.action
        settled = project.entries(act.place)[-1]
        details = settled.record.details
        assert details["settles"] == start.seq
        assert settled.record.kind == ("failed" if code else "end")
        if action == "certify":
            assert code == 1
        elif action == "migrate":
            assert (code == 0) == (project.revision() == self.head)
            assert code == 0 or self.problem(settled) == "migrate", details
        elif action in ("adopt", "complete"):
            assert code == act.code, details  # it changes nothing, so what it asks is as it was
        else:
            released = [r for r in project.releases(act.place) if self._made(start, r)]
            assert len(released) <= 1, released
            well = (
                project.runs(act.place) == details["to"]["commit"]
                and project.revision(act.place) == self.head
            )
            assert code == int(not (released and well)), details
            assert details["to"].get("release", 0) == (released[0]["version"] if released else 0)
            if code and not released:
                assert self.problem(settled) in ("nothing", "maintenance"), details

    @staticmethod
    def _made(start: Entry, release: dict[str, object]) -> bool:
        """By the platform's own list: is the release the start's?"""
        description = str(release["description"])
        if start.record.action != "config":
            return description.endswith(f"({token(start)})")
        newest = int(start.record.details["from"]["newest"])
        return int(str(release["version"])) > newest and MARKER in description

    @staticmethod
    def problem(settled: Entry) -> str:
        """Which of the failures that a kill may leave it is."""
        text = " ".join(settled.record.details["problems"])
        known = {
            "nothing was changed": "nothing",
            "migrate again": "migrate",
            "in maintenance mode": MAINTENANCE,
        }
        return next((name for words, name in known.items() if words in text), text)

    # ---- what must hold ------------------------------------------------------------------------------

    def check(self, act: Act) -> None:
        """Everything that holds when a killed action has been taken to its end."""
        project, place = self.project, act.place
        assert project.json("evidence.audit")["outcome"] == "succeeded"
        entries = project.entries(place)
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
        self._one_effect_per_start(entries, place)
        assert project.json("verify", "--env", place)["details"]["differences"] == []
        assert (project.runs(place), project.revision(place)) == (self.wanted, self.head)
        self.nothing_is_lost()
        if act.action == "config":
            var = project.api("GET", f"/apps/{project.staging}/config-vars")
            assert var["COLOUR"] == self._values()["COLOUR"]
            named = [r for r in project.releases() if MARKER in str(r["description"])]
            changed = [e for e in entries if (e.record.kind, e.record.action) == ("end", "config")]
            assert len(named) == len(changed)
        if act.action == "certify":
            text = (project.root / ".release" / f"{project.staging}_certified").read_text()
            start = next(e for e in reversed(entries) if e.record.kind == "start")
            assert f"CERTIFIED_SHA={self.wanted}\n" in text
            assert f"CERTIFIED_ENTRY={start.seq} {start.sha256}\n" in text
        if act.words[0] == "complete":
            done = (
                e.record for e in reversed(entries) if e.record.action == "complete" and e.record.evidence
            )
            newest = next(done)
            commit = newest.details["to"]["commit"]
            shown = (project.root / ".artifacts" / "release" / commit / "decision.json").read_bytes()
            kept = {item.name: item.sha256 for item in newest.evidence}
            assert hashlib.sha256(shown).hexdigest() == kept["decision.json"]

    def _one_effect_per_start(self, entries: list[Entry], place: str) -> None:
        """By the platform's list and its access log: no start made two releases, and none came from nowhere."""
        starts = {token(e) for e in entries if e.record.kind == "start"}
        described = {int(r["version"]): str(r["description"]) for r in self.project.releases(place)}
        told = (text for text in described.values() if "roadworthy" in text)
        made = Counter(text.rpartition("(")[2].removesuffix(")") for text in told)
        assert set(made) <= starts
        assert all(number == 1 for number in made.values()), made
        calls = self.project.calls(place)
        posted = [c for c in calls if (c["method"], c["path"].rpartition("/")[2]) == ("POST", "releases")]
        versions = [int(c["release"]) for c in posted if c["status"] == 201]
        ours = [described[version] for version in versions if "roadworthy" in described[version]]
        assert len(set(ours)) == len(ours) == len(made)

    def audited_by_shell(self, folder: Path) -> None:
        """The auditor that needs none of our code finds every journal of the site whole; a bucket's as a copy."""
        project, store = self.project, self.store()
        commits = project.git("rev-list", "--all").split()
        places = [f"sandbox/{name}" for name in ("staging", "prod", *(f"package-{c}" for c in commits))]
        found = {place: names for place in places if (names := store.names(place))}
        for name in (*store.names("evidence"), *(name for names in found.values() for name in names)):
            data = store.get(name)
            assert data is not None, name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        for place in found:
            words = (
                REPOSITORY / "scripts/audit.sh",
                folder / place,
                "--trust",
                project.root / ".release/keys",
            )
            ran = subprocess.run(words, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{place}: {ran.stderr}"

    def store(self) -> Store:
        """Where the journals of the site are."""
        return Context(self.project.root, Screen(json=True, stream=io.StringIO()), {}).store

    def nothing_is_lost(self) -> None:
        """Every put that returned is still there, byte for byte."""
        store = self.store()
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


def points_in(notes: Path) -> list[str]:
    """Before and after each effect that a command has noted."""
    told = [line.split()[:2] for line in notes.read_text().splitlines() if line[:5] != "kept "]
    return [f"{kind}:{number}:{side}" for kind, number in told for side in ("before", "after")]


@contextlib.contextmanager
def site(folder: Path, journal: str = "") -> Iterator[Site]:
    """A site, and the end of its sandbox. What it leaves behind is what the shell's auditor is asked about, too."""
    folder.mkdir()
    control.up(folder / "platform", boot_timeout=5)
    try:
        made = Site(folder, journal)
        yield made
        made.audited_by_shell(folder / "audited")
    finally:
        control.down(folder / "platform")
