"""heroku3, a client that others wrote, against the sandbox."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from roadworthy.sandbox import control
from sandbox.client import WEB, Client, tar, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own invalid escape sequences
    import heroku3


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A sandbox with an app `autorisen` at v5, seen through our own client."""
    folder = tmp_path_factory.mktemp("sandbox")
    client = Client(control.up(folder, apps=["autorisen"]))
    client.release("autorisen", client.slug("autorisen", commit="1" * 40))
    slug = client.slug("autorisen", tar({"web.py": WEB, "more": ""}), commit="2" * 40)
    client.running("autorisen", client.release("autorisen", slug)["version"])
    yield client
    control.down(folder)


@pytest.fixture
def app(ours: Client) -> Any:
    heroku = heroku3.api.Heroku(session=requests.Session())
    heroku._heroku_url = ours.url
    assert heroku.authenticate(ours.session.headers["Authorization"].split()[1])
    return heroku.app("autorisen")


def test_a_wrong_key_is_told(ours: Client) -> None:
    heroku = heroku3.api.Heroku(session=requests.Session())
    heroku._heroku_url = ours.url
    assert heroku.authenticate("wrong") is False


def test_it_lists_and_makes_apps(app: Any) -> None:
    heroku = app._h
    assert heroku.account().email.endswith(".invalid")
    heroku.create_app(name="from-heroku3")
    assert {found.name for found in heroku.apps()} == {"autorisen", "from-heroku3"}
    assert heroku.app("from-heroku3").delete()
    assert heroku.ratelimit_remaining() > 0


def test_it_reads_and_sets_config_vars(app: Any, ours: Client) -> None:
    config = app.config()
    config["COLOUR"] = "blue"
    assert ours.get("/apps/autorisen/config-vars")["COLOUR"] == "blue"
    del config["COLOUR"]
    assert "COLOUR" not in app.config()


def test_it_lists_releases_and_rolls_back(app: Any, ours: Client) -> None:
    releases = app.releases(order_by="version", sort="asc")
    target = next(release for release in releases if release.description == "Deploy 11111111")
    newest = app.rollback(target.id)
    assert newest.description == f"Rollback to v{target.version}"
    assert newest.slug.id == target.slug.id
    ours.running("autorisen", newest.version)
    latest = app.releases(order_by="version", sort="desc", limit=1)
    assert [release.version for release in latest] == [newest.version]


def test_it_scales_and_restarts(app: Any, ours: Client) -> None:
    formation = app.process_formation()["web"]
    assert formation.scale(2).quantity == 2
    until(lambda: sorted(dyno.name for dyno in app.dynos()) == ["web.1", "web.2"])  # heroku3 asks by id
    app.scale_formation_process("web", 1)
    until(lambda: [(dyno.name, dyno.state) for dyno in app.dynos()] == [("web.1", "up")])
    before = app.dynos()[0].id
    app.restart()
    until(lambda: [(dyno.id == before, dyno.state) for dyno in app.dynos()] == [(False, "up")])


def test_it_runs_a_command_and_reads_the_log(app: Any) -> None:
    dyno = app.run_command_detached("echo from heroku3; exit 5")
    log = until(lambda: (text := app.get_log(dyno=dyno.name)) and "exited" in text and text)
    assert f"app[{dyno.name}]: from heroku3" in log
    assert "Process exited with status 5" in log


def test_it_follows_the_log(app: Any) -> None:
    lines = app.stream_log(lines=1, timeout=10)
    dyno = app.run_command_detached("echo news")
    assert any(f"app[{dyno.name}]: news".encode() in line for line in lines)
    lines.close()


def test_it_turns_maintenance_on_and_off(app: Any) -> None:
    assert app.enable_maintenance_mode().maintenance is True
    assert requests.get(app.web_url, timeout=10).status_code == 503
    assert app.disable_maintenance_mode().maintenance is False


def test_its_refusals_are_herokus(app: Any) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        app._h.app("nobody")
    assert refused.value.response.status_code == 404


def test_the_rate_limit_is_told_in_its_own_exception(app: Any, ours: Client) -> None:
    ours.session.put(f"{ours.url}/_sandbox/faults", json=[{"kind": "rate_limit"}], timeout=10)
    with pytest.raises(heroku3.api.RateLimitExceeded):
        app.config()
    assert app.config() is not None


def test_addons_are_listed(app: Any, tmp_path: Path) -> None:
    assert [addon.plan.name for addon in app.addons()] == ["sandbox-sqlite:file"]
