"""A proxy on loopback that forwards every request whole, counts, and can lose what comes back."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Exchange(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Proxy

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        time.sleep(self.server.delay)
        with self.server.lock:
            self.server.now -= 1
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.lose_request(self.command):
            return self._hang_up()
        if self.server.denies(self.command, self.path):
            self.send_response_only(403, "Forbidden")
            body = b"<Error><Code>AccessDenied</Code></Error>"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return self.wfile.flush()
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=20)
        try:
            # The client signed its headers, the Host among them: they go on as they came.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            reply = upstream.getresponse()
            data = reply.read()
        finally:
            upstream.close()
        with self.server.lock:
            self.server.seen.append((self.command, reply.status))
        if self.server.lose_reply(self.command):
            return self._hang_up()
        if self.server.refuse(self.command):
            reply.status, reply.reason, data = 403, "Forbidden", b"<Error><Code>AccessDenied</Code></Error>"
        if self.command == "GET" and self.server.lags_behind:
            data = _without(data, self.server.lags_behind)
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        return None

    do_PUT = do_POST = do_HEAD = do_GET

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    """`seen` is what the server behind answered; `delay` is seconds before a request goes on.

    `most` is how many requests were delayed at once. What `refuse` says becomes 403 though the server behind
    did it, and what `denies` says (method and path) does not reach it; a listing does not show yet what ends in
    one of `lags_behind`.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        behind = urlsplit(endpoint)
        assert behind.hostname and behind.port
        self.upstream = (behind.hostname, behind.port)
        self.endpoint = f"http://127.0.0.1:{self.server_port}{behind.path}"
        self.lock = threading.Lock()
        self.seen: list[tuple[str, int]] = []
        self.delay = 0.0
        self.now = self.most = 0
        self.lose_request: Callable[[str], bool] = lambda method: False
        self.lose_reply: Callable[[str], bool] = lambda method: False
        self.refuse: Callable[[str], bool] = lambda method: False
        self.denies: Callable[[str, str], bool] = lambda method, path: False
        self.lags_behind: tuple[str, ...] = ()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def writes(self) -> int:
        """How often the server behind said that it wrote."""
        return sum(method == "PUT" and status < 300 for method, status in self.seen)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or is killed, is no news."""


def _without(listing: bytes, names: tuple[str, ...]) -> bytes:
    """The same listing, of S3, Google or Azure, before what ends in one of `names` was put."""
    ends = b"|".join(re.escape(name.encode()) for name in names)
    for item, key in ((b"Contents", b"Key"), (b"Blob", b"Name"), (b"CommonPrefixes", b"Prefix")):
        one = rb"<%b>(?:(?!</%b>).)*?(?:%b)/?</%b>.*?</%b>" % (item, item, ends, key, item)
        listing = re.sub(one, b"", listing, flags=re.DOTALL)
    return listing


def the_next(count: int, wanted: str) -> Callable[[str], bool]:
    """True for the next `count` requests of that method."""
    left, lock = [count], threading.Lock()

    def judge(method: str) -> bool:
        with lock:
            if method != wanted or not left[0]:
                return False
            left[0] -= 1
            return True

    return judge
