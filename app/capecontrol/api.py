"""The JSON endpoints that a release is judged by."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capecontrol import tokens
from capecontrol.probe import Probe
from capecontrol.settings import Settings
from capecontrol.work_orders import Board

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Api:
    """Health, version and authentication of one process."""

    settings: Settings
    probe: Probe
    board: Board

    def routes(self) -> list[Route]:
        """Every GET answers HEAD too."""
        return [
            Route("/api/health", self.health),
            Route("/api/version", self.version),
            Route("/api/auth/csrf", self.csrf),
            Route("/api/auth/me", self.me),
        ]

    async def health(self, request: Request) -> Response:
        """200 and "healthy" only when the database answered this very request, else 503 and "degraded"."""
        answer = await self.probe.ask()
        body = {
            "status": "healthy" if answer.connected else "degraded",
            "version": self.settings.commit,
            "environment": self.settings.environment,
            "database_connected": answer.connected,
            "database_revision": answer.revision,
        }
        # The platform may send traffic now: load what the board needs before the first person asks.
        warm = BackgroundTask(self.board.warm) if answer.connected else None
        return JSONResponse(body, 200 if answer.connected else 503, headers=NO_STORE, background=warm)

    async def version(self, request: Request) -> Response:
        """What runs here. Only `databaseRevision` is asked of the database; null when it is away."""
        body = {
            "gitSha": self.settings.commit,
            "version": self.settings.commit,
            "releaseVersion": self.settings.release,
            "databaseRevision": (await self.probe.ask()).revision,
        }
        return JSONResponse(body, headers=NO_STORE)

    async def csrf(self, request: Request) -> Response:
        """A token to send back with a form, as body, header and cookie."""
        token = tokens.csrf_token(
            self.settings.secret_key, request.cookies.get("csrf_token", ""), int(time.time())
        )
        body = {"csrf": token, "csrf_token": token, "token": token}
        response = JSONResponse(body, headers={"X-CSRF-Token": token, **NO_STORE})
        set_csrf_cookie(request, response, token)
        return response

    async def me(self, request: Request) -> Response:
        """Whose session this is; 401 for everyone else."""
        cookie = request.cookies.get("session", "")
        email = tokens.email_of(self.settings.secret_key, cookie, int(time.time()))
        if email is None:
            return JSONResponse({"detail": "Not authenticated"}, 401, headers=NO_STORE)
        return JSONResponse({"email": email}, headers=NO_STORE)


def set_csrf_cookie(request: Request, response: Response, token: str) -> None:
    """Readable by the page's scripts by design (double submit); `Secure` wherever TLS ends before us."""
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie("csrf_token", token, max_age=tokens.TTL, samesite="lax", secure=secure)
