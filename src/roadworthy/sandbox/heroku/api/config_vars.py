"""Config vars. A change of them is a release; setting what is already so is not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .wire import endpoint, fate, find_app, invalid, note_release, platform, read, reply

KEY = re.compile(r"\w+", re.ASCII)
SIZE_LIMIT = 64 * 1024
"""Bytes of all names and values together, as on Heroku."""


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}/config-vars`: those of the app and its add-ons."""
    return reply(platform(request).config(find_app(request)))


@endpoint
async def update(request: Request) -> Response:
    """`PATCH /apps/{app}/config-vars`: set values, remove those given as null, and make a release."""
    app, changes, here = find_app(request), await read(request, dict[str, str | None]), platform(request)
    for key, value in changes.items():
        if not KEY.fullmatch(key) or "\0" in (value or ""):
            raise invalid("Config var keys are letters, digits and underscores; values hold no NUL.")
        if key in here.addon_config(app):
            raise invalid(f"Cannot overwrite attachment values {key}.")
    config = {key: value for key, value in {**app.config, **changes}.items() if value is not None}
    if sum(len(key.encode()) + len(value.encode()) for key, value in config.items()) > SIZE_LIMIT:
        raise invalid(f"Config vars are limited to {SIZE_LIMIT} bytes.")
    if config != app.config:
        description = _description(changes, app.config)
        release = await here.release(app, description, config=config, fate=fate(request))
        note_release(request, release.version)
    return reply({**config, **here.addon_config(app)})


def _description(changes: Mapping[str, str | None], was: Mapping[str, str]) -> str:
    gone = [key for key, value in changes.items() if value is None and key in was]
    new = [key for key, value in changes.items() if value is not None and was.get(key) != value]
    parts = [f"{verb} {', '.join(keys)}" for verb, keys in (("Set", new), ("Remove", gone)) if keys]
    return " and ".join(parts) + " config vars"


ROUTES = [
    Route("/apps/{app}/config-vars", info, methods=["GET"]),
    Route("/apps/{app}/config-vars", update, methods=["PATCH"]),
]
