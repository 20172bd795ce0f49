"""`python -m capecontrol`: serve on PORT until SIGTERM, then finish what is under way and end."""

from __future__ import annotations

import logging
import sys

from capecontrol import settings

GRACE = 25  # seconds; the platform kills after 30


def main() -> int:
    """Serve. Returns 2, after one line on stderr, when a config var is missing or malformed."""
    try:
        current = settings.read()
    except settings.SettingsError as error:
        print(f"capecontrol: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    import uvicorn

    from capecontrol.web import make_app
    from capecontrol.work_orders import Board

    config = uvicorn.Config(
        make_app(current, Board(current.database)),
        host=current.host,
        port=current.port,
        log_config=None,
        access_log=False,  # the router writes a line for each request
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
