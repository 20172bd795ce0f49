"""The judge itself: it knows Heroku's calls, and sees what is missing, extra or of the wrong kind."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.heroku import heroku_schema

pytestmark = pytest.mark.skipif(not heroku_schema.available(), reason=heroku_schema.ABSENT)

RATE = "/account/rate-limits"
UUID = "01234567-89ab-cdef-0123-456789abcdef"


def slug(**changes: Any) -> dict[str, Any]:
    found = {
        "blob": {"method": "put", "url": "http://127.0.0.1/"},
        "buildpack_provided_description": None,
        "checksum": None,
        "commit": None,
        "commit_description": None,
        "created_at": "2026-11-20T18:30:00Z",
        "deleted_at": None,
        "id": UUID,
        "process_types": {},
        "size": None,
        "stack": {"id": UUID, "name": "heroku-24"},
        "updated_at": "2026-11-20T18:30:00Z",
    }
    return {**found, **changes}


def test_a_right_answer_has_no_problems() -> None:
    assert heroku_schema.problems("GET", RATE, response={"remaining": 4500}) == []
    assert heroku_schema.problems("GET", f"/apps/a/slugs/{UUID}", response=slug()) == []


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({}, "'remaining' is a required property"),
        ({"remaining": "many"}, "remaining: 'many' is not of type 'integer'"),
        ({"remaining": 1, "colour": "red"}, "'colour' was unexpected"),
    ],
)
def test_a_wrong_answer_is_named(response: dict[str, Any], words: str) -> None:
    assert words in "; ".join(heroku_schema.problems("GET", RATE, response=response))


def test_strictness_reaches_into_nested_objects() -> None:
    found = heroku_schema.problems("POST", "/apps/a/slugs", response=slug(blob={"url": "x"}))
    assert found == ["blob: 'method' is a required property"]


def test_release_and_rollback_share_a_path_and_either_will_do() -> None:
    path = "/apps/a/releases"
    assert heroku_schema.problems("POST", path, request={"slug": UUID}) == []
    assert heroku_schema.problems("POST", path, request={"release": UUID}) == []
    assert heroku_schema.problems("POST", path, request={"neither": UUID})


def test_requests_that_heroku3_and_the_cli_are_known_to_get_wrong_are_seen() -> None:
    assert heroku_schema.problems("POST", "/apps/a/dynos", request={"command": "x", "size": None})
    assert heroku_schema.problems("PATCH", "/apps/a", request={"maintenance": 0})
    updates = {"updates": [{"type": "web", "quantity": "1"}]}
    assert heroku_schema.problems("PATCH", "/apps/a/formation", request=updates)


def test_a_call_that_heroku_does_not_have_is_a_problem() -> None:
    assert heroku_schema.problems("GET", "/apps/a/colour", response={}) == [
        "Heroku has no GET /apps/a/colour"
    ]


def test_every_route_of_the_sandbox_is_one_of_herokus_or_the_sandboxs_own() -> None:
    from roadworthy.sandbox.heroku.api import ROUTES

    paths = [(method, route.path) for route in ROUTES for method in (route.methods or set()) - {"HEAD"}]
    own = [path for path in paths if path[1].startswith(("/_sandbox", "/blobs/", "/logs/"))]
    rest = [path for path in paths if path not in own]
    assert len(rest) > 25
    for method, path in rest:
        assert heroku_schema.problems(method, path) == [], f"{method} {path}"
