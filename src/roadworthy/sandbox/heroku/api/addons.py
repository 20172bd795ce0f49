"""Add-ons: which databases the apps have."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import shapes
from ..state import Addon, App
from .ranges import page
from .wire import endpoint, find_app, not_found, platform, reply

KEYS = ("id", "name", "updated_at")


def _shapes(request: Request, apps: list[App]) -> list[dict[str, Any]]:
    here = platform(request)
    return [
        shapes.addon(addon, app, here.databases.variables(addon.engine, app.name, addon.secret))
        for app in apps
        for addon in here.state.all(Addon, app=app.id)
    ]


@endpoint
async def index(request: Request) -> Response:
    """`GET /addons`: those of all apps."""
    return page(request, _shapes(request, platform(request).state.all(App)), KEYS)


@endpoint
async def of_app(request: Request) -> Response:
    """`GET /apps/{app}/addons`."""
    return page(request, _shapes(request, [find_app(request)]), KEYS)


@endpoint
async def info(request: Request) -> Response:
    """`GET /addons/{addon}` and `GET /apps/{app}/addons/{addon}`, by id or name."""
    apps = [find_app(request)] if "app" in request.path_params else platform(request).state.all(App)
    identity = request.path_params["addon"]
    for shape in _shapes(request, apps):
        if identity in (shape["id"], shape["name"]):
            return reply(shape)
    raise not_found("add-on")


ROUTES = [
    Route("/addons", index, methods=["GET"]),
    Route("/addons/{addon}", info, methods=["GET"]),
    Route("/apps/{app}/addons", of_app, methods=["GET"]),
    Route("/apps/{app}/addons/{addon}", info, methods=["GET"]),
]
