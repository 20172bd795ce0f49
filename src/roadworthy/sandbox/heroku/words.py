"""Heroku's words for its apps' processes and in its log (Dev Center: "Dyno Metadata", "Log format")."""

from __future__ import annotations

from typing import Final

from ..processes.trace import ERRORS, Trace
from ..processes.words import Words

PLATFORM: Final = "heroku"
"""The source of the platform's own lines in an app's log; the other one is `app`."""
LOGPLEX: Final = "logplex"
"""The origin of what the log says of itself."""


def request_line(trace: Trace) -> str:
    """The line as Heroku's router prints it."""
    at = f'error code={trace.code} desc="{ERRORS[trace.code]}"' if trace.code else "info"
    connect, service = ("" if ms is None else f"{ms}ms" for ms in (trace.connect, trace.service))
    status, size = ("" if number is None else number for number in (trace.status, trace.bytes))
    return (
        f'at={at} method={trace.method} path="{trace.path}" host={trace.host} request_id={trace.request_id} '
        f'fwd="{trace.fwd}" dyno={trace.process} connect={connect} service={service} status={status} '
        f"bytes={size} protocol=http"
    )


WORDS: Final = Words("DYNO", "HEROKU_DYNO_ID", request_line)
