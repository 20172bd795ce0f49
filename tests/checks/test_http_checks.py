"""HTTP checks against real loopback servers."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from roadworthy import config
from roadworthy.checks import http
from roadworthy.config import Duration, HttpCheck
from roadworthy.errors import CheckFailed

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.01)


def ask(check: HttpCheck, server: Any, *, commit: str = COMMIT, seconds: float = 5.0, **options: Any) -> Any:
    (result,) = http.run([check], server.url, commit=commit, deadline=time.monotonic() + seconds, **options)
    return result


def test_a_check_passes_when_all_it_declares_is_true(serve: Any, reply: Any) -> None:
    server = serve(
        lambda r: reply(
            200,
            {"status": "healthy", "db": {"up": True, "lag": 0, "error": None}},
            "Cache-Control: private, No-Store",
            "Set-Cookie: other=1; Path=/",
            "Set-Cookie: csrf_token=abc; Path=/; HttpOnly",
        )
    )
    check = HttpCheck(
        "health",
        "/api/health",
        json={"status": "healthy", "db.up": True, "db.lag": 0, "db.error": None},
        headers={"cache-control": "no-store"},
        cookies=("csrf_token",),
    )
    result = ask(check, server)
    assert (result.outcome, result.reason, result.status, result.attempts) == ("passed", "", 200, 1)
    assert (result.name, result.method, result.url) == ("health", "GET", f"{server.url}/api/health")
    assert result.at.endswith("Z")
    assert result.millis > 0


def test_the_request_is_a_real_get_that_asks_for_a_fresh_answer(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}))
    ask(HttpCheck("a", "/api/health?full=1"), server)
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/api/health?full=1")
    assert request.headers["cache-control"] == "no-cache"
    assert request.headers["user-agent"].startswith("roadworthy/")


@pytest.mark.parametrize(
    ("expected", "sent"),
    [
        (True, "true"),
        ("true", True),
        (1, True),
        (True, 1),
        (1, 1.0),
        (0, False),
        (None, ""),
        (None, 0),
        ("healthy", "unhealthy"),
        ("healthy", "Healthy"),
        ("healthy", ["healthy"]),
        ("healthy", {"healthy": 1}),
    ],
)
def test_a_json_value_is_compared_whole_and_by_type(expected: Any, sent: Any, serve: Any, reply: Any) -> None:
    result = ask(
        HttpCheck("a", "/", json={"status": expected}), serve(lambda r: reply(200, {"status": sent}))
    )
    assert result.outcome == "failed"
    assert result.reason.startswith("status is ")


@pytest.mark.parametrize("body", [{}, {"a": {}}, {"a": None}, {"a.b": None}, [], "a", None])
def test_a_field_that_is_not_there_is_not_null(body: Any, serve: Any, reply: Any) -> None:
    result = ask(HttpCheck("a", "/", json={"a.b": None}), serve(lambda r: reply(200, body)))
    assert result.reason == "a.b is missing, expected null"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 200_000, b"9" * 5000])
def test_a_body_that_is_not_json_fails(body: bytes, serve: Any, reply: Any) -> None:
    result = ask(HttpCheck("a", "/", json={"a": 1}), serve(lambda r: reply(200, body)))
    assert result.reason in ("the body is not JSON", "a is missing, expected 1")
    assert result.outcome == "failed"


def test_the_commit_is_compared_in_its_own_field_and_whole(serve: Any, reply: Any) -> None:
    check = HttpCheck("version", "/api/version", json={"gitSha": "{commit}"})
    assert ask(check, serve(lambda r: reply(200, {"gitSha": COMMIT}))).outcome == "passed"
    for body in (
        {"gitSha": COMMIT[:12]},
        {"note": COMMIT},
        {"gitSha": "x", "note": COMMIT},
        {"gitSha": COMMIT + "0"},
    ):
        assert ask(check, serve(lambda r, body=body: reply(200, body))).outcome == "failed"


@pytest.mark.parametrize("commit", ["", "unknown", COMMIT[:12], COMMIT.upper(), COMMIT + "\n", "null"])
def test_an_unknown_commit_matches_nothing_not_even_itself(commit: str, serve: Any, reply: Any) -> None:
    check = HttpCheck("version", "/api/version", json={"gitSha": "{commit}"})
    result = ask(check, serve(lambda r: reply(200, {"gitSha": commit})), commit=commit)
    assert result.outcome == "failed"
    assert "\n" not in result.reason
    assert result.reason.startswith("the commit that should run is not known")


def test_a_check_that_names_no_commit_does_not_need_one(serve: Any, reply: Any) -> None:
    assert ask(HttpCheck("a", "/"), serve(lambda r: reply(200)), commit="").outcome == "passed"


@pytest.mark.parametrize(
    "header",
    [
        "csrftoken=abc",
        "xcsrf_token=abc",
        "CSRF_TOKEN=abc",
        "other=csrf_token=abc",
        "other=1; csrf_token=2",
        "csrf_token=",
        'csrf_token=""',
        "csrf_token=abc; Max-Age=0",
        "csrf_token=abc; Path=/; MAX-AGE = -1",
        "csrf_token=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "csrf_token=abc; Path=/; expires=Wed, 21-Oct-2015 07:28:00 GMT",
        "csrf_token=abc\r\nSet-Cookie: csrf_token=; Max-Age=0",
        "csrf_token",
    ],
)
def test_fault_7_a_cookie_is_compared_by_its_exact_name(header: str, serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}, f"Set-Cookie: {header}", "X-Note: csrf_token=1"))
    result = ask(HttpCheck("csrf", "/", cookies=("csrf_token",)), server)
    assert result.reason.startswith("sets no cookie csrf_token")


@pytest.mark.parametrize(
    "headers",
    [
        ["csrf_token=abc; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
        ["csrf_token=abc; Expires=Fri, 31 Dec 9999 23:59:59 GMT"],
        ["csrf_token=abc; Expires=Mon, 01 Jan 999999999999999999 00:00:00"],
        ["csrf_token=; Max-Age=0", "csrf_token=abc"],
        ["csrf_token=abc; Path=/", "csrf_token=; Path=/old; Max-Age=0"],
    ],
)
def test_a_cookie_that_is_there_after_the_whole_answer_is_set(
    headers: list[str], serve: Any, reply: Any
) -> None:
    server = serve(lambda r: reply(200, {}, *(f"Set-Cookie: {header}" for header in headers)))
    assert ask(HttpCheck("csrf", "/", cookies=("csrf_token",)), server).reason == ""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": 1, "b": NaN}', ": it says NaN"),
        (b'{"a": 1, "b": [-Infinity]}', ": it says -Infinity"),
        (b'{"a": 2, "a": 1}', ": it has a key twice"),
        (b'{"b": {"c": 1, "c": 1}, "a": 1}', ": it has a key twice"),
        (b'{"a": 1} {"a": 1}', ""),
        (b'{"a": 1}\x00', ""),
        (b'{"a": 1,}', ""),
        (b'\xef\xbb\xbf{"a": 1}', ""),
        ('{"a": 1}'.encode("utf-16"), ""),
    ],
)
def test_json_is_read_strictly(body: bytes, why: str, serve: Any, reply: Any) -> None:
    result = ask(HttpCheck("a", "/", json={"a": 1}), serve(lambda r: reply(200, body)))
    assert result.reason == f"the body is not JSON{why}"


def test_a_json_pointer_names_elements_of_lists_and_keys_of_any_name(serve: Any, reply: Any) -> None:
    body = {"parts": [{"state": "up"}, {"state": "down", "a/b": {"~": 1, "": True}}], "0": "key", "x.y": 2}
    server = serve(lambda r: reply(200, body))
    good = {"/parts/0/state": "up", "/parts/1/a~1b/~0": 1, "/parts/1/a~1b/": True, "/0": "key", "/x.y": 2}
    assert ask(HttpCheck("a", "/", json={**good, "0": "key"}), server).reason == ""
    assert ask(HttpCheck("a", "/", json={"/parts/1/state": "up"}), server).reason == (
        '/parts/1/state is "down", expected "up"'
    )
    for path in ("/parts/2/state", "/parts/01/state", "/parts/-/state", "/parts/-1/state", "parts.0.state"):
        assert (
            ask(HttpCheck("a", "/", json={path: "up"}), server).reason == f'{path} is missing, expected "up"'
        )


@pytest.mark.parametrize(
    "first", [b"102 Processing", b"103 Early Hints", b"104 Upload Resumption", b"100 Continue"]
)
def test_an_informational_answer_is_passed_over(first: bytes, serve: Any, reply: Any) -> None:
    hints = b"HTTP/1.1 " + first + b"\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: hint=1\r\n\r\n"
    server = serve(lambda r: hints + hints + reply(200, {"status": "healthy"}, "Set-Cookie: a=b"))
    result = ask(HttpCheck("a", "/", json={"status": "healthy"}, cookies=("a",)), server)
    assert (result.reason, result.status, result.attempts) == ("", 200, 1)
    assert ask(HttpCheck("a", "/", cookies=("hint",)), server).reason.startswith("sets no cookie hint")


def test_informational_answers_without_end_are_no_answer(serve: Any) -> None:
    server = serve(lambda r: b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
    result = ask(HttpCheck("a", "/"), server, retry=False)
    assert (result.outcome, result.status) == ("failed", None)


def test_a_check_sends_its_headers_and_no_secret_is_said_back(serve: Any, reply: Any) -> None:
    token = "Bearer s3cr3t-t0ken-of-smoke"
    server = serve(lambda r: reply(200, {"you": r.headers["authorization"], "plain": r.headers["x-a"]}))
    check = HttpCheck(
        "a",
        "/",
        json={"you": "me"},
        send={"X-A": "1", "accept": "text/plain"},
        send_from={"Authorization": "SMOKE"},
    )
    result = ask(check, server, environ={"SMOKE": token})
    assert server.requests[0].headers["authorization"] == token
    assert (server.requests[0].headers["x-a"], server.requests[0].headers["accept"]) == ("1", "text/plain")
    assert result.outcome == "failed"
    for name in ("Authorization", "X-Token"):
        server = serve(lambda r, name=name: reply(200, {"you": r.headers[name.lower()]}))
        again = HttpCheck("a", "/", json={"you": "me"}, send_from={name: "SMOKE"})
        result = ask(again, server, environ={"SMOKE": token})
        assert "s3cr3t" not in repr(result)
        assert "[hidden]" in result.reason


def test_an_app_that_forces_tls_or_checks_its_host_is_asked_as_by_its_router(serve: Any, reply: Any) -> None:
    def strict(request: Any) -> bytes:
        told = request.headers.get("x-forwarded-proto"), request.headers["host"]
        return reply(200 if told == ("https", "app.example.com") else 301)

    server = serve(strict)
    assert ask(HttpCheck("a", "/"), server).status == 301
    assert ask(HttpCheck("a", "/"), server, forwarded="https://app.example.com").outcome == "passed"
    assert server.requests[-1].headers["x-forwarded-port"] == "443"


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({}, "is not set"),
        ({"SMOKE": ""}, "is not set"),
        ({"SMOKE": "a\r\nX-B: hunter2"}, "is not a valid header value"),
    ],
)
def test_a_variable_that_cannot_be_sent_is_named_and_nothing_is_asked(
    environ: dict[str, str], what: str, serve: Any, reply: Any
) -> None:
    server = serve(lambda r: reply(200, {}))
    result = ask(HttpCheck("a", "/", send_from={"Authorization": "SMOKE"}), server, environ=environ)
    assert result.reason == f"the variable SMOKE, which it sends as Authorization, {what}"
    assert server.requests == []


@pytest.mark.parametrize("value", ["private", "no-store-x", "x-no-store", ""])
def test_a_header_must_contain_the_word_and_not_a_part_of_another(value: str, serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}, f"Cache-Control: {value}"))
    result = ask(HttpCheck("a", "/", headers={"cache-control": "no-store"}), server)
    assert result.reason.startswith("header cache-control is ")


def test_fault_4_a_degraded_health_fails_by_status_and_by_body(serve: Any, reply: Any) -> None:
    check = HttpCheck("health", "/", json={"status": "healthy"})
    assert ask(check, serve(lambda r: reply(200, {"status": "degraded"}))).reason == (
        'status is "degraded", expected "healthy"'
    )
    assert ask(check, serve(lambda r: reply(503, {"status": "healthy"})), retry=False).reason == (
        "answered 503, expected 200"
    )


def test_fault_19_a_201_or_a_200_is_not_a_401(serve: Any, reply: Any) -> None:
    result = ask(HttpCheck("me", "/", status=401), serve(lambda r: reply(200, {"email": "a@b"})))
    assert (result.outcome, result.reason) == ("failed", "answered 200, expected 401")


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Any, reply: Any) -> None:
    target = serve(lambda r: reply(200, {}))
    server = serve(lambda r: reply(302, {}, f"Location: {target.url}/login"))
    result = ask(HttpCheck("a", "/"), server)
    assert (result.status, result.outcome) == (302, "failed")
    assert target.requests == []


def test_an_answer_over_the_latency_budget_fails_and_names_both_numbers(serve: Any, reply: Any) -> None:
    def slow(request: Any) -> bytes:
        request.closing.wait(0.12)
        return reply(200, {})

    result = ask(HttpCheck("a", "/", within=Duration(0.05)), serve(slow))
    assert result.outcome == "failed"
    assert result.millis >= 120
    assert result.reason == f"took {result.millis} ms, at most 50 ms are allowed"
    assert result.attempts == 1


def test_a_body_over_the_limit_fails_even_when_it_is_compressed(serve: Any, reply: Any) -> None:
    import gzip

    bomb = gzip.compress(b" " * (http.BODY_LIMIT + 1))
    for answer in (reply(200, b" " * (http.BODY_LIMIT + 1)), reply(200, bomb, "Content-Encoding: gzip")):
        result = ask(HttpCheck("a", "/"), serve(lambda r, answer=answer: answer))
        assert result.reason == f"the answer is longer than {http.BODY_LIMIT} bytes"


def flaky(times: int, fault: Any, good: bytes) -> Any:
    return lambda request: fault(request) if request.n <= times else good


def test_a_reset_a_cut_body_and_a_503_are_asked_again(serve: Any, reply: Any) -> None:
    cut = reply(200, {"status": "healthy"})[:-4]
    for fault in (lambda r: r.reset(), lambda r: cut, lambda r: reply(503, {}), lambda r: reply(429, {})):
        result = ask(HttpCheck("a", "/"), serve(flaky(1, fault, reply(200, {}))))
        assert (result.outcome, result.attempts) == ("passed", 2)


def test_a_fault_that_stays_is_reported_as_the_last_attempt_saw_it(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(504 + r.n, {}))
    result = ask(HttpCheck("a", "/"), server)
    assert (result.status, result.attempts) == (507, http.MOST_ATTEMPTS)
    assert result.reason == "answered 507, expected 200"


@pytest.mark.parametrize("status", http.NOT_NOW)
def test_an_app_that_says_not_now_is_asked_until_it_answers(status: int, serve: Any, reply: Any) -> None:
    server = serve(flaky(3 * http.MOST_ATTEMPTS, lambda r: reply(status), reply(200, {})))
    result = ask(HttpCheck("a", "/"), server)
    assert (result.outcome, result.attempts) == ("passed", 3 * http.MOST_ATTEMPTS + 1)


def test_an_app_that_says_not_now_for_ever_fails_at_the_deadline_with_what_it_said(
    serve: Any, reply: Any
) -> None:
    result = ask(HttpCheck("a", "/"), serve(lambda r: reply(503)), seconds=0.5)
    assert result.reason == "answered 503, expected 200"
    assert result.attempts > http.MOST_ATTEMPTS


def test_where_nobody_is_left_to_answer_the_wait_is_over_at_once(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(503))
    gone: dict[str, str] = {"": "its web process is crashed"}
    result = ask(HttpCheck("a", "/"), server, seconds=60, over=gone.__getitem__)
    assert result.reason == "answered 503, expected 200; its web process is crashed"
    assert result.attempts == len(server.requests) == 1


def test_the_time_of_a_boot_is_not_charged_to_a_check(serve: Any, reply: Any) -> None:
    def slow(first: int) -> Any:
        def respond(request: Any) -> bytes:
            if request.n <= first:
                request.closing.wait(0.12)
            return reply(200, {})

        return respond

    check = HttpCheck("a", "/", within=Duration(0.1))
    result = ask(check, serve(slow(1)), fresh=True)
    assert (result.outcome, result.attempts) == ("passed", 2)
    assert result.millis <= 100
    assert ask(check, serve(slow(1))).outcome == "failed"
    assert ask(check, serve(slow(9)), fresh=True).attempts == 2


def test_an_expected_503_passes_at_once(serve: Any, reply: Any) -> None:
    assert ask(HttpCheck("maintenance", "/", status=503), serve(lambda r: reply(503))).attempts == 1


def test_a_wrong_answer_is_final(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(404 if r.n == 1 else 200, {}))
    assert ask(HttpCheck("a", "/"), server).attempts == 1
    assert len(server.requests) == 1


def test_a_request_that_writes_is_never_repeated(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(503, {}))
    result = ask(HttpCheck("a", "/", method="post"), server)
    assert (result.method, result.attempts, len(server.requests)) == ("POST", 1, 1)


def test_without_retry_one_attempt_is_made(serve: Any) -> None:
    server = serve(lambda r: r.reset())
    result = ask(HttpCheck("a", "/"), server, retry=False)
    assert (result.attempts, result.status, result.millis) == (1, None, 0)
    assert "reset" in result.reason


def test_a_body_that_is_cut_short_every_time_fails(serve: Any, reply: Any) -> None:
    result = ask(HttpCheck("a", "/"), serve(lambda r: reply(200, b"0123456789")[:-1]))
    assert result.reason == "the answer was cut short"


def test_nothing_listens(serve: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:hunter2@127.0.0.1:{free.getsockname()[1]}"
    (result,) = http.run([HttpCheck("a", "/x?token=hunter2")], url, commit="", deadline=time.monotonic() + 5)
    assert result.reason == "no connection: Connection refused"
    assert "hunter2" not in repr(result)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:99999", "nonsense"])
def test_an_address_that_is_none_fails_and_does_not_crash(url: str) -> None:
    (result,) = http.run([HttpCheck("a", "/")], url, commit="", deadline=time.monotonic() + 5)
    assert result.outcome == "failed"
    assert "\n" not in result.reason


def test_a_path_cannot_turn_the_address_into_another_host(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}))
    host = server.url.removeprefix("http://")
    (result,) = http.run(
        [HttpCheck("a", f"@{host}/")], "http://127.0.0.1:9", commit="", deadline=time.monotonic() + 5
    )
    assert result.outcome == "failed"
    assert server.requests == []


@pytest.mark.parametrize("drip", [False, True])
def test_run_is_back_at_the_deadline_whatever_the_server_does(drip: bool, serve: Any, reply: Any) -> None:
    sent = 0

    def respond(request: Any) -> None:
        nonlocal sent
        if not drip:
            return request.hang()
        for byte in reply(200, b" " * 1000):
            if request.closing.wait(0.02):
                return None
            request.connection.sendall(bytes([byte]))
            sent += 1
        return None

    server = serve(respond)
    result = ask(HttpCheck("a", "/"), server, seconds=0.3)
    assert 0 < sent < 1000 if drip else sent == 0
    assert result.outcome == "failed"
    assert result.reason in ("no complete answer before the deadline", "no answer in time")


def test_a_deadline_that_is_over_asks_nothing(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}))
    assert ask(HttpCheck("a", "/"), server, seconds=-1).outcome == "failed"
    assert server.requests == []


def test_checks_are_asked_side_by_side_and_reported_in_their_order(serve: Any, reply: Any) -> None:
    together = threading.Barrier(8, timeout=5)  # answers only when eight requests stand at once

    def respond(request: Any) -> bytes:
        together.wait()
        return reply(200, {"path": request.path})

    server = serve(respond)
    checks = [HttpCheck(f"c{n}", f"/{n}", json={"path": f"/{n}"}) for n in range(8)]
    results = http.run(checks, server.url, commit="", deadline=time.monotonic() + 5)
    assert [(r.name, r.outcome) for r in results] == [(c.name, "passed") for c in checks]


def test_more_checks_than_threads_are_all_asked(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {}))
    checks = [HttpCheck(str(n), "/") for n in range(3 * http.MOST_THREADS)]
    results = http.run(checks, server.url, commit="", deadline=time.monotonic() + 5)
    assert [r.name for r in results if r.outcome == "passed"] == [c.name for c in checks]


def test_no_cookie_crosses_from_one_check_to_another(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(503 if r.n == 1 else 200, {}, "Set-Cookie: session=1"))
    ask(HttpCheck("a", "/"), server)
    assert len(server.requests) == 2
    assert all("cookie" not in r.headers for r in server.requests)


def test_no_checks_at_all_is_a_failure() -> None:
    (result,) = http.run([], "http://127.0.0.1:9", commit=COMMIT, deadline=time.monotonic() + 5)
    assert (result.outcome, result.reason) == ("failed", "no checks are declared")


def test_server_text_in_a_reason_is_one_printable_line(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, {"a": "\x1b[2J\n\u202e" * 99}))
    reason = ask(HttpCheck("a", "/", json={"a": "ok"}), server).reason
    assert reason.isprintable()
    assert reason.isascii()
    assert len(reason) < 200


def test_the_checks_of_release_toml_pass_on_an_app_that_is_right(serve: Any, reply: Any, root: Any) -> None:
    answers = {
        "/api/health": reply(200, {"status": "healthy"}),
        "/api/auth/csrf": reply(200, {}, "Set-Cookie: csrf_token=x"),
        "/api/auth/me": reply(401, {"detail": "Not authenticated"}),
        "/api/version": reply(200, {"gitSha": COMMIT}, "Cache-Control: no-store"),
    }
    server = serve(lambda r: answers[r.path])
    results = http.run(config.read(root).checks, server.url, commit=COMMIT, deadline=time.monotonic() + 5)
    assert [(r.name, r.reason) for r in results] == [
        ("health", ""),
        ("csrf", ""),
        ("me", ""),
        ("version", ""),
    ]


def test_whoever_is_asked_for_too_long_keeps_no_process_from_ending(serve: Any, reply: Any) -> None:
    """A thread that waits for a name or for a byte cannot be interrupted; it must not be waited for at exit."""
    daemons: list[bool] = []

    def respond(request: Any) -> bytes:
        daemons.extend(t.daemon for t in threading.enumerate() if "(worker)" in t.name)
        return reply(200, {})

    assert ask(HttpCheck("a", "/"), serve(respond)).outcome == "passed"
    assert daemons and all(daemons)


@pytest.mark.parametrize(("length", "shown"), [(78, '"' + "x" * 78 + '"'), (79, '"' + "x" * 76 + "...")])
def test_a_value_is_shown_whole_when_it_has_eighty_characters(length: int, shown: str) -> None:
    assert http._short("x" * length) == shown
    assert len(shown) == 80


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_is_said_meanwhile_is_asked_more_often_than_a_fault(
    serve: Any, reply: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(http, "LONGEST_WAIT", 0.01)
    answers = iter([*(reply(status, {}) for _ in range(http.MOST_ATTEMPTS)), reply(200, {})])
    result = ask(HttpCheck("a", "/"), serve(lambda r: next(answers)))
    assert (result.outcome, result.attempts) == ("passed", http.MOST_ATTEMPTS + 1)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("Bearer x y", ""),
        ("", "is not set"),
        (None, "is not set"),
        ("é", "is not a valid header value"),
        ("a\nb", "is not a valid header value"),
        ("a\x7f", "is not a valid header value"),
        (" a", "is not a valid header value"),
        ("a ", "is not a valid header value"),
    ],
)
def test_a_variable_that_is_sent_is_a_value_of_a_header(value: str | None, says: str) -> None:
    check = HttpCheck("a", "/", send_from={"Authorization": "TOKEN"})
    environ = {} if value is None else {"TOKEN": value}
    if says:
        with pytest.raises(CheckFailed, match=f"the variable TOKEN, which it sends as Authorization, {says}"):
            http._sent(check, environ)
    else:
        assert http._sent(check, environ)["Authorization"] == value
