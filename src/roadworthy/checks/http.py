"""HTTP checks: the questions of `release.toml`, asked side by side of a running release.

Invariants:

- A check passes only if everything it declares is true of one answer. No check at all is a failure.
- A JSON value is compared whole and by type: `"true"` is not `true`, `1` is not `true`, and a commit in some
  other field proves nothing. A cookie is compared by its exact name. How both are read: answers.py.
- What a check sends of a variable is in no result, also when the app says it back.
- `{commit}` needs a full commit: when it is not known the check fails, for "unknown" would match "unknown".
- Redirects are not followed. A wrong answer is final; only a fault that may pass (network, 5xx, 429) of a
  request that changes nothing is asked again, and then the last answer counts.
- An app that answers "not now" (NOT_NOW) is asked until the deadline, unless the caller knows that nobody is
  left to answer. Any other fault that may pass is asked MOST_ATTEMPTS times: who is broken is told soon.
- `run` is back at the deadline, whatever a server (or a name server) does.
"""

from __future__ import annotations

import json
import math
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from ..config import HARMLESS, HttpCheck
from ..errors import CheckFailed
from ..mask import Mask, Masked
from . import answers

BODY_LIMIT: Final = 1 << 20
MOST_THREADS: Final = 16
MOST_ATTEMPTS: Final = 3
FIRST_WAIT: Final = 0.1  # seconds
LONGEST_WAIT: Final = 1.0
NOT_NOW: Final = (429, 502, 503, 504)  # what a router or an app says meanwhile
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one check found. `millis` is the time of the answer that counted, `at` is UTC.

    `retry_after` is for how many seconds a failing answer asked not to be asked again.
    """

    name: str
    method: str
    url: str
    outcome: Literal["passed", "failed"]
    reason: str
    status: int | None
    millis: int
    attempts: int
    at: str
    retry_after: float = 0.0


class Answer(Masked, frozen=True):
    """What came back: `status_code` and `headers` as `retry.classify` reads them; cookies that were set."""

    HIDES = ("body",)

    status_code: int
    headers: Any
    cookies: frozenset[str]
    body: bytes
    seconds: float


def run(
    checks: Sequence[HttpCheck],
    base_url: str,
    *,
    commit: str,
    deadline: float,
    retry: bool = True,
    timeout: float = 10.0,
    others: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = MappingProxyType({}),
    over: Callable[[str], str] = lambda component: "",
    fresh: bool = False,
    forwarded: str = "",
) -> list[CheckResult]:
    """Ask all `checks` of the app at `base_url` at once; the results stand in the order of the checks.

    A check of another component is asked at its address in `others`. `environ` has the variables that checks send.
    `over` says of a component ("" is the first) why no answer will come any more; "" while one may. With `fresh`
    the app may still be starting: a right answer that comes late is asked once more, and its time is not charged.
    `forwarded` is the address at which a router in front of the app would be asked, where there is no router.

    `commit` is the 40-character commit that should run. `deadline` is a moment of `time.monotonic()`;
    `timeout` (seconds) bounds the silence of one request. Raises nothing: what goes wrong is a failed result.
    """
    if not checks:
        return [_result(HttpCheck("checks", ""), base_url, "no checks are declared")]

    asked = _Asked(commit, deadline, retry, timeout, environ, over, fresh, forwarded)

    def address(check: HttpCheck) -> str:
        return others[check.component] if check.component else base_url

    found: dict[int, CheckResult] = {}
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(checks)):
        work.put(index)

    def worker() -> None:
        while True:
            try:
                index = work.get_nowait()
            except queue.Empty:
                return
            found[index] = _ask(checks[index], address(checks[index]), asked)

    # Daemon threads and not a pool: a pool waits for its threads at exit, and nothing can interrupt a name
    # lookup or a server that drips one byte at a time.
    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(len(checks), MOST_THREADS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = "no complete answer before the deadline"
    answered = dict(found)
    return [answered.get(index) or _result(check, address(check), late) for index, check in enumerate(checks)]


class _Asked(NamedTuple):
    """What `run` was called with, the same for all checks."""

    commit: str
    deadline: float
    retry: bool
    timeout: float
    environ: Mapping[str, str]
    over: Callable[[str], str]
    fresh: bool
    forwarded: str


def _ask(check: HttpCheck, base_url: str, asked: _Asked) -> CheckResult:
    """Ask until an answer passes, or is final, or there is no more time."""
    from .. import http, retry

    attempts: list[dict[str, Any]] = []
    commit, deadline, environ = asked.commit, asked.deadline, asked.environ
    words = ""

    def attempt() -> Answer:
        left = deadline - time.monotonic()
        if left <= 0:
            raise CheckFailed("no time was left to ask")
        return _fetch(check, base_url, min(asked.timeout, left), sent)

    def another(seen: object) -> bool:
        nonlocal words
        words = ""
        if not harmless:
            return False
        if isinstance(seen, Answer):
            problem = mismatch(check, seen, commit)
            if not problem:
                return False
            if problem == _late(check, seen):
                return asked.fresh and len(attempts) == 1
            if seen.status_code in NOT_NOW:
                words = asked.over(check.component)
                return not words
        return len(attempts) < MOST_ATTEMPTS and retry.may_pass(seen)

    harmless = asked.retry and check.method.upper() in HARMLESS
    policy = retry.reads(
        deadline, attempts=attempts, again=another, most=sys.maxsize, first=FIRST_WAIT, longest=LONGEST_WAIT
    )
    try:
        if not check.path.startswith("/"):
            raise CheckFailed(f"path {check.path!r} does not begin with /")
        sent = {**_forwarded(check, asked.forwarded), **_sent(check, environ)}
        answer = policy(attempt)
    except CheckFailed as error:
        return _result(check, base_url, str(error), attempts=len(attempts))
    except Exception as error:  # noqa: BLE001 - a crash in one check is a failed check, not the end of the others
        return _result(check, base_url, http.reason(error), attempts=len(attempts))
    hide = Mask(environ[variable] for variable in check.send_from.values())
    reason = "; ".join(filter(None, (mismatch(check, answer, commit), words)))
    return _result(check, base_url, hide(reason), answer, len(attempts))


def _sent(check: HttpCheck, environ: Mapping[str, str]) -> dict[str, str]:
    """The headers of the request. Raises CheckFailed that names the variable which cannot be one."""
    headers = {"Cache-Control": "no-cache", "Accept": "application/json, */*;q=0.5"}
    for name, variable in check.send_from.items():
        value = environ.get(variable, "")
        if not (value and value.isascii() and value.isprintable() and value == value.strip()):
            what = "is not a valid header value" if value else "is not set"
            raise CheckFailed(f"the variable {variable}, which it sends as {name}, {what}")
        headers[name] = value
    return {**headers, **check.send}


def _forwarded(check: HttpCheck, address: str) -> dict[str, str]:
    """What a router says of the request that reached it at this address; the host is the first component's."""
    if not address:
        return {}
    scheme, _, host = address.partition("://")
    said = {"X-Forwarded-Proto": scheme, "X-Forwarded-Port": "443" if scheme == "https" else "80"}
    return said if check.component else {**said, "Host": host}


