"""The router in front of real sockets: what it passes on, what it answers itself, and what it logs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from roadworthy.errors import UsageError
from roadworthy.processes import free_port
from roadworthy.sandbox.heroku.words import request_line
from roadworthy.sandbox.processes.exchange import Upstream
from roadworthy.sandbox.processes.limits import Limits
from roadworthy.sandbox.processes.router import Router
from sandbox.processes.living import QUICK, connected, in_loop, request, until

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


class Front:
    """A router, its log, and upstreams that behave as told."""

    def __init__(self, limits: Limits) -> None:
        self.port = free_port()
        self.log: list[str] = []
        self.router = Router(self.port, lambda trace: self.log.append(request_line(trace)), limits)
        self.heads: list[bytes] = []
        self._servers: list[asyncio.Server] = []

    async def upstream(self, name: str, behave: Behaviour) -> Upstream:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await behave(reader, writer)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        port = free_port()
        self._servers.append(await asyncio.start_server(answer, "127.0.0.1", port))
        return Upstream(name, port)

    async def serve(self, *behaviours: Behaviour) -> None:
        self.router.route([await self.upstream(f"web.{n}", b) for n, b in enumerate(behaviours, 1)])

    async def raw(self, sent: bytes, *, shut: bool = False) -> bytes:
        """Send bytes, return all that comes back until the router closes."""
        async with connected(self.port) as (reader, writer):
            writer.write(sent)
            if shut:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)

    async def fields(self) -> dict[str, str]:
        """The last log line's fields."""
        await until(lambda: self.log)
        return {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|\S*)', self.log[-1])}


@asynccontextmanager
async def front(*behaviours: Behaviour, limits: Limits = QUICK) -> AsyncIterator[Front]:
    it = Front(limits)
    await it.router.start()
    await it.serve(*behaviours)
    try:
        yield it
    finally:
        await it.router.stop()
        for server in it._servers:
            server.close()
            await server.wait_closed()
        await asyncio.sleep(0)


async def ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(OK)


