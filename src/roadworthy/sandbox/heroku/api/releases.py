"""Releases: list, info, create from a slug, roll back to an earlier one."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import shapes
from ..state import Addon, App, Release, Slug
from .ranges import page
from .wire import endpoint, fate, find_app, invalid, not_found, note_release, platform, read, reply


class Create(msgspec.Struct):
    """The body of `POST /apps/{app}/releases`."""

    slug: str | None = None
    release: str | None = None
    description: str | None = None


@endpoint
async def index(request: Request) -> Response:
    """`GET /apps/{app}/releases`."""
    app, state = find_app(request), platform(request).state
    addons = state.all(Addon, app=app.id)
    releases = [shapes.release(row, app, addons) for row in state.all(Release, app=app.id)]
    return page(request, releases, ("version", "id"))


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}/releases/{release}`, by id or version."""
    app = find_app(request)
    return reply(_shape(request, app, _find(request, app, request.path_params["release"])))


@endpoint
async def config_vars(request: Request) -> Response:
    """`GET /apps/{app}/releases/{release}/config-vars`."""
    app = find_app(request)
    return reply(platform(request).config(app, _find(request, app, request.path_params["release"])))


@endpoint
async def create(request: Request) -> Response:
    """`POST /apps/{app}/releases`: release a slug, or roll back to an earlier release."""
    app, body, here = find_app(request), await read(request, Create), platform(request)
    if (body.slug is None) == (body.release is None):
        raise invalid("Give either slug, to release it, or release, to roll back to it.")
    if body.slug is not None:
        slug = here.state.one(Slug, id=body.slug)
        if slug is None:
            raise not_found("slug")
        description = body.description or f"Deploy {(slug.commit_id or slug.id)[:8]}"
        release = await here.release(app, description[:1000], slug=slug, fate=fate(request))
    else:
        release = await _roll_back(request, app, body.release or "")
    note_release(request, release.version)
    return reply(_shape(request, here.state.all(App, id=app.id)[0], release), 201)


async def _roll_back(request: Request, app: App, release_id: str) -> Release:
    """A new release with the code *and the config vars* of the old one, as Heroku does it."""
    here = platform(request)
    target = here.state.one(Release, app=app.id, id=release_id)
    if target is None:
        raise not_found("release")
    slug = here.state.one(Slug, id=target.slug) if target.slug else None
    if target.status != "succeeded" or (slug is None and not target.images):
        raise invalid(f"Cannot roll back to v{target.version}: it is not eligible for rollback.")
    return await here.release(
        app,
        f"Rollback to v{target.version}",
        slug=slug,
        images=target.images or None,
        config=target.config,
        fate=fate(request),
    )


def _find(request: Request, app: App, identity: str) -> Release:
    """By id or by version number. Raises ApiError 404."""
    state = platform(request).state
    found = state.one(Release, app=app.id, id=identity)
    if found is None and identity.isascii() and identity.isdecimal() and len(identity) < 10:
        found = state.one(Release, app=app.id, version=int(identity))
    if found is None:
        raise not_found("release")
    return found


def _shape(request: Request, app: App, release: Release) -> dict[str, Any]:
    return shapes.release(release, app, platform(request).state.all(Addon, app=app.id))


ROUTES = [
    Route("/apps/{app}/releases", index, methods=["GET"]),
    Route("/apps/{app}/releases", create, methods=["POST"]),
    Route("/apps/{app}/releases/{release}", info, methods=["GET"]),
    Route("/apps/{app}/releases/{release}/config-vars", config_vars, methods=["GET"]),
]
