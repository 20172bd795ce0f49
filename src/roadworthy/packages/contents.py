"""Which entries of a commit make a package, and whether they may.

A package holds directories, files and symlinks that stay inside it; all else is refused by name. Git's own
front door lets no such thing in, but a tree object can be made by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..errors import UsageError
from ..git_objects import Entry
from . import start_commands
from .ustar import shown

STAMP: Final = b"COMMIT"  # the file that a build adds: the commit's SHA and a newline
STAMPED: Final = Entry("100644", "blob", "", STAMP)  # its place in the order; git has no such object
MAX_FILES: Final = 100_000
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"  # how a pointer begins (git-lfs, spec.md)
MAX_POINTER: Final = 1024  # bytes that a pointer has at most
_MAX_HOPS: Final = 40  # as many as Linux follows in one path
# Git knows of permissions only whether a file is executable.
SYMLINK: Final = "120000"
MODES: Final = {"100644": 0o644, "100664": 0o644, "100755": 0o755, SYMLINK: 0o777}


def checked(entries: Iterable[Entry], needs: str = start_commands.NAME) -> dict[bytes, Entry | None]:
    """Every name of the package in the order of its bytes, COMMIT too; None stands for a directory.

    Raises UsageError for a submodule, an unsafe or doubled name, a COMMIT file, too many files, and when the
    file that it `needs` is not there.
    """
    files: dict[bytes, Entry] = {}
    for entry in entries:
        if entry.mode not in MODES:
            kind = "a submodule" if entry.kind == "commit" else f"of mode {entry.mode}"
            raise UsageError(f"{shown(entry.name)} is {kind}: a package holds files and symlinks only")
        if entry.name in files or any(part in (b"", b".", b"..") for part in entry.name.split(b"/")):
            raise UsageError(f"{shown(entry.name)} is no name for a file of a package: rename it")
        files[entry.name] = entry
        if len(files) > MAX_FILES:
            raise UsageError(f"the package has over {MAX_FILES} files: give [package] path a smaller folder")
    if STAMP in files:
        raise UsageError("the package's root has a file COMMIT, which the build writes: rename it")
    needed = needs.encode()
    if needed not in files or files[needed].mode == SYMLINK:
        raise UsageError(f"no {needs} at the package's root: add one that says how `web` is started")
    files[STAMP] = STAMPED
    folders = {parent for name in files for parent in _parents(name)}
    for name in folders & files.keys():
        raise UsageError(f"{shown(name)} is both a folder and a file in the package: rename one")
    return {name: files.get(name) for name in sorted(folders | files.keys())}


def check_links(links: Mapping[bytes, bytes]) -> None:
    """Follow each symlink through the others, as the kernel will: UsageError when one leaves the package.

    Comparing words is not enough: with `up -> ..` below a folder, `up/../secret` climbs higher than it reads.
    A target that is not there is allowed, as git allows it.
    """
    for name, target in links.items():
        problem = _follow(name, target, links)
        if problem:
            raise UsageError(
                f"symlink {shown(name)} -> {shown(target)} {problem}: point it inside the package"
            )


def _follow(name: bytes, target: bytes, links: Mapping[bytes, bytes]) -> str:
    """What is wrong with where a symlink leads; empty when nothing is."""
    here = name.split(b"/")[:-1]
    todo = target.split(b"/")[::-1]
    hops = 1
    if not target or target.startswith(b"/") or b"\0" in target:
        return "is absolute, empty or malformed"
    while todo:
        part = todo.pop()
        if part == b"..":
            if not here:
                return "leaves the package"
            here.pop()
        elif part not in (b"", b"."):
            here.append(part)
            onward = links.get(b"/".join(here))
            if onward is not None:
                hops += 1
                if hops > _MAX_HOPS or onward.startswith(b"/"):
                    return "never ends" if hops > _MAX_HOPS else "leaves the package"
                here.pop()
                todo += onward.split(b"/")[::-1]
    return ""


def _parents(name: bytes) -> Iterable[bytes]:
    cut = name.rfind(b"/")
    while cut > 0:
        yield name[:cut]
        cut = name.rfind(b"/", 0, cut)
