"""A key for each start: made before it, used for its changes alone, revoked before its outcome is written.

Heroku's schema: `POST /oauth/authorizations` with scopes and an end, and DELETE, after which the key is refused. So
a request that is still on its way when somebody settles the start arrives with a key that opens nothing any more.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from ...errors import CheckFailed, OutcomeUnknown, RoadworthyError, UsageError
from ...model import Fence
from .api import Api, wall_clock

_AUTHORIZATIONS: Final = "/oauth/authorizations"
_SCOPE: Final = ("write-protected",)  # changes apps and their config vars, and sees nothing of the account


class Fences:
    """Opens and closes them on one wire, whose changes carry the key of the one that is open."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._closed: dict[str, str] = {}

    def open(self, lasts: float) -> Fence | None:
        """A fence for `lasts` seconds; None where this driver's key may not make one."""
        seconds = max(1, math.ceil(lasts))
        body = {
            "scope": list(_SCOPE),
            "expires_in": seconds,
            "description": "roadworthy: the changes of one start",
        }
        try:
            made = self._api.write("POST", _AUTHORIZATIONS, body)
        except OutcomeUnknown as error:
            raise CheckFailed(f"{error}; it opens nothing by itself, and nothing was changed") from error
        except RoadworthyError as error:
            if _status(error) in (403, 404):
                return None
            raise
        self._api.acting = str(made["access_token"]["token"])
        ends = datetime.fromtimestamp(wall_clock() - (self._api.clock_ahead or 0.0) + seconds, UTC)
        return Fence("credential", str(made["id"]), f"{ends:%Y-%m-%dT%H:%M:%SZ}")

    def close(self, fence: Fence) -> str:
        """Revoke the key; how it was closed."""
        self._api.acting = ""
        if fence.id not in self._closed:
            self._closed[fence.id] = self._revoked(fence)
        return self._closed[fence.id]

    def _revoked(self, fence: Fence) -> str:
        try:
            self._api.write("DELETE", f"{_AUTHORIZATIONS}/{fence.id}", {}, again=True)
        except RoadworthyError as error:
            if isinstance(error, UsageError) and _status(error) == 404:
                return "gone"
            raise OutcomeUnknown(f"the key of the start could not be revoked: {error}") from error
        return "revoked"


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error.__cause__, "response", None), "status_code", None)
