"""Log sessions: a URL that streams an app's log, as plain lines or as server-sent events."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ...processes.logs import LogLine
from ..state import new_id, now
from .wire import ApiError, base_url, endpoint, find_app, platform, read, reply

LINES_LIMIT = 1500
"""What Logplex keeps and shows at most."""
LIFETIME = 300.0
"""Seconds that a session's URL can be opened."""
SESSION_LIMIT = 10_000


class Create(msgspec.Struct):
    """The body of `POST /apps/{app}/log-sessions`."""

    lines: int | None = None
    source: str | None = None
    dyno: str | None = None
    dyno_name: str | None = None
    type: str | None = None
    tail: bool | int | None = False


@dataclass(frozen=True, slots=True)
class Session:
    """One log session; its URL is valid `until` a time of time.monotonic()."""

    app: str
    lines: int
    source: str | None
    dyno: str | None
    tail: bool
    until: float


@endpoint
async def create(request: Request) -> Response:
    """`POST /apps/{app}/log-sessions`: the URL of a log stream, valid for a short time."""
    app, body = find_app(request), await read(request, Create)
    sessions: dict[str, Session] = request.app.state.log_sessions
    for old in [key for key, session in sessions.items() if session.until < time.monotonic()]:
        del sessions[old]
    if len(sessions) >= SESSION_LIMIT:
        raise ApiError(429, "rate_limit", "Too many log sessions are open.", {"Retry-After": "60"})
    secret = secrets.token_urlsafe(24)
    sessions[secret] = Session(
        app=app.name,
        lines=max(1, min(100 if body.lines is None else body.lines, LINES_LIMIT)),
        source=body.source or None,
        dyno=body.dyno_name or body.dyno or body.type or None,
        tail=bool(body.tail),
        until=time.monotonic() + LIFETIME,
    )
    shape = {
        "created_at": now(),
        "id": new_id(),
        "logplex_url": f"{base_url(request)}/logs/{secret}",
        "updated_at": now(),
    }
    return reply(shape, 201)


@endpoint
async def stream(request: Request) -> Response:
    """The lines of a session, as plain text or as server-sent events."""
    session = request.app.state.log_sessions.get(request.path_params["session"])
    if session is None or session.until < time.monotonic():
        raise ApiError(404, "not_found", "This log session has ended.")
    lines = _lines(request, session)
    if "text/event-stream" in request.headers.get("accept", ""):
        return StreamingResponse(_events(lines), media_type="text/event-stream")
    return StreamingResponse((line.render() + "\n" async for line in lines), media_type="text/plain")


async def _lines(request: Request, session: Session) -> AsyncIterator[LogLine]:
    logs = platform(request).logs
    # A dyno has a number (`web.1`); what has none is `router`, `api`, or a type, for all dynos of it.
    numbered = session.dyno if session.dyno and "." in session.dyno else None

    def wanted(line: LogLine) -> bool:
        return session.dyno is None or session.dyno in (line.origin, line.origin.partition(".")[0])

    # Following starts before the tail is read, so that no line falls between the two.
    following = logs.follow(session.app, source=session.source, origin=numbered)
    async with aclosing(following):
        past = logs.tail(session.app, num=LINES_LIMIT, source=session.source, origin=numbered)
        for line in [line for line in past if wanted(line)][-session.lines :]:
            yield line
        if session.tail:
            async for line in following:
                if wanted(line):
                    yield line


async def _events(lines: AsyncIterator[LogLine]) -> AsyncIterator[str]:
    """`retry: 10` lets a client that reconnects after the end do so at once."""
    yield "retry: 10\n\n"
    number = 0
    async for line in lines:
        number += 1
        yield f"id: {number}\ndata: {line.render()}\n\n"


ROUTES = [Route("/apps/{app}/log-sessions", create, methods=["POST"])]
STREAM_ROUTES = [Route("/logs/{session}", stream, methods=["GET"])]
