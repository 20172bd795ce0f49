"""Reading, promoting and verifying images against a real registry, with skopeo as the judge of digests."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from roadworthy.errors import CheckFailed, UsageError
from roadworthy.packages import registry as images
from roadworthy.packages import wire

from . import servers
from .conftest import build, push

NOBODY: dict[str, str] = {}
CONTRACT = re.compile(r"^.+@sha256:[a-fA-F0-9]{64}$")  # contracts.md B.1


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that builds an image of two layers."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "one").write_bytes(b"one" * 1000)
    (folder / "two").write_bytes(b"two" * 1000)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY one /one\nCOPY two /two\n")
    return folder


@pytest.fixture(scope="module")
def image(tree: Path, registry: servers.Registry, engine: dict[str, str]) -> str:
    return push(build(tree, engine, "--layers"), f"{registry.host}/source/web:1", tree, engine)


@pytest.fixture(scope="module")
def index(tree: Path, registry: servers.Registry, engine: dict[str, str]) -> str:
    """An index of two images, for two architectures."""
    name = f"{registry.host}/source/multi"
    for arch in ("amd64", "arm64"):
        (tree / "arch").write_text(arch)
        built = build(tree, engine, "--platform", f"linux/{arch}", "--build-arg", f"A={arch}")
        servers.run(["buildah", "tag", built, f"{name}:{arch}"], engine)
        servers.run(["buildah", "manifest", "create", f"list-{arch}", built], engine)
        if arch == "amd64":
            servers.run(["buildah", "manifest", "create", "both", built], engine)
        else:
            servers.run(["buildah", "manifest", "add", "both", built], engine)
    servers.run(
        ["buildah", "manifest", "push", "--all", "--tls-verify=false", "both", f"docker://{name}:both"],
        engine,
    )
    data = servers.inspect(f"{name}:both")
    return f"{name}@{images._digest(data)}"


@pytest.mark.parametrize("form", ["v2s2", "oci"])
def test_what_is_read_is_what_skopeo_reads(form, tree, engine, place):
    ref = push(build(tree, engine), f"{place}:1", tree, engine, form)
    found = images.read(ref, environ=NOBODY)
    raw = servers.inspect(ref)
    document = json.loads(raw)
    assert found.data == raw
    assert (found.ref, found.digest) == (ref, ref.rpartition("@")[2])
    assert CONTRACT.match(found.ref)
    assert found.config.digest == document["config"]["digest"]
    assert [layer.digest for layer in found.layers] == [layer["digest"] for layer in document["layers"]]
    assert found.size == sum(b["size"] for b in (document["config"], *document["layers"]))
    assert ("docker" in found.media_type) == (form == "v2s2")


@pytest.mark.parametrize("form", ["v2s2", "oci"])
def test_promotion_changes_no_byte(form, tree, engine, place):
    ref = push(build(tree, engine, "--layers"), f"{place}:1", tree, engine, form)
    promoted = images.promote(ref, f"{place}-prod", environ=NOBODY)
    assert promoted == f"{place}-prod@{ref.rpartition('@')[2]}"
    assert servers.inspect(promoted) == servers.inspect(ref)
    assert images.verify(promoted, environ=NOBODY).size > 0
    assert images.promote(ref, f"{place}-prod", environ=NOBODY) == promoted  # once more changes nothing


def test_blobs_of_the_same_registry_are_mounted_and_not_sent(image, place, monkeypatch):
    monkeypatch.setattr(images.Wire, "upload", None)  # called, it would raise
    assert images.promote(image, place, environ=NOBODY).startswith(f"{place}@sha256:")


def test_between_two_registries_every_blob_is_sent_and_read_back(image, tmp_path):
    with servers.registry(tmp_path / "other") as other:
        promoted = images.promote(image, f"{other.host}/prod/web", environ=NOBODY)
        assert servers.inspect(promoted) == servers.inspect(image)
        for blob in images.read(promoted, environ=NOBODY).blobs:
            assert other.blob(blob.digest).stat().st_size == blob.size


def test_an_index_goes_with_all_that_it_lists(index, tmp_path, place):
    found = images.read(index, environ=NOBODY)
    assert len(found.children) == 2 and found.config is None
    with servers.registry(tmp_path / "other") as other:
        for to in (place, f"{other.host}/prod/multi"):
            promoted = images.promote(index, to, environ=NOBODY)
            assert servers.inspect(promoted) == servers.inspect(index)
            for child in found.children:
                assert servers.inspect(f"{to}@{child.digest}") == child.data
            images.verify(promoted, environ=NOBODY)


@pytest.mark.parametrize("name", ["registry.example/web:latest", "registry.example/web", "web@sha256:12", ""])
def test_only_a_digest_is_promoted(name, place):
    with pytest.raises(UsageError, match="names no digest"):
        images.promote(name, place, environ=NOBODY)


def test_a_target_is_a_repository_without_tag(image, place):
    with pytest.raises(UsageError, match="no repository"):
        images.promote(image, f"{place}:latest", environ=NOBODY)


@pytest.mark.parametrize("part", ["layer", "config"])
def test_one_flipped_bit_in_what_the_registry_keeps_is_found(part, tree, engine, tmp_path):
    with servers.registry(tmp_path / "rotten") as rotten:
        ref = push(build(tree, engine), f"{rotten.host}/a/web:1", tree, engine)
        found = images.verify(ref, environ=NOBODY)
        blob = found.layers[-1] if part == "layer" else found.config
        flip(rotten.blob(blob.digest))
        with pytest.raises(CheckFailed, match=f"{blob.digest}.* has other bytes"):
            images.verify(ref, environ=NOBODY)
        with servers.registry(tmp_path / "clean") as clean, pytest.raises(CheckFailed, match="other bytes"):
            images.promote(ref, f"{clean.host}/a/web", environ=NOBODY)
        assert not list((tmp_path / "clean").rglob("_manifests"))  # nothing that could be deployed


def test_a_manifest_with_other_bytes_is_refused(tree, engine, tmp_path):
    with servers.registry(tmp_path / "rotten") as rotten:
        ref = push(build(tree, engine), f"{rotten.host}/a/web:1", tree, engine)
        kept = rotten.blob(ref.rpartition("@")[2])
        kept.write_bytes(kept.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2') + b" ")
        with pytest.raises(CheckFailed):
            images.read(ref, environ=NOBODY)


def test_a_layer_that_was_cut_off_is_found(tree, engine, tmp_path):
    with servers.registry(tmp_path / "rotten") as rotten:
        ref = push(build(tree, engine), f"{rotten.host}/a/web:1", tree, engine)
        layer = images.read(ref, environ=NOBODY).layers[0]
        kept = rotten.blob(layer.digest)
        kept.write_bytes(kept.read_bytes()[:-1])
        with pytest.raises(CheckFailed, match="other bytes"):
            images.verify(ref, environ=NOBODY)


def test_what_is_not_there_is_said_in_one_line(registry):
    with pytest.raises(CheckFailed, match="is not there"):
        images.read(f"{registry.host}/no/such@sha256:{'0' * 64}", environ=NOBODY)
    assert images.tagged(f"{registry.host}/no/such", "1", environ=NOBODY) is None


def test_a_version_is_given_once(image, index, registry, place):
    promoted = images.promote(image, place, environ=NOBODY)
    images.named(promoted, "v1", environ=NOBODY)
    images.named(promoted, "v1", environ=NOBODY)
    assert images.tagged(place, "v1", environ=NOBODY).ref == promoted
    other = images.promote(index, place, environ=NOBODY)
    with pytest.raises(UsageError, match="already"):
        images.named(other, "v1", environ=NOBODY)
    assert servers.inspect(f"{place}:v1") == servers.inspect(image)


# ---- who we are ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("guarded"), htpasswd=servers.HTPASSWD) as made:
        yield made


def auths(host: str, password: str) -> str:
    said = base64.b64encode(f"{servers.USER}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": said}}, "credsStore": "desktop"})


@pytest.mark.parametrize("where", ["DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "HOME"])
def test_credentials_are_taken_from_where_docker_keeps_them(where, guarded, image, tmp_path):
    text = auths(guarded.host, servers.PASSWORD)
    file = tmp_path / {"HOME": ".docker/config.json"}.get(where, "config.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    said = {"DOCKER_AUTH_CONFIG": text, "REGISTRY_AUTH_FILE": str(file)}.get(where, str(tmp_path))
    promoted = images.promote(image, f"{guarded.host}/prod/web", environ={where: said})
    assert images.verify(promoted, environ={where: said}).ref == promoted


@pytest.mark.parametrize("password", [None, "canary-of-another"])
def test_a_refused_login_is_one_line_without_the_password(password, guarded, image):
    environ = {"DOCKER_AUTH_CONFIG": auths(guarded.host, password)} if password else {}
    with pytest.raises(UsageError, match="does not let us at") as error:
        images.promote(image, f"{guarded.host}/prod/web", environ=environ)
    assert "canary" not in str(error.value) and "\n" not in str(error.value)


def test_a_broken_login_file_is_named_and_not_quoted(guarded, image):
    environ = {"DOCKER_AUTH_CONFIG": '{"auths": {"' + guarded.host + '": {"auth": "canary!"}}}'}
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG is not") as error:
        images.promote(image, f"{guarded.host}/prod/web", environ=environ)
    assert "canary" not in str(error.value) and error.value.__cause__ is None


# ---- the network ---------------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_a_registry_that_is_away_is_said(monkeypatch):
    with pytest.raises(CheckFailed, match="no connection"):
        images.read(f"127.0.0.1:{servers.free_port()}/a/web@sha256:{'0' * 64}", environ=NOBODY)


def blobs_read(monkeypatch) -> list[str]:
    """The digest of each blob that is read from now on."""
    read: list[str] = []
    original = wire.Wire.blob

    def blob(self: wire.Wire, digest: str, size: int):
        read.append(digest)
        return original(self, digest, size)

    monkeypatch.setattr(wire.Wire, "blob", blob)
    return read


def test_each_byte_is_read_once_where_it_arrives(image, place, tmp_path, monkeypatch):
    read, blobs = blobs_read(monkeypatch), sorted(b.digest for b in images.read(image, environ=NOBODY).blobs)
    images.promote(image, place, environ=NOBODY, whole=True)
    assert sorted(read) == blobs
    images.promote(image, f"{place}-later", environ=NOBODY)  # what is only copied is not read at all
    assert sorted(read) == blobs
    with servers.registry(tmp_path / "other") as other:
        images.promote(image, f"{other.host}/a/web", environ=NOBODY, whole=True)
    assert sorted(read) == sorted([*blobs, *blobs, *blobs])  # sent from here, and read back there


def test_a_bit_that_flipped_in_what_is_taken_over_is_found(place, engine, tmp_path, registry):
    (tmp_path / "own").write_bytes(b"own" * 1000)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY own /own\n")
    ref = push(build(tmp_path, engine), f"{place}:1", tmp_path, engine)
    flip(registry.blob(images.read(ref, environ=NOBODY).layers[0].digest))
    with pytest.raises(CheckFailed, match="other bytes"):
        images.promote(ref, f"{place}-prod", environ=NOBODY, whole=True)


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
