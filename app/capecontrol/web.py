"""The app: routes, and what every answer has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from capecontrol.api import Api
from capecontrol.pages import Pages
from capecontrol.probe import Probe
from capecontrol.settings import Settings
from capecontrol.work_orders import Board


def make_app(settings: Settings, board: Board) -> Starlette:
    """The ASGI app of one process. It opens nothing until it is asked, and closes the board at its end."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        board.close()

    probe = Probe(settings.database)
    return Starlette(
        lifespan=lifespan,
        routes=[*Api(settings, probe, board).routes(), *Pages(settings, probe, board).routes()],
        exception_handlers={HTTPException: refuse, Exception: fail},
    )


async def refuse(request: Request, error: Exception) -> Response:
    """What there is no page or endpoint for, as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


async def fail(request: Request, error: Exception) -> Response:
    """Anything unforeseen. The server logs its traceback, and then it closes the connection.

    So the answer says that it closes: a client that keeps it would lose its next request.
    """
    return JSONResponse({"detail": "Internal Server Error"}, 500, headers={"Connection": "close"})
