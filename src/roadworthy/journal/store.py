"""Where entries and evidence lie: names to bytes, and a name is written once.

A `Store` promises that `put` either writes the whole of `data` durably or nothing, and that of all who put
one name at once exactly one succeeds. Two equal puts both succeed, because a lost reply makes a winner ask
again; so whoever must know that it won (the log) makes its bytes unique.

`Folder` keeps that promise on a local disk: the bytes go into a temporary file in the same folder, which is
synced and then hard-linked to its name, which fails when the name exists. A kill leaves at most a temporary
file, which no reader sees. Symbolic links are never followed below the root.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Protocol

from ..files import appearing_in
from .entry import EVIDENCE_LIMIT, JournalError

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_LEFTOVER = r"\.[0-9a-f]{16}\.part"
_LEFTOVER_AGE = 3600
"""Seconds after which a temporary file belongs to a writer that died. One that lives only fails its put."""
_CHUNK = 64 << 10
"""Bytes that are read at once, at least; more where a file has more."""
_TICK = 3.0
"""Seconds within which a folder may change twice and show the same time, on the coarsest file systems."""
# O_NONBLOCK: a pipe that somebody put there must not hang us.
_REGULAR = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE = 0o775
"""Of a folder that is made, whatever the umask: who is neither its owner nor of its group must not write there."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Store(Protocol):
    """Put-if-absent storage. Names are relative paths, `folder/…/name`; `place` says where they begin."""

    place: str
    far: bool
    """Whether each object takes a journey, so that many in one are faster."""

    def put(self, name: str, data: bytes) -> bool:
        """Write `data`. True when it is there now, False when the name has other bytes already."""

    def get(self, name: str, limit: int = EVIDENCE_LIMIT) -> bytes | None:
        """The bytes, or None when there are none. Raises JournalError above `limit` bytes."""

    def get_all(self, names: Iterable[str], limit: int) -> Iterator[bytes | None]:
        """What `get` would say of each of `names`, in their order; read ahead where that is faster."""

    def names(self, prefix: str, after: str = "") -> list[str]:
        """The sorted full names of what lies directly in the folder `prefix`; with `after`, of those behind it."""

    def stamp(self, prefix: str) -> str:
        """What is another one as soon as a name came into the folder `prefix` or went; "" where nothing tells."""

    def beat(self, place: str, token: int) -> None:
        """Note below `beats/` that the holder `token` of `place` lives. Tried once and not for long; may raise."""

    def last_beat(self, place: str, token: int) -> float | None:
        """When that holder was last heard of: seconds since 1970 by the store's clock. None for never."""


