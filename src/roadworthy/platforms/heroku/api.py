"""The wire to Heroku's Platform API: reads are retried, writes never without saying what is known.

One session carries the key and goes only to the API. A second one, without it, fetches the addresses that the
API hands out (log sessions, slug blobs), which may be other hosts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ... import http, retry
from ...config import Limits
from ...errors import CheckFailed, OutcomeUnknown, RoadworthyError, Unreachable, UsageError
from ...wait import pause

if TYPE_CHECKING:
    import heroku3.api
    import requests

T = TypeVar("T")


WRITES: Final = 3  # attempts of a write that surely did not happen (429) or is harmless to repeat
PATIENCE: Final = 3  # times `limits.http` in which one call is tried again
KEPT: Final = 100  # attempts in the evidence of one action


def wall_clock() -> float:
    """Seconds since 1970 by this machine's clock."""
    return time.time()


class _OfThread(threading.local):
    """Each thread has a session of its own: requests does not promise that two may use one at once."""

    def __init__(self, key: str, timeout: float, heard: Callable[..., None]) -> None:
        self.session = http.session(timeout)
        self.session.hooks["response"].append(heard)
        self.session.auth = ("", key)
        self.session.headers["Accept"] = "application/vnd.heroku+json; version=3"


class Api:
    """`api` is the base address, `key` the API key; every request is bounded by `limits.http`."""

    def __init__(self, api: str, key: str, limits: Limits) -> None:
        self._api = api.rstrip("/")
        self._limits = limits
        self._own = _OfThread(key, limits.http, self._hear)
        self._plain = http.session(limits.http)
        self._attempts: list[dict[str, Any]] = []
        self.clock_ahead: float | None = None
        self.acting = ""  # the key of the start that is being carried out; every change is sent with it

    def _hear(self, response: requests.Response, *_: object, **__: object) -> None:
        """Compare our clock with the one that an answer names (`Date`: RFC 9110, 6.6.1)."""
        from email.utils import parsedate_to_datetime

        with suppress(KeyError, TypeError, ValueError):  # it names none, or no moment
            self.clock_ahead = wall_clock() - parsedate_to_datetime(response.headers["Date"]).timestamp()

    def client(self) -> heroku3.api.Heroku:
        """heroku3 on this session and address (it has no option for either)."""
        import heroku3.api

        client = heroku3.api.Heroku(session=self._own.session)
        client._heroku_url = self._api
        return client

    def read(self, look: Callable[[], T], what: str) -> T:
        """Call `look`, again after transient faults. Raises CheckFailed or UsageError in plain words."""
        policy = retry.reads(self._deadline(), what=what, attempts=self._attempts)
        try:
            return policy(look)
        except RoadworthyError:
            raise
        except Exception as error:
            raise self._explain(error, what) from error

    def get(self, path: str, *, missing_ok: bool = False) -> Any:
        """The JSON at `path`; None when `missing_ok` and the platform has no such thing (any more)."""

        def look() -> Any:
            response = self._own.session.get(self._api + path)
            if missing_ok and response.status_code in (404, 410):
                return None
            response.raise_for_status()
            return response.json()

        return self.read(look, f"GET {path}")

    def write(
        self, method: str, path: str, body: Mapping[str, Any], *, again: bool = False, accept: str = ""
    ) -> Any:
        """Send a change and give the JSON answer. `again` says that repeating it is harmless.

        `accept` names a variant of the API.

        Raises CheckFailed when it surely did not happen, and OutcomeUnknown when nobody can tell: no
        answer, a broken answer or a 5xx.
        """
        import requests

        what, deadline = f"{method} {path}", self._deadline()
        headers = {"Accept": accept} if accept else {}
        for attempt in range(1, WRITES + 1):
            try:
                response = self._own.session.request(
                    method, self._api + path, json=body, headers=headers, auth=self._auth()
                )
                self._note(what, f"answered {response.status_code}", attempt)
                response.raise_for_status()
                return response.json()
            except requests.RequestException as error:
                # An answer that cannot be read says nothing about what happened.
                kind = "transient" if isinstance(error, requests.JSONDecodeError) else retry.classify(error)
                if self.acting and getattr(error.response, "status_code", None) == 401:
                    gone = f"{what}: the key of this start is revoked or has ended, so nothing was changed"
                    raise CheckFailed(gone) from error
                if error.response is None:
                    self._note(what, f"{kind}: {type(error).__name__}", attempt)
                surely_not = kind == "rate-limited" or _never_sent(error)
                wait = retry.retry_after(error, datetime.now(UTC)) or retry.FIRST_WAIT * attempt
                last = attempt == WRITES or time.monotonic() + wait >= deadline
                if kind == "final" or (last and surely_not):
                    explained = self._explain(error, what)
                    if isinstance(explained, Unreachable):  # that it was never done is known
                        explained = CheckFailed(str(explained))
                    raise explained from error
                if last or not (surely_not or again):
                    raise OutcomeUnknown(f"{what}: {_say(error)}; it may or may not have happened") from error
                pause(wait)
        raise AssertionError("the loop returns or raises")

    def _auth(self) -> tuple[str, str] | None:
        return ("", self.acting) if self.acting else None

    def put(self, send: Callable[[requests.Session], requests.Response], what: str) -> None:
        """Send bytes to an address that the API named, without the key; repeating it is harmless."""

        def look() -> None:
            send(self._plain).raise_for_status()

        self.read(look, what)

    def lines(self, app: str, *, lines: int, dyno: str = "", tail: bool = False) -> Iterator[str]:
        """The app's log lines, oldest first; with `tail` also new ones until the stream falls silent.

        Raises Unreachable when they cannot be read; a tail that is cut only ends: the caller looks again.
        """
        import requests

        body = {"lines": lines, "tail": tail, **({"dyno": dyno} if dyno else {})}
        try:
            session = self.write("POST", f"/apps/{app}/log-sessions", body, again=True)
            with self._plain.get(session["logplex_url"], stream=True) as response:
                response.raise_for_status()
                for line in http.read_lines(response, chunk=None if tail else 65536):
                    yield line.decode("utf-8", "replace")
        except (OutcomeUnknown, CheckFailed, requests.RequestException) as error:
            if tail and isinstance(error, requests.RequestException) and error.response is None:
                return
            why = _say(error) if isinstance(error, requests.RequestException) else str(error)
            raise Unreachable(f"the log of {app} cannot be read: {why}") from error

    def take_attempts(self) -> list[dict[str, Any]]:
        """The attempts since the last time that did not succeed at once, the last KEPT of them."""
        taken, self._attempts = self._attempts, []
        fine = ("done", "answered 200", "answered 201", "answered 202")
        return [a for a in taken if a["n"] > 1 or a["result"] not in fine][-KEPT:]

    def _deadline(self) -> float:
        return time.monotonic() + PATIENCE * self._limits.http

    def _note(self, what: str, result: str, attempt: int) -> None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._attempts.append({"n": attempt, "at": at, "what": what, "result": result})

    def _explain(self, error: Exception, what: str) -> RoadworthyError:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if status == 401:
            return UsageError(f"{self._api} refuses the API key: set HEROKU_API_KEY to one that may do this")
        if status == 404:
            return UsageError(f"{what}: the platform does not know it")
        if status is not None:
            kind = CheckFailed if 400 <= status < 500 and status != 429 else Unreachable
            return kind(f"{what}: the platform answered {status}{_message(response)}")
        return Unreachable(f"{what}: {_say(error)}")


def known(app: str, look: Callable[[], T]) -> T:
    """What `look` sees after an effect: not being able to look is then not a failure, it is unknown."""
    try:
        return look()
    except (Unreachable, UsageError) as error:
        raise OutcomeUnknown(f"{error}; {app} was changed and cannot be looked at now") from error


def millis(started: float) -> int:
    """Since this moment of the monotonic clock."""
    return round(1000 * (time.monotonic() - started))


def _message(response: Any) -> str:
    """Heroku's own words for an error (`{"id", "message"}`), bounded."""
    try:
        return f": {str(response.json()['message'])[:300]}"
    except (ValueError, KeyError, TypeError):
        return ""


def _never_sent(error: BaseException) -> bool:
    """True when no connection was made, so that the request cannot have arrived."""
    import urllib3.exceptions as raw

    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, (raw.NewConnectionError, raw.ConnectTimeoutError))


def _say(error: BaseException) -> str:
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", None)
    return f"the platform answered {status}" if status else http.reason(error)
