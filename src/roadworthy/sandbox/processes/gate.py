"""What stands before every API call: the key, the rate limit, a request id, and the access log.

Invariants:
- Without the right key nothing is read or changed. Only URLs that carry their own secret (blobs, log streams)
  need no key.
- A key that was made beside the own one is asked about for each request, so the next after its end is refused.
- Every mutating call that reached the API is in `access.log` before its caller can see the reply.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .refusals import ApiError

HOURLY_LIMIT = 4500
OWN_SECRET = ("/blobs/", "/logs/")
OURS = "/_sandbox"
"""Paths under this are the sandbox's own: no fault touches them, and they cost no rate limit."""


class AccessLog:
    """One JSON line for each mutating call, in a file that is only ever appended to.

    From `began`, when the request came, to `at`, when its reply was ready, the call may have had its effect.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, scope: Scope) -> None:
        """Note when a request began."""
        scope["roadworthy.began"] = _now()

    def write(self, scope: Scope, status: int | None, fault: str | None = None) -> None:
        """Add a line for an request that is not read-only; `status` is None without an answer."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS") or scope["path"].startswith(OURS):
            return
        entry = {
            "at": _now(),
            "began": scope["roadworthy.began"],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "release": scope.get("roadworthy.release"),
        }
        entry |= {"command": command} if (command := scope.get("roadworthy.command")) else {}
        entry |= {"fault": fault} if fault else {}
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(slots=True)
class RateLimit:
    """As hosted platforms have them: 4,500 calls an hour, given back evenly."""

    left: float = float(HOURLY_LIMIT)
    at: float = field(default_factory=time.monotonic)

    def remaining(self) -> int:
        """The requests that are left now; the limit refills evenly over the hour."""
        then, self.at = self.at, time.monotonic()
        self.left = min(float(HOURLY_LIMIT), self.left + (self.at - then) * HOURLY_LIMIT / 3600)
        return int(self.left)

    def take(self) -> bool:
        """Take one request; False when none is left."""
        if self.remaining() < 1:
            return False
        self.left -= 1
        return True


Others = Callable[[bytes, str, str], ApiError | None]
"""Whether another key than the own allows a method on a path: the refusal, None where it does."""


def _nobody(key: bytes, method: str, path: str) -> ApiError | None:
    return ApiError(401, "unauthorized", "Invalid credentials provided.")


class Gate:
    """Middleware that checks the API key and the rate limit, and logs each request."""

    def __init__(
        self, app: ASGIApp, key: str, limit: RateLimit, log: AccessLog, others: Others | None = None
    ) -> None:
        self._app, self._key, self._limit, self._log = app, key.encode(), limit, log
        self._others = others or _nobody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI) that has the key and is within the limit."""
        if scope["type"] != "http":
            return
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["Request-Id"] = str(uuid4())
                headers["RateLimit-Remaining"] = str(self._limit.remaining())
                headers["Cache-Control"] = "private, no-cache"
                self._log.write(scope, status)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal.response()(scope, receive, watched)
            return
        await self._app(scope, receive, watched)

    def _refusal(self, scope: Scope) -> ApiError | None:
        path: str = scope["path"]
        if path.startswith(OWN_SECRET):
            return None
        given = _key(Headers(scope=scope).get("authorization", ""))
        if not secrets.compare_digest(given, self._key) and (
            refusal := self._others(given, scope["method"], path)
        ):
            return refusal
        if path.startswith(OURS) or path == "/account/rate-limits" or self._limit.take():
            return None
        wait = str(3600 // HOURLY_LIMIT + 1)
        return ApiError(
            429,
            "rate_limit",
            "Your account reached the API limit. Please wait a few minutes before making new requests",
            {"Retry-After": wait},
        )


def _key(authorization: str) -> bytes:
    """The key in an Authorization header: `Bearer <key>`, or Basic with the key as its password."""
    kind, _, value = authorization[:4096].partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
