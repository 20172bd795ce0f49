"""Heroku's paging by the Range header: `version ..; max=15, order=desc`.

A page that leaves something out is a 206 with Next-Range, which asks for the rest when sent back as Range.
The start of a range is inclusive, or exclusive when written `]start`. In descending order a range starts at
its high end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .wire import ApiError, reply

DEFAULT_PAGE, LARGEST_PAGE = 200, 1000
_RANGE = re.compile(
    r"(?P<key>\w+)\s*(?P<open>\]?)(?P<start>[^\s;]*?)\.\.(?P<end>[^\s;]*)\s*(?:;(?P<options>.*))?"
)


def page(request: Request, items: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Response:
    """The part of `items` that the request's Range asks for; `keys[0]` is the order when it asks for none.

    Raises ApiError 416 for a range that cannot be read or is by a key that is not in `keys`.
    """
    key, start, after, end, limit, descending = _parse(request.headers.get("range", ""), keys)

    def kept(item: Mapping[str, Any]) -> bool:
        value = item[key]
        low, high = (end, start) if descending else (start, end)
        if after and value == start:
            return False
        return (low is None or value >= low) and (high is None or value <= high)

    chosen = sorted(filter(kept, items), key=lambda item: item[key], reverse=descending)
    shown = chosen[:limit]
    headers = {"Accept-Ranges": ", ".join(keys)}
    if shown:
        headers["Content-Range"] = f"{key} {shown[0][key]}..{shown[-1][key]}"
    if len(chosen) <= limit:
        return reply(shown, headers=headers)
    order = ", order=desc" if descending else ""
    stop = "" if end is None else end
    headers["Next-Range"] = f"{key} ]{shown[-1][key]}..{stop}; max={limit}{order}"
    return reply(shown, 206, headers)


def _parse(header: str, keys: Sequence[str]) -> tuple[str, Any, bool, Any, int, bool]:
    if not header:
        return keys[0], None, False, None, DEFAULT_PAGE, False
    match = _RANGE.fullmatch(header.strip()) if len(header) < 1000 else None
    if match is None or match["key"] not in keys:
        raise _unsatisfiable(keys)
    options = {
        part.partition("=")[0].strip(): part.partition("=")[2].strip()
        for part in re.split(r"[,;]", match["options"] or "")
        if part.strip()
    }
    number = match["key"] == "version"
    try:
        limit = int(options.get("max", DEFAULT_PAGE))
        start, end = (_bound(match[name], number) for name in ("start", "end"))
    except ValueError as error:
        raise _unsatisfiable(keys) from error
    if not 1 <= limit <= LARGEST_PAGE or options.get("order", "asc") not in ("asc", "desc"):
        raise _unsatisfiable(keys)
    return match["key"], start, bool(match["open"]), end, limit, options.get("order") == "desc"


def _bound(text: str, number: bool) -> str | int | None:
    if not text:
        return None
    return int(text) if number else text


def _unsatisfiable(keys: Sequence[str]) -> ApiError:
    message = f"Ranges are by {', '.join(keys)}; max is 1 to {LARGEST_PAGE}."
    return ApiError(416, "requested_range_not_satisfiable", message)
