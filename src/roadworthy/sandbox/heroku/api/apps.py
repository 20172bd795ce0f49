"""Apps: list, info, create, maintenance, delete."""

from __future__ import annotations

import re
import secrets
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import shapes
from ..state import App, Slug
from .ranges import page
from .wire import endpoint, find_app, invalid, platform, read, reply

NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
APP_LIMIT = 100


class Create(msgspec.Struct):
    """The body of `POST /apps`."""

    name: str | None = None


class Update(msgspec.Struct):
    """The body of `PATCH /apps/{app}`."""

    maintenance: bool | int | None = None
    name: str | None = None


def _shape(request: Request, app: App) -> dict[str, Any]:
    here = platform(request)
    release = here.current(app)
    slug = here.state.one(Slug, id=release.slug) if release and release.slug else None
    return shapes.app(app, slug, release.created_at if release else None)


@endpoint
async def index(request: Request) -> Response:
    """`GET /apps`."""
    apps = [_shape(request, app) for app in platform(request).state.all(App)]
    return page(request, apps, ("name", "id", "updated_at"))


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}`, by id or name."""
    return reply(_shape(request, find_app(request)))


@endpoint
async def create(request: Request) -> Response:
    """`POST /apps`: an app with a database and no release."""
    body, here = await read(request, Create), platform(request)
    name = body.name or f"sandbox-{secrets.token_hex(5)}"
    if not NAME.fullmatch(name):
        raise invalid(
            "Name must start with a letter, end with a letter or digit and can only contain lowercase "
            "letters, digits, and dashes. Name is 3 to 30 characters."
        )
    async with request.app.state.creating:
        apps = here.state.all(App)
        if any(app.name == name for app in apps):
            raise invalid(f"Name {name} is already taken")
        if len(apps) >= APP_LIMIT:
            raise invalid(f"You've reached the limit of {APP_LIMIT} apps.")
        app = await here.create_app(name)
    return reply(_shape(request, app), 201)


@endpoint
async def update(request: Request) -> Response:
    """`PATCH /apps/{app}`: turn maintenance mode on or off."""
    app, body = find_app(request), await read(request, Update)
    if body.name not in (None, app.name):
        raise invalid("This sandbox does not rename apps: create another.")
    if body.maintenance is not None:
        app = await platform(request).set_maintenance(app, bool(body.maintenance))
    return reply(_shape(request, app))


@endpoint
async def delete(request: Request) -> Response:
    """`DELETE /apps/{app}`: stop its processes and delete its data."""
    app = find_app(request)
    shape = _shape(request, app)
    await platform(request).delete_app(app)
    return reply(shape)


ROUTES = [
    Route("/apps", index, methods=["GET"]),
    Route("/apps", create, methods=["POST"]),
    Route("/apps/{app}", info, methods=["GET"]),
    Route("/apps/{app}", update, methods=["PATCH"]),
    Route("/apps/{app}", delete, methods=["DELETE"]),
]