class Folder:
    """A store in a local folder, which is made when first written to."""

    far = False

    def __init__(self, root: Path) -> None:
        self.root, self.place = root, str(root)
        self._swept: set[str] = set()
        self._synced: set[str] = set()

    def open_to_all(self, place: str) -> list[Path]:
        """The folders, from the root to the log `place`, in which every user of the machine may write."""
        log = self.root / place
        folders = [path for path in (*reversed(log.parents), log) if path.is_relative_to(self.root)]
        return [path for path in folders if path.is_dir() and path.stat().st_mode & stat.S_IWOTH]

    def put(self, name: str, data: bytes) -> bool:
        """See `Store.put`."""
        where, _, last = checked(name).rpartition("/")
        with _storage(f"cannot write {self.root / name}"), self._open(where, make=True) as folder:
            if where not in self._swept:
                self._swept.add(where)
                _sweep(folder)
            written = _put_new(folder, last, data)
        return written or self.get(name) == data

    def get(self, name: str, limit: int = EVIDENCE_LIMIT) -> bytes | None:
        """See `Store.get`."""
        (data,) = self.get_all([name], limit)
        return data

    def get_all(self, names: Iterable[str], limit: int) -> Iterator[bytes | None]:
        """See `Store.get_all`."""
        # The folder of one log is opened once, and not for each of its entries.
        for where, inside in groupby(names, lambda name: checked(name).rpartition("/")[0]):
            with contextlib.ExitStack() as opened:
                folder = None
                with contextlib.suppress(_Absent), _storage(f"cannot read {self.place}/{where}"):
                    folder = opened.enter_context(self._open(where))
                for name in inside:
                    data = None
                    if folder is not None:
                        with contextlib.suppress(_Absent), _storage(f"cannot read {self.place}/{name}"):
                            data = _read(folder, name.rpartition("/")[2], limit)
                    yield data

    def names(self, prefix: str, after: str = "") -> list[str]:
        """See `Store.names`."""
        known = after.removeprefix(f"{prefix}/")
        try:
            with _storage(f"cannot list {self.root / prefix}"), self._open(checked(prefix)) as folder:
                found = sorted(name for name in os.listdir(folder) if name > known)  # noqa: PTH208 - a descriptor
                return [f"{prefix}/{name}" for name in found if not re.fullmatch(_LEFTOVER, name)]
        except _Absent:
            return []

    def stamp(self, prefix: str) -> str:
        """See `Store.stamp`."""
        try:
            with _storage(f"cannot read {self.root / prefix}"), self._open(checked(prefix)) as folder:
                about = os.fstat(folder)
        except _Absent:
            return ""
        # Two changes within one tick of the file system's clock have the same time: a new one tells nothing yet.
        old = time.time() - about.st_ctime > _TICK
        return f"{about.st_dev} {about.st_ino} {about.st_ctime_ns}" if old else ""

    def beat(self, place: str, token: int) -> None:
        """See `Store.beat`."""
        name = f"{token:08d}"
        with _storage("cannot leave a beat"), self._open(checked(f"beats/{place}"), make=True) as folder:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | _REGULAR, 0o644, dir_fd=folder)
            try:
                os.utime(fd)
            finally:
                os.close(fd)
            # Those of earlier holders are of no use any more, and would be one file for each action.
            for other in os.listdir(folder):  # noqa: PTH208 - a descriptor, not a path
                if re.fullmatch("[0-9]{8}", other) and other < name:
                    os.unlink(other, dir_fd=folder)

    def last_beat(self, place: str, token: int) -> float | None:
        """See `Store.last_beat`."""
        try:
            with _storage("cannot look for a beat"), self._open(checked(f"beats/{place}")) as folder:
                about = os.stat(f"{token:08d}", dir_fd=folder, follow_symlinks=False)
        except _Absent:
            return None
        return about.st_mtime if stat.S_ISREG(about.st_mode) else None

    @contextlib.contextmanager
    def _open(self, where: str, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root, opened step by step so that no link is followed."""
        # Also what is there already: another process may just have made it, and not have synced it yet.
        sync = make and where not in self._synced
        if sync:
            _make_durably(self.root)
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in where.split("/") if where else ():
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, _MODE, dir_fd=fd)
                if sync:
                    os.fsync(fd)
                inner = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
            if make:
                self._synced.add(where)
            yield fd
        finally:
            os.close(fd)


def _make_durably(folder: Path) -> None:
    """Make a folder whose name survives a power cut, with the folders that it lies in."""
    if not folder.is_dir():
        _make_durably(folder.parent)
        folder.mkdir(_MODE, exist_ok=True)
    with contextlib.suppress(PermissionError):  # then it is not we who made it
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


class _Absent(JournalError):
    """The name, or its folder, is not there."""


@contextlib.contextmanager
def _storage(doing: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _Absent(f"{doing}: there is nothing") from error
    except OSError as error:
        raise JournalError(f"{doing}: {error.strerror}") from error


def checked(name: str) -> str:
    """`name`, which every store can hold; raises JournalError when it could lead out of the store."""
    if not all(re.fullmatch(_PART, part) for part in name.split("/")):
        raise JournalError(f"{name[:200]!r} is no name of the journal's store")
    return name


def _put_new(folder: int, name: str, data: bytes) -> bool:
    """Write a file whole. False when the name is taken."""
    try:
        with appearing_in(folder, name, replace=False) as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _read(folder: int, name: str, limit: int) -> bytes:
    fd = os.open(name, os.O_RDONLY | _REGULAR, dir_fd=folder)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise JournalError(f"{name} is not a regular file")
        if about.st_size > limit:
            raise JournalError(f"{name} has {about.st_size} bytes, more than {limit}")
        data = bytearray()
        while len(data) <= limit and (more := os.read(fd, max(about.st_size + 1 - len(data), _CHUNK))):
            data += more
        if len(data) > limit:
            raise JournalError(f"{name} grew beyond {limit} bytes while it was read")
        return bytes(data)
    finally:
        os.close(fd)


def _sweep(folder: int) -> None:
    for name in os.listdir(folder):
        if re.fullmatch(_LEFTOVER, name):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime > _LEFTOVER_AGE:
                    os.unlink(name, dir_fd=folder)
