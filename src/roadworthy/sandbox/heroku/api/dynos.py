"""Dynos: list, info, one-off commands (detached, or attached over rendezvous), restart, stop."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ....errors import UsageError
from ...processes.runtime import Instance
from .. import shapes
from ..state import App, Release
from .ranges import page
from .wire import ApiError, endpoint, find_app, invalid, not_found, platform, read, reply

COMMAND_LIMIT = 16_384
KEY = re.compile(r"\w+", re.ASCII)
# Drawn in turn from a random start: at a one-off's pace here, chance would give a name again within seconds.
_numbers = count(secrets.randbelow(9000))


class Create(msgspec.Struct):
    """The body of `POST /apps/{app}/dynos`."""

    command: str
    attach: bool | None = False
    env: dict[str, str] | None = None
    type: str | None = None


def _shape(request: Request, app: App, dyno: Instance, attach_url: str | None = None) -> dict[str, Any]:
    release = platform(request).state.one(Release, app=app.id, version=dyno.version)
    return {
        "app": {"id": app.id, "name": app.name},
        "attach_url": attach_url,
        "command": dyno.command,
        "created_at": dyno.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "id": dyno.id,
        "name": dyno.name,
        "release": {"id": release.id if release else shapes.stable_id("gone"), "version": dyno.version},
        "size": shapes.SIZE,
        "state": dyno.state,
        "type": dyno.type,
        "updated_at": dyno.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@endpoint
async def index(request: Request) -> Response:
    """`GET /apps/{app}/dynos`."""
    app = find_app(request)
    dynos = platform(request).runtime(app).instances()
    return page(request, [_shape(request, app, dyno) for dyno in dynos], ("name", "id", "updated_at"))


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}/dynos/{dyno}`, by id or name."""
    app = find_app(request)
    return reply(_shape(request, app, _find(request, app)))


@endpoint
async def create(request: Request) -> Response:
    """Run a command with the current release's code and config."""
    app, body, here = find_app(request), await read(request, Create), platform(request)
    if not 0 < len(body.command) <= COMMAND_LIMIT or "\0" in body.command:
        raise invalid(f"Command must have 1 to {COMMAND_LIMIT} characters, none of them NUL.")
    if not all(KEY.fullmatch(key) and "\0" not in value for key, value in (body.env or {}).items()):
        raise invalid("Env keys are letters, digits and underscores; values hold no NUL.")
    release = here.current(app)
    try:
        if release is None:
            raise UsageError("no release")
        runnable = await here.runnable(app, release)
    except UsageError as error:
        raise ApiError(422, "invalid_params", f"Cannot run: {app.name} has no code yet ({error})") from error
    runtime = here.runtime(app)
    name, env = f"run.{next(_numbers) % 9000 + 1000}", body.env or {}
    request.scope["roadworthy.command"] = body.command
    here.log(app, "api", f"Starting process with command `{body.command}` by user {shapes.EMAIL}")
    if not body.attach:
        dyno = await runtime.run(body.command, runnable, name=name, env=env)
        return reply(_shape(request, app, dyno), 201)
    session = await request.app.state.rendezvous.session()
    dyno = await runtime.run(
        body.command, runnable, name=name, env=env, stdin=session.stdin, stdout=session.write
    )
    session.serve(runtime, dyno.id, name)
    return reply(_shape(request, app, dyno, session.url), 201)


@endpoint
async def restart_all(request: Request) -> Response:
    """`DELETE /apps/{app}/dynos`: restart all processes of the app."""
    app = find_app(request)
    await platform(request).runtime(app).restart()
    return reply({}, 202)


@endpoint
async def restart(request: Request) -> Response:
    """Restart a process of the formation; a one-off is ended, as nothing starts it again."""
    app = find_app(request)
    dyno, runtime = _find(request, app), platform(request).runtime(app)
    if dyno.name.startswith(("run.", "release.")):
        await runtime.stop_instance(dyno.name)
    else:
        await runtime.restart(dyno.name)
    return reply({}, 202)


@endpoint
async def stop(request: Request) -> Response:
    """`POST /apps/{app}/dynos/{dyno}/actions/stop`."""
    app = find_app(request)
    await platform(request).runtime(app).stop_instance(_find(request, app).name)
    return reply({}, 202)


def _find(request: Request, app: App) -> Instance:
    identity = request.path_params["dyno"]
    for dyno in platform(request).runtime(app).instances():
        if identity in (dyno.name, dyno.id):
            return dyno
    raise not_found("dyno")


ROUTES = [
    Route("/apps/{app}/dynos", index, methods=["GET"]),
    Route("/apps/{app}/dynos", create, methods=["POST"]),
    Route("/apps/{app}/dynos", restart_all, methods=["DELETE"]),
    Route("/apps/{app}/dynos/{dyno}", info, methods=["GET"]),
    Route("/apps/{app}/dynos/{dyno}", restart, methods=["DELETE"]),
    Route("/apps/{app}/dynos/{dyno}/actions/stop", stop, methods=["POST"]),
]
