"""Whether a web process serves: it answers `GET /` on its port with a status below 500."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

_CONNECT_EVERY = 0.02
_ASK_AGAIN = 0.2
"""After a connection that gave no good answer; each costs the app a request and a log line."""
_PATIENCE = 5.0
_HEAD = 4096


async def until_it_serves(port: int, host: str, not_yet: Callable[[int], None]) -> None:
    """Return when it does; the caller sets the deadline and watches for the process's death.

    `not_yet` is told each new status that is not good enough (0 for what is not HTTP).
    """
    last = None
    while True:
        pause = _CONNECT_EVERY
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                pause = _ASK_AGAIN
                async with asyncio.timeout(_PATIENCE):
                    status = await _status(reader, writer, host)
                if 100 <= status < 500:
                    return
                if status != last:
                    not_yet(status)
                last = status
            finally:
                writer.transport.abort()
        await asyncio.sleep(pause)


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> int:
    """Status of `GET /`, 0 for what is not HTTP; reads the answer to its end, or 64 KB of it."""
    lines = ("GET / HTTP/1.1", f"Host: {host}", "User-Agent: roadworthy-sandbox", "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode())
    head = await reader.read(_HEAD)
    while b"\r\n" not in head and len(head) < _HEAD and (more := await reader.read(_HEAD)):
        head += more
    parts = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1][:3].isdigit():
        return 0
    for _ in range(16):
        if not await reader.read(_HEAD):
            break
    return int(parts[1][:3])
