"""Reading a source package: one file of it, or all of it into a folder.

An archive may have been swapped since it was built, so it is believed no more than what a stranger sends:
only what a build writes is accepted, and nothing is ever written outside the folder that was asked for.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..errors import UsageError

ROOT: Final = "./app"  # where the archive keeps the app
MAX_READ: Final = 16 << 20


def read(file: Path, name: str) -> bytes | None:
    """The bytes of a file of the app ("web/server.py"), None when there is no such file.

    Raises UsageError above 16 MiB and when the archive cannot be read.
    """
    with _opened(file) as archive:
        for member in archive:
            if member.name == f"{ROOT}/{name}":
                if member.size > MAX_READ:
                    raise UsageError(f"{name!r} in {file} has {member.size} bytes, too many to read")
                content = archive.extractfile(member) if member.isreg() else None
                return content.read() if content else None
    return None


def unpack(file: Path, folder: Path) -> None:
    """Write the app into `folder`, which is made and must be empty. Raises UsageError for an unsafe archive.

    A member is written only into a directory that the same archive made before, so no symlink is ever
    followed; `tarfile`'s data filter stands behind that.
    """
    with _opened(file) as archive:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: give an empty folder to unpack into")
        folders = {"."}
        seen = {"."}
        for member in archive:
            if member.name == ROOT and member.isdir():
                continue
            top, _, name = member.name.partition(f"{ROOT}/")
            parent = name.rpartition("/")[0] or "."
            plain = member.isreg() or member.isdir() or member.issym()
            plain = plain and name.rpartition("/")[2] not in ("", ".", "..")
            if top or not plain or parent not in folders or name in seen:
                raise UsageError(f"{file} is no package of ours at {member.name[:200]!r}: build it again")
            seen.add(name)
            if member.isdir():
                folders.add(name)
            archive.extract(member.replace(name=name, deep=False), folder, filter="data")


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:gz", encoding="utf-8", errors="surrogateescape") as archive:
            yield archive
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UsageError(f"{file} cannot be read as a package: {error}") from error
