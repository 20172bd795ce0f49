"""Which faults are tried again, how long is waited, and what is recorded. No test here takes real time."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import responses
import urllib3

from roadworthy import retry

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def answer(status: int, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


class Clock:
    """A clock that moves only when something sleeps on it."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def drive(
    outcomes: list[Any], *, seconds: float = 60.0, **options: Any
) -> tuple[Any, Clock, list[dict[str, Any]]]:
    """Run a read whose attempts return or raise `outcomes`, one after the other."""
    clock, attempts = Clock(), list[dict[str, Any]]()
    left = iter(outcomes)

    def attempt() -> Any:
        outcome = next(left)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    policy = retry.reads(
        clock.time + seconds,
        what="GET /apps/x",
        attempts=attempts,
        clock=clock,
        sleep=clock.sleep,
        now=lambda: NOW,
        **options,
    )
    try:
        return policy(attempt), clock, attempts
    except Exception as error:  # noqa: BLE001 - whatever the policy raises is the result here
        return error, clock, attempts


@pytest.mark.parametrize(
    "fault",
    [
        requests.ConnectionError("refused"),
        requests.ConnectTimeout(),
        requests.ReadTimeout(),
        requests.exceptions.ChunkedEncodingError("cut"),
        urllib3.exceptions.IncompleteRead(3, 7),
        urllib3.exceptions.ReadTimeoutError(None, "", ""),  # type: ignore[arg-type]
        ConnectionResetError(),
        TimeoutError(),
        http.client.IncompleteRead(b""),
        requests.HTTPError(response=answer(503)),
        answer(500),
        answer(599),
    ],
)
def test_what_may_pass_by_itself_is_transient(fault: object) -> None:
    assert retry.classify(fault) == "transient"


@pytest.mark.parametrize(
    "fault",
    [
        answer(200),
        answer(302),
        answer(401),
        answer(404),
        answer(408),
        answer(600),
        requests.HTTPError(response=answer(422)),
        requests.exceptions.InvalidURL(),
        requests.exceptions.ContentDecodingError(),
        requests.TooManyRedirects(),
        ValueError(),
        OSError(),
        None,
    ],
)
def test_everything_else_is_final(fault: object) -> None:
    assert retry.classify(fault) == "final"


def test_an_untrusted_certificate_is_final_though_requests_calls_it_a_connection_error() -> None:
    cause = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))
    cause.__cause__ = ssl.SSLCertVerificationError("self-signed")
    wrapped = urllib3.exceptions.MaxRetryError(None, "/", cause)  # type: ignore[arg-type]
    error = requests.exceptions.SSLError(wrapped)
    error.__context__ = wrapped
    assert isinstance(error, requests.ConnectionError)
    assert retry.classify(error) == "final"


def test_the_rate_limit_of_heroku3_is_known_by_its_name() -> None:
    from heroku3.api import RateLimitExceeded

    assert retry.classify(RateLimitExceeded("slow down")) == "rate-limited"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (format_datetime(NOW + timedelta(seconds=9), usegmt=True), 9.0),
        (format_datetime(NOW - timedelta(seconds=9), usegmt=True), 0.0),
        ("99999999999999999999", retry.LONGEST_RETRY_AFTER),
        ("-3", 0.0),
        ("soon", 0.0),
        ("²", 0.0),
        ("", 0.0),
        ("Mon, 99 Foo 2030 99:99:99 GMT", 0.0),
        ("Mon, 01 Jan 999999999999999999 00:00:00", 0.0),
        ("Sat, 28 Nov 2026 25:61:61 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", retry.LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(text: str, seconds: float) -> None:
    assert retry.retry_after(answer(429, Retry_After=text), NOW) == seconds


def test_a_transient_fault_is_tried_again_and_every_attempt_is_recorded() -> None:
    result, clock, attempts = drive([requests.ConnectionError("secret-token"), answer(502), answer(200)])
    assert result.status_code == 200
    assert [a["result"] for a in attempts] == ["transient: ConnectionError", "answered 502", "answered 200"]
    assert [a["n"] for a in attempts] == [1, 2, 3]
    assert {a["what"] for a in attempts} == {"GET /apps/x"}
    assert attempts[0]["at"] == "2030-01-01T00:00:00.000000Z"
    assert [a["waited_ms"] for a in attempts] == [0, *(round(1000 * s) for s in clock.slept)]
    assert "secret" not in str(attempts)


def test_waits_double_with_jitter_and_are_capped() -> None:
    _, clock, _ = drive([answer(500)] * 12, most=12, seconds=1000)
    assert len(clock.slept) == 11
    for n, waited in enumerate(clock.slept):
        low = min(retry.FIRST_WAIT * 2**n, retry.LONGEST_WAIT)
        assert low <= waited <= low + retry.FIRST_WAIT


def test_attempts_are_bounded_and_the_last_error_is_raised_itself() -> None:
    faults = [requests.ConnectionError(str(n)) for n in range(9)]
    error, clock, attempts = drive(faults, most=4)
    assert error is faults[3]
    assert len(attempts) == 4
    assert len(clock.slept) == 3


def test_a_last_bad_answer_is_returned_and_not_hidden_in_an_error() -> None:
    result, _, _ = drive([answer(500), answer(503)], most=2)
    assert result.status_code == 503


def test_a_final_fault_is_raised_at_once() -> None:
    wrong = requests.HTTPError(response=answer(403))
    error, clock, attempts = drive([wrong, answer(200)])
    assert error is wrong
    assert clock.slept == []
    assert len(attempts) == 1


def test_no_attempt_begins_after_the_deadline() -> None:
    _, clock, _ = drive([answer(500)] * 99, seconds=1.0, most=99)
    assert sum(clock.slept) < 1.0
    assert len(clock.slept) >= 1


def test_the_server_says_how_long_to_wait() -> None:
    result, clock, _ = drive([answer(429, Retry_After="11"), answer(200)])
    assert result.status_code == 200
    assert clock.slept == [11.0]


def test_a_wait_beyond_the_deadline_gives_up_at_once_instead_of_asking_too_early() -> None:
    result, clock, attempts = drive([answer(429, Retry_After="61"), answer(200)], seconds=60)
    assert result.status_code == 429
    assert clock.slept == []
    assert len(attempts) == 1


@responses.activate
def test_real_wire_errors_are_classified_as_they_come_out_of_requests() -> None:
    url = "http://127.0.0.1:1/apps"
    responses.get(url, body=requests.exceptions.ChunkedEncodingError("cut"))
    responses.get(url, status=429, headers={"Retry-After": "2"})
    responses.get(url, json=[])
    clock = Clock()
    policy = retry.reads(clock.time + 30, clock=clock, sleep=clock.sleep)
    assert policy(requests.get, url).json() == []
    assert clock.slept[1] == 2.0


def test_one_policy_serves_any_callable() -> None:
    add: Callable[[int, int], int] = lambda a, b: a + b  # noqa: E731
    assert retry.reads(0.0, clock=Clock())(add, 2, 3) == 5
