"""Loopback servers that answer as they like, and note every request that reaches them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def credential(self) -> str:
        """The Authorization header, and what its Base64 says."""
        said = self.headers.get("Authorization", "")
        kind, _, value = said.partition(" ")
        return f"{said} {base64.b64decode(value).decode()}" if kind == "Basic" else said


Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Server:
    """Where it answers, and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def server(answer: Callable[[Asked], Answer]) -> Iterator[Server]:
    """A server that gives these answers until the block ends."""

    class Hostile(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.title(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            here.asked.append(asked)
            status, headers, data = answer(asked)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    listening.daemon_threads = True
    here = Server(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
