"""The sandbox runs an image for real: released by config digest, as on Heroku, and run by podman."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sandbox.client import Client

from roadworthy import git
from roadworthy.config import PackageRules
from roadworthy.packages import image
from roadworthy.packages import registry as images
from roadworthy.sandbox import control
from roadworthy.wait import until

from . import base, servers
from .conftest import build, push
from .test_registry import flip

needs_podman = pytest.mark.skipif(
    not (shutil.which("podman") and shutil.which("runc")), reason="podman and runc are not installed here"
)
pytestmark = needs_podman
DOCKER_RELEASES = "application/vnd.heroku+json; version=3.docker-releases"
WEB = """
import http.server, os, signal, sys
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = f"{TEXT} {os.environ.get('COLOUR', '')} {os.getpid()}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers()
        self.wfile.write(said)
    def log_message(self, *words): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Web).serve_forever()
"""


@pytest.fixture(scope="module")
def heroku(tmp_path_factory, registry, engine) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("sandbox")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.items():
            patch.setenv(name, value)
        yield Client(control.up(folder, boot_timeout=20, registry=registry.host))
        control.down(folder)


@pytest.fixture
def app(heroku: Client) -> str:
    return heroku.app()


def web_image(text: str, app: str, folder: Path, python_image: str, registry, engine) -> str:
    """Build and push an app that answers with `text`; its reference."""
    (folder / text).mkdir()
    (folder / text / "web.py").write_text(f"TEXT = {text!r}\n{WEB}")
    (folder / text / "Dockerfile").write_text(
        f'FROM {python_image}\nCOPY web.py /web.py\nCMD ["python3", "-u", "/web.py"]\n'
    )
    return push(build(folder / text, engine), f"{registry.host}/{app}/web:{text}", folder / text, engine)


def config_digest(ref: str) -> str:
    return images.read(ref, environ={}).config.digest


def release(heroku: Client, app: str, image: str) -> dict:
    body = {"updates": [{"type": "web", "docker_image": image}]}
    return heroku.patch(f"/apps/{app}/formation", body, Accept=DOCKER_RELEASES)[0]


def answers(heroku: Client, app: str, text: str) -> str:
    """What the app says, once it says `text`."""
    url = heroku.get(f"/apps/{app}")["web_url"]

    def look() -> str | None:
        said = requests.get(url, timeout=10).text
        return said if said.startswith(f"{text} ") else None

    said = until(look, within=30, every=0.1)
    assert said, heroku.logs(app)
    return said


def test_an_image_is_released_by_its_config_digest_and_runs(
    heroku, app, tmp_path, python_image, registry, engine
):
    heroku.patch(f"/apps/{app}/config-vars", {"COLOUR": "canary-blue"})
    first = web_image("one", app, tmp_path, python_image, registry, engine)
    formation = release(heroku, app, config_digest(first))
    assert formation["docker_image"] == {"id": config_digest(first)}
    said = answers(heroku, app, "one")
    assert said == "one canary-blue 1"  # the first process of a container of its own
    newest = heroku.get(f"/apps/{app}/releases")[-1]
    assert (newest["status"], newest["current"], newest["slug"]) == ("succeeded", True, None)
    assert "canary" not in " ".join(map(str, command_lines()))

    second = web_image("two", app, tmp_path, python_image, registry, engine)
    release(heroku, app, config_digest(second))
    answers(heroku, app, "two")
    heroku.patch(f"/apps/{app}/config-vars", {"COLOUR": "red"})  # a release that keeps the image
    assert until(lambda: "red" in answers(heroku, app, "two") or None, within=20, every=0.2)
    before = next(r for r in heroku.get(f"/apps/{app}/releases") if r["version"] == newest["version"])
    heroku.call("POST", f"/apps/{app}/releases", {"release": before["id"]}).raise_for_status()
    answers(heroku, app, "one")


def test_a_one_off_runs_in_the_image_and_its_status_is_told(
    heroku, app, tmp_path, python_image, registry, engine
):
    ref = web_image("one", app, tmp_path, python_image, registry, engine)
    release(heroku, app, config_digest(ref))
    answers(heroku, app, "one")
    command = """python3 -c "import os, sys; print(os.listdir('/')); sys.exit(7)" ; touch /tmp/never"""
    body = {"command": command, "attach": False, "type": "run"}
    dyno = heroku.call("POST", f"/apps/{app}/dynos", body).json()
    assert until(
        lambda: f"{dyno['name']}]: Process exited with status 7" in heroku.logs(app) or None,
        within=20,
        every=0.1,
    )
    assert "web.py" in heroku.logs(app)


def test_the_app_of_this_repository_runs_as_an_image_and_says_its_commit(
    heroku, app, tmp_path, registry, engine
):
    """Its own Dockerfile, on a base with this machine's Python and libraries: nothing is downloaded."""
    (tmp_path / "root").mkdir()
    base.lay_out(tmp_path / "root")
    libraries = ("starlette", "uvicorn", "h11", "sqlalchemy", "alembic", "psycopg", "psycopg-binary")
    base.add_packages(tmp_path / "root", "pip", *libraries)
    (tmp_path / "Dockerfile").write_text(base.dockerfile())
    with_libraries = push(build(tmp_path, engine), f"{registry.host}/base/app:1", tmp_path, engine)
    rules = PackageRules(
        kind="image",
        path="app",
        repository=f"{registry.host}/build/app",
        engine="buildah",
        build_args={"BASE": with_libraries},
    )
    root = Path(__file__).parents[2]
    commit = git.resolve(root, None)
    built = image.find_or_build(root, commit, rules=rules, store=tmp_path / "store", environ=engine)
    released = images.promote(built.ref, f"{registry.host}/{app}/web", environ={})
    images.named(released, commit, environ={})
    release(heroku, app, built.config)
    url = heroku.get(f"/apps/{app}")["web_url"].rstrip("/")
    body = {"command": "python -m alembic upgrade head", "attach": False, "type": "run"}
    dyno = heroku.call("POST", f"/apps/{app}/dynos", body).json()
    ended = f"{dyno['name']}]: Process exited with status "
    assert until(lambda: ended in heroku.logs(app) or None, within=30, every=0.1), heroku.logs(app)
    assert f"{ended}0" in heroku.logs(app), heroku.logs(app)

    def healthy() -> bool | None:
        answer = requests.get(f"{url}/api/health", timeout=10)
        return True if answer.ok and answer.json()["status"] == "healthy" else None

    assert until(healthy, within=30, every=0.1), heroku.logs(app)
    assert requests.get(f"{url}/api/version", timeout=10).json()["gitSha"] == commit


