"""What only a sandbox has: its own status, the faults it was told to inject, and the addresses it tells apps."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...processes import faults
from .. import shapes
from ..state import App
from .wire import endpoint, platform, read, reply


@endpoint
async def status(request: Request) -> Response:
    """The sandbox's own address, process and apps."""
    here = platform(request)
    apps: list[dict[str, Any]] = [
        {
            "name": app.name,
            "web_url": shapes.web_url(app),
            "release": app.current,
            "dynos": {dyno.name: dyno.state for dyno in here.runtimes[app.id].instances()},
        }
        for app in here.state.all(App)
        if app.id in here.runtimes
    ]
    return reply({"apps": apps})


@endpoint
async def get_faults(request: Request) -> Response:
    """The faults that are armed."""
    return reply(request.app.state.faults.armed)


@endpoint
async def set_faults(request: Request) -> Response:
    """Replace all armed faults."""
    request.app.state.faults.arm(faults.parse(await request.body()))
    return await get_faults(request)


@endpoint
async def set_forwarded(request: Request) -> Response:
    """From now on tell apps that they were asked at these addresses; "" is the sandbox's own."""
    here, addresses = platform(request), await read(request, dict[str, str])
    for app in here.state.all(App):
        if app.name in addresses and app.id in here.runtimes:
            here.runtimes[app.id].set_forwarded(addresses[app.name])
    return reply(addresses)


ROUTES = [
    Route("/_sandbox", status, methods=["GET"]),
    Route("/_sandbox/faults", get_faults, methods=["GET"]),
    Route("/_sandbox/faults", set_faults, methods=["PUT"]),
    Route("/_sandbox/forwarded", set_forwarded, methods=["PUT"]),
]
