"""Faults on request: what networks and platforms do to their callers, done on purpose.

Invariants:
- A fault hits the next `count` calls that match its method and path, and no others; the first armed fault
  that matches is used. One with `skip` lets so many calls by first; what another fault hits is not counted.
- A fault before the call (the default) means that the call has no effect; `after` means that its effect is
  there and only the reply is lost. `truncate` is always after.
- A held call waits until the armed faults are set anew, whatever they are set to: then it goes on as if nothing
  had been.
- A reset is a real TCP RST, and a truncated body ends a real connection early.
- Armed faults live in memory: a restarted sandbox has none.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from fnmatch import fnmatchcase
from typing import Literal

import msgspec
from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .gate import OURS, AccessLog
from .refusals import ApiError

Kind = Literal[
    "status", "delay", "hold", "hang", "reset", "truncate", "rate_limit", "release_pending", "release_failed"
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`method` and `path` are globs (`*` also matches `/`); `count` is how many calls it still hits.

    `skip` calls go by before. `status` goes with kind `status`; `seconds` is a delay, or the Retry-After of
    `rate_limit`.
    """

    kind: Kind
    method: str = "*"
    path: str = "*"
    count: int = 1
    skip: int = 0
    after: bool = False
    status: int = 503
    seconds: float = 1.0

    def matches(self, method: str, path: str) -> bool:
        """Whether the fault is meant for this request; method and path may have `*`."""
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)


class Connections:
    """The open connections by the caller's address, so that a fault can break one below HTTP."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Remember an open connection."""
        self._open[_peer(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.pop(_peer(transport), None)

    def reset(self, client: tuple[str, int]) -> None:
        """End the connection with RST: lingering for zero seconds makes close() throw everything away."""
        transport = self._open.get(client)
        if transport is not None:
            option = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            transport.abort()

    def close(self, client: tuple[str, int]) -> None:
        """End the connection in order, after what was written."""
        transport = self._open.get(client)
        if transport is not None:
            transport.close()


class Faults:
    """ASGI middleware around the whole API."""

    def __init__(self, app: ASGIApp, connections: Connections, log: AccessLog) -> None:
        self._app, self._connections, self._log = app, connections, log
        self.armed: list[Fault] = []
        self._set_anew = asyncio.Event()

    def arm(self, faults: list[Fault]) -> None:
        """Replace all armed faults, and let go on what was held."""
        self.armed = faults
        self._set_anew.set()
        self._set_anew = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI), or meet the armed fault that it matches."""
        self._log.begin(scope)
        fault = self._take(scope)
        if fault is None or fault.kind in ("release_pending", "release_failed"):
            if fault is not None:
                scope["roadworthy.fate"] = fault.kind.removeprefix("release_")
            await self._app(scope, receive, send)
            return
        if fault.kind in ("delay", "hold") and not fault.after:
            await self._pause(fault)
            await self._app(scope, receive, send)
            return
        reply: list[Message] = []
        if fault.after or fault.kind == "truncate":
            reply = await self._effect(scope, receive)
        self._log.write(scope, None, fault.kind)
        await self._break(fault, reply, scope, receive, send)

    def _take(self, scope: Scope) -> Fault | None:
        if scope["path"].startswith(OURS):
            return None
        for index, fault in enumerate(self.armed):
            if not fault.matches(scope["method"], scope["path"]):
                continue
            if fault.skip:
                self.armed[index] = replace(fault, skip=fault.skip - 1)
            else:
                left = [replace(fault, count=fault.count - 1)] if fault.count > 1 else []
                self.armed[index : index + 1] = left
                return fault
        return None

    async def _pause(self, fault: Fault) -> None:
        if fault.kind == "hold":
            await self._set_anew.wait()
        else:
            await asyncio.sleep(fault.seconds)

    async def _effect(self, scope: Scope, receive: Receive) -> list[Message]:
        """Let the call have its effect, and keep the reply from its caller."""
        reply: list[Message] = []

        async def keep(message: Message) -> None:
            reply.append(message)

        await self._app(scope, receive, keep)
        return reply

    async def _break(
        self, fault: Fault, reply: list[Message], scope: Scope, receive: Receive, send: Send
    ) -> None:
        match fault.kind:
            case "status":
                await _refuse(fault.status, {}, scope, receive, send)
            case "rate_limit":
                await _refuse(429, {"Retry-After": f"{fault.seconds:.0f}"}, scope, receive, send)
            case "delay" | "hold":
                await self._pause(fault)
                for message in reply:
                    await send(message)
            case "hang":
                await _gone(receive)
            case "reset":
                self._connections.reset(scope["client"])
                await _gone(receive)
            case "truncate":
                body = b"".join(message.get("body", b"") for message in reply)
                await send(reply[0])
                await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
                self._connections.close(scope["client"])
                await _gone(receive)


async def _refuse(status: int, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    words = {429: "rate_limit", 500: "internal_server_error", 503: "service_unavailable"}
    error = ApiError(status, words.get(status, "injected"), "Injected by the sandbox.", headers)
    await error.response()(scope, receive, send)


async def _gone(receive: Receive) -> None:
    """Wait until the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def parse(raw: bytes) -> list[Fault]:
    """Faults from JSON. Raises ApiError 422 for what is not a list of them."""
    try:
        faults = msgspec.json.decode(raw, type=list[Fault])
    except msgspec.MsgspecError as error:
        raise ApiError(422, "invalid_params", f"These are no faults: {error}") from error
    for fault in faults:
        counted = 1 <= fault.count <= 1_000_000 and 0 <= fault.skip <= 1_000_000
        if not (counted and 0 <= fault.seconds <= 3600 and 400 <= fault.status <= 599):
            message = "count is 1 to 1000000, skip 0 to 1000000, seconds 0 to 3600, status 400 to 599."
            raise ApiError(422, "invalid_params", message)
    return faults


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    host, port = transport.get_extra_info("peername")[:2]
    return host, port
