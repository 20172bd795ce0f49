"""What the router's log line for one request is made of.

It cannot be forged: only harmless characters of what a client sends get into it. Codes and texts are those of the
Dev Center's page "Error Codes".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import uuid4

import h11

ERRORS = {
    "H10": "App crashed",
    "H12": "Request timeout",
    "H13": "Connection closed without response",
    "H14": "No web processes running",
    "H15": "Idle connection",
    "H17": "Poorly formatted HTTP response",
    "H18": "Server Request Interrupted",
    "H21": "Backend connection refused",
    "H27": "Client Request Interrupted",
    "H28": "Client Connection Idle",
    "H80": "Maintenance mode",
}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{20,200}")
_NOT_IN_HOST = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


@dataclass(slots=True)
class Trace:
    """What the log says of one request; times in milliseconds."""

    method: str
    path: str
    host: str
    request_id: str
    fwd: str
    process: str = ""
    connect: int | None = None
    service: int | None = None
    status: int | None = None
    bytes: int | None = None
    code: str | None = None


def trace_of(request: h11.Request, peer: str) -> Trace:
    """The trace of a request that just came in; a good X-Request-Id of the client is kept."""
    headers = dict(request.headers)
    given = headers.get(b"x-request-id", b"")
    return Trace(
        method=request.method.decode()[:20],
        path=request.target.decode().replace('"', "%22")[:2000],
        host=_NOT_IN_HOST.sub("?", headers.get(b"host", b"").decode("latin-1"))[:255],
        request_id=given.decode() if _REQUEST_ID.fullmatch(given) else str(uuid4()),
        fwd=peer,
    )
