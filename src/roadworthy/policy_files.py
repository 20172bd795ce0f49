"""The files that decide over a release: `release.toml`, `guards/` and `.release/trust/`, as they lie on disk.

Pure but for `read_files` and `committed`. Bytes are compared with the commit's own, never by `git status`: an index
can be told to look away (`git update-index --assume-unchanged`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from . import git
from .errors import UsageError
from .toml import FILE

FIELD: Final = "policy_files"
"""What an entry's details call the policy that judged it."""
GUARDS: Final = "guards/"
TRUST: Final = ".release/trust/"
MOST: Final = 1 << 20  # bytes of one file
MANY: Final = 1000  # files


def read_files(root: Path, release_toml: bytes | None = None) -> dict[str, bytes]:
    """The bytes of each file, by its path from `root`; `release_toml` are those that were read before.

    Compiled files do not count, for they are not used. Raises UsageError for what cannot be read.
    """
    files = {} if release_toml is None else {FILE: release_toml}
    for name in _listed(root):
        if name not in files:
            files[name] = _bytes(root, name)
    return files


def committed(root: Path, commit: str) -> dict[str, bytes]:
    """The same files as they are in a commit. Raises UsageError where this clone has no such commit."""
    found = git.files(root, commit, (FILE, GUARDS, TRUST), MOST)
    return {name: data for name, data in found.items() if _counts(name)}


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """What an entry says of the files: the sha256 of `release.toml`, and of what sha256sum says of a folder."""
    return {
        "config": hashlib.sha256(files.get(FILE, b"")).hexdigest(),
        "guards": _digest(files, GUARDS),
        "trust": _digest(files, TRUST),
    }


def differing(files: Mapping[str, bytes], others: Mapping[str, bytes]) -> tuple[str, ...]:
    """The names of the files that are not the same in both."""
    return tuple(name for name in sorted({*files, *others}) if files.get(name) != others.get(name))


def _digest(files: Mapping[str, bytes], folder: str) -> str:
    inside = sorted(name for name in files if name.startswith(folder))
    listed = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in inside)
    return hashlib.sha256("".join(listed).encode(errors="surrogateescape")).hexdigest()


def _listed(root: Path) -> Iterator[str]:
    yield FILE
    for folder in (GUARDS, TRUST):
        found = 0
        for where, inside, names in os.walk(root / folder):
            inside[:] = sorted(name for name in inside if name != "__pycache__")
            links = [name for name in inside if (Path(where) / name).is_symlink()]
            for name in sorted((*names, *links)):
                path = (Path(where) / name).relative_to(root).as_posix()
                if _counts(path):
                    found += 1
                    yield path
                if found > MANY:
                    raise UsageError(f"{folder} holds more than {MANY} files: keep only rules there")


def _counts(name: str) -> bool:
    if name.startswith(TRUST):
        return name.endswith((".pub", "/trust.toml"))
    return "__pycache__" not in name.split("/")


def _bytes(root: Path, name: str) -> bytes:
    """A file's bytes; a link's are where it points to, as git has it."""
    path = root / name
    try:
        if path.is_symlink():
            return os.fsencode(path.readlink())
        if not path.is_file():
            raise UsageError(f"{name} is no file: move it away, or git checkout HEAD -- {name}")
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > MOST:
        raise UsageError(f"{name} is longer than {MOST} bytes: make it shorter")
    return data
