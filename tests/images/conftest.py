"""One registry, one base image and one store of images for all; each test has repositories of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import base, servers
from .hub import DOCKER, Hub

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    lacking = servers.missing()
    for item in here:
        item.add_marker(pytest.mark.images)
        if lacking:
            item.add_marker(pytest.mark.skip(reason=f"not installed here: {', '.join(lacking)}"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Registry]:
    with servers.registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture(scope="session")
def engine(registry: servers.Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which buildah and podman run."""
    folder = tmp_path_factory.mktemp("containers")
    yield servers.containers(folder, registry.host)
    servers.let_go(folder)


@pytest.fixture(scope="session")
def python_image(
    registry: servers.Registry, engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The base image with this machine's Python, pushed: its reference by digest."""
    folder = tmp_path_factory.mktemp("base")
    base.lay_out(folder / "root")
    (folder / "Dockerfile").write_text(base.dockerfile())
    return push(build(folder, engine), f"{registry.host}/base/python:1", folder, engine)


@pytest.fixture
def place(registry: servers.Registry) -> str:
    """A repository of this test's own."""
    return f"{registry.host}/test/place{next(_numbers)}"


@pytest.fixture
def hub(tmp_path: Path, engine: dict[str, str], place: str) -> Hub:
    return Hub(tmp_path / "project", "buildah", engine, place)


@pytest.fixture
def docker(tmp_path: Path, engine: dict[str, str], place: str) -> Hub:
    """The same with a stand-in for docker."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    environ = {**engine, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    return Hub(tmp_path / "project", "docker", environ, place)


def build(folder: Path, engine: dict[str, str], *words: str) -> str:
    """Build the folder with buildah; the image's id."""
    iid = folder / ".iid"
    command = ["buildah", "bud", "--isolation", "chroot", "--timestamp", "0", "--tls-verify=false"]
    servers.run([*command, *words, "--iidfile", iid, folder], engine)
    return iid.read_text().strip()


def push(image: str, tag: str, folder: Path, engine: dict[str, str], form: str = "v2s2") -> str:
    """Push an image; its reference by digest, as skopeo sees it."""
    servers.run(["buildah", "push", "--tls-verify=false", "--format", form, image, f"docker://{tag}"], engine)
    digest = servers.inspect(tag, "--format", "{{.Digest}}").decode().strip()
    return f"{tag.rpartition(':')[0]}@{digest}"
