from __future__ import annotations

import time

import pytest
from capecontrol import tokens
from capecontrol.settings import commit_of
from conftest import PACKAGE, Migrate, Serve


def test_health_is_healthy_when_the_database_answers(
    serve: Serve, migrate: Migrate, database_url: str
) -> None:
    client = serve(database_url, ENV="staging")
    body = {
        "status": "healthy",
        "version": commit_of(PACKAGE),
        "environment": "staging",
        "database_connected": True,
        "database_revision": None,
    }
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, body)
    migrate(database_url, "head")
    assert client.get("/api/health").json() == body | {"database_revision": "0003"}


def test_version_tells_the_release_and_the_revision_and_is_never_stored(
    serve: Serve, migrate: Migrate, database_url: str
) -> None:
    migrate(database_url, "0002")
    answer = serve(database_url, HEROKU_RELEASE_VERSION="v12").get("/api/version")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "gitSha": commit_of(PACKAGE),
        "version": commit_of(PACKAGE),
        "releaseVersion": "v12",
        "databaseRevision": "0002",
    }


def test_version_knows_no_release_when_the_platform_tells_none(serve: Serve, sqlite_url: str) -> None:
    assert serve(sqlite_url).get("/api/version").json()["releaseVersion"] is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_csrf_gives_one_token_as_body_header_and_cookie(serve: Serve, sqlite_url: str, method: str) -> None:
    answer = serve(sqlite_url).request(method, "/api/auth/csrf")
    token = answer.headers["x-csrf-token"]
    assert answer.status_code == 200
    assert answer.cookies["csrf_token"] == token
    assert [len(part) for part in token.split(".")] == [32, 10, 64]
    if method == "GET":
        assert answer.json() == {"csrf": token, "csrf_token": token, "token": token}


def test_the_csrf_cookie_is_secure_when_the_router_ended_tls(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    plain = client.get("/api/auth/csrf").headers["set-cookie"]
    tls = client.get("/api/auth/csrf", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert "Max-Age=3600" in plain and "SameSite=lax" in plain and "Secure" not in plain
    assert "Secure" in tls


def test_me_is_401_for_everyone_without_a_session(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url, SECRET_KEY="key")
    forged = tokens.session(b"another key", "ann@example.com", int(time.time()))
    for cookie in ("", "session=x", f"session={forged}"):
        answer = client.get("/api/auth/me", headers={"Cookie": cookie})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_me_tells_whose_session_it_is(serve: Serve, sqlite_url: str) -> None:
    cookie = tokens.session(b"key", "ann@example.com", int(time.time()))
    answer = serve(sqlite_url, SECRET_KEY="key").get("/api/auth/me", headers={"Cookie": f"session={cookie}"})
    assert (answer.status_code, answer.json()) == (200, {"email": "ann@example.com"})


def test_what_is_not_there_is_said_as_json(serve: Serve, sqlite_url: str) -> None:
    client = serve(sqlite_url)
    assert (client.get("/api/nothing").status_code, client.post("/api/health").status_code) == (404, 405)
    assert client.get("/api/nothing").json() == {"detail": "Not Found"}


@pytest.mark.parametrize("path", ["/", "/api/health", "/api/version", "/favicon.ico", "/favicon.svg"])
def test_every_get_answers_head_too(serve: Serve, sqlite_url: str, path: str) -> None:
    answer = serve(sqlite_url).head(path)
    assert (answer.status_code, answer.content) == (200, b"")
