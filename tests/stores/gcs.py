"""A small Cloud Storage on loopback: the XML API as far as obstore speaks it, with faults on request.

It is written from Google's documentation of `x-goog-if-generation-match` and from what obstore sends. It holds
objects in memory, pages its listings, and wants the bearer token TOKEN on every request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

TOKEN = "canary-of-the-credential"
BUCKET = "journals"
Fault = Callable[["Exchange", bool], bool]
"""Called with the exchange before (False) and after (True) the effect; True when it has dealt with the answer."""


class Exchange(BaseHTTPRequestHandler):
    """One connection; `server.objects` is what is stored."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment for each answer
    disable_nagle_algorithm = True
    server: Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self._begin():
            return
        name = self._name()
        with self.server.lock:
            taken = self.headers.get("x-goog-if-generation-match") == "0" and name in self.server.objects
            if not taken:
                self.server.objects[name] = body
                self.server.times[name] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                self.server.writes.append(name)
        if self._fault(True):
            return
        if taken:
            self.error(412, "PreconditionFailed")
        else:
            self.answer(200, b"", ETag='"e"', **{"x-goog-generation": "1"})

    def do_GET(self) -> None:
        if self._begin() or self._fault(True):
            return
        if urlsplit(self.path).path.count("/") == 1:
            self._list()
        elif (data := self.server.objects.get(self._name())) is None:
            self.error(404, "NoSuchKey")
        else:
            said = self.server.times.get(self._name(), "2026-11-20T12:00:00.000Z")
            date = format_datetime(datetime.fromisoformat(said), usegmt=True)
            self.answer(200, data, ETag='"e"', **{"Last-Modified": date, "x-goog-generation": "1"})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def error(self, status: int, code: str) -> None:
        said = f"<Error><Code>{code}</Code><Message>{TOKEN}</Message></Error>"
        self.answer(status, said.encode())

    def hang_up(self) -> None:
        """Close without a word, as a lost network does."""
        self.close_connection = True
        self.connection.close()

    def _begin(self) -> bool:
        """Note the request, and refuse it where it must be; True when it is answered already."""
        with self.server.lock:
            self.server.seen.append(f"{self.command} {self._name()}")
        if self._fault(False):
            return True
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.error(401, "AuthenticationRequired")
        elif self._name().partition("/")[0] != BUCKET:
            self.error(404, "NoSuchBucket")
        else:
            return False
        return True

    def _fault(self, after: bool) -> bool:
        return any(fault(self, after) for fault in list(self.server.faults))

    def _name(self) -> str:
        return unquote(urlsplit(self.path).path[1:])

    def _list(self) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        prefix = f"{BUCKET}/{asked.get('prefix', '')}"
        found = set()
        for name in list(self.server.objects):
            if name.startswith(prefix) and name > f"{BUCKET}/{asked.get('start-after', '')}":
                head, cut, _ = name[len(prefix) :].partition("/")
                found.add(prefix + head + cut if "delimiter" in asked else name)
        left = sorted(found)[int(asked.get("continuation-token", "0")) :]
        page, begin = left[: self.server.page], int(asked.get("continuation-token", "0"))
        more = (
            f"<NextContinuationToken>{begin + len(page)}</NextContinuationToken>" if left[len(page) :] else ""
        )
        text = "".join(self._listed(name[len(BUCKET) + 1 :]) for name in page)
        self.answer(200, f"<ListBucketResult>{text}{more}</ListBucketResult>".encode())

    def _listed(self, name: str) -> str:
        if name.endswith("/"):
            return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
        whole = f"{BUCKET}/{name}"
        size, date = len(self.server.objects[whole]), self.server.times.get(whole, "2026-11-20T12:00:00.000Z")
        return (
            f"<Contents><Key>{escape(name)}</Key><Size>{size}</Size>"
            f"<LastModified>{date}</LastModified><ETag>e</ETag></Contents>"
        )

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """`seen` are the requests, `writes` the names that were written; `page` is the longest listing."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.lock = threading.Lock()
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, str] = {}
        self.seen: list[str] = []
        self.writes: list[str] = []
        self.faults: list[Fault] = []
        self.page = 1000
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


def times(count: int, method: str, after: bool, act: Callable[[Exchange], None]) -> Fault:
    """A fault for the next `count` requests of `method`, before or after their effect."""
    left = [count]

    def fault(exchange: Exchange, is_after: bool) -> bool:
        if exchange.command != method or is_after != after or not left[0]:
            return False
        left[0] -= 1
        act(exchange)
        return True

    return fault


def answer(status: int, code: str) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.error(status, code)


def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


def truncate(exchange: Exchange) -> None:
    """Promise more than is sent."""
    about = ("200 OK", "ETag: e", "Last-Modified: Fri, 20 Nov 2026 12:00:00 GMT", "Content-Length: 100")
    exchange.wfile.write(b"HTTP/1.1 " + "\r\n".join(about).encode() + b"\r\n\r\nabc")
    exchange.wfile.flush()
    exchange.hang_up()


def stall(seconds: float) -> Callable[[Exchange], None]:
    """Say nothing for so long, then hang up."""

    def act(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.hang_up()

    return act
