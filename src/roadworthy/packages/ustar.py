"""The bytes of a package: POSIX USTAR (IEEE Std 1003.1, pax utility, "ustar Interchange Format").

Written by hand, not by `tarfile`, for two reasons: every byte that could differ between two machines (owner,
time, mode, device, vendor extensions) is a constant here, and a header costs microseconds. Names are bytes,
as git has them. A name or a symlink's target that does not fit has a pax extended header before its own
(the same standard, "pax Extended Header"); what fits has none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import IO, Final

from ..errors import UsageError
from .stored import Stored

BLOCK: Final = 512
RECORD: Final = 20 * BLOCK  # what tar pads an archive to
MAX_NAME: Final = 100
MAX_PREFIX: Final = 155
MAX_PART: Final = 255  # bytes that Linux takes between two slashes
MAX_PATH: Final = 4095  # and in a whole path
MAX_FILE: Final = 8**11 - 1  # eleven octal digits
_CHUNK: Final = 1 << 20
FILE, SYMLINK, DIRECTORY, EXTENDED = b"0", b"2", b"5", b"x"


def header(name: bytes, kind: bytes, mode: int, size: int = 0, target: bytes = b"") -> bytes:
    """The header of a member: 512 bytes, with a pax header before them where a name or target needs one.

    Raises UsageError when a name, a target or the size is more than any Linux takes.
    """
    if size > MAX_FILE:
        raise UsageError(f"file {shown(name)} has {size} bytes, too many for a package")
    split, long = _split(name), {}
    if split is None:
        long[b"path"] = _written_out("name", name)
        split = name[:MAX_NAME], b""
    if len(target) > MAX_NAME:
        long[b"linkpath"] = _written_out(f"symlink {shown(name)}: its target", target)
    own = _block(*split, kind, mode, size, target[:MAX_NAME])
    return _extended(long) + own if long else own


def _written_out(what: str, name: bytes) -> bytes:
    if len(name) > MAX_PATH or any(len(part) > MAX_PART for part in name.split(b"/")):
        limits = f"over {MAX_PART} bytes between two slashes, or over {MAX_PATH} in all"
        raise UsageError(f"{what} {shown(name)} has {limits}: too long for a package; shorten it")
    try:
        name.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what} {shown(name)} has {len(name)} bytes and is no UTF-8: shorten it") from None
    return name


def _extended(values: dict[bytes, bytes]) -> bytes:
    """A pax header: records `length key=value`, each with its own length counted."""
    records = b""
    for key, value in values.items():
        rest = b" %s=%s\n" % (key, value)
        length = len(rest) + len(str(len(rest)))
        length = len(rest) + len(str(length))
        records += b"%d%s" % (length, rest)
    padding = bytes(-len(records) % BLOCK)
    return _block(b"././@PaxHeader", b"", EXTENDED, 0o644, len(records), b"") + records + padding


def _block(short: bytes, prefix: bytes, kind: bytes, mode: int, size: int, target: bytes) -> bytes:
    # The checksum is taken with its own field blank; owner and time are always zero, owner names empty.
    start = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (short.ljust(100, b"\0"), mode, 0, 0, size, 0)
    end, end_sum = _end(kind, target, prefix)
    return b"%s%06o\0 %s" % (start, sum(start) + 8 * 32 + end_sum, end)


def shown(name: bytes) -> str:
    """A name fit for a message: quoted, control characters escaped, at most 200 characters."""
    text = repr(name.decode("utf-8", errors="backslashreplace"))
    return text if len(text) <= 200 else text[:200] + "…"


class Writer:
    """Appends the archive's bytes to a sink, in large pieces; `size` is how many are in the sink."""

    def __init__(self, out: Stored) -> None:
        self._out = out
        self._held = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Append these bytes."""
        self._held += data
        if len(self._held) >= _CHUNK:
            self._flush()

    def copy(self, source: IO[bytes], size: int) -> None:
        """Append `size` bytes of `source` and pad them to a block. EOFError when the source ends before."""
        left = size
        while left:
            data = source.read(min(left, _CHUNK))
            if not data:
                raise EOFError
            self.add(data)
            left -= len(data)
        self.add(bytes(-size % BLOCK))

    def end(self) -> None:
        """Write the end of the archive."""
        total = self.size + len(self._held) + 2 * BLOCK
        self.add(bytes(2 * BLOCK + -total % RECORD))
        self._flush()

    def _flush(self) -> None:
        self._out.write(self._held)
        self.size += len(self._held)
        self._held = bytearray()


@lru_cache(maxsize=1024)
def _end(kind: bytes, target: bytes, prefix: bytes) -> tuple[bytes, int]:
    """What stands behind the checksum, and its sum: the same for all files of a folder."""
    fields = (kind, target.ljust(100, b"\0"), bytes(64), 0, 0, prefix.ljust(155, b"\0"), bytes(12))
    end = b"%s%sustar\x0000%s%07o\0%07o\0%s%s" % fields
    return end, sum(end)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Name and prefix fields; None when the name does not fit. What fits whole is not split: there is one way."""
    if len(name) <= MAX_NAME:
        return name, b""
    cut = name.find(b"/", len(name) - MAX_NAME - 1, len(name) - 1)
    if cut < 1 or cut > MAX_PREFIX:
        return None
    return name[cut + 1 :], name[:cut]
