"""HTTP/1.1 over one TCP connection: h11 decides what is valid, this moves bytes.

Memory is bounded: at most one piece is read ahead, heads are limited, and a writer waits for its peer.
What is put is sent in one write at the next `flush`, which the caller does before it waits for anything.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import h11

PIECE = 64 * 1024
REQUEST_HEAD = 16 * 1024
RESPONSE_HEAD = 64 * 1024


class PeerGone(Exception):
    """The connection broke; `wire` says which side."""

    def __init__(self, wire: Wire) -> None:
        super().__init__("the peer closed the connection")
        self.wire = wire


class Wire:
    """One side of an exchange."""

    def __init__(
        self, conn: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.conn = conn
        self.ended = False
        self._reader, self._writer = reader, writer
        self._out: list[bytes] = []

    @classmethod
    def accepted(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Wire:
        """The server's side of a connection."""
        return cls(h11.Connection(h11.SERVER, REQUEST_HEAD), reader, writer)

    @classmethod
    async def connect(cls, port: int, timeout: float) -> Wire:
        """Connect to a process on loopback; raises OSError (TimeoutError is one)."""
        async with asyncio.timeout(timeout):
            streams = await asyncio.open_connection("127.0.0.1", port, limit=PIECE)
        return cls(h11.Connection(h11.CLIENT, RESPONSE_HEAD), *streams)

    @property
    def peer(self) -> str:
        """The other side's address; empty when it is gone already."""
        name = self._writer.get_extra_info("peername")
        return str(name[0]) if name else ""

    def put(self, event: h11.Event) -> None:
        """Queue an event for the next flush; raises h11.LocalProtocolError if it does not fit here."""
        data = self.conn.send(event)
        if data:
            self._out.append(data)

    async def flush(self) -> None:
        """Send what is buffered. Raises PeerGone when the other side has closed."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            try:
                self._writer.write(data)
                await self._writer.drain()
            except OSError as error:
                raise PeerGone(self) from error

    async def fill(self) -> None:
        """Take what the peer sent next, or its end."""
        try:
            data = await self._reader.read(PIECE)
        except OSError as error:
            raise PeerGone(self) from error
        self.ended = not data
        self.conn.receive_data(data)

    async def receive(self) -> object:
        """The next event, never NEED_DATA; raises h11.RemoteProtocolError for what is not HTTP."""
        while (event := self.conn.next_event()) is h11.NEED_DATA:
            await self.fill()
        return event

    async def linger(self, most: int, seconds: float) -> None:
        """Half-close and read on a little, so a peer that still writes can read our answer first."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                self._writer.write_eof()
                while most > 0 and (data := await self._reader.read(PIECE)):
                    most -= len(data)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    def abort(self) -> None:
        """Reset the connection, so that a cut-off body cannot be taken for a whole one."""
        with suppress(OSError):
            linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])  # on, for 0 seconds: RST instead of FIN
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()
