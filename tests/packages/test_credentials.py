"""Where logins are looked for, in which order, and what one that is broken spoils."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.packages import credentials, handover, helpers
from roadworthy.packages.credentials import Login, login
from roadworthy.references import repository

HOST = "registry.example:5000"


def entry(user: str, password: str = "canary-of-the-password") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def written(file: Path, document: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def everywhere(folder: Path) -> dict[str, str]:
    """An environment in which every place has a login, each as a user with the place's own name."""
    home = folder / "home"
    auths = {name: {"auths": {HOST: entry(name)}} for name in ("file", "runtime", "config", "docker")}
    written(folder / "run/containers/auth.json", auths["runtime"])
    written(home / ".config/containers/auth.json", auths["config"])
    written(home / ".docker/config.json", auths["docker"])
    written(home / ".dockercfg", {f"https://{HOST}/v1/": entry("legacy")})
    return {
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {HOST: entry("text")}}),
        "REGISTRY_AUTH_FILE": str(written(folder / "auth.json", auths["file"])),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "HOME": str(home),
    }


def test_the_places_count_in_the_order_of_the_engines(tmp_path: Path):
    environ = everywhere(tmp_path)
    seen = []
    for gone in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        seen.append(login(HOST, environ).user)
        del environ[gone]
    for file in (".config/containers/auth.json", ".docker/config.json", ".dockercfg"):
        seen.append(login(HOST, environ).user)
        (tmp_path / "home" / file).unlink()
    assert seen == ["text", "file", "runtime", "config", "docker", "legacy"]
    assert login(HOST, environ) is None


def test_xdg_config_home_and_docker_config_move_the_files(tmp_path: Path):
    written(tmp_path / "x/containers/auth.json", {"auths": {"one.example": entry("one")}})
    written(tmp_path / "d/config.json", {"auths": {"two.example": entry("two")}})
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "x"), "DOCKER_CONFIG": str(tmp_path / "d")}
    assert login("one.example", environ).user == "one"
    assert login("two.example", environ).user == "two"


def test_without_a_runtime_folder_it_is_the_one_below_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    (place,) = credentials.places({})
    assert str(place.file) == "/run/containers/4321/auth.json"


def test_the_longest_name_of_a_repository_wins(tmp_path: Path):
    said = {f"{HOST}/team/web": entry("web"), f"{HOST}/team": entry("team"), HOST: entry("all")}
    environ = {"REGISTRY_AUTH_FILE": str(written(tmp_path / "auth.json", {"auths": said}))}
    names = ("team/web", "team/other", "team/web/more", "others", "")
    assert [login(HOST, environ, name).user for name in names] == ["web", "team", "web", "all", "all"]
    only = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {f"{HOST}/team": entry("team")}})}
    assert login(HOST, only, "others/web") is None


@pytest.mark.parametrize(
    "key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"]
)
def test_docker_hub_has_many_names(key: str):
    assert login("docker.io", {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {key: entry("me")}})}).user == "me"


def test_a_password_may_hold_colons_and_stand_beside_its_user():
    auths = {"a.example": entry("me", "one:two\0"), "b.example": {"username": "me", "password": "three"}}
    environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}
    assert login("a.example", environ) == Login("me", "one:two")
    assert login("b.example", environ) == Login("me", "three")


BROKEN = ({"auth": "canary!"}, {"auth": 5}, "canary", None, [], {"auth": "/w=="}, {"identitytoken": "canary"})


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_entry_spoils_only_itself(broken: object, tmp_path: Path):
    said = {"auths": {HOST: broken, "good.example": entry("good")}}
    environ = {"DOCKER_AUTH_CONFIG": json.dumps(said), "HOME": str(tmp_path)}
    assert login("good.example", environ).user == "good"
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG") as error:
        login(HOST, environ)
    assert "canary" not in str(error.value) and error.value.__cause__ is None
    written(tmp_path / ".docker/config.json", {"auths": {HOST: entry("later")}})
    assert login(HOST, environ).user == "later"


