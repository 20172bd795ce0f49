"""gzip without compression (RFC 1952 around stored blocks of RFC 1951): one input, one output, anywhere.

A source package is a gzip file. What a compressor makes of the same input moves with its version, so nothing is
compressed here: the blocks are as long as the format allows, and the header names no time, name or system.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import IO, Final

_HEADER: Final = (
    b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
)  # deflate, no flags, no time, no level, no system
_BLOCK: Final = 65535  # bytes of a stored block, at most
_FULL: Final = (
    b"\x00\xff\xff\x00\x00"  # a full stored block follows: not the last; its length, and that inverted
)
_LAST: Final = b"\x01\x00\x00\xff\xff"  # an empty stored block, marked as the last one


class Stored:
    """Writes a gzip file to `out`, and knows the sha256 and the size of what it wrote."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._held = bytearray()
        self._crc = 0
        self._length = 0
        self._sha256 = hashlib.sha256()
        self.size = 0
        self._put(_HEADER)

    def write(self, data: bytes | bytearray) -> None:
        """Append to the content. Where blocks begin depends on the content alone, not on how it came."""
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        self._held += data
        whole = len(self._held) // _BLOCK * _BLOCK
        if whole:
            parts: list[bytes | memoryview] = []
            with memoryview(self._held) as held:
                for at in range(0, whole, _BLOCK):
                    parts += (_FULL, held[at : at + _BLOCK])
                self._put(b"".join(parts))  # at once: many small pieces cost more than one copy
                parts.clear()
            del self._held[:whole]

    def end(self) -> str:
        """Write what is left and the end of the file; returns the sha256 of all of it, in hex."""
        if self._held:
            rest = len(self._held)
            self._put(b"\x00%s%s" % (rest.to_bytes(2, "little"), (rest ^ 0xFFFF).to_bytes(2, "little")))
            self._put(self._held)
        self._put(_LAST + self._crc.to_bytes(4, "little") + (self._length & 0xFFFFFFFF).to_bytes(4, "little"))
        return self._sha256.hexdigest()

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        self._sha256.update(data)
        self._out.write(data)
        self.size += len(data)