def _fetch(check: HttpCheck, base_url: str, timeout: float, headers: Mapping[str, str]) -> Answer:
    """One request and its whole answer, in a session of its own: no cookie crosses from check to check."""
    from .. import http

    with http.session(timeout, headers) as session:
        began = time.monotonic()
        url = base_url.rstrip("/") + check.path
        with session.request(check.method.upper(), url, allow_redirects=False, stream=True) as response:
            body = http.read_limited(response, BODY_LIMIT)
            seconds = time.monotonic() - began
            set_cookies = response.raw.headers.getlist("Set-Cookie")
            cookies = answers.cookies(set_cookies, datetime.now(UTC))
            return Answer(response.status_code, response.headers, cookies, body, seconds)


def mismatch(check: HttpCheck, answer: Answer, commit: str) -> str:
    """The first thing that is wrong with `answer`, in one line; "" when it is what `check` declares."""
    if answer.status_code != check.status:
        return f"answered {answer.status_code}, expected {check.status}"
    wanted = [*check.json.values(), *check.headers.values()]
    if any("{commit}" in value for value in wanted if isinstance(value, str)) and not _COMMIT.fullmatch(
        commit
    ):
        return f"the commit that should run is not known (not 40 hex characters: {_short(commit)})"
    problem = _json_mismatch(check, answer.body, commit) if check.json else ""
    if problem:
        return problem
    for name, word in check.headers.items():
        word = word.replace("{commit}", commit)
        if not re.search(
            rf"(?<![\w-]){re.escape(word)}(?![\w-])", answer.headers.get(name, ""), re.IGNORECASE
        ):
            return f"header {name} is {_short(answer.headers.get(name))}, expected {_short(word)} in it"
    for name in check.cookies:
        if name not in answer.cookies:
            return f"sets no cookie {name} (it sets {_short(', '.join(sorted(answer.cookies)) or None)})"
    return _late(check, answer)


def _late(check: HttpCheck, answer: Answer) -> str:
    if answer.seconds <= check.within:
        return ""
    return f"took {_millis(answer.seconds)} ms, at most {_millis(check.within)} ms are allowed"


def _json_mismatch(check: HttpCheck, body: bytes, commit: str) -> str:
    try:
        document = answers.document(body)
    except ValueError as error:
        return str(error)
    for path, expected in check.json.items():
        value = answers.find(document, path)
        if isinstance(expected, str):
            expected = expected.replace("{commit}", commit)
        if value is answers.MISSING:
            return f"{path} is missing, expected {_short(expected)}"
        if type(value) is not type(expected) or value != expected:
            return f"{path} is {_short(value)}, expected {_short(expected)}"
    return ""


def _result(
    check: HttpCheck, base_url: str, reason: str, answer: Answer | None = None, attempts: int = 0
) -> CheckResult:
    from .. import http, retry

    now = datetime.now(UTC)
    return CheckResult(
        name=check.name,
        method=check.method.upper(),
        url=http.without_credentials(base_url.rstrip("/") + check.path),
        outcome="failed" if reason else "passed",
        reason=reason,
        status=answer.status_code if answer else None,
        millis=_millis(answer.seconds) if answer else 0,
        attempts=attempts,
        at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        retry_after=retry.retry_after(answer, now) if reason and answer else 0.0,
    )


def _millis(seconds: float) -> int:
    return math.ceil(1000 * seconds)  # so that 2.0001 s does not read as the 2000 ms that are allowed


def _short(value: object) -> str:
    """A value from outside in at most 80 printable ASCII characters."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