@pytest.mark.parametrize("kind", ["pipe", "huge", "no JSON", "deep", "a folder"])
def test_a_file_that_nobody_can_read_is_named_and_spoils_only_itself(kind: str, tmp_path: Path):
    file = tmp_path / "auth.json"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "a folder":
        file.mkdir()
    else:
        long = "x" * (credentials.MOST + 1)
        file.write_text({"huge": long, "no JSON": "canary", "deep": '{"auths":' * 100_000}[kind])
    environ = {"REGISTRY_AUTH_FILE": str(file), "HOME": str(tmp_path)}
    with pytest.raises(UsageError, match="REGISTRY_AUTH_FILE") as error:
        login(HOST, environ)
    assert "canary" not in str(error.value)
    written(tmp_path / ".docker/config.json", {"auths": {HOST: entry("later")}})
    assert login(HOST, environ).user == "later"


def test_azures_identity_token_is_the_password_of_nobody():
    said = {**entry("00000000-0000-0000-0000-000000000000", ""), "identitytoken": "token"}
    found = login("a.example", {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"a.example": said}})})
    assert found == Login("00000000-0000-0000-0000-000000000000", "token")


# ---- credential helpers --------------------------------------------------------------------------------------


@pytest.fixture
def helper(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Make the program docker-credential-mine of a shell script; an environment that has it."""

    def make(script: str) -> dict[str, str]:
        program = written(tmp_path / "bin/docker-credential-mine", f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}

    return make


SAYS = """read server; printf '{"ServerURL": "%s", "Username": "%s", "Secret": "canary"}' "$server" "$1-$server" """


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked_on_standard_input(key: str, helper, tmp_path: Path):
    said = {"auths": {HOST: {}}, key: {HOST: "mine"} if key == "credHelpers" else "mine"}
    written(tmp_path / ".docker/config.json", said)
    assert login(HOST, helper(SAYS)) == Login(f"get-{HOST}", "canary")


def test_only_dockers_own_file_has_a_store_for_all(helper, tmp_path: Path):
    written(tmp_path / ".config/containers/auth.json", {"credsStore": "mine"})
    assert login(HOST, helper(SAYS)) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo canary; exit 1", "ended with 1"),
        ("echo canary", "gives no login"),
        ("exec sleep 60", "did not answer within"),
    ],
)
def test_a_helper_that_fails_is_named_without_what_it_said(script, said, helper, tmp_path, monkeypatch):
    monkeypatch.setattr(helpers, "QUICKLY", 0.3)
    written(tmp_path / ".docker/config.json", {"credHelpers": {HOST: "mine"}})
    with pytest.raises(UsageError, match=f"docker-credential-mine {said}") as error:
        login(HOST, helper(script))
    assert "canary" not in str(error.value)


def test_a_helper_without_this_login_leaves_it_to_the_next(helper, tmp_path: Path):
    written(tmp_path / ".docker/config.json", {"auths": {HOST: entry("file")}, "credsStore": "mine"})
    environ = helper("echo credentials not found in native keychain; exit 1")
    assert login(HOST, environ).user == "file"
    written(tmp_path / ".docker/config.json", {"auths": {HOST: entry("file")}, "credsStore": "../evil"})
    assert login(HOST, environ).user == "file"


def test_a_helper_sees_nothing_that_opens_production(helper, tmp_path: Path):
    written(tmp_path / ".docker/config.json", {"credsStore": "mine"})
    environ = helper(f'env >"{tmp_path}/seen"\n{SAYS}')
    login(HOST, {**environ, "ALLOW_PROD": "1", "ROADWORTHY_SIGNING_KEY": "canary", "AWS_PROFILE": "mine"})
    seen = (tmp_path / "seen").read_text()
    assert "AWS_PROFILE=mine" in seen and "canary" not in seen and "ALLOW_PROD" not in seen


# ---- handed to the engines -----------------------------------------------------------------------------------


def test_an_engine_that_reads_all_itself_gets_nothing(tmp_path: Path):
    auth = written(tmp_path / ".config/containers/auth.json", {"auths": {HOST: entry("me")}})
    environ = {"HOME": str(tmp_path)}
    assert handover.handed("podman", environ, tmp_path, repository(f"{HOST}/web")) == environ
    auth.rename(written(tmp_path / ".docker/config.json", ""))
    assert handover.handed("docker", environ, tmp_path, repository(f"{HOST}/web")) == environ
    assert not (tmp_path / "logins").exists()


@pytest.mark.parametrize(("store", "alone"), [("osxkeychain", True), ("mine", False)])
def test_what_a_keychain_holds_is_left_to_the_engine_that_asks_it_itself(
    store, alone, helper, tmp_path: Path
):
    """What needs variables that an engine does not see is asked by us, and handed over."""
    environ = helper(SAYS)
    (tmp_path / "bin/docker-credential-mine").rename(tmp_path / f"bin/docker-credential-{store}")
    written(tmp_path / ".docker/config.json", {"auths": {HOST: {}}, "credsStore": store})
    to = repository(f"{HOST}/web")
    assert login(HOST, environ).user == f"get-{HOST}"
    assert ("DOCKER_CONFIG" not in handover.handed("docker", environ, tmp_path, to)) is alone
    (tmp_path / "podman").mkdir()
    assert "REGISTRY_AUTH_FILE" in handover.handed("podman", environ, tmp_path / "podman", to)


def test_podman_gets_the_text_of_a_variable_beside_what_it_reads(tmp_path: Path):
    environ = everywhere(tmp_path)
    written(
        tmp_path / "auth.json",
        {"auths": {"other.example": entry("other")}, "credHelpers": {"third.example": "x"}},
    )
    environ["HEROKU_API_KEY"] = "canary-of-heroku"
    seen = handover.handed("podman", environ, tmp_path, repository(f"{HOST}/web"))
    file = Path(seen["REGISTRY_AUTH_FILE"])
    found = json.loads(file.read_text())
    assert found["auths"][f"{HOST}/web"] == found["auths"][HOST] == entry("text")
    assert found["auths"]["other.example"] == entry("other")
    assert found["auths"]["registry.heroku.com"] == entry("_", "canary-of-heroku")
    assert found["credHelpers"] == {"third.example": "x"}
    assert "DOCKER_AUTH_CONFIG" not in seen
    assert file.stat().st_mode & 0o77 == 0 and file.parent.stat().st_mode & 0o77 == 0


def test_docker_gets_what_podman_knows_and_keeps_its_own(tmp_path: Path):
    own = {"auths": {"own.example": entry("own")}, "credsStore": "desktop", "proxies": {"default": {}}}
    written(tmp_path / ".docker/config.json", own)
    written(tmp_path / ".docker/contexts/one", "kept")
    said = {
        HOST: entry("podman"),
        "docker.io": entry("hub"),
        "own.example": entry("stale"),
        "a.example/b": entry("b"),
    }
    written(tmp_path / ".config/containers/auth.json", {"auths": said})
    seen = handover.handed("docker", {"HOME": str(tmp_path)}, tmp_path, repository("ns/app"))
    folder = Path(seen["DOCKER_CONFIG"])
    found = json.loads((folder / "config.json").read_text())
    assert found["auths"] == {
        "own.example": entry("own"),
        HOST: entry("podman"),
        "https://index.docker.io/v1/": entry("hub"),
    }
    assert (found["credsStore"], found["proxies"]) == ("desktop", {"default": {}})
    assert set(found["credHelpers"]) == {HOST, "index.docker.io", "https://index.docker.io/v1/"}
    assert set(found["credHelpers"].values()) == {""}
    assert (folder / "contexts/one").read_text() == "kept"


def test_every_password_is_known_as_one_to_hide(tmp_path: Path):
    environ = everywhere(tmp_path)
    found = [*credentials.secrets(environ)]
    assert found.count("canary-of-the-password") == 5  # REGISTRY_AUTH_FILE takes the place of the runtime's
    assert "text:canary-of-the-password" in found
    written(
        tmp_path / "auth.json",
        {"auths": {HOST: "broken", "other.example": entry("other", "canary-of-another")}},
    )
    written(tmp_path / "home/.docker/config.json", "no JSON")
    assert {"canary-of-another", "legacy:canary-of-the-password"} <= {*credentials.secrets(environ)}
