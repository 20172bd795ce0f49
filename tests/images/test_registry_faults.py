"""Registries that lose answers, lie, or lead elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from stores import proxy

from roadworthy.errors import CheckFailed, UsageError
from roadworthy.packages import registry as images
from roadworthy.packages import wire

from . import servers
from .conftest import build, push
from .test_registry import flip

NOBODY: dict[str, str] = {}
IMAGE = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def between(registry: servers.Registry) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(f"http://{registry.host}") as made:
        yield made
        made.shutdown()


@pytest.fixture
def source(tmp_path: Path, engine: dict[str, str]) -> Iterator[str]:
    """An image in a registry of its own, so that every blob must be sent."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "one").write_bytes(b"one" * 50_000)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY one /one\n")
    with servers.registry(tmp_path / "source") as made:
        yield push(build(folder, engine), f"{made.host}/source/web:1", folder, engine)


@pytest.mark.parametrize("count", [1, 2])
def test_a_write_whose_answer_was_lost_is_looked_up_and_not_repeated(count, between, source, place):
    between.lose_reply = proxy.the_next(count, "PUT")
    to = place.replace(place.partition("/")[0], between.endpoint.removeprefix("http://"))
    promoted = images.promote(source, to, environ=NOBODY)
    assert servers.inspect(promoted.replace(to, place)) == servers.inspect(source)
    stored = len(images.read(source, environ=NOBODY).blobs) + 1  # the manifest
    assert between.writes() == stored


def test_a_write_that_never_arrived_is_made_again(between, source, place):
    between.lose_request = proxy.the_next(2, "PUT")
    to = place.replace(place.partition("/")[0], between.endpoint.removeprefix("http://"))
    promoted = images.promote(source, to, environ=NOBODY)
    assert servers.inspect(promoted.replace(to, place)) == servers.inspect(source)


def test_reads_that_fail_are_made_again(between, source, place):
    images.promote(source, place, environ=NOBODY)
    between.lose_reply = proxy.the_next(2, "GET")
    at = place.replace(place.partition("/")[0], between.endpoint.removeprefix("http://"))
    assert images.verify(f"{at}@{source.rpartition('@')[2]}", environ=NOBODY).size > 0


def test_a_blob_that_rots_right_after_it_was_sent_is_found(source, tmp_path):
    layer = images.read(source, environ=NOBODY).layers[0]
    with servers.registry(tmp_path / "target") as target, proxy.Proxy(f"http://{target.host}") as between:
        kept, rotten = target.blob(layer.digest), []

        def rot(method: str) -> bool:
            if method == "GET" and kept.exists() and not rotten:
                rotten.append(flip(kept))
            return False

        between.lose_request = rot
        with pytest.raises(CheckFailed, match=f"{layer.digest}.* has other bytes"):
            images.promote(source, f"{between.endpoint.removeprefix('http://')}/a/web", environ=NOBODY)
        between.shutdown()


# ---- lies ----------------------------------------------------------------------------------------------------


class Liar(BaseHTTPRequestHandler):
    """Answers each path with what the test said: status, headers, body."""

    protocol_version = "HTTP/1.1"
    server: Lying

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        path = self.path.partition("?")[0]
        status, headers, body = self.server.says.get((self.command, path), (404, {}, b"{}"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class Lying(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Liar)
        self.says: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.host = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def manifest(self, data: bytes, kind: str = IMAGE, digest: str = "") -> str:
        """Let the registry answer with this manifest; its reference."""
        digest = digest or f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.says["GET", f"/v2/a/web/manifests/{digest}"] = (200, {"Content-Type": kind}, data)
        return f"{self.host}/a/web@{digest}"


@contextmanager
def lying() -> Iterator[Lying]:
    with Lying() as server:
        yield server
        server.shutdown()


@pytest.fixture
def liar() -> Iterator[Lying]:
    with lying() as made:
        yield made


BLOB = {"mediaType": "x", "digest": f"sha256:{'a' * 64}", "size": 3}
GOOD = {"schemaVersion": 2, "mediaType": IMAGE, "config": BLOB, "layers": [BLOB]}


def test_a_registry_that_answers_other_bytes_than_the_digest_is_refused(liar, place):
    ref = liar.manifest(json.dumps(GOOD).encode(), digest=f"sha256:{'b' * 64}")
    with pytest.raises(CheckFailed, match="other bytes"):
        images.promote(ref, place, environ=NOBODY)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"schemaVersion": 1}, IMAGE),
        ({"mediaType": "application/vnd.oci.image.index.v1+json"}, IMAGE),  # another reader sees an index
        ({}, "application/vnd.docker.distribution.manifest.v1+json"),
        ({}, ""),
        ({"manifests": [BLOB]}, IMAGE),
        ({"config": None}, IMAGE),
        ({"layers": [{**BLOB, "digest": "sha512:" + "a" * 128}]}, IMAGE),
        ({"layers": [{**BLOB, "size": -1}]}, IMAGE),
        ({"layers": [{**BLOB, "urls": ["https://elsewhere.example/x"]}]}, IMAGE),
        ({"layers": [BLOB] * 2000}, IMAGE),
        ({"layers": "many"}, IMAGE),
    ],
)
def test_what_is_no_plain_image_is_refused(change, kind, liar):
    ref = liar.manifest(json.dumps({**GOOD, **change}).encode(), kind)
    with pytest.raises(CheckFailed) as error:
        images.read(ref, environ=NOBODY)
    assert "\n" not in str(error.value)


