"""A small image FROM scratch with this machine's own Python in it: no download, about a second."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

# An image has no Procfile, and so no release phase that release.toml could declare.
RELEASE_PHASE = re.search(
    r"^release_phase = .*\n", (Path(__file__).parents[2] / "release.toml").read_text(), re.MULTILINE
)[0]
LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo"),
    *(
        "site-packages",
        "dist-packages",
        "config-*",
        "pydoc_data",
        "_test*",
        "distutils",
        "*.a",
        "EXTERNALLY-MANAGED",
    ),
)


def lay_out(folder: Path) -> None:
    """Fill `folder` with a root file system in which `python3` runs, everything at its own path."""
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, _inside(folder, stdlib), ignore=LEFT_OUT, symlinks=True)
    _add(folder, {python, *_libraries([python, *stdlib.glob("lib-dynload/*.so")])})
    for name in ("python3", "python"):
        link = folder / "usr/local/bin" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(python)
    (folder / "tmp").mkdir(mode=0o1777)


def add_packages(folder: Path, *names: str) -> None:
    """Put distributions of this environment, and what they need, where the root's Python finds them."""
    python = Path(sys.executable).resolve()
    said = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
    todo, seen, programs = list(names), set(), []
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                to = _inside(folder, Path(said.strip())) / file
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(found.locate_file(file)), to)
                programs += [Path(str(found.locate_file(file)))] if ".so" in file.name else []
        needs = map(Requirement, found.requires or ())
        todo += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    _add(folder, {file for file in _libraries(programs) if "site-packages" not in file.parts})


def dockerfile() -> str:
    return 'FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin\nCMD ["python3"]\n'


def _add(folder: Path, files: set[Path]) -> None:
    for file in files:
        to = _inside(folder, file)
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)  # what a symlink leads to, under its name


def _libraries(programs: list[Path]) -> set[Path]:
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)}


def _inside(folder: Path, path: Path) -> Path:
    return folder / path.relative_to("/")
