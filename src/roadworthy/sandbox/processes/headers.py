"""What the router changes in the heads that pass it (RFC 9110 §7.6, and the X- headers that a platform adds)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import h11

from .trace import Trace

Headers = Sequence[tuple[bytes, bytes]]

VIA = (b"Via", b"1.1 roadworthy")
_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade")
)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_REPLACED = frozenset(
    (b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-request-id")
)


def head_size(request: h11.Request) -> int:
    """Bytes of its head; h11 itself limits only a head that came in pieces."""
    return len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)


def has_body(request: h11.Request) -> bool:
    """Whether anything follows the head."""
    headers = dict(request.headers)
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


def _end_to_end(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    """Headers that go on: not those of this connection, and never two that could frame the body."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    drop = (_HOP_BY_HOP | named) - _FRAMING
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    for name, value in headers:
        if name not in drop and not (chunked and name == b"content-length"):
            yield name, value


def to_upstream(request: h11.Request, trace: Trace, port: int, address: str = "") -> h11.Request:
    """The request as a process gets it, on a connection of its own; `address` is where it says it was asked."""
    scheme, _, host = address.partition("://") if address else ("http", "", "")
    host = host.partition("/")[0]
    told = str(port) if not address else "443" if scheme == "https" else "80"
    forwarded = [value for name, value in request.headers if name == b"x-forwarded-for"]
    drop = _REPLACED | {b"host"} if host else _REPLACED
    onward = [(n, v) for n, v in _end_to_end(request.headers) if n not in drop]
    if not any(name == b"host" for name, _ in onward):
        onward.insert(0, (b"Host", (host or f"127.0.0.1:{port}").encode()))
    onward += [
        (b"Connection", b"close"),
        (b"X-Forwarded-For", b", ".join([*forwarded, trace.fwd.encode()])),
        (b"X-Forwarded-Proto", scheme.encode()),
        (b"X-Forwarded-Port", told.encode()),
        (b"X-Request-Id", trace.request_id.encode()),
        VIA,
    ]
    return h11.Request(method=request.method, target=request.target, headers=onward)


def to_client(response: h11.Response) -> h11.Response:
    """The response as the client gets it."""
    headers = [*_end_to_end(response.headers), VIA]
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)
