"""However the road is walked for real: a ship that exits with 0, a decision YES and what runs say the same.

`tests/decision/test_progress_walks.py` walks thousands of roads in memory. These are drawn on the sandbox, with
true journals, processes and databases: commands in any order, refused approvals, failures, kills, stages by hand,
starts that are given up, and commits that overtake each other, one of which needs no deployment.

    WALKS=30 WALKS_SEED=7 pytest -m slow tests/road/test_random_walks.py

walks other and more roads. A road that failed is walked again, alone, by its name: WALKS=7-12.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from road.project import KEYS, Project, Ran, ended, migration, parses, until
from road.test_what_next import copied
from roadworthy.sandbox import control

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

Step = tuple[str, int]  # a command, and which of the commits it is about
STEPS = 8
FOLLOWED = 25  # commands at most from wherever a walk was left to a YES
COMMANDS = (
    *("ship", "ship", "ship", "unapproved ship", "deploy", "migrate", "unapproved migrate", "complete", "replay"),
    *("accept", "rollback", "reconcile", "config", "fail deploy", "fail ship", "unwell ship", "give up"),
    *("crossed ship", "crossed ship", "kill ship", "kill ship", "kill deploy", "kill migrate", "kill complete"),
    *("kill rollback", "cut deploy"),
)  # fmt: skip
OF_A_COMMIT = ("ship", "deploy", "accept")
HEADS = (
    "0001",
    "0002",
    "0002",
)  # where each commit leads the database; the last one changes nothing that runs
TOLD = (0, 1, 2, 3, 4, 5, 6)  # how a command may end; any other code is a crash
KNOWN: dict[str, tuple[str, list[Step]]] = {
    "another one fails": ("staging", [("deploy", 0), ("ship", 0), ("fail deploy", 1), ("complete", 0)]),
    "a kill between": ("staging", [("ship", 0), ("cut deploy", 1), ("ship", 1), ("reconcile", 0), ("ship", 1)]),
    "back and forth": ("prod", [("ship", 0), ("ship", 1), ("rollback", 0), ("ship", 1), ("ship", 2), ("ship", 0)]),
    "never approved": ("prod", [("deploy", 0), ("unapproved migrate", 0), ("unapproved ship", 0), ("ship", 0)]),
}  # fmt: skip


def drawn(name: str) -> tuple[str, list[Step]]:
    dice = random.Random(name)
    place = dice.choice(["staging", "prod"])
    return place, [(dice.choice(COMMANDS), dice.randrange(len(HEADS))) for _ in range(STEPS)]


def walks() -> dict[str, tuple[str, list[Step]]]:
    wanted, seed = os.environ.get("WALKS", "4"), os.environ.get("WALKS_SEED", "1")
    if not wanted.isdecimal():
        return {wanted: drawn(wanted)}
    return KNOWN | {name: drawn(name) for name in (f"{seed}-{at}" for at in range(int(wanted)))}


WALKS = walks()


class Walk:
    """One environment of a project with three commits, and what somebody does to it."""

    def __init__(self, project: Project, place: str, name: str) -> None:
        self.project, self.place, self.dice = project, place, random.Random(f"instants of {name}")
        # The way through staging is no part of it: both environments are walked alike.
        project.change_config(('certified_in = "staging"', 'certified_in = ""'))
        first = project.git("rev-parse", "HEAD")
        second = project.commit("Second", {"app/migrations/0002.py": migration("0002", "0001")})
        self.commits = first, second, project.commit("Explain", {"docs/one.md": "one"})
        for commit in self.commits:
            self.invoke("test", "--commit", commit)
        self.done: list[tuple[str, int, int]] = []

    def run(self, *words: str) -> Ran:
        """One command, whose every next command can be copied."""
        ran = self.project.invoke(*words, "--json", env={**KEYS, "COLOUR": "blue"})
        for line in ran.said["next"]:
            parses(line)
        return ran

    def invoke(self, *words: str) -> int:
        return self.run(*words).code

    def take(self, said: str, which: int) -> int:
        """One command; how it ended."""
        *how, command = said.split()
        commit = self.commits[which]
        words = [command, "--env", self.place]
        if command in OF_A_COMMIT:
            words += ["--commit", commit]
        if command == "replay":
            words += ["--sha", commit]
        if command in ("ship", "migrate", "replay") and how != ["unapproved"]:
            words += ["--approval", "CR-1"]
        if command == "config":
            words += ["--set", "COLOUR"]
        match how:
            case ["fail"]:
                fault = {"kind": "release_failed", "method": "POST", "path": "/releases"}
                self.project.faults_of(self.place, fault)
                code = self.invoke(*words)
                control.clear_faults(self.project.sandbox)
            case ["unwell"]:
                self.project.mood(self.place, health="degraded")
                code = self.invoke(*words)
                self.project.mood(self.place)
            case ["kill"]:
                code = self.killed(words)
            case ["cut"]:
                code = self.cut(words)
            case ["crossed"]:
                code = self.crossed(words, which)
            case ["give"]:
                start = self.project.log(self.place).open_start()
                given = ("--token", str(start.seq if start else 1), "--reason", "it is surely dead")
                code = self.invoke("lock.unlock", "--env", self.place, *given)
            case _:
                code = self.invoke(*words)
        self.done.append((said, which, code))
        return code

    def killed(self, words: list[str]) -> int:
        """Start a command, and kill it at some instant after it wrote so many entries, if it lives so long."""
        log = self.project.log(self.place)
        known = head.seq if (head := log.head()) else 0
        more, later = self.dice.randint(1, 4), self.dice.random() * 0.4
        process = self.project.start(*words, env=KEYS)

        def there() -> bool:
            newest = log.head()
            return process.poll() is not None or (newest is not None and newest.seq >= known + more)

        try:
            until(there, within=60, every=0.02)
            time.sleep(later)
        finally:
            process.kill()
            process.communicate()
        return 4 if process.returncode < 0 else process.returncode

    def cut(self, words: list[str]) -> int:
        """Kill a deploy while it looks after its release: what it did is there, and its start is open."""
        slow = {"kind": "delay", "seconds": 0.9, "method": "GET", "path": "/releases/*", "count": 50}
        self.project.faults_of(self.place, slow)
        process, log = self.project.start(*words, env=KEYS), self.project.log(self.place)
        try:
            until(lambda: process.poll() is not None or log.open_start() is not None, within=60, every=0.02)
            time.sleep(0.3)
        finally:
            process.kill()
            process.communicate()
            control.clear_faults(self.project.sandbox)
        return 4 if process.returncode < 0 else process.returncode

    def crossed(self, words: list[str], which: int) -> int:
        """Ship one commit while somebody deploys another, both waiting for their turn: how the ship ended.

        Whoever is last, a ship that succeeded has completed its own package and no other.
        """
        wait, journal = ("--wait", "20s"), self.project.log(self.place)
        known = head.seq if (head := journal.head()) else 0
        ship = self.project.start(*words, *wait, env=KEYS)
        time.sleep(self.dice.random() * 2)
        other = self.commits[(which + 1) % len(self.commits)]
        self.invoke("deploy", "--env", self.place, "--commit", other, *wait)
        code = ended(ship).code
        since = [e.record for e in journal.entries() if e.seq > known]
        completed = {
            str(r.details["to"]["commit"]) for r in since if (r.kind, r.action) == ("end", "complete")
        }
        assert completed <= {self.commits[which]}, (self.done, completed)
        return code

    def follow(self, commit: str) -> None:
        """What each stop says next, in its order, until the decision on this commit is YES."""
        todo: list[str] = []
        for _ in range(FOLLOWED):
            if not todo:
                ran = self.run("decide", "--env", self.place, "--commit", commit)
                if ran.code == 0:
                    return
                todo = ran.said["next"]
            line = todo.pop(0)
            ran = copied(self.project, line)
            self.done.append((line, 0, ran.code))
            todo = ran.said["next"] if ran.code else todo
        raise AssertionError(f"what is said next does not lead to the end: {self.done}")

    # ---- what must agree -------------------------------------------------------------------------------

    def decided(self, which: int) -> bool:
        code = self.invoke("decide", "--env", self.place, "--commit", self.commits[which])
        assert code in (0, 1), self.done
        return code == 0

    def agrees(self) -> tuple[bool, ...]:
        """What each commit's decision is. YES is said exactly where journal, platform, app and database agree."""
        decided = tuple(map(self.decided, range(len(self.commits))))
        project, start = self.project, self.project.log(self.place).open_start()
        rows = project.invoke("status", "--json").said["details"]["environments"]
        row = next(row for row in rows if row["environment"] == self.place)
        assert (start is not None) == bool(row["open"]), self.done
        if not any(decided):
            assert not (row.get("complete") and row["state"] == "as recorded"), (self.done, row)
            return decided
        assert start is None, self.done
        assert (row["state"], row["complete"], row["left"]) == ("as recorded", True, []), (self.done, row)
        runs = self.commits.index(row["commit"])
        assert decided[runs], self.done
        # Beside what runs only a change that needs no deployment can be whole.
        assert not any(yes for at, yes in enumerate(decided) if at not in (runs, len(HEADS) - 1)), self.done
        assert decided.count(True) == 1 or (self.place, runs) == ("prod", 1), self.done
        assert project.runs(self.place) == self.commits[runs], self.done
        assert str(project.revision(self.place)) >= HEADS[runs], self.done
        assert project.revision(self.place) == row["revision"], self.done
        verified = project.invoke("verify", "--env", self.place, "--json", env=KEYS)
        assert (verified.code, verified.said["details"]["differences"]) == (0, []), (self.done, verified.text)
        return decided


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WALKS)
def test_a_ship_exits_with_0_exactly_when_the_decision_is_yes_and_what_runs_agrees(
    project: Project, name: str
):
    place, steps = WALKS[name]
    walk = Walk(project, place, name)
    for said, which in steps:
        code = walk.take(said, which)
        assert code in TOLD, walk.done
        decided = walk.agrees()
        if said.endswith("ship") and not said.startswith(("kill", "crossed")):
            assert (code == 0) == decided[which], (walk.done, decided)
    newest = len(HEADS) - 1
    walk.follow(walk.commits[newest])
    assert walk.agrees()[newest], walk.done
    assert walk.take("ship", newest) == 0, f"and a ship has nothing left to do: {walk.done}"
    assert walk.agrees()[newest], walk.done
