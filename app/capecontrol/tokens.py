"""Signed, dated tokens: `subject.timestamp.hmac-sha256`.

The signature covers the purpose, so a CSRF token is never a session. Times are Unix seconds and are given
by the caller. Every token from outside is checked for length first and compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

TTL = 3600  # seconds
LONGEST = 512


def sign(key: bytes, purpose: str, subject: str, now: int) -> str:
    """A token for `subject` (no dots) that is valid for TTL seconds from `now`."""
    dated = f"{subject}.{now}"
    mac = hmac.new(key, f"{purpose}:{dated}".encode(), hashlib.sha256).hexdigest()
    return f"{dated}.{mac}"


def subject_of(key: bytes, purpose: str, token: str, now: int, ttl: int = TTL) -> str | None:
    """Whom a token speaks for; None if it is forged, malformed, from the future or older than `ttl`."""
    parts = token.split(".") if len(token) <= LONGEST and token.isascii() else []
    if len(parts) != 3 or not parts[1].isdigit():
        return None
    subject, stamp = parts[0], int(parts[1])
    if not hmac.compare_digest(sign(key, purpose, subject, stamp), token) or not 0 <= now - stamp < ttl:
        return None
    return subject


def csrf_token(key: bytes, held: str, now: int) -> str:
    """The token to hand out: the one the browser holds while it is in its first half hour, or a new one.

    Keeping it lets two open tabs post; the limit leaves every page at least half an hour.
    """
    if subject_of(key, "csrf", held, now, ttl=TTL // 2):
        return held
    return sign(key, "csrf", secrets.token_hex(16), now)


def csrf_ok(key: bytes, cookie: str, sent: str, now: int) -> bool:
    """Whether a form may act: it sends the token that the cookie holds, and we signed that one lately."""
    same = hmac.compare_digest(cookie.encode(), sent.encode())
    return same and subject_of(key, "csrf", cookie, now) is not None


def session(key: bytes, email: str, now: int) -> str:
    """The value of a `session` cookie for one person."""
    return sign(key, "session", base64.urlsafe_b64encode(email.encode()).decode().rstrip("="), now)


def email_of(key: bytes, cookie: str, now: int) -> str | None:
    """Whose session a cookie is, or None."""
    subject = subject_of(key, "session", cookie, now)
    if not subject:
        return None
    try:
        return base64.urlsafe_b64decode(subject + "=" * (-len(subject) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