def test_an_image_that_nobody_pushed_is_refused(heroku, app):
    answer = heroku.call(
        "PATCH",
        f"/apps/{app}/formation",
        {"updates": [{"type": "web", "docker_image": "sha256:" + "ab" * 32}]},
        Accept=DOCKER_RELEASES,
    )
    assert answer.status_code == 422 and "push it first" in answer.json()["message"]


def test_one_flipped_bit_in_a_layer_is_refused_before_it_runs(
    heroku, app, tmp_path, python_image, registry, engine
):
    ref = web_image("rotten", app, tmp_path, python_image, registry, engine)
    found = images.read(ref, environ={})
    flip(registry.blob(found.layers[-1].digest))
    servers.run(
        ["buildah", "rmi", "--force", found.config.digest.removeprefix("sha256:")], engine
    )  # the good one
    before = heroku.get(f"/apps/{app}/releases")
    body = {"updates": [{"type": "web", "docker_image": found.config.digest}]}
    answer = heroku.call("PATCH", f"/apps/{app}/formation", body, Accept=DOCKER_RELEASES)
    assert answer.status_code == 422 and "podman pull ended" in answer.json()["message"]
    assert "igest did not match" in answer.json()["message"]
    assert heroku.get(f"/apps/{app}/releases") == before


def test_nothing_of_an_image_is_left_when_the_sandbox_went_down(
    tmp_path, python_image, registry, engine, monkeypatch
):
    for name, value in engine.items():
        monkeypatch.setenv(name, value)
    listing = ["podman", "--cgroup-manager=cgroupfs", "ps", "-a", "-q"]
    others = servers.run(listing, engine)
    folder = tmp_path / "sandbox"
    heroku = Client(control.up(folder, boot_timeout=20, registry=registry.host))
    app = heroku.app()
    ref = web_image("short", app, tmp_path, python_image, registry, engine)
    release(heroku, app, config_digest(ref))
    answers(heroku, app, "short")
    assert mine(app)
    assert servers.run(listing, engine) != others
    control.down(folder)
    assert until(lambda: not mine(app) or None, within=10, every=0.1), mine(app)
    assert servers.run(listing, engine) == others


def mine(app: str) -> list[str]:
    """The processes that run as this app."""
    mark = f"HEROKU_APP_NAME={app}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def command_lines() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
