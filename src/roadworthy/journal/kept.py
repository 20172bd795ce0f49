"""Files of this user that save time or remember, and that no other could have made.

They lie in the state folder of the user, never in the project, and carry a MAC by a key that lies beside them. Who
writes the project or the store cannot make one. Each may be lost at any moment.
"""

from __future__ import annotations

import hmac
import os
import stat
import weakref
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ..errors import UsageError

_KEY: Final = 32
_MAC: Final = 32
_SIZE: Final = 4
_USUAL: Final = 64 << 10
"""Bytes that are read at once; the head of an index has more only beyond a million and a half of rows."""
T = TypeVar("T")


class Own:
    """A regular file that is ours alone, open as long as somebody may read it. Raises OSError for any other."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._fd)
        about = os.fstat(self._fd)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
            raise PermissionError(f"{path} is not ours alone")
        self.size = about.st_size

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from `at` on, or those up to the file's end."""
        data = bytearray()
        while len(data) < size and (more := os.pread(self._fd, size - len(data), at + len(data))):
            data += more
        return bytes(data)


class Kept:
    """What reads and writes such files in `folder`; it only reads unless it may `keep`."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._may_keep, self._key = keep, folder / "index.key"

    def believed(self, path: Path, form: msgspec.msgpack.Decoder[T]) -> tuple[T, Own, int] | None:
        """What stands at the head of a file, the file, and where in it the head ends."""
        try:
            key, file = _key(self._key), Own(path)
            begin = file.read(0, _USUAL)
            end = _MAC + _SIZE + int.from_bytes(begin[_MAC : _MAC + _SIZE])
            if len(begin) < end:
                begin = file.read(0, min(end, file.size))
            mac, said = begin[:_MAC], begin[_MAC:end]
            if len(key) != _KEY or not hmac.compare_digest(mac, hmac.digest(key, said, "sha256")):
                return None
            return form.decode(memoryview(said)[_SIZE:]), file, end
        except (OSError, msgspec.DecodeError):
            return None  # there is none, it is not ours alone, or another version of this code wrote it

    def keep(self, path: Path, said: msgspec.Struct, rest: bytes = b"") -> None:
        """Write a file of this machine's state, with its MAC. Does nothing where the state must not be kept."""
        from ..files import write_atomically

        if not self._may_keep:
            return
        head = msgspec.msgpack.encode(said)
        head = len(head).to_bytes(_SIZE) + head
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(_key(self._key)) != _KEY:
                write_atomically(self._key, os.urandom(_KEY), 0o600)
            mac = hmac.digest(_key(self._key), head, "sha256")
            write_atomically(path, mac + head + rest, 0o600)
        except (OSError, UsageError):
            return


def _key(path: Path) -> bytes:
    """The key; none when it is not one of ours."""
    try:
        return Own(path).read(0, _KEY + 1)
    except OSError:
        return b""
