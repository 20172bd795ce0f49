"""How fast the road is, beside the app's own boot. The bars are for a quiet machine: `nox -s bench` compares."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest

from road.project import Project, until

pytestmark = pytest.mark.bench
BOOT = 0.6  # seconds that the app sleeps before it listens; its real boot is measured and is a little more


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def booted(project: Project) -> float:
    """Seconds from the newest release to its process being up, by the platform's own log."""
    lines = project.invoke("sandbox.logs", "--app", project.staging, "--num", "1000").out.splitlines()
    started = [line for line in lines if "heroku[web.1]: Starting process" in line][-1]
    up = [line for line in lines if "heroku[web.1]: State changed from starting to up" in line][-1]
    return at(up.split()[0]) - at(started.split()[0])


def took(project: Project, action: str) -> float:
    start, end = project.entries()[-2:]
    assert (start.record.action, end.record.details["settles"]) == (action, start.seq)
    return at(end.at) - at(start.at)


def test_a_deploy_takes_the_apps_own_boot_and_half_a_second(project: Project, bar):
    seconds = []
    for number in range(3):
        project.commit(f"Number {number}", boot_seconds=BOOT)
        project.deployed()
        seconds.append(took(project, "deploy") - booted(project))
    bar("deploy, start to verified, beyond the boot", sorted(seconds)[1], 0.5)


def test_a_process_that_dies_at_boot_is_judged_within_a_second_of_its_death(project: Project, bar):
    project.deployed()
    project.commit("Die", boot="die", boot_seconds=BOOT)
    project.json("test")
    project.json("deploy", code=1)
    lines = project.invoke("sandbox.logs", "--app", project.staging, "--num", "1000").out.splitlines()
    died = at([line for line in lines if "State changed from starting to crashed" in line][-1].split()[0])
    failed = next(e for e in project.entries() if e.record.kind == "failed")
    bar("death at boot to verdict", at(failed.at) - died, 1.0)


def test_a_failed_check_is_undone_within_twice_the_boot_and_a_second(project: Project, bar):
    project.commit("Good", boot_seconds=BOOT)
    project.deployed()
    boot = booted(project)
    good = project.runs()
    project.commit("Bad", boot_seconds=BOOT, health="degraded")
    project.json("test")
    seen: list[float] = []
    stop = threading.Event()

    def watch() -> None:  # when visitors first meet the bad release, and when they meet the good one again
        while not stop.is_set():
            if (project.runs() == good) == bool(seen) and len(seen) < 2:
                seen.append(time.monotonic())
            stop.wait(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = project.json("deploy", code=1)
    until(lambda: len(seen) == 2)
    stop.set()
    watcher.join()
    failed, end = project.entries()[-3], project.entries()[-1]
    seconds = at(end.at) - at(failed.at)
    assert "rolled back" in said["line"]
    bar("failed check to verified rollback", seconds, 2 * boot + 1)
    bar("visitors met the bad one for", seen[1] - seen[0], 2 * boot + 1)
