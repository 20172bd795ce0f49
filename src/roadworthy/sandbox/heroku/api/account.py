"""Who calls, and how many calls are left."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import shapes
from .wire import endpoint, reply


@endpoint
async def info(request: Request) -> Response:
    """`GET /account`."""
    return reply(shapes.account())


@endpoint
async def rate_limits(request: Request) -> Response:
    """`GET /account/rate-limits`: the requests that are left in this hour."""
    return reply({"remaining": request.app.state.limit.remaining()})


ROUTES = [Route("/account", info), Route("/account/rate-limits", rate_limits)]
