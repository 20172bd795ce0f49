"""The Platform API: one file per resource; this is the list of everything it answers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from . import (
    account,
    addons,
    apps,
    authorizations,
    config_vars,
    dynos,
    formation,
    log_sessions,
    ours,
    releases,
    slugs,
)
from .wire import not_found, reply

ROUTES = [
    *account.ROUTES,
    *authorizations.ROUTES,
    *apps.ROUTES,
    *config_vars.ROUTES,
    *formation.ROUTES,
    *dynos.ROUTES,
    *slugs.ROUTES,
    *releases.ROUTES,
    *log_sessions.ROUTES,
    *addons.ROUTES,
    *slugs.BLOB_ROUTES,
    *log_sessions.STREAM_ROUTES,
    *ours.ROUTES,
]


def build() -> Starlette:
    """The API as an ASGI app; the server gives it its state."""
    return Starlette(
        routes=ROUTES,
        exception_handlers={404: _missing, 405: _missing, 500: _broken},
    )


async def _missing(request: Request, error: Exception) -> Response:
    return not_found("resource").response()


async def _broken(request: Request, error: Exception) -> Response:
    return reply({"id": "internal_server_error", "message": "Internal server error."}, 500)
