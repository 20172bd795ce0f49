"""What a build keeps on this machine: files that appear whole, in a folder that one build holds at a time."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from .. import files
from ..errors import UsageError
from ..wait import until

BUILDING: Final = (
    ".building-"  # how the names of unfinished files and folders begin: the next build sweeps them
)


@contextmanager
def alone(store: Path, within: float) -> Iterator[None]:
    """Hold the store's lock, which the kernel frees when its holder dies, and sweep what the dead left.

    Raises UsageError when another holds it for over `within` seconds.
    """
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("ab") as lock:

        def taken() -> bool | None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return True

        if not until(taken, within=within, every=0.02):
            raise UsageError(f"another build holds {store} for over {within:.0f} s: end it, then try again")
        for left in store.glob(f"{BUILDING}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield


@contextmanager
def appearing(file: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name, and is on disk with it, only when the block ends well. It is read-only."""
    with files.appearing(file, 0o444, unfinished=f"{BUILDING}{{}}") as out:
        yield out


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Turn what the system says about a full or broken disk into one line."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"package cannot be kept in {folder}: {error.strerror}: make room or repair it"
        ) from error
