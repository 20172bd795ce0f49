"""Keys beside the account's own: made with scopes and an end, revoked by deleting them."""

from __future__ import annotations

import secrets
import time
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...processes.refusals import ApiError
from .. import shapes
from ..state import Authorization, State, new_id, now
from .wire import endpoint, invalid, not_found, platform, read, reply

SCOPES: Final = ("global", "identity", "read", "write", "read-protected", "write-protected")
LONGEST: Final = 100 * 365 * 24 * 3600


class Wanted(msgspec.Struct):
    """The body of `POST /oauth/authorizations`."""

    scope: list[str]
    description: str = ""
    expires_in: int | None = None
    client: str | None = None


def may(state: State, key: bytes, method: str, path: str) -> ApiError | None:
    """Whether a key that was made here allows a request: the refusal, None where it does.

    `read` sees everything but config vars and `write` changes it; with `-protected` config vars, too. `identity`
    sees the account. Only `global` sees the account, makes and revokes keys.
    """
    found = state.one(Authorization, token=key.decode("ascii", "replace")) if key else None
    if found is None or (found.expires is not None and found.expires <= time.time()):
        return ApiError(401, "unauthorized", "Invalid credentials provided.")
    scopes, reads = set(found.scope.split()), method in ("GET", "HEAD")
    if "global" in scopes:
        return None
    if path == "/account/rate-limits":
        return None
    if path.startswith("/account"):
        fits = "identity" in scopes
    elif path.startswith("/oauth/"):
        fits = False
    else:
        fit = {"write-protected", *(("read-protected",) if reads else ())}
        if not path.endswith("/config-vars"):
            fit |= {"write", *(("read",) if reads else ())}
        fits = bool(scopes & fit)
    if fits:
        return None
    return ApiError(403, "forbidden", "The scope of this OAuth authorization does not allow this access.")


@endpoint
async def create(request: Request) -> Response:
    """`POST /oauth/authorizations`: a new API key."""
    wanted = await read(request, Wanted)
    if wanted.client is not None:
        raise invalid("OAuth clients are not part of this sandbox.")
    if not wanted.scope or set(wanted.scope) - set(SCOPES):
        raise invalid(f"Scope must be of: {', '.join(SCOPES)}.")
    if wanted.expires_in is not None and not 1 <= wanted.expires_in <= LONGEST:
        raise invalid("Expires in must be a number of seconds.")
    moment = now()
    row = Authorization(
        id=new_id(),
        token=f"HRKU-{new_id()}-{secrets.token_hex(8)}",
        token_id=new_id(),
        scope=" ".join(wanted.scope),
        description=wanted.description[:200],
        expires_in=wanted.expires_in,
        expires=None if wanted.expires_in is None else time.time() + wanted.expires_in,
        created_at=moment,
        updated_at=moment,
    )
    platform(request).state.add(row)
    return reply(shapes.authorization(row), 201)


@endpoint
async def listed(request: Request) -> Response:
    """`GET /oauth/authorizations`."""
    return reply([shapes.authorization(one) for one in platform(request).state.all(Authorization)])


@endpoint
async def info(request: Request) -> Response:
    """`GET /oauth/authorizations/{id}`."""
    return reply(shapes.authorization(_found(request)))


@endpoint
async def delete(request: Request) -> Response:
    """`DELETE /oauth/authorizations/{id}`: revoke its key."""
    row = _found(request)
    platform(request).state.remove(Authorization, id=row.id)
    return reply(shapes.authorization(row))


def _found(request: Request) -> Authorization:
    row = platform(request).state.one(Authorization, id=request.path_params["id"])
    if row is None:
        raise not_found("OAuth authorization")
    return row


ROUTES = [
    Route("/oauth/authorizations", create, methods=["POST"]),
    Route("/oauth/authorizations", listed),
    Route("/oauth/authorizations/{id}", info),
    Route("/oauth/authorizations/{id}", delete, methods=["DELETE"]),
]
