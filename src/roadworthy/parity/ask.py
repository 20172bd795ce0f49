"""Ask a running candidate its cases, many at once, and compare each answer as it comes: no answer is kept.

- Each request has a time limit of its own, and the run a deadline: what is not answered by then is missing.
- An answer of another status, a redirect, a body that is no JSON or too long: each is a problem of its case.
- Nothing is asked again, and no cookie crosses from one question to another.
- What is asked more than once counts by its worst answer, so no noise hides a regression; what differs is reported.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import requests
from msgspec import UNSET
from msgspec.structs import replace

from .. import http
from ..checks.answers import MISSING, find
from ..errors import CheckFailed
from . import originals, strict
from .cases import Answer, Case, Given, Question
from .compare import CONFIDENCE, CaseResult, FieldResult, Verdict, compare
from .report import Noise

MOST_WORKERS: Final = 16
MOST_BODY: Final = 4 << 20
LATE: Final = "no complete answer before the deadline"
_ORDER: Final = (Verdict.MISSING, Verdict.WORSE, Verdict.NEW, Verdict.IMPROVED, Verdict.SAME)


class Run(NamedTuple):
    """What the answers are worth, in the order of the cases, and what did not answer the same each time."""

    results: tuple[CaseResult, ...]
    noise: tuple[Noise, ...]


def ask(
    cases: Sequence[Case],
    url: str,
    *,
    timeout: float,
    deadline: float,
    documents: Mapping[str, originals.Adapter] | None = None,
    said: Callable[[int], None] = lambda done: None,
) -> Run:
    """Ask `cases` of the app at `url`; `documents` has the adapters of those that come from a dataset, by id.

    `timeout` (seconds) bounds the silence of one request, `deadline` is a moment of `time.monotonic()`. `said` is
    called with the number of cases that are done. Raises nothing: what goes wrong is a case that is missing.
    """
    adapters = documents or {}
    found: dict[int, tuple[CaseResult, tuple[Noise, ...]]] = {}
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(cases)):
        work.put(index)

    def worker() -> None:
        with http.session(timeout, {"Accept": "application/json"}) as session:
            while time.monotonic() < deadline:
                try:
                    index = work.get_nowait()
                except queue.Empty:
                    return
                found[index] = _case(session, cases[index], url, adapters.get(cases[index].id))

    # Daemon threads and not a pool: nothing can interrupt a server that drips one byte at a time.
    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(len(cases), MOST_WORKERS))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        said(len(found))
        for thread in threads:
            thread.join(min(1.0 / len(threads), max(0.0, deadline - time.monotonic())))
    answered = dict(found)
    late = Answer(problem=LATE)
    each = [answered.get(index) or (compare(case, late), ()) for index, case in enumerate(cases)]
    return Run(tuple(one for one, _ in each), tuple(noise for _, found in each for noise in found))


def _case(
    session: requests.Session, case: Case, url: str, how: originals.Adapter | None
) -> tuple[CaseResult, tuple[Noise, ...]]:
    within = CONFIDENCE if how is None else originals.confidence(how)
    try:
        runs = [compare(case, _answer(session, case, url, how), within) for _ in range(case.repeat)]
    except Exception as error:  # noqa: BLE001 - a case that cannot be asked is missing, and the others are asked
        runs = [compare(case, Answer(problem=f"could not be asked: {type(error).__name__}"), within)]
    return together(runs), noise_of(runs)


def together(runs: Sequence[CaseResult]) -> CaseResult:
    """One result of a case that was asked several times: of each field the worst, of the whole the worst."""
    worst = min(runs, key=lambda one: _ORDER.index(one.verdict))
    fields: dict[str, FieldResult] = {}
    for run in runs:
        for field in run.fields:
            seen = fields.get(field.name)
            if seen is None or _ORDER.index(field.verdict) < _ORDER.index(seen.verdict):
                fields[field.name] = field
    problems = tuple(dict.fromkeys(problem for run in runs for problem in run.problems))
    return replace(worst, fields=tuple(fields.values()), problems=problems)


def noise_of(runs: Sequence[CaseResult]) -> tuple[Noise, ...]:
    """The fields of a case that did not come out the same each time."""
    seen: dict[str, list[tuple[Verdict, str]]] = {}
    for run in runs:
        for field in run.fields:
            seen.setdefault(field.name, []).append((field.verdict, field.message))
    return tuple(
        Noise(runs[0].id, name, len(runs), len(runs) - found.count(found[0]))
        for name, found in seen.items()
        if found.count(found[0]) < len(runs)
    )


def _answer(session: requests.Session, case: Case, url: str, how: originals.Adapter | None) -> Answer:
    try:
        status, body = _fetch(session, case.question, url)
        if status != case.status:
            return Answer(problem=f"answered {status}, expected {case.status}")
        value = strict.decode(body.decode())
    except (requests.RequestException, OSError) as error:
        return Answer(problem=http.reason(error))
    except CheckFailed as error:
        return Answer(problem=str(error))
    except ValueError as error:
        return Answer(problem=str(error) if str(error).startswith("not JSON") else "not JSON: no UTF-8")
    if how is not None:
        return originals.answer(value, how)
    at = {name: find(value, one.at or name) for name, one in case.fields.items()}
    return Answer({name: (Given(one),) for name, one in at.items() if one is not MISSING})


def _fetch(session: requests.Session, question: Question, url: str) -> tuple[int, bytes]:
    headers = dict(question.headers)
    data = None
    if question.body is not UNSET:
        headers.setdefault("Content-Type", "application/json")
        data = json.dumps(strict.writable(question.body)).encode()
    session.cookies.clear()
    with session.request(
        question.method,
        url.rstrip("/") + question.path,
        headers=headers,
        data=data,
        allow_redirects=False,
        stream=True,
    ) as response:
        return response.status_code, http.read_limited(response, MOST_BODY)
