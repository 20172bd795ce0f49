"""scripts/setup.sh: what is missing on a machine is one line; what was cut off or moved is made anew.

Python is a stub that writes down how it was called, so nothing is installed and no network is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = """#!/bin/sh
echo "$@" >>"$CALLED"
case "$2" in
    *version_info*) exit "${TOO_OLD:-0}" ;;
    venv)
        [ -z "${NO_VENV:-}" ] || { echo "Traceback, and then"; echo "$NO_VENV"; exit 1; }
        rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    pip) case "$*" in *"${PIP_FAILS:-nothing}"*) echo "pip: no route to host" >&2; exit 1 ;; esac ;;
    compileall) [ -z "${NO_COMPILE:-}" ] || exit 1 ;;
esac
"""


class Machine:
    """A project folder and a `python3` in a PATH of its own."""

    def __init__(self, base: Path) -> None:
        self.root, self.path, self.record = base / "project", base / "bin", base / "called"
        (self.root / "scripts").mkdir(parents=True)
        for name in ("Makefile", "scripts/setup.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root / name)
        self.path.mkdir()
        for tool in ("sh", "bash", "make", "rm", "mkdir", "cp", "mv", "tail", "dirname", "head"):
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        self.python = self.path / "python3"
        self.python.write_text(STUB)
        self.python.chmod(0o755)

    @property
    def ready(self) -> Path:
        return self.root / ".venv" / ".ready"

    @property
    def called(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        self.record.unlink(missing_ok=True)
        return subprocess.run(
            words or ("sh", "scripts/setup.sh"),
            cwd=self.root,
            env={"PATH": str(self.path), "CALLED": str(self.record), **env},
            capture_output=True,
            text=True,
            timeout=20,
        )

    def refused(self, *says: str, **env: str) -> None:
        done = self.run(**env)
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 2, done.stderr
        assert last.startswith("setup: ") and all(words in last for words in says), last
        assert not self.ready.exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_makes_the_environment_from_the_lock_with_hashes_and_nothing_else(machine: Machine):
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    _, venv, lock, ours, compiled = machine.called
    assert venv == "-m venv --clear .venv"
    assert lock.endswith("--require-hashes -r requirements.lock")
    assert ours.endswith("--no-deps --no-build-isolation -e .")
    assert compiled == "-m compileall -q src"
    assert machine.ready.read_text() == f"{machine.root.resolve()}/.venv\n"


def test_no_python_is_one_line(machine: Machine):
    machine.python.unlink()
    machine.refused("python3 is missing or older than 3.11", "make setup PYTHON=python3.12")


def test_a_python_too_old_is_one_line(machine: Machine):
    machine.refused("python3 is missing or older than 3.11", TOO_OLD="1")
    assert len(machine.called) == 1, "nothing was begun"


def test_another_python_can_be_named(machine: Machine):
    other = machine.python.rename(machine.path / "python3.12")
    assert machine.run("make", "setup", f"PYTHON={other.name}").returncode == 0
    machine.ready.unlink()
    machine.refused("/nope/python is missing or older", PYTHON="/nope/python")


def test_a_python_without_ensurepip_is_one_line(machine: Machine):
    machine.run()
    assert machine.ready.exists()  # and must not be believed when it is made anew and that fails
    machine.refused(
        "cannot make .venv (ensurepip is not available)",
        "install python3-venv",
        NO_VENV="ensurepip is not available",
    )


def test_dependencies_that_cannot_be_had_are_one_line(machine: Machine):
    for step in ("--require-hashes", "-e ."):
        machine.refused("the dependencies were not installed, pip says why above", PIP_FAILS=step)


def test_a_package_that_does_not_compile_is_one_line(machine: Machine):
    machine.refused("src was not compiled, Python says why above", NO_COMPILE="1")


def test_a_folder_that_may_not_be_written_is_one_line(machine: Machine):
    if os.geteuid() != 0:
        machine.root.chmod(0o500)
        machine.refused("may not be written")
        machine.root.chmod(0o700)
        return
    # Root may write everywhere, but not to a file system that is mounted read-only.
    root = machine.root
    steps = (
        f"mount -t tmpfs ro {root}",
        f"mkdir {root}/scripts",
        f"cp {ROOT}/scripts/setup.sh {root}/scripts",
        f"mount -o remount,ro {root}",
        f"cd {root}",
        f"PATH={machine.path} sh scripts/setup.sh",
    )
    done = subprocess.run(
        ("unshare", "-m", "sh", "-c", " && ".join(steps)),
        env={"PATH": os.environ["PATH"], "CALLED": str(machine.record)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"setup: this folder may not be written: {machine.root}\n"


def test_a_link_is_left_alone(machine: Machine, tmp_path: Path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "kept").write_text("x")
    (machine.root / ".venv").symlink_to(theirs)
    machine.refused(".venv is a link")
    assert [path.name for path in theirs.iterdir()] == ["kept"]


def test_make_repairs_what_was_cut_off_and_leaves_alone_what_is_whole(machine: Machine):
    assert machine.run("make", "setup").returncode == 0
    assert (machine.run("make", "setup").stdout, machine.called) == (
        "make: Nothing to be done for 'setup'.\n",
        [],
    )
    machine.run("make", "-B", "setup", PIP_FAILS="-e .")  # as if the cable was pulled
    assert not machine.ready.exists()
    assert machine.run("make", "setup").returncode == 0
    assert machine.ready.exists() and machine.called


def test_make_begins_anew_in_a_folder_that_was_moved_or_copied(machine: Machine, tmp_path: Path):
    machine.run("make", "setup")
    shutil.copytree(machine.root, tmp_path / "copy")
    machine.root = machine.root.rename(tmp_path / "moved here")
    for place in (machine.root, tmp_path / "copy"):
        machine.root = place
        assert machine.run("make", "setup").returncode == 0
        assert "-m venv --clear .venv" in machine.called
        assert machine.ready.read_text() == f"{place.resolve()}/.venv\n"
        assert machine.run("make", "setup").stdout == "make: Nothing to be done for 'setup'.\n"
