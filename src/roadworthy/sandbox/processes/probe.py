"""Whether a web process is ready: as a platform sees it, when it has bound its port, whatever it answers there."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_EVERY = 0.02


async def until_it_listens(port: int) -> None:
    """Return when it does; the caller sets the deadline and watches for the process's death."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            return
        await asyncio.sleep(_EVERY)
