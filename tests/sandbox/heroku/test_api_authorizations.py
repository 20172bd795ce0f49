"""Keys beside the account's own: what their scopes allow, and that their end counts for the very next request."""

from __future__ import annotations

import pytest
import requests

from sandbox.client import Client, until


def asked(heroku: Client, key: str, method: str, path: str, body: object = None) -> int:
    answer = requests.request(method, heroku.url + path, json=body, auth=("", key), timeout=10)
    return answer.status_code


def made(heroku: Client, *scope: str, **more: object) -> tuple[str, str]:
    answer = heroku.post("/oauth/authorizations", {"scope": list(scope), **more})
    return answer["id"], answer["access_token"]["token"]


@pytest.fixture(scope="module")
def app(heroku: Client) -> str:
    return heroku.app()


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("global", {"GET app", "PATCH app", "GET vars", "PATCH vars", "GET account", "GET keys"}),
        ("write-protected", {"GET app", "PATCH app", "GET vars", "PATCH vars"}),
        ("write", {"GET app", "PATCH app"}),
        ("read-protected", {"GET app", "GET vars"}),
        ("read", {"GET app"}),
        ("identity", {"GET account"}),
    ],
)
def test_a_key_does_what_its_scope_says_and_nothing_else(
    heroku: Client, app: str, scope: str, allowed: set[str]
) -> None:
    _, key = made(heroku, scope)
    calls = {
        "GET app": ("GET", f"/apps/{app}", None),
        "PATCH app": ("PATCH", f"/apps/{app}", {"maintenance": False}),
        "GET vars": ("GET", f"/apps/{app}/config-vars", None),
        "PATCH vars": ("PATCH", f"/apps/{app}/config-vars", {"OF": scope}),
        "GET account": ("GET", "/account", None),
        "GET keys": ("GET", "/oauth/authorizations", None),
    }
    said = {name: asked(heroku, key, *call) for name, call in calls.items()}
    assert said == {name: 200 if name in allowed else 403 for name in calls}


def test_a_revoked_key_has_no_effect_in_the_very_next_request(heroku: Client, app: str) -> None:
    name, key = made(heroku, "write-protected", description="a start")
    assert asked(heroku, key, "PATCH", f"/apps/{app}/config-vars", {"BY": "key"}) == 200
    assert name in [one["id"] for one in heroku.get("/oauth/authorizations")]
    assert heroku.get(f"/oauth/authorizations/{name}")["description"] == "a start"
    heroku.delete(f"/oauth/authorizations/{name}")
    before = heroku.get(f"/apps/{app}/releases")
    assert asked(heroku, key, "PATCH", f"/apps/{app}/config-vars", {"BY": "late"}) == 401
    assert heroku.get(f"/apps/{app}/releases") == before
    assert heroku.call("DELETE", f"/oauth/authorizations/{name}").status_code == 404


def test_a_key_ends_by_itself(heroku: Client) -> None:
    _, key = made(heroku, "read", expires_in=1)
    assert asked(heroku, key, "GET", "/apps") == 200
    until(lambda: asked(heroku, key, "GET", "/apps") == 401)


@pytest.mark.parametrize(
    "body",
    [{}, {"scope": []}, {"scope": ["all"]}, {"scope": ["read"], "expires_in": 0}, {"scope": "read"}],
)
def test_a_key_that_cannot_be_is_not_made(heroku: Client, body: object) -> None:
    before = heroku.get("/oauth/authorizations")
    assert heroku.call("POST", "/oauth/authorizations", body).status_code == 422
    assert heroku.get("/oauth/authorizations") == before
