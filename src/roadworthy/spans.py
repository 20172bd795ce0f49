"""How long something took, in seconds, from the times that others wrote down.

A time that is missing or makes no sense, and an end before its beginning, measure nothing: that is None, never 0.
"""

from __future__ import annotations

from datetime import datetime

Span = tuple[str | None, str | None]
"""When something began and ended, as ISO 8601 with a zone; None is not known."""


def seconds(span: Span) -> float | None:
    """Seconds of a span, None when it cannot be measured."""
    began, ended = (_moment(said) for said in span)
    if began is None or ended is None or ended < began:
        return None
    return round((ended - began).total_seconds(), 3)


def _moment(said: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(said or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
