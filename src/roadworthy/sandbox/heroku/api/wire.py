"""What all of the Platform API's resources share: JSON in and out, Heroku's errors, and the key.

A body is decoded into a declared struct; what does not fit is `invalid_params`, and nothing was changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ....errors import UsageError
from ...processes.refusals import ApiError, reply
from ..platform import Fate, Platform
from ..state import App

__all__ = [
    "ApiError",
    "base_url",
    "endpoint",
    "fate",
    "find_app",
    "invalid",
    "not_found",
    "note_release",
    "platform",
    "read",
    "reply",
]

BODY_LIMIT = 1024 * 1024
Body = TypeVar("Body")
Endpoint = Callable[[Request], Awaitable[Response]]


def not_found(what: str) -> ApiError:
    """The API's 404 answer for a missing resource, such as "app"."""
    return ApiError(404, "not_found", f"Couldn't find that {what}.")


def invalid(message: str) -> ApiError:
    """The API's 422 answer to a request with invalid parameters."""
    return ApiError(422, "invalid_params", message)


async def read(request: Request, kind: type[Body]) -> Body:
    """The request's body as `kind`. Raises ApiError 400 (no JSON), 413 (too large) or 422 (does not fit)."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise ApiError(413, "bad_request", f"The request's body is larger than {BODY_LIMIT} bytes.")
    try:
        return msgspec.json.decode(bytes(raw) or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise invalid(f"Validation error: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_request", "Unable to parse the JSON request.") from error


def platform(request: Request) -> Platform:
    """The platform that this server serves."""
    found: Platform = request.app.state.platform
    return found


def base_url(request: Request) -> str:
    """The address of this server, without a slash at its end."""
    found: str = request.app.state.url
    return found


def find_app(request: Request) -> App:
    """The app that the path names, by name or id. Raises ApiError 404."""
    identity, state = request.path_params["app"], platform(request).state
    app = state.one(App, name=identity) or state.one(App, id=identity)
    if app is None:
        raise not_found("app")
    return app


def fate(request: Request) -> Fate | None:
    """How an injected fault wants the release that this request makes to end."""
    found: Fate | None = request.scope.get("roadworthy.fate")
    return found


def note_release(request: Request, version: int) -> None:
    """Tell the access log which release this request made."""
    request.scope["roadworthy.release"] = version


def endpoint(handler: Endpoint) -> Endpoint:
    """Turn refusals into Heroku's answers: ApiError as it is, UsageError into `invalid_params`."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return error.response()
        except UsageError as error:
            return invalid(str(error)).response()

    answer.__name__ = handler.__name__
    return answer
