"""The app's front door: an HTTP/1.1 server on 127.0.0.1 that gives each request to a web process.

Invariants:
- the process is chosen per request, in turns, from the list as it is at that moment; a client's connection
  outlives every release;
- a process that left the list gets no new request, and can be waited for until it has none;
- stopping closes every connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus

import h11

from ...errors import UsageError
from .exchange import Upstream, exchange
from .headers import head_size
from .limits import Limits
from .trace import Trace
from .wire import PIECE, REQUEST_HEAD, PeerGone, Wire

_LEFTOVER = 1024 * 1024
"""Bytes of a request's body that are read and thrown away after an early answer."""
_LEFTOVER_TIME = 2.0


class Router:
    """Routes for one app; `log` gets the trace of each request. All that is public may change any time.

    `forwarded` is the address that processes are told; "": this one.

    `absence` is the code of an empty list: H14 (no web processes) or H10 (they crashed).
    """

    def __init__(self, port: int, log: Callable[[Trace], None], limits: Limits) -> None:
        self.maintenance = False
        self.absence = "H14"
        self.forwarded = ""
        self._port, self._log, self._limits = port, log, limits
        self._upstreams: tuple[Upstream, ...] = ()
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; raises UsageError if the port is taken."""
        try:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self._port, limit=PIECE, backlog=1024
            )
        except OSError as error:
            raise UsageError(f"cannot listen on 127.0.0.1:{self._port}: {error.strerror}") from error

    def route(self, upstreams: Sequence[Upstream]) -> None:
        """From now on requests go to these."""
        self._upstreams = tuple(upstreams)

    def close(self) -> None:
        """Take no new connections; those that are open go on."""
        if self._server:
            self._server.close()

    async def stop(self) -> None:
        """Close everything."""
        self.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(Wire.accepted(reader, writer)))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    def _pick(self, tried: set[Upstream]) -> Upstream | None:
        """The next in turn that was not tried."""
        for _ in self._upstreams:
            self._turn = (self._turn + 1) % len(self._upstreams)
            if (upstream := self._upstreams[self._turn]) not in tried:
                return upstream
        return None

    async def _converse(self, client: Wire) -> None:
        """The requests of one connection, one after another."""
        try:
            while True:
                try:
                    async with asyncio.timeout(self._limits.keep_alive):
                        request = await client.receive()
                except h11.RemoteProtocolError as error:
                    await _refuse(client, error)
                    return
                if not isinstance(request, h11.Request):
                    return
                if head_size(request) > REQUEST_HEAD:
                    await _refuse(client, h11.RemoteProtocolError("head too large", error_status_hint=431))
                    return
                await self._answer(client, request)
                if not await _rest_is_read(client):
                    return
                client.conn.start_next_cycle()
        except (PeerGone, TimeoutError):
            return
        finally:
            client.close()

    async def _answer(self, client: Wire, request: h11.Request) -> None:
        problem = "H80" if self.maintenance else None if self._upstreams else self.absence
        trace = await exchange(client, request, self._pick, problem, self._port, self._limits, self.forwarded)
        self._log(trace)


async def _rest_is_read(client: Wire) -> bool:
    """Whether the connection can take another request; reads what is left of a body that was not needed."""
    conn = client.conn
    if conn.our_state is h11.DONE and conn.their_state is h11.DONE:
        return True
    left = _LEFTOVER
    try:
        async with asyncio.timeout(_LEFTOVER_TIME):
            while conn.their_state is h11.SEND_BODY and not conn.they_are_waiting_for_100_continue:
                event = await client.receive()
                left -= len(event.data) if isinstance(event, h11.Data) else 0
                if left < 0:
                    return False
    except (TimeoutError, h11.RemoteProtocolError):
        return False
    return conn.our_state is h11.DONE and conn.their_state is h11.DONE


async def _refuse(client: Wire, error: h11.RemoteProtocolError) -> None:
    """Answer what is not HTTP, or has too large a head; nothing of it is logged, for it names no request."""
    if client.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        headers = [(b"Content-Length", b"0"), (b"Connection", b"close")]
        status = HTTPStatus(error.error_status_hint)
        client.put(h11.Response(status_code=status, headers=headers, reason=status.phrase))
        client.put(h11.EndOfMessage())
        await client.flush()
        await client.linger(_LEFTOVER, _LEFTOVER_TIME)
