"""Which faults may be tried again, and how: the one file that decides it (architecture §8).

Invariants:

- A fault is `transient` (the network, an answer that was cut short, 5xx), `rate-limited` (429) or `final`
  (everything else). An untrusted certificate is final: asking again will not make it trustworthy.
- Every wait ends at a deadline, which is a moment of `clock`. A `Retry-After` beyond it is not shortened: the
  server would only refuse again, so the last error is raised at once.
- The last attempt speaks: its error is raised, its answer returned. All attempts are recorded.

Writes are not retried here at all. When the answer to a write is lost, nobody knows whether the write
happened; repeating it blindly makes two releases, or two deployments, out of one wish. After an ambiguous
write look at the platform first (that is a read, and reads are retried), then decide.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import tenacity

Kind = Literal["transient", "rate-limited", "final"]

LONGEST_RETRY_AFTER: Final = 3600.0  # seconds; what a server may ask for is bounded like every outside value
MOST_ATTEMPTS: Final = 5
FIRST_WAIT: Final = (
    0.2  # seconds; doubles with each attempt, plus jitter so that clients do not march in step
)
LONGEST_WAIT: Final = 5.0


def classify(seen: object) -> Kind:
    """What a caught error, or a `requests.Response`, means for a second attempt.

    An error that carries an answer (`requests.HTTPError`) is classified by the answer.
    """
    status = getattr(_answer(seen), "status_code", None)
    if isinstance(status, int):
        if status == 429:
            return "rate-limited"
        return "transient" if 500 <= status <= 599 else "final"
    if not isinstance(seen, BaseException):
        return "final"
    if any(isinstance(error, ssl.SSLCertVerificationError) for error in _chain(seen)):
        return "final"
    if type(seen).__name__ == "RateLimitExceeded":  # a platform's client raises it without the answer
        return "rate-limited"
    return "transient" if isinstance(seen, _network_errors()) else "final"


def retry_after(seen: object, now: datetime) -> float:
    """Seconds until the server wants to be asked again; 0.0 if it does not say (RFC 9110 §10.2.3)."""
    headers = getattr(_answer(seen), "headers", None) or {}
    text = str(headers.get("Retry-After", "")).strip()[:40]
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):  # no date, or one of a year that no clock shows
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def may_pass(seen: object) -> bool:
    """True when another attempt may see something better."""
    return classify(seen) != "final"


def reads(
    deadline: float,
    *,
    what: str = "",
    attempts: list[dict[str, Any]] | None = None,
    again: Callable[[object], bool] = may_pass,
    most: int = MOST_ATTEMPTS,
    first: float = FIRST_WAIT,
    longest: float = LONGEST_WAIT,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> tenacity.Retrying:
    """The policy for reads: `reads(clock() + 30)(session.get, url)` calls until it is answered, or gives up.

    `deadline` is a moment of `clock`, after which no attempt begins (the first one always does). `again`
    judges what an attempt returned or raised. Each attempt is appended to `attempts` as a plain dict for the
    evidence: its number `n`, the UTC time `at` which it ended, `what` was read, the `result`, and `waited_ms`
    before it. Raises the last attempt's own error; a last answer is returned however bad it is.
    """
    from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

    backoff = wait_exponential(multiplier=first, max=longest) + wait_random(0, first)

    def wants_another(state: RetryCallState) -> bool:
        seen = _seen(state)
        if attempts is not None and not isinstance(seen, KeyboardInterrupt):  # nobody answered that one
            attempts.append(
                {
                    "n": state.attempt_number,
                    "at": now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "what": what,
                    "result": _words(seen),
                    "waited_ms": round(1000 * float(state.upcoming_sleep)),
                }
            )
        return again(seen)

    def wait(state: RetryCallState) -> float:
        return max(backoff(state), retry_after(_seen(state), now()))

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= most or clock() + float(state.upcoming_sleep) >= deadline

    def last(state: RetryCallState) -> object:
        return state.outcome.result() if state.outcome else None  # raises the last attempt's error

    return Retrying(
        retry=wants_another, wait=wait, stop=stop, sleep=sleep, retry_error_callback=last, reraise=True
    )


def _seen(state: tenacity.RetryCallState) -> object:
    outcome = state.outcome
    if outcome is None:
        return None
    return outcome.exception() if outcome.failed else outcome.result()


def _answer(seen: object) -> object:
    """The answer that an error carries, or else the thing itself."""
    carried = getattr(seen, "response", None) if isinstance(seen, BaseException) else None
    return seen if carried is None else carried


def _words(seen: object) -> str:
    """A result without headers, bodies or addresses, which may carry credentials."""
    status = getattr(_answer(seen), "status_code", None)
    if isinstance(status, int):
        return f"answered {status}"
    return f"{classify(seen)}: {type(seen).__name__}" if isinstance(seen, BaseException) else "done"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from; requests hides the TLS error three levels down."""
    current: BaseException | None = error
    for _ in range(10):
        if current is None:
            return
        yield current
        reason = getattr(current, "reason", None)  # urllib3's MaxRetryError
        current = reason if isinstance(reason, BaseException) else current.__cause__ or current.__context__


def _network_errors() -> tuple[type[BaseException], ...]:
    import requests.exceptions as wire
    import urllib3.exceptions as raw

    return (
        *(ConnectionError, TimeoutError, HTTPException),  # sockets, http.client
        *(wire.ConnectionError, wire.Timeout, wire.ChunkedEncodingError),
        *(raw.ProtocolError, raw.TimeoutError),  # from a body that is read as a stream
    )
