"""Apps, config vars, formation, add-ons and who may call: the parts of the API beside releases and dynos."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from roadworthy.sandbox import control
from roadworthy.sandbox.heroku.api import build
from roadworthy.sandbox.processes.gate import AccessLog, Gate, RateLimit
from sandbox.client import Client, until


def test_account_and_rate_limits_answer(heroku: Client) -> None:
    assert heroku.get("/account")["email"].endswith(".invalid")
    before = heroku.get("/account/rate-limits")["remaining"]
    assert heroku.get("/account/rate-limits")["remaining"] == before
    heroku.get("/apps")
    assert heroku.get("/account/rate-limits")["remaining"] < before <= 4500


def test_every_answer_says_its_request_id_and_what_is_left_of_the_rate_limit(heroku: Client) -> None:
    answers = [heroku.call("GET", "/apps"), heroku.call("GET", "/nothing")]
    assert len({answer.headers["Request-Id"] for answer in answers}) == 2
    assert all(int(answer.headers["RateLimit-Remaining"]) <= 4500 for answer in answers)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Basic !!!",
        "Basic " + base64.b64encode(b":wrong").decode(),
        "x" * 9000,
    ],
)
@pytest.mark.parametrize("path", ["/apps", "/account/rate-limits", "/_sandbox", "/nothing"])
def test_without_the_right_key_nothing_is_told(heroku: Client, header: str | None, path: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(heroku.url + path, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")


def test_the_key_is_taken_as_bearer_and_as_password(heroku: Client, folder: Path) -> None:
    key = control.up(folder).api_key
    assert requests.get(heroku.url + "/apps", headers={"Authorization": f"bearer {key}"}, timeout=10).ok
    assert requests.get(heroku.url + "/apps", auth=("", key), timeout=10).ok
    assert requests.get(heroku.url + "/apps", auth=("person@example.com", key), timeout=10).ok


def test_the_rate_limit_is_herokus_and_comes_back_evenly(tmp_path: Path) -> None:
    limit = RateLimit()
    assert [limit.take() for _ in range(4500)] == [True] * 4500
    assert limit.take() is False
    limit.at -= 60
    assert limit.remaining() == 75
    limit.at -= 7200
    assert limit.remaining() == 4500


def test_whoever_calls_too_often_is_told_to_wait(tmp_path: Path) -> None:
    gate = Gate(build(), "key", RateLimit(left=0.0), AccessLog(tmp_path / "access.log"))

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(gate), base_url="http://sandbox"
        ) as client:
            return await client.get(path, headers={"Authorization": "Bearer key"})

    answer = asyncio.run(ask("/account"))
    assert (answer.status_code, answer.json()["id"]) == (429, "rate_limit")
    assert (answer.headers["Retry-After"], answer.headers["RateLimit-Remaining"]) == ("1", "0")


def test_what_is_not_there_is_404_in_herokus_shape(heroku: Client) -> None:
    missing = [
        ("GET", "/nothing"),
        ("GET", "/apps/nobody"),
        ("PUT", "/apps"),
        ("POST", "/apps/nobody/releases"),
    ]
    for method, path in missing:
        answer = heroku.call(method, path)
        assert (answer.status_code, set(answer.json())) == (404, {"id", "message"})
        assert answer.json()["id"] == "not_found"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "\xff", "null", '{"name": 7}'])
def test_a_body_that_does_not_fit_is_refused(heroku: Client, body: str) -> None:
    answer = heroku.session.post(heroku.url + "/apps", data=body.encode("latin-1"), timeout=10)
    assert answer.status_code in (400, 422)
    assert answer.json()["id"] in ("bad_request", "invalid_params")


def test_a_body_has_a_limit(heroku: Client) -> None:
    answer = heroku.session.post(heroku.url + "/apps", data=b" " * 1_100_000, timeout=10)
    assert (answer.status_code, answer.json()["id"]) == (413, "bad_request")


@pytest.mark.parametrize(
    "name",
    ["ab", "Upper", "1digit", "dash-", "a b", "a;b", "../up", "a'b", "a\nb", "a" * 31, "ünder", "web\n"],
)
def test_app_names_are_herokus(heroku: Client, name: str) -> None:
    answer = heroku.call("POST", "/apps", {"name": name})
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


def test_an_app_is_made_shown_listed_and_deleted(heroku: Client, folder: Path) -> None:
    app = heroku.post("/apps", {})
    assert heroku.get(f"/apps/{app['name']}") == heroku.get(f"/apps/{app['id']}") == app
    assert app in heroku.get("/apps")
    taken = heroku.call("POST", "/apps", {"name": app["name"]})
    assert taken.status_code == 422
    assert "is already taken" in taken.json()["message"]
    heroku.release(app["name"], heroku.slug(app["name"]))
    until(lambda: heroku.seen(app["name"], "DYNO"))
    heroku.delete(f"/apps/{app['name']}")
    assert heroku.call("GET", f"/apps/{app['name']}").status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(app["web_url"], timeout=5)
    assert not list((folder / "db").glob(f"{app['name']}*"))
    assert not (folder / "apps" / app["id"]).exists()


def test_a_new_app_begins_with_herokus_releases(heroku: Client) -> None:
    app = heroku.app()
    descriptions = [row["description"] for row in heroku.get(f"/apps/{app}/releases")]
    assert descriptions == ["Initial release", "Enable Logplex", f"Attach DATABASE (@ref:sqlite-{app})"]


def test_maintenance_is_kept_and_takes_the_traffic_away(heroku: Client) -> None:
    app = heroku.app()
    heroku.running(app, heroku.release(app, heroku.slug(app))["version"])
    assert heroku.patch(f"/apps/{app}", {"maintenance": True})["maintenance"] is True
    assert requests.get(heroku.get(f"/apps/{app}")["web_url"], timeout=10).status_code == 503
    # heroku3 sends 0 for false, against Heroku's schema.
    off = heroku.call("PATCH", f"/apps/{app}", {"maintenance": 0}, checked=False)
    assert off.json()["maintenance"] is False
    assert heroku.seen(app, "DYNO") == "web.1"


def test_apps_are_not_renamed(heroku: Client) -> None:
    app = heroku.app()
    assert heroku.call("PATCH", f"/apps/{app}", {"name": "other"}).status_code == 422


def test_config_vars_make_releases_that_say_what_changed(heroku: Client) -> None:
    app = heroku.app()
    path = f"/apps/{app}/config-vars"
    assert heroku.patch(path, {"ONE": "1", "TWO": "2"})["TWO"] == "2"
    assert "ONE" not in heroku.patch(path, {"ONE": None, "TWO": "2"})
    heroku.patch(path, {"TWO": "two", "ABSENT": None})
    heroku.patch(path, {"TWO": None, "THREE": "3"})
    before = heroku.get(f"/apps/{app}/releases")
    assert [row["description"] for row in before[3:]] == [
        "Set ONE, TWO config vars",
        "Remove ONE config vars",
        "Set TWO config vars",
        "Set THREE and Remove TWO config vars",
    ]
    heroku.patch(path, {"THREE": "3"})
    assert heroku.get(f"/apps/{app}/releases") == before
    shown = heroku.get(f"/apps/{app}/releases/4/config-vars")
    assert {key: shown[key] for key in ("ONE", "TWO")} == {"ONE": "1", "TWO": "2"}


def test_config_vars_reach_the_running_app(heroku: Client) -> None:
    app = heroku.app()
    heroku.release(app, heroku.slug(app, commit="b" * 40))
    heroku.patch(f"/apps/{app}/config-vars", {"GREETING": "grüß dich"})
    until(lambda: heroku.seen(app, "GREETING") == "grüß dich")
    assert heroku.seen(app, "HEROKU_SLUG_COMMIT") == "b" * 40
    assert heroku.seen(app, "HEROKU_APP_NAME") == app
    assert heroku.seen(app, "DATABASE_URL").endswith(f"/db/{app}.sqlite")
    assert heroku.seen(app, "HEROKU_API_KEY") == ""


@pytest.mark.parametrize(
    "change",
    [
        {"BAD-KEY": "x"},
        {"": "x"},
        {"A B": "x"},
        {"NUL": "\0"},
        {"BIG": "x" * 70_000},
        {"N": 7},
        {"DATABASE_URL": "x"},
    ],
)
def test_config_vars_that_cannot_be_are_refused_and_change_nothing(
    heroku: Client, change: dict[str, Any]
) -> None:
    app = heroku.app()
    before = heroku.get(f"/apps/{app}/config-vars")
    answer = heroku.call("PATCH", f"/apps/{app}/config-vars", {"FINE": "1", **change})
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    assert heroku.get(f"/apps/{app}/config-vars") == before


def test_the_formation_is_scaled_by_number_text_and_step(heroku: Client) -> None:
    app = heroku.app()
    heroku.release(app, heroku.slug(app, processes={"web": "python web.py", "worker": "sleep 60"}))
    path = f"/apps/{app}/formation"
    assert heroku.patch(f"{path}/worker", {"quantity": 2})["quantity"] == 2
    until(lambda: len(heroku.get(f"/apps/{app}/dynos")) == 3)
    for given, expected in (("1", 1), ("+2", 3), ("-1", 2), ("0", 0)):
        # The Heroku CLI sends quantities as text, against Heroku's schema.
        body = {"updates": [{"type": "worker", "quantity": given}]}
        rows = heroku.call("PATCH", path, body, checked=False).json()
        assert {row["type"]: row["quantity"] for row in rows} == {"web": 1, "worker": expected}
    until(lambda: [row["name"] for row in heroku.get(f"/apps/{app}/dynos")] == ["web.1"])
    row = heroku.get(f"{path}/web")
    assert row["command"] == "python web.py"
    assert heroku.get(f"{path}/{row['id']}") == row


@pytest.mark.parametrize("quantity", [-1, 21, "many", "1.5", ""])
def test_a_quantity_that_cannot_be_is_refused(heroku: Client, quantity: object) -> None:
    app = heroku.app()
    heroku.release(app, heroku.slug(app))
    before = heroku.get(f"/apps/{app}/formation")
    answer = heroku.call("PATCH", f"/apps/{app}/formation/web", {"quantity": quantity})
    assert answer.status_code == 422
    assert heroku.call("PATCH", f"/apps/{app}/formation/none", {"quantity": 1}).status_code == 404
    assert heroku.get(f"/apps/{app}/formation") == before


def test_scaling_survives_the_next_release(heroku: Client) -> None:
    app = heroku.app()
    processes = {"web": "python web.py", "worker": "sleep 60"}
    heroku.release(app, heroku.slug(app, processes=processes))
    heroku.patch(f"/apps/{app}/formation/worker", {"quantity": 2})
    heroku.release(app, heroku.slug(app, processes={**processes, "clock": "sleep 60"}))
    rows = heroku.get(f"/apps/{app}/formation")
    assert {row["type"]: row["quantity"] for row in rows} == {"web": 1, "worker": 2, "clock": 0}
    heroku.release(app, heroku.slug(app))
    assert [row["type"] for row in heroku.get(f"/apps/{app}/formation")] == ["web"]


def test_each_app_has_a_database_of_its_own_that_releases_do_not_touch(heroku: Client) -> None:
    apps = [heroku.app(), heroku.app()]
    urls = [heroku.get(f"/apps/{app}/config-vars")["DATABASE_URL"] for app in apps]
    with sqlite3.connect(urls[0].removeprefix("sqlite:///")) as database:
        database.execute("CREATE TABLE kept (name)")
    database.close()
    heroku.running(apps[0], heroku.release(apps[0], heroku.slug(apps[0]))["version"])
    assert heroku.get(f"/apps/{apps[0]}/config-vars")["DATABASE_URL"] == urls[0] != urls[1]
    with sqlite3.connect(urls[0].removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("kept",)]
    database.close()
    addon = heroku.get(f"/apps/{apps[0]}/addons")[0]
    assert addon["config_vars"] == ["DATABASE_URL"]
    assert (
        heroku.get(f"/addons/{addon['id']}") == heroku.get(f"/apps/{apps[0]}/addons/{addon['name']}") == addon
    )
    assert addon in heroku.get("/addons")


def test_every_mutating_call_is_in_the_access_log_with_its_release(heroku: Client, folder: Path) -> None:
    app = heroku.app()
    heroku.get("/apps")
    heroku.patch(f"/apps/{app}/config-vars", {"ONE": "1"})
    heroku.call("PATCH", f"/apps/{app}/config-vars", {"BAD-KEY": "1"})
    requests.post(heroku.url + "/apps", timeout=10)
    entries = [json.loads(line) for line in (folder / "access.log").read_text().splitlines()][-4:]
    assert [(entry["method"], entry["path"], entry["status"], entry["release"]) for entry in entries] == [
        ("POST", "/apps", 201, None),
        ("PATCH", f"/apps/{app}/config-vars", 200, 4),
        ("PATCH", f"/apps/{app}/config-vars", 422, None),
        ("POST", "/apps", 401, None),
    ]


@pytest.mark.bench
def test_an_answer_does_not_wait_for_nagle(heroku: Client, bar) -> None:
    """With Nagle on, each answer of two packets takes 40 ms."""
    heroku.app()
    taken = []
    for _ in range(9):
        begun = time.monotonic()
        heroku.call("GET", "/apps", checked=False)
        taken.append(time.monotonic() - begun)
    bar("an answer of the sandbox", statistics.median(taken), 0.030)


def test_it_listens_on_loopback_only(heroku: Client) -> None:
    port = int(heroku.url.rpartition(":")[2])
    with socket.socket() as other:
        # Binding the same port on another address of this machine would fail were all addresses taken.
        other.bind(("127.0.0.2", port))
        assert other.getsockname() == ("127.0.0.2", port)
