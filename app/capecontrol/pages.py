"""What a person sees and sends: the page, its form, its icon.

The page is always 200, also when the database is away or not migrated: it says so instead of the list.
What cannot be saved comes back as the same page with the reason and with what was typed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from capecontrol import tokens
from capecontrol.api import set_csrf_cookie
from capecontrol.database import DatabaseAway
from capecontrol.page import ASSET_LIMIT, HEADERS, MARK, TITLE_LIMIT, Draft, View, render
from capecontrol.probe import Answer, Probe
from capecontrol.settings import Settings
from capecontrol.work_orders import PRIORITIES, Board, NotMigrated, WorkOrder

DEADLINE = 5.0  # seconds; the first use of the board also loads SQLAlchemy
LARGEST_FORM = 8192  # bytes
AWAY = Answer(connected=False, revision=None)
STALE = "This form is too old or not ours. Nothing was saved; please send it again."
log = logging.getLogger("capecontrol")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pages:
    """The page of one process."""

    settings: Settings
    probe: Probe
    board: Board

    def routes(self) -> list[Route]:
        """The page, what its forms post to, and its icon."""
        return [
            Route("/", self.show),
            Route("/work-orders", self.add, methods=["POST"]),
            Route("/work-orders/{order_id:int}/done", self.complete, methods=["POST"]),
            Route("/favicon.svg", self.icon),
            Route("/favicon.ico", self.icon),
        ]

    async def show(self, request: Request) -> Response:
        """The page as it is now."""
        return await self._page(request)

    async def add(self, request: Request) -> Response:
        """Save a work order and show the page; 403 without our token, 422 with what is wrong."""
        form = await self._form(request)
        draft = Draft(form("title"), form("asset"), form("priority"))
        if not self._is_ours(request, form):
            return await self._page(request, 403, STALE, draft)
        if not 0 < len(draft.title) <= TITLE_LIMIT or not 0 < len(draft.asset) <= ASSET_LIMIT:
            limits = f"at most {TITLE_LIMIT} and {ASSET_LIMIT} characters"
            return await self._page(
                request, 422, f"Say what is to be done and on which asset: {limits}.", draft
            )
        if draft.priority not in PRIORITIES:
            return await self._page(request, 422, f"Priority is one of {', '.join(PRIORITIES)}.", draft)
        return await self._change(
            request, draft, lambda: self.board.add(draft.title, draft.asset, draft.priority)
        )

    async def complete(self, request: Request) -> Response:
        """Mark a work order done and show the page."""
        if not self._is_ours(request, await self._form(request)):
            return await self._page(request, 403, STALE)
        order_id = min(request.path_params["order_id"], 2**31 - 1)
        return await self._change(request, Draft(), lambda: self.board.complete(order_id))

    async def icon(self, request: Request) -> Response:
        """The icon, under both names that browsers ask for."""
        return Response(MARK, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    async def _change(self, request: Request, draft: Draft, change: Callable[[], None]) -> Response:
        try:
            await _in_time(change)
        except (DatabaseAway, NotMigrated, TimeoutError) as error:
            log.info("work order not saved: %r", error)
            problem = "The database could not take it now. It may not be saved: look, then send it again."
            return await self._page(request, 503, problem, draft)
        return RedirectResponse("/", 303)

    async def _page(
        self, request: Request, status: int = 200, problem: str = "", draft: Draft | None = None
    ) -> Response:
        answer, orders = await self.probe.ask(), None
        if answer.connected:
            answer, orders = await self._orders(answer)
        held = request.cookies.get("csrf_token", "")
        token = tokens.csrf_token(self.settings.secret_key, held, int(time.time()))
        view = View(self.settings, answer, orders, token, problem, draft or Draft())
        response = HTMLResponse(render(view), status, headers=HEADERS)
        set_csrf_cookie(request, response, token)
        return response

    async def _orders(self, answer: Answer) -> tuple[Answer, list[WorkOrder] | None]:
        try:
            return answer, await _in_time(self.board.newest)
        except NotMigrated:
            return answer, None
        except (DatabaseAway, TimeoutError) as error:
            log.info("work orders not read: %r", error)
            return AWAY, None

    def _is_ours(self, request: Request, form: Callable[[str], str]) -> bool:
        cookie = request.cookies.get("csrf_token", "")
        return tokens.csrf_ok(self.settings.secret_key, cookie, form("csrf_token"), int(time.time()))

    async def _form(self, request: Request) -> Callable[[str], str]:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                raise HTTPException(413, f"A form here has at most {LARGEST_FORM} bytes")
        try:
            fields = parse_qs(body.decode(), max_num_fields=10)
        except ValueError as error:
            raise HTTPException(400, "This is not a form") from error
        return lambda name: fields.get(name, [""])[0].strip()


async def _in_time(work: Callable[[], T]) -> T:
    with anyio.fail_after(DEADLINE):
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
