"""A loopback server whose answers are bytes, so that a test can cut one short or reset the connection."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Respond = Callable[["Request"], bytes | None]


class Request:
    """What arrived: `line`, lower-case `headers`, and which one it was (`n`, from 1)."""

    def __init__(self, head: bytes, n: int, connection: socket.socket, closing: threading.Event) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest if line)}
        self.n, self.connection, self.closing = n, connection, closing

    def reset(self) -> None:
        """Answer with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.closing.wait(10)


class Server:
    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                head = b""
                while b"\r\n\r\n" not in head:
                    try:
                        part = self.request.recv(65536)
                    except OSError:  # the client refused the certificate
                        return
                    if not part:
                        return
                    head += part
                request = Request(
                    head.split(b"\r\n\r\n")[0], len(outer.requests) + 1, self.request, outer.closing
                )
                outer.requests.append(request)
                reply = respond(request)
                if reply is not None:
                    with contextlib.suppress(OSError):
                        self.request.sendall(reply)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self) -> tuple[Any, Any]:
                connection, address = super().get_request()
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.004,))
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Respond], Server]]:
    """Start servers; all are stopped when the test ends."""
    servers: list[Server] = []

    def start(respond: Respond, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(respond, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def reply() -> Callable[..., bytes]:
    """The bytes of a whole answer: `reply(200, {"status": "healthy"}, "Set-Cookie: a=b")`."""

    def build(status: int = 200, body: Any = None, *headers: str) -> bytes:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close", *headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    return build


@pytest.fixture
def root() -> Path:
    """The root of this repository."""
    return Path(__file__).resolve().parents[2]
