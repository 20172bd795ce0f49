from __future__ import annotations

import pytest
from capecontrol import tokens

KEY = b"key"
NOW = 1_700_000_000


def test_a_csrf_token_is_nonce_timestamp_and_hmac() -> None:
    nonce, stamp, mac = tokens.csrf_token(KEY, "", NOW).split(".")
    assert (len(nonce), stamp, len(mac)) == (32, str(NOW), 64)


def test_a_form_is_ours_when_it_sends_what_the_cookie_holds() -> None:
    token = tokens.csrf_token(KEY, "", NOW)
    assert tokens.csrf_ok(KEY, token, token, NOW)
    assert not tokens.csrf_ok(KEY, token, tokens.csrf_token(KEY, "", NOW), NOW)
    assert not tokens.csrf_ok(KEY, "", "", NOW)
    assert not tokens.csrf_ok(b"another key", token, token, NOW)


def test_a_token_ends_after_an_hour_and_does_not_come_from_the_future() -> None:
    token = tokens.csrf_token(KEY, "", NOW)
    assert tokens.csrf_ok(KEY, token, token, NOW + 3599)
    assert not tokens.csrf_ok(KEY, token, token, NOW + 3600)
    assert not tokens.csrf_ok(KEY, token, token, NOW - 1)


def test_the_token_that_a_browser_holds_is_kept_for_half_an_hour() -> None:
    token = tokens.csrf_token(KEY, "", NOW)
    assert tokens.csrf_token(KEY, token, NOW + 1799) == token
    assert tokens.csrf_token(KEY, token, NOW + 1800) != token
    assert tokens.csrf_token(b"another key", token, NOW) != token


def test_a_session_speaks_for_one_person_and_is_no_csrf_token() -> None:
    cookie = tokens.session(KEY, "ann@example.com", NOW)
    assert tokens.email_of(KEY, cookie, NOW) == "ann@example.com"
    assert not tokens.csrf_ok(KEY, cookie, cookie, NOW)
    assert tokens.email_of(KEY, tokens.csrf_token(KEY, "", NOW), NOW) is None


@pytest.mark.parametrize(
    "forged", ["", ".", "..", "a.b.c", "a.1.é", "a.²." + "0" * 64, "x" * 600, "a." + "9" * 500 + ".0"]
)
def test_what_is_no_token_is_refused(forged: str) -> None:
    assert tokens.subject_of(KEY, "csrf", forged, NOW) is None
    assert not tokens.csrf_ok(KEY, forged, forged, NOW)
