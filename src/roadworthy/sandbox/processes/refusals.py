"""How a server of the sandbox refuses a call: a status, and JSON with a word for programs and one for people."""

from __future__ import annotations

import msgspec
from starlette.responses import Response


class ApiError(Exception):
    """A refusal: `{"id": …, "message": …}` with an HTTP status; `id` is the word that programs compare."""

    def __init__(self, status: int, id: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.id, self.message, self.headers = status, id, message, headers or {}

    def response(self) -> Response:
        """The refusal as the caller gets it."""
        return reply({"id": self.id, "message": self.message}, self.status, self.headers)


def reply(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any value as a JSON answer. Raises TypeError for one that JSON cannot hold."""
    body = msgspec.json.encode(content)
    return Response(body, status, headers, media_type="application/json")
