"""A small image FROM scratch with this machine's own Python in it: no download, about a second."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo"),
    *("site-packages", "dist-packages", "config-*", "pydoc_data", "_test*", "distutils", "*.a"),
)


def lay_out(folder: Path) -> None:
    """Fill `folder` with a root file system in which `python3` runs, everything at its own path."""
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, _inside(folder, stdlib), ignore=LEFT_OUT, symlinks=True)
    programs = [python, *stdlib.glob("lib-dynload/*.so")]
    for file in {python, *_libraries(programs)}:
        to = _inside(folder, file)
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)  # what a symlink leads to, under its name
    link = folder / "usr/local/bin/python3"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(python)
    (folder / "tmp").mkdir(mode=0o1777)


def dockerfile() -> str:
    return 'FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin\nCMD ["python3"]\n'


def _libraries(programs: list[Path]) -> set[Path]:
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)}


def _inside(folder: Path, path: Path) -> Path:
    return folder / path.relative_to("/")
