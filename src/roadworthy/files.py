"""Reading a file that somebody else wrote: of a known size, and never one that keeps its reader waiting."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from .errors import UsageError

_KINDS: Final = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


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