async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the request as it arrived."""
    seen = await head_of(reader)
    if length := re.search(rb"(?i)content-length: *(\d+)", seen):
        seen += await reader.readexactly(int(length[1]))
    elif b"chunked" in seen.lower():
        seen += await reader.readuntil(b"0\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(seen), seen))


CLOSE = b"Host: demo.test\r\nConnection: close\r\n"


@in_loop
async def test_a_request_reaches_the_process_with_what_heroku_adds():
    async with front(mirror) as it:
        got = await it.raw(
            b"GET /a?b=c HTTP/1.1\r\n" + CLOSE + b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
            b"Keep-Alive: 5\r\nTE: trailers\r\nCookie: a=b\r\n\r\n"
        )
        response, _, seen = got.partition(b"\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nVia: 1.1 roadworthy" in response
        line, *headers = seen.decode().lower().strip().split("\r\n")
        assert line == "get /a?b=c http/1.1"
        fields = dict(header.split(": ", 1) for header in headers)
        assert len(fields.pop("x-request-id")) == 36
        assert fields == {
            "host": "demo.test",
            "connection": "close",
            "cookie": "a=b",
            "x-forwarded-for": "10.0.0.1, 127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": str(it.port),
            "via": "1.1 roadworthy",
        }


@in_loop
async def test_a_process_is_told_the_address_that_it_has_in_public():
    async with front(mirror) as it:
        it.router.forwarded = "https://app.example.com/shop"
        seen = (await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")).partition(b"\r\n\r\n")[2]
        fields = dict(line.split(": ", 1) for line in seen.decode().lower().strip().split("\r\n")[1:])
        told = {"host": "app.example.com", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
        assert fields.items() >= told.items()
        assert "host=demo.test" in it.log[0]


@in_loop
async def test_the_log_line_is_herokus():
    async with front(ok) as it:
        ident = "0123456789-abcdefghij"
        await it.raw(b"GET /api/health HTTP/1.1\r\n" + CLOSE + b"X-Request-Id: %b\r\n\r\n" % ident.encode())
        assert re.fullmatch(
            r'at=info method=GET path="/api/health" host=demo\.test '
            rf'request_id={ident} fwd="127\.0\.0\.1" dyno=web\.1 '
            r"connect=\d+ms service=\d+ms status=200 bytes=2 protocol=http",
            it.log[0],
        )


@in_loop
async def test_a_log_line_cannot_be_forged_by_what_a_client_sends():
    async with front(ok) as it:
        await it.raw(
            b'GET /"status=500 HTTP/1.1\r\nHost: x status=500 code=H10\r\nConnection: close\r\n'
            b"X-Request-Id: short status=500\r\n\r\n"
        )
        await it.raw(
            b'GET /"status=500 HTTP/1.1\r\nHost: x"status=500\r\nConnection: close\r\n'
            b"X-Request-Id: short status=500\r\n\r\n"
        )
        for line in it.log:
            assert "status=500" not in re.sub(r'"[^"]*"', '""', line).split()
            assert line.count('"') == 4 and " code=" not in line
        assert len(it.log) == 2


@in_loop
async def test_a_client_keeps_its_connection_while_processes_come_and_go():
    async with front(ok) as it, connected(it.port) as (reader, writer):
        for number in range(3):
            assert await request(reader, writer) == (200, b"ok")
            it.router.route([await it.upstream(f"new.{number}", ok)])
        assert [re.search(r"dyno=(\S+)", line)[1] for line in it.log] == ["web.1", "new.0", "new.1"]


@in_loop
async def test_pipelined_requests_are_answered_in_order():
    async with front(mirror) as it:
        got = await it.raw(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert re.findall(rb"GET (/\d) ", got) == [b"/1", b"/2"]


@in_loop
async def test_requests_take_turns():
    async with front(ok, ok, ok) as it, connected(it.port) as (reader, writer):
        for _ in range(9):
            await request(reader, writer)
        dynos = [re.search(r"dyno=(\S+)", line)[1] for line in it.log]
        assert sorted(dynos[:3]) == ["web.1", "web.2", "web.3"] and dynos == dynos[:3] * 3


@in_loop
async def test_a_process_that_refuses_the_connection_is_passed_over():
    async with front(ok, ok) as it:
        dead = Upstream("web.9", free_port())
        it.router.route([dead, *it.router._upstreams])
        async with connected(it.port) as (reader, writer):
            assert [await request(reader, writer) for _ in range(6)] == [(200, b"ok")] * 6
        assert not any("web.9" in line for line in it.log)
        it.router.route([dead])
        assert (await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 503 Service")
        assert 'at=error code=H21 desc="Backend connection refused"' in it.log[-1]


@in_loop
async def test_a_request_that_was_sent_is_never_sent_again():
    seen = 0

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await head_of(reader)

    async with front(vanish, vanish) as it:
        assert b" 503 " in await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert seen == 1
        assert 'code=H13 desc="Connection closed without response"' in it.log[0]
        assert " status=503 " in it.log[0] and " dyno=web." in it.log[0]


@pytest.mark.parametrize(
    ("method", "more"),
    [
        (b"GET", b""),
        (b"HEAD", b""),
        (b"POST", b"Content-Length: 4\r\n"),
        (b"POST", b"Expect: 100-continue\r\nContent-Length: 4\r\n"),
    ],
)
@in_loop
async def test_without_a_process_the_answer_is_503_and_the_code_says_why(method, more):
    async with front() as it:
        sent = method + b" / HTTP/1.1\r\n" + CLOSE + more + b"\r\n" + (b"body" if b"Length" in more else b"")
        for code, desc in [
            ("H14", "No web processes running"),
            ("H10", "App crashed"),
            ("H80", "Maintenance mode"),
        ]:
            it.router.absence, it.router.maintenance = code, code == "H80"
            got = await it.raw(sent)
            assert got.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert (code.encode() in got.partition(b"\r\n\r\n")[2]) is (method != b"HEAD")
            assert it.log[-1].startswith(
                f'at=error code={code} desc="{desc}" method={method.decode()} path="/"'
            )
            assert " dyno= connect= service= status=503 " in it.log[-1]


@in_loop
async def test_an_early_answer_leaves_the_connection_usable():
    async with front() as it, connected(it.port) as (reader, writer):
        for size in (0, 10, 500_000):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            assert (await head_of(reader)).startswith(b"HTTP/1.1 503 ")
            await reader.readexactly(
                len(b"Application error: No web processes running (H14). See the app's log.\n")
            )
        assert len(it.log) == 3


@in_loop
async def test_a_slow_process_is_given_up_after_the_limit():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with front(slow, limits=replace(QUICK, first_byte=0.1)) as it:
        async with asyncio.timeout(30):  # the process would never answer
            assert b" 503 " in await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert 'code=H12 desc="Request timeout"' in it.log[0]
        await it.router._upstreams[0].drained()


def broken(after: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(after)

    return behave


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "H13"),
        (b"HTTP/1.1 200 O", "H13"),
        (b"\x16\x03\x01 not http\r\n\r\n", "H17"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n", "H17"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "H17"),
    ],
)
@in_loop
async def test_no_proper_response_is_503(said, code):
    async with front(broken(said)) as it:
        assert (await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 503 ")
        fields = await it.fields()
        assert (fields["code"], fields["status"]) == (code, "503")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ],
)
@in_loop
async def test_a_response_that_breaks_off_is_reset_at_the_client(said):
    async with front(broken(said)) as it:
        with pytest.raises(ConnectionResetError):
            await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert (await it.fields())["code"] == "H18"


@in_loop
async def test_a_response_that_stalls_is_given_up_as_idle():
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()

    async with front(stall, limits=replace(QUICK, idle=0.1)) as it:
        with pytest.raises(ConnectionResetError):
            await it.raw(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert (await it.fields())["code"] == "H15"


@in_loop
async def test_a_client_that_leaves_in_the_middle_frees_the_process():
    left = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
        finally:
            left.set()

    async with front(endless) as it:
        async with connected(it.port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readexactly(100_000)
        await asyncio.wait_for(left.wait(), 2)
        fields = await it.fields()
        assert (fields["code"], fields["status"]) == ("H27", "499")


@pytest.mark.parametrize(("end", "code"), [(True, "H27"), (False, "H28")])
@in_loop
async def test_an_upload_that_breaks_off_or_stalls_is_the_clients_fault(end, code):
    async with front(mirror, limits=replace(QUICK, idle=0.2)) as it:
        with pytest.raises(ConnectionResetError):
            await it.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", shut=end)
        fields = await it.fields()
        assert (fields["code"], fields["status"]) == (code, "499")


@in_loop
async def test_a_client_that_half_closes_still_gets_its_answer():
    async with front(ok) as it:
        got = await it.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", shut=True)
        assert got.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Content-Length: 0\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"Content-Length: 5\r\nExpect: 100-continue\r\n", b"hello"),
    ],
)
@in_loop
async def test_a_body_arrives_as_it_was_sent(framing, body):
    async with front(mirror) as it:
        got = await it.raw(b"POST / HTTP/1.1\r\n" + CLOSE + framing + b"\r\n" + body)
        assert got.startswith(
            b"HTTP/1.1 100 Continue\r\n" if b"Expect" in framing else b"HTTP/1.1 200 OK\r\n"
        )
        assert got.endswith(b"\r\n\r\n" + body)
        assert b"expect" not in got.lower()


@in_loop
async def test_two_framings_of_one_body_never_reach_a_process():
    async with front(mirror) as it:
        got = await it.raw(
            b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n"
        )
        assert b"transfer-encoding: chunked" in got.lower() and b": 99" not in got
        # Naming a framing header as hop-by-hop must not remove it.
        got = await it.raw(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close, content-length\r\nContent-Length: 5\r\n\r\nhello"
        )
        assert b"content-length: 5" in got.lower() and got.endswith(b"hello")


@in_loop
async def test_an_answer_may_come_before_the_body_is_read():
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1_000_000)

    async with front(early) as it, connected(it.port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 100_000)
        assert (await head_of(reader)).startswith(b"HTTP/1.1 413 ")
        assert (await it.fields())["status"] == "413"


@in_loop
async def test_bodies_stream_both_ways_with_bounded_memory():
    gate, taken = asyncio.Event(), 0
    size = 30_000_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await gate.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(0, size, 100_000):
            writer.write(await reader.readexactly(100_000))
            await writer.drain()

    async def upload(writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(0, size, 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            taken += 100_000

    async with front(echo) as it, connected(it.port) as (reader, writer):
        sending = asyncio.create_task(upload(writer))
        await asyncio.sleep(0.2)
        assert taken < 15_000_000  # what kernel buffers hold; the router held the rest back
        gate.set()
        await head_of(reader)
        for _ in range(0, size, 100_000):
            await reader.readexactly(100_000)
        await sending
        assert (await it.fields())["bytes"] == str(size)


@in_loop
async def test_pieces_of_a_response_arrive_as_they_are_written():
    gate = asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await gate.wait()
        writer.write(b"data: 2\n\n")

    async with front(events) as it, connected(it.port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"data: 1\n\n"), 2)
        gate.set()
        await asyncio.wait_for(reader.readuntil(b"data: 2\n\n\r\n0\r\n\r\n"), 2)
        assert not reader.at_eof()


@in_loop
async def test_head_has_no_body_and_the_connection_goes_on():
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")

    async with front(behave) as it, connected(it.port) as (reader, writer):
        for _ in range(2):
            writer.write(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(head_of(reader), 2)
            assert head.startswith(b"HTTP/1.1 200 OK") and b"content-length: 1234" in head.lower()
        assert (await it.fields())["bytes"] == "0"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@in_loop
async def test_a_status_without_a_body_needs_no_length(status):
    async with (
        front(broken(b"HTTP/1.1 " + status + b"\r\nETag: x\r\n\r\n")) as it,
        connected(it.port) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(head_of(reader), 2)
            assert head.startswith(b"HTTP/1.1 " + status) and b"etag: x" in head.lower()


@in_loop
async def test_hints_before_the_answer_are_left_out():
    said = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    async with front(broken(said)) as it, connected(it.port) as (reader, writer):
        assert await request(reader, writer) == (200, b"ok")


@in_loop
async def test_an_old_client_is_served_and_its_connection_closed():
    async with front(mirror) as it:
        got = await it.raw(b"GET / HTTP/1.0\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nHost: 127.0.0.1:%d\r\n" % it.port in got


@pytest.mark.parametrize(
    "sent",
    [
        b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n",
    ],
)
@in_loop
async def test_tunnels_and_websockets_are_not_routed(sent):
    async with front(ok) as it, connected(it.port) as (reader, writer):
        writer.write(sent)
        assert (await head_of(reader)).startswith(b"HTTP/1.1 501 Not Implemented\r\n")
        assert (await it.fields())["status"] == "501"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 1_000_000, 431),
    ],
)
@in_loop
async def test_what_is_not_http_or_too_large_is_refused_and_reaches_no_process(sent, status):
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with front(never) as it:
        assert (await it.raw(sent, shut=True)).startswith(b"HTTP/1.1 %d " % status)
        assert it.log == []


@in_loop
async def test_an_idle_client_is_let_go():
    async with front(ok, limits=replace(QUICK, keep_alive=0.1)) as it, connected(it.port) as (reader, writer):
        await request(reader, writer)
        assert await asyncio.wait_for(reader.read(), 2) == b""


@in_loop
async def test_a_process_off_the_list_is_drained_when_its_last_request_ends():
    gate = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await gate.wait()
        writer.write(OK)

    async with front(wait) as it, connected(it.port) as (reader, writer):
        (upstream,) = it.router._upstreams
        asking = asyncio.create_task(request(reader, writer))
        await until(lambda: upstream._in_flight)
        it.router.route([])
        draining = asyncio.create_task(upstream.drained())
        await asyncio.sleep(0.02)
        assert not draining.done()
        gate.set()
        assert await asking == (200, b"ok")
        await asyncio.wait_for(draining, 1)


@in_loop
async def test_stopping_closes_every_connection():
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with front(hang) as it, connected(it.port) as (idle, _), connected(it.port) as (busy, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: it.router._upstreams[0]._in_flight)
        await it.router.stop()
        assert await asyncio.wait_for(idle.read(), 1) == b"" == await asyncio.wait_for(busy.read(), 1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", it.port)


@in_loop
async def test_a_port_that_is_taken_is_said_in_one_line():
    async with front(ok) as it:
        with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{it.port}: .*in use"):
            await Router(it.port, print, QUICK).start()
