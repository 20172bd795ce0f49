from __future__ import annotations

import re
from contextlib import closing

import httpx
import pytest
from capecontrol.database import parse
from capecontrol.settings import commit_of
from conftest import PACKAGE, Migrate, Serve


@pytest.fixture
def client(serve: Serve, migrate: Migrate, sqlite_url: str) -> httpx.Client:
    migrate(sqlite_url, "head")
    return serve(sqlite_url, ENV="staging", HEROKU_RELEASE_VERSION="v12")


def add(client: httpx.Client, **form: str) -> httpx.Response:
    token = client.get("/api/auth/csrf").json()["token"]
    fields = {
        "title": "Replace the brake pads",
        "asset": "Truck 7",
        "priority": "urgent",
        "csrf_token": token,
    }
    return client.post("/work-orders", data=fields | form)


def test_the_page_tells_what_runs(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    for shown in ("CapeControl", "staging", "healthy", "v12", "0003", commit_of(PACKAGE), "None yet"):
        assert shown in answer.text


def test_the_page_allows_no_script_and_only_its_own_style(client: httpx.Client) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script" not in policy and "unsafe" not in policy
    assert "<script" not in answer.text and " style=" not in answer.text
    assert not re.search(r'(?:src|href|action)="(?!/|#)', answer.text)


def test_a_work_order_is_added_and_marked_done(client: httpx.Client) -> None:
    answer = add(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = client.get("/").text
    assert "Replace the brake pads" in page and "Truck 7" in page and "Mark done" in page
    done = client.post("/work-orders/1/done", data={"csrf_token": client.cookies["csrf_token"]})
    assert done.status_code == 303
    assert "Mark done" not in client.get("/").text


def test_open_work_orders_come_first_and_the_newest_of_them_on_top(client: httpx.Client) -> None:
    for title in ("first", "second", "third"):
        add(client, title=title)
    client.post("/work-orders/3/done", data={"csrf_token": client.cookies["csrf_token"]})
    assert re.findall(r'scope="row">(\w+)', client.get("/").text) == ["second", "first", "third"]


def test_the_form_on_the_page_is_one_that_the_app_takes(client: httpx.Client) -> None:
    token = re.search('name="csrf_token" value="([^"]+)"', client.get("/").text)
    assert token and add(client, csrf_token=token[1]).status_code == 303


@pytest.mark.parametrize("path", ["/work-orders", "/work-orders/1/done"])
def test_a_form_without_our_token_changes_nothing(client: httpx.Client, path: str) -> None:
    add(client)
    answer = client.post(path, data={"title": "Forged", "asset": "x", "priority": "low", "csrf_token": "x"})
    assert answer.status_code == 403 and "Nothing was saved" in answer.text
    page = client.get("/").text
    assert "Forged" not in page and "Mark done" in page


@pytest.mark.parametrize(
    "wrong", [{"title": " "}, {"asset": ""}, {"title": "x" * 121}, {"asset": "x" * 61}, {"priority": "asap"}]
)
def test_what_is_wrong_in_a_form_is_said_and_what_was_typed_is_kept(
    client: httpx.Client, wrong: dict[str, str]
) -> None:
    answer = add(client, **({"title": "Kept as typed"} | wrong))
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert "title" in wrong or "Kept as typed" in answer.text
    assert "None yet" in client.get("/").text


def test_what_a_person_types_is_never_markup(client: httpx.Client) -> None:
    add(client, title="<img src=x onerror=alert(1)>", asset="\"'><b>")
    add(client, title='"><b>', priority="asap")
    assert "<img" not in client.get("/").text and "<b>" not in client.get("/").text


def test_a_form_that_is_too_long_or_no_form_is_refused(client: httpx.Client) -> None:
    assert add(client, title="x" * 9000).status_code == 413
    assert client.post("/work-orders", content=b"\xff=1").status_code == 400
    assert client.post("/work-orders", content=b"a=1&" * 11).status_code == 400


def test_an_order_that_is_not_there_is_no_error(client: httpx.Client) -> None:
    client.get("/")
    form = {"csrf_token": client.cookies["csrf_token"]}
    assert client.post(f"/work-orders/{10**30}/done", data=form).status_code == 303


def test_the_icon_is_there_under_both_names(client: httpx.Client) -> None:
    for path in ("/favicon.ico", "/favicon.svg"):
        assert client.get(path).headers["content-type"] == "image/svg+xml"


def test_what_is_unforeseen_is_a_500_with_a_traceback_in_the_log(
    client: httpx.Client, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(client, title="A private remark")
    with closing(parse(sqlite_url).connect(5)) as connection:
        connection.execute("ALTER TABLE work_orders RENAME COLUMN title TO headline")
    assert client.get("/").json() == {"detail": "Internal Server Error"}
    assert client.get("/").status_code == add(client, title="A private remark").status_code == 500
    assert "Traceback" in caplog.text and "private" not in caplog.text
