"""Reading a slug: one file of it, or all of it into a folder.

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

ROOT: Final = "./app"  # where a slug keeps the app, by Heroku's format
MAX_READ: Final = 16 << 20


def read(slug_file: Path, name: str) -> bytes | None:
    """The bytes of a file of the app ("Procfile", "web/server.py"), None when there is no such file.

    Raises UsageError above 16 MiB and when the slug cannot be read.
    """
    with _opened(slug_file) as slug:
        for member in slug:
            if member.name == f"{ROOT}/{name}":
                if member.size > MAX_READ:
                    raise UsageError(f"{name!r} in {slug_file} has {member.size} bytes, too many to read")
                content = slug.extractfile(member) if member.isreg() else None
                return content.read() if content else None
    return None


def unpack(slug_file: Path, folder: Path) -> None:
    """Write the app into `folder`, which is made and must be empty. Raises UsageError for an unsafe slug.

    A member is written only into a directory that the same archive made before, so no symlink is ever
    followed; `tarfile`'s data filter stands behind that.
    """
    with _opened(slug_file) as slug:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: give an empty folder to unpack into")
        folders = {"."}
        seen = {"."}
        for member in slug:
            if member.name == ROOT and member.isdir():
                continue
            top, _, name = member.name.partition(f"{ROOT}/")
            parent = name.rpartition("/")[0] or "."
            plain = member.isreg() or member.isdir() or member.issym()
            plain = plain and name.rpartition("/")[2] not in ("", ".", "..")
            if top or not plain or parent not in folders or name in seen:
                raise UsageError(f"{slug_file} is no slug of ours at {member.name[:200]!r}: build it again")
            seen.add(name)
            if member.isdir():
                folders.add(name)
            slug.extract(member.replace(name=name, deep=False), folder, filter="data")


@contextmanager
def _opened(slug_file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(slug_file, "r:gz", encoding="utf-8", errors="surrogateescape") as slug:
            yield slug
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UsageError(f"{slug_file} cannot be read as a slug: {error}") from error