def test_an_index_without_end_is_refused(liar):
    kind = "application/vnd.oci.image.index.v1+json"
    data = json.dumps(GOOD).encode()
    ref = liar.manifest(data)
    for _ in range(5):
        listed = {"mediaType": kind, "digest": ref.rpartition("@")[2], "size": len(data)}
        data = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [listed]}).encode()
        ref = liar.manifest(data, kind)
    with pytest.raises(CheckFailed, match="deeper"):
        images.read(ref, environ=NOBODY)


def test_a_manifest_without_end_is_not_read(liar):
    ref = liar.manifest(b" " * (wire.MOST_MANIFEST + 1))
    with pytest.raises(CheckFailed, match="longer than"):
        images.read(ref, environ=NOBODY)


def test_an_upload_to_another_host_is_not_made(liar, source):
    with lying() as elsewhere:
        liar.says["POST", "/v2/a/web/blobs/uploads/"] = (202, {"Location": f"http://{elsewhere.host}/x"}, b"")
        with pytest.raises(CheckFailed, match="another host"):
            images.promote(source, f"{liar.host}/a/web", environ=NOBODY)
        assert elsewhere.asked == []


def test_a_redirect_to_another_host_takes_no_credential_along(liar, monkeypatch):
    said = base64.b64encode(b"somebody:canary-of-the-password").decode()
    environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {liar.host: {"auth": said}}})}
    with lying() as storage:
        data = json.dumps({**GOOD, "layers": []}).encode()
        ref = liar.manifest(data)
        blob = f"/v2/a/web/blobs/{BLOB['digest']}"
        answers = [(401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")]
        answers.append((307, {"Location": f"http://localhost:{storage.server_port}/there"}, b""))
        storage.says["GET", "/there"] = (200, {}, b"abc")
        monkeypatch.setitem(liar.says, ("GET", blob), answers[0])
        original = Liar.do_GET

        def once(handler: Liar) -> None:
            original(handler)
            if handler.path == blob:
                liar.says["GET", blob] = answers[1]

        monkeypatch.setattr(Liar, "do_GET", once)
        with pytest.raises(CheckFailed, match="other bytes"):
            images.verify(ref, environ=environ)
        assert any("Authorization" in headers for _, _, headers in liar.asked)
        assert [path for _, path, _ in storage.asked] == ["/there"]
        assert not any("Authorization" in headers for _, _, headers in storage.asked)


def test_a_broken_login_is_no_hindrance_where_nobody_has_to_have_one(liar, monkeypatch, tmp_path):
    """A registry that serves everybody asks who we are, too; one that serves nobody is told why we are nobody."""
    (tmp_path / "config.json").write_text('{"credsStore": "is-not-installed"}')
    environ, asked = {"DOCKER_CONFIG": str(tmp_path)}, []
    with wire.opened(wire.references.repository("registry.example/a/web"), environ) as made:
        monkeypatch.setattr(made._dxf, "authenticate", lambda *who, **_: asked.append(who))
        made._dxf._sign_in(made._dxf, requests.Response())
    assert asked == [(None, None)]
    ref = liar.manifest(json.dumps(GOOD).encode())
    liar.says["GET", f"/v2/a/web/manifests/{ref.rpartition('@')[2]}"] = (401, {}, b"")
    with pytest.raises(UsageError, match="docker-credential-is-not-installed"):
        images.read(ref, environ=environ)


def test_another_machine_is_never_spoken_to_in_plain_http():
    at = wire.references.repository("registry.example:5000/a/web")
    with wire.opened(at, NOBODY) as made:
        assert made._dxf._base_url == "https://registry.example:5000/v2/"
    with wire.opened(wire.references.repository("ns/app"), NOBODY) as made:
        assert made._dxf._base_url == "https://registry-1.docker.io/v2/"
