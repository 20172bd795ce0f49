"""One request through the router: to a web process, back to the client, and into the log.

Invariants:
- a request goes to another process only while nothing of its body was read and nothing was answered, that
  is, when the connection was refused;
- bodies stream both ways at once, a piece at a time;
- an answer that breaks off is reset at the client, never ended as if it were whole;
- a request counts as in flight from the step in which its process is picked, so draining misses none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import h11

from .headers import VIA, has_body, to_client, to_upstream
from .limits import Limits
from .trace import ERRORS, Trace, trace_of
from .wire import PeerGone, Wire

_CLIENTS_FAULT = ("H27", "H28")


class Upstream:
    """A web process that takes requests."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as in flight."""
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def drained(self) -> None:
        """Return when no request is in flight."""
        await self._idle.wait()


Pick = Callable[[set[Upstream]], Upstream | None]
"""Names the process for a request, other than those that refused it; None when there is no other."""


class Fault(Exception):
    """Why a request gets no proper answer: one of ERRORS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def exchange(
    client: Wire,
    request: h11.Request,
    pick: Pick,
    problem: str | None,
    port: int,
    limits: Limits,
    forwarded: str = "",
) -> Trace:
    """Answer one request: with the code of `problem` if there is one, else by a process that `pick` names."""
    trace = trace_of(request, client.peer)
    try:
        if request.method == b"CONNECT" or b"websocket" in dict(request.headers).get(b"upgrade", b"").lower():
            await _answer(client, request, trace, 501, "The sandbox routes no tunnels and no WebSockets.\n")
        elif problem:
            raise Fault(problem)
        else:
            await _forward(client, request, to_upstream(request, trace, port, forwarded), pick, trace, limits)
    except Fault as fault:
        trace.code, trace.status = fault.code, 499 if fault.code in _CLIENTS_FAULT else 503
        if fault.code in _CLIENTS_FAULT or client.conn.our_state is not h11.SEND_RESPONSE:
            client.abort()
        else:
            text = f"Application error: {ERRORS[fault.code]} ({fault.code}). See the app's log.\n"
            await _answer(client, request, trace, 503, text)
    return trace


async def _answer(client: Wire, request: h11.Request, trace: Trace, status: int, text: str) -> None:
    body = text.encode()
    trace.status, trace.bytes = status, 0 if request.method == b"HEAD" else len(body)
    headers = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Cache-Control", b"no-cache, no-store"),
        VIA,
    ]
    client.put(h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase))
    if trace.bytes:
        client.put(h11.Data(data=body))
    client.put(h11.EndOfMessage())
    await client.flush()


async def _forward(
    client: Wire,
    request: h11.Request,
    onward: h11.Request,
    pick: Pick,
    trace: Trace,
    limits: Limits,
) -> None:
    began = time.monotonic()
    tried: set[Upstream] = set()
    while upstream := pick(tried):
        tried.add(upstream)
        with upstream.request():
            trace.process = upstream.name
            try:
                wire = await Wire.connect(upstream.port, limits.connect)
            except OSError:
                continue
            connected = time.monotonic()
            trace.connect = round((connected - began) * 1000)
            try:
                wire.put(onward)
                await _Relay(client, wire, trace, limits).run(has_body(request))
            finally:
                trace.service = round((time.monotonic() - connected) * 1000)
                wire.close()
            return
    raise Fault("H21")


class _Relay:
    """Both directions of one exchange whose request head is queued."""

    def __init__(self, client: Wire, upstream: Wire, trace: Trace, limits: Limits) -> None:
        self._client, self._upstream, self._trace, self._limits = client, upstream, trace, limits
        self._sending: asyncio.Task[None] | None = None

    async def run(self, has_body: bool) -> None:
        """Raises Fault."""
        try:
            async with asyncio.timeout(self._limits.first_byte) as timer:
                if has_body:
                    self._sending = asyncio.create_task(self._send_body(timer))
                else:
                    event = self._client.conn.next_event()
                    assert isinstance(event, h11.EndOfMessage)
                    self._upstream.put(event)
                    await self._upstream.flush()
                await self._receive(timer)
        except TimeoutError as error:
            uploading = self._sending is not None and not self._sending.done()
            raise Fault("H15" if self._answered else "H28" if uploading else "H12") from error
        except h11.LocalProtocolError as error:
            raise Fault("H17") from error
        except (PeerGone, h11.RemoteProtocolError) as error:
            raise Fault(self._broken(error)) from error
        finally:
            if self._sending:
                self._sending.cancel()
                await asyncio.wait([self._sending])

    @property
    def _answered(self) -> bool:
        return self._client.conn.our_state is not h11.SEND_RESPONSE

    def _broken(self, error: Exception) -> str:
        if isinstance(error, PeerGone) and error.wire is self._client:
            return "H27"
        sending = self._sending
        if sending and sending.done() and not sending.cancelled() and sending.exception():
            return "H27"
        if self._answered:
            return "H18"
        return "H13" if isinstance(error, PeerGone) or self._upstream.ended else "H17"

    async def _send_body(self, timer: asyncio.Timeout) -> None:
        client, upstream = self._client, self._upstream
        try:
            if client.conn.they_are_waiting_for_100_continue:
                client.put(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
                await client.flush()
            while True:
                event = client.conn.next_event()
                if event is h11.NEED_DATA:
                    await upstream.flush()
                    self._allow(timer, self._limits.idle)
                    await client.fill()
                    continue
                assert isinstance(event, h11.Data | h11.EndOfMessage)
                upstream.put(event)
                if isinstance(event, h11.EndOfMessage):
                    await upstream.flush()
                    self._allow(timer, self._limits.first_byte)
                    return
        except (PeerGone, h11.RemoteProtocolError) as error:
            if isinstance(error, PeerGone) and error.wire is upstream:
                return  # it may have answered before it closed: what it said decides
            upstream.abort()
            raise

    async def _receive(self, timer: asyncio.Timeout) -> None:
        client, upstream, trace = self._client, self._upstream, self._trace
        while True:
            event = upstream.conn.next_event()
            if event is h11.NEED_DATA:
                await client.flush()
                if self._answered:
                    self._allow(timer, self._limits.idle)
                await upstream.fill()
            elif isinstance(event, h11.Data):
                trace.bytes = (trace.bytes or 0) + len(event.data)
                client.put(event)
            elif isinstance(event, h11.Response):
                trace.status, trace.bytes = event.status_code, 0
                client.put(to_client(event))
            elif isinstance(event, h11.EndOfMessage):
                client.put(h11.EndOfMessage())
                await client.flush()
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise Fault("H18" if self._answered else "H13")

    @staticmethod
    def _allow(timer: asyncio.Timeout, seconds: float) -> None:
        if not timer.expired():
            timer.reschedule(asyncio.get_running_loop().time() + seconds)
