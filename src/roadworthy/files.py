"""Files: read only up to a known size, and without waiting; written whole or not at all, never through a link.

Every failure is one UsageError that names the file and what the system said; nothing half-written is left.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from .errors import UsageError

_KINDS: Final = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_file(path: Path, limit: int, name: str = "") -> bytes:
    """The bytes of a regular file of at most `limit` bytes; links are followed. `name` is what people call it.

    Raises FileNotFoundError when there is none, and UsageError when it is no file, too big or cannot be read.
    """
    said = name or str(path)
    try:
        with open(path, "rb", opener=without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                kind = _KINDS.get(stat.S_IFMT(about.st_mode), "a device")
                raise UsageError(
                    f"{said} cannot be read: it is {kind}; put a regular file there, or remove it"
                )
            data = file.read(limit + 1) if about.st_size <= limit else b""
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{said} cannot be read: {error.strerror}") from error
    if about.st_size > limit or len(data) > limit:
        raise UsageError(f"{said} is longer than {limit:,} bytes: make it shorter")
    return data


def without_waiting(path: str, flags: int) -> int:
    """An opener for which a pipe without a writer is no reason to wait."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path` in one step, on the disk before this returns; its folder is made when missing.

    Whoever reads `path`, even after a crash, sees the old bytes or the new ones. Raises UsageError when the
    disk is full, the folder may not be written, or `path` is a symbolic link.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            raise UsageError(f"{path.name} is a symbolic link, and nothing is written through one: remove it")
        with appearing(path, mode) as out:
            out.write(data)


def exclusive(path: Path) -> TextIO:
    """A new text file to write line by line; its folder is made when missing. The caller closes it.

    Raises UsageError when `path` is there already, as anything, or cannot be made.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, _NEW, 0o644)
    return open(handle, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: PTH123 - a descriptor


@contextmanager
def appearing(
    path: Path, mode: int = 0o644, *, replace: bool = True, unfinished: str = ".{}.part"
) -> Iterator[BinaryIO]:
    """`appearing_in` the folder of `path`, which must be there."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with appearing_in(folder, path.name, mode, replace=replace, unfinished=unfinished) as out:
            yield out
    finally:
        os.close(folder)


@contextmanager
def appearing_in(
    folder: int, name: str, mode: int = 0o644, *, replace: bool = True, unfinished: str = ".{}.part"
) -> Iterator[BinaryIO]:
    """A new file in an open folder that gets its `name` only when the block ends well, and is on the disk then.

    What has that name is replaced; with `replace` false it stays, and FileExistsError is raised. `unfinished` is
    what the file is called until then, with a random word in it. Raises OSError as the system says it.
    """
    part = unfinished.format(secrets.token_hex(8))
    handle = os.open(part, _NEW, mode, dir_fd=folder)
    try:
        with open(handle, "wb") as out:  # noqa: PTH123 - a descriptor
            yield out
            out.flush()
            os.fsync(handle)
        if replace:
            os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        # After a link that lost, too: whoever lost builds on what the winner may not have synced yet.
        os.fsync(folder)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise UsageError(f"{path.name} cannot be written in {path.parent.name or '/'}/: {said}") from error
