"""The formation: how many of each process; and, in the docker-releases variant, which image each runs."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import shapes
from ..state import App, Formation
from .ranges import page
from .wire import ApiError, endpoint, fate, find_app, invalid, not_found, note_release, platform, read, reply

QUANTITY = re.compile(r"[+-]?\d{1,3}", re.ASCII)
QUANTITY_LIMIT = 20
IMAGE = re.compile(r"sha256:[0-9a-f]{64}")


class Change(msgspec.Struct):
    """The body of `PATCH /apps/{app}/formation/{type}`."""

    quantity: int | str | None = None
    docker_image: str | None = None


class TypedChange(Change, kw_only=True):
    """One change of a batch, with its process type."""

    type: str


class Batch(msgspec.Struct):
    """The body of `PATCH /apps/{app}/formation`."""

    updates: list[TypedChange]


async def _shapes(request: Request, app: App) -> list[dict[str, Any]]:
    here = platform(request)
    release = here.current(app)
    runs = release and (release.slug or release.images)
    commands = (await here.runnable(app, release)).processes if release and runs else {}
    images = release.images if release and _of_images(request) else {}
    return [
        shapes.formation(row, app, commands.get(row.type, ""), images.get(row.type))
        for row in here.formation(app)
    ]


def _of_images(request: Request) -> bool:
    """Whether the caller asks for the docker-releases variant."""
    return "version=3.docker-releases" in request.headers.get("accept", "")


@endpoint
async def index(request: Request) -> Response:
    """`GET /apps/{app}/formation`."""
    return page(request, await _shapes(request, find_app(request)), ("type", "id", "updated_at"))


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}/formation/{type}`."""
    return reply(await _one(request, find_app(request), request.path_params["type"]))


@endpoint
async def update(request: Request) -> Response:
    """`PATCH /apps/{app}/formation/{type}`: scale one process type."""
    app, body = find_app(request), await read(request, Change)
    row = _row(request, app, request.path_params["type"])
    if body.quantity is not None:
        await platform(request).scale(app, {row.type: _quantity(body.quantity, row.quantity)})
    return reply(await _one(request, app, row.type))


@endpoint
async def batch(request: Request) -> Response:
    """`PATCH /apps/{app}/formation`: scale several process types, or release images."""
    app, body = find_app(request), await read(request, Batch)
    if _of_images(request):
        return await _release_images(request, app, body.updates)
    rows = {change.type: _row(request, app, change.type) for change in body.updates}
    wanted = {
        rows[change.type].type: _quantity(change.quantity, rows[change.type].quantity)
        for change in body.updates
        if change.quantity is not None
    }
    await platform(request).scale(app, wanted)
    return reply(await _shapes(request, app))


async def _release_images(request: Request, app: App, updates: list[TypedChange]) -> Response:
    """Release images by their id; what runs already makes no release, as on Heroku.

    Where none can be run they are recorded, and the release fails.
    """
    here = platform(request)
    images = {change.type: change.docker_image or "" for change in updates}
    if not images or not all(IMAGE.fullmatch(image) for image in images.values()):
        raise invalid("Each update needs a type and a docker_image: sha256: and 64 hexadecimal digits.")
    current = here.current(app)
    if current and dict(current.images) == images:
        known = {row.type: row for row in here.formation(app)}
        return reply([shapes.formation(known[name], app, "", image) for name, image in images.items()])
    description = "Deployed " + ", ".join(f"{name} ({image[7:19]})" for name, image in images.items())
    release = await here.release(app, description, images=images, fate=fate(request))
    note_release(request, release.version)
    stamp, known = release.created_at, {row.type: row for row in here.formation(app)}
    rows = [known.get(name) or Formation(release.id, app.id, name, 0, stamp, stamp) for name in images]
    return reply([shapes.formation(row, app, "", images[row.type]) for row in rows])


async def _one(request: Request, app: App, identity: str) -> dict[str, Any]:
    found = [shape for shape in await _shapes(request, app) if identity in (shape["type"], shape["id"])]
    if not found:
        raise not_found("process type")
    return found[0]


def _row(request: Request, app: App, identity: str) -> Formation:
    for row in platform(request).formation(app):
        if identity in (row.type, row.id):
            return row
    raise ApiError(404, "not_found", f"Couldn't find that process type ({identity[:40]}).")


def _quantity(given: int | str, before: int) -> int:
    """A number, its text, or `+1` / `-1` for a step from what is."""
    text = str(given)
    if not QUANTITY.fullmatch(text):
        raise invalid("Quantity must be a number, or a step such as +1.")
    step = isinstance(given, str) and text[0] in "+-"
    number = before + int(text) if step else int(text)
    if not 0 <= number <= QUANTITY_LIMIT:
        raise invalid(f"Cannot scale to {number}: quantities go from 0 to {QUANTITY_LIMIT}.")
    return number


ROUTES = [
    Route("/apps/{app}/formation", index, methods=["GET"]),
    Route("/apps/{app}/formation", batch, methods=["PATCH"]),
    Route("/apps/{app}/formation/{type}", info, methods=["GET"]),
    Route("/apps/{app}/formation/{type}", update, methods=["PATCH"]),
]
