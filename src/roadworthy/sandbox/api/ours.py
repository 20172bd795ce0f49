"""What only a sandbox has: its own status, and the faults it was told to inject."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roadworthy.sandbox import faults, shapes
from roadworthy.sandbox.api.wire import endpoint, platform, reply
from roadworthy.sandbox.state import App


@endpoint
async def status(request: Request) -> Response:
    here = platform(request)
    apps: list[dict[str, Any]] = [
        {
            "name": app.name,
            "web_url": shapes.web_url(app),
            "release": app.current,
            "dynos": {dyno.name: dyno.state for dyno in here.runtimes[app.id].dynos()},
        }
        for app in here.state.all(App)
        if app.id in here.runtimes
    ]
    return reply({"apps": apps})


@endpoint
async def get_faults(request: Request) -> Response:
    return reply(request.app.state.faults.armed)


@endpoint
async def set_faults(request: Request) -> Response:
    """Replace all armed faults."""
    request.app.state.faults.arm(faults.parse(await request.body()))
    return await get_faults(request)


ROUTES = [
    Route("/_sandbox", status, methods=["GET"]),
    Route("/_sandbox/faults", get_faults, methods=["GET"]),
    Route("/_sandbox/faults", set_faults, methods=["PUT"]),
]
