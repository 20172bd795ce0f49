"""However the road is walked for real: a ship that exits with 0, a decision YES and what runs say the same.

`tests/pipeline/test_progress_walks.py` walks thousands of roads in memory. These are a few on the sandbox, with
true journals, processes and databases; the random ones are the same in every run.
"""

from __future__ import annotations

import random

import pytest

from road.project import Project, until
from roadworthy.sandbox import control

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

COMMANDS = ("deploy", "fail", "kill", "migrate", "complete", "rollback", "reconcile", "ship")
Step = tuple[str, int]  # a command, and which of two commits it is about
KNOWN: list[list[Step]] = [
    [("deploy", 0), ("ship", 0), ("fail", 1), ("complete", 0)],
    [("ship", 0), ("kill", 1), ("ship", 1), ("reconcile", 0), ("ship", 1)],
    [("ship", 0), ("ship", 1), ("rollback", 0), ("ship", 1), ("complete", 0)],
]
TOLD = (0, 1, 2, 3, 4, 6)  # how a command may end; any other code is a crash, or a usage that cannot be


def random_walk(seed: int) -> list[Step]:
    dice = random.Random(seed)
    return [(dice.choice(COMMANDS), dice.randint(0, 1)) for _ in range(5)]


def take(project: Project, command: str, commit: str) -> int:
    """One command; how it ended."""
    words = ("--commit", commit)
    if command == "fail":
        project.faults({"kind": "release_failed", "method": "POST", "path": "/releases"})
        code = project.invoke("deploy", *words).code
        control.clear_faults(project.sandbox)
        return code
    if command == "kill":
        before = len(project.entries())
        process = project.start("deploy", *words)
        until(lambda: len(project.entries()) > before or process.poll() is not None)
        process.kill()
        process.communicate()
        return 4
    return project.invoke(command, *(words if command in ("deploy", "ship") else ())).code


def agrees(project: Project, commits: tuple[str, str]) -> None:
    """YES is said of one commit at most, and then everything else says so, too."""
    yes = [commit for commit in commits if project.invoke("decide", "--commit", commit).code == 0]
    assert len(yes) <= 1
    for commit in yes:
        assert project.log().open_start() is None
        assert (project.runs(), project.revision()) == (commit, "0001")
        assert project.json("verify")["details"]["differences"] == []
        rows = project.json("status")["details"]["environments"]
        assert next(row for row in rows if row["environment"] == "staging")["commit"] == commit


@pytest.mark.timeout(300)
@pytest.mark.parametrize("steps", [*KNOWN, *map(random_walk, range(3))], ids=str)
def test_a_ship_exits_with_0_exactly_when_the_decision_is_yes_and_what_runs_agrees(
    project: Project, steps: list[Step]
):
    commits = project.first, project.commit("Second")
    for commit in commits:
        project.json("test", "--commit", commit)
    for command, which in [*steps, ("reconcile", 0), ("ship", 1)]:
        commit = commits[which]
        code = take(project, command, commit)
        assert code in TOLD, (command, code)
        decided = project.invoke("decide", "--commit", commit).code
        if command == "ship":
            assert (code == 0) == (decided == 0), (command, code, decided)
        agrees(project, commits)
    assert code == 0, "once what was open is settled, a ship of the newest commit gets there"
