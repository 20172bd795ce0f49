"""Killed (kill -9) or interrupted (Ctrl-C) in the middle of a stage, and run again, here and on another machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from road.project import REPOSITORY, Project, ended, until

from roadworthy.journal.lock import holder, lives

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

Machine = Callable[[], Project]
STAGES = ("intake", "build", "test", "accept", "release")


def crashed(project: Project, stage: str, point: str) -> int:
    """The exit status of a stage that is killed at this point (tests/matrix/crashing.py)."""
    environ = {
        **os.environ,
        "CRASH_AT": point,
        "CRASH_NOTES": os.devnull,
        "PYTHONPATH": f"{REPOSITORY}/tests",
    }
    command = (sys.executable, "-m", "matrix.crashing", stage)
    return subprocess.run(command, cwd=project.root, env=environ, capture_output=True, check=False).returncode


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_write_is_simply_run_again(project: Project, machine: Machine, stage: str):
    """Every put into the store: the start, each file of evidence, the package, the end."""
    number, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        number += 1
        if number > 1:
            project.commit(f"Change {number}")
        for before in STAGES[: STAGES.index(stage)]:
            project.json(before)
        status = crashed(project, stage, f"store:{number}:after")
        assert machine().json(stage)["outcome"] == "succeeded"
        commit = project.git("rev-parse", "HEAD")
        assert project.log(f"package-{commit}").open_start() is None
        project.json("decide", "--commit", commit, code=1)
    assert (status, number > 2) == (0, True)
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def hostile(project: Project, script: str, config: tuple[tuple[str, str], ...] = ()) -> str:
    """Commit an app whose tests are this script."""
    (project.root / "app" / "hostile.py").write_text(script)
    project.git("add", "-A")
    project.change_config(('"python -S -c pass"', '"python -S hostile.py"'), *config)
    return project.git("rev-parse", "HEAD")


def pids(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


DAEMON = """
import os, sys, time
def note():
    with open({file!r}, "a") as out:
        out.write(f"{{os.getpid()}} ")
note()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        # No word of where it comes from: no group, no session, no parent, no environment.
        code = "import os, time; open({file!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
        os.execve(sys.executable, [sys.executable, "-S", "-c", code], {{}})
    os._exit(0)
while len(open({file!r}).read().split()) < 2:
    time.sleep(0.01)
{then}
"""


def test_no_daemon_outlives_the_tests_and_its_output_is_not_waited_for(project: Project, tmp_path: Path):
    file = tmp_path / "pids"
    hostile(project, DAEMON.format(file=str(file), then=""))
    project.json("test")
    first, daemon = pids(file)
    assert (runs(first), runs(daemon)) == (False, False)


@pytest.mark.parametrize("part", ["migrate.py", "web.py"])
def test_no_daemon_outlives_an_acceptance(project: Project, tmp_path: Path, part: str):
    file = tmp_path / "pids"
    path = project.root / "app" / part
    path.write_text(DAEMON.format(file=str(file), then=path.read_text()))
    project.commit("Leave a daemon behind")
    for stage in ("intake", "build", "test", "accept"):
        project.json(stage)
    assert len(pids(file)) >= 2
    assert not any(map(runs, pids(file)))


def places(folder: Path) -> list[Path]:
    return list(folder.glob("roadworthy-trial-*"))


def test_ctrl_c_ends_the_tests_and_frees_the_package(project: Project, tmp_path: Path):
    file, temporary = tmp_path / "pids", tmp_path / "tmp"
    temporary.mkdir()
    commit = hostile(project, DAEMON.format(file=str(file), then="time.sleep(60)"))
    process = project.start("test", "--json", env={"TMPDIR": str(temporary)})
    until(lambda: len(pids(file)) == 2)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert (ran.code, "interrupted" in ran.said["line"]) == (130, True)
    assert not any(map(runs, pids(file)))
    assert places(temporary) == []
    assert project.kinds(f"package-{commit}") == ["start test", "abandon test"]


def test_what_a_killed_run_leaves_is_swept_by_the_next(project: Project, machine: Machine, tmp_path: Path):
    """Its own processes run on, and its folder stays, until the next place is made."""
    file, temporary = tmp_path / "pids", tmp_path / "tmp"
    temporary.mkdir()
    slow = f"import os, time; open({str(file)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    commit = hostile(project, slow)
    process = project.start("test", env={"TMPDIR": str(temporary)})
    (left,) = until(lambda: pids(file))
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    assert runs(left)
    (place,) = places(temporary)
    (start,) = project.entries(f"package-{commit}")
    assert lives(holder(start)) is False
    (project.root / "app" / "hostile.py").write_text("")
    project.commit("Be quick")
    assert project.process("test", env={"TMPDIR": str(temporary)}).code == 0
    assert not runs(left)
    assert not place.exists()
    assert places(temporary) == []


def test_a_place_that_somebody_uses_is_not_swept(project: Project, tmp_path: Path):
    file, temporary = tmp_path / "pids", tmp_path / "tmp"
    temporary.mkdir()
    slow = f"import os, time; open({str(file)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    hostile(project, slow)
    process = project.start("test", env={"TMPDIR": str(temporary)})
    (theirs,) = until(lambda: pids(file))
    (project.root / "app" / "hostile.py").write_text("")
    project.commit("Be quick")
    assert project.process("test", env={"TMPDIR": str(temporary)}).code == 0
    assert runs(theirs)
    assert len(places(temporary)) == 1
    process.send_signal(signal.SIGINT)
    ended(process)
    assert not runs(theirs)
