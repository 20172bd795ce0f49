"""What becomes of an image by other hands, and that each advice, followed, leads to its end."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.packages import registry as images

from . import servers
from .image_project import DOCKER_RELEASES, ImageProject, project_on, sandboxed
from .test_sandbox_images import needs_podman

pytestmark = needs_podman


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, registry, engine) -> Iterator[Path]:
    with sandboxed(tmp_path_factory.mktemp("sandbox"), registry.host, engine) as folder:
        yield folder


@pytest.fixture
def project(tmp_path, sandbox, registry, python_image) -> Iterator[ImageProject]:
    with project_on(ImageProject(tmp_path / "project", sandbox), registry.host, python_image) as made:
        yield made


def removed(repository: str, what: str) -> None:
    """Take a manifest or a blob out of a repository, as a person or a cleaning job does."""
    host, _, name = repository.partition("/")
    request = urllib.request.Request(f"http://{host}/v2/{name}/{what}", method="DELETE")
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 202


def copied(source: str, to: str) -> None:
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    words = [
        "skopeo",
        "copy",
        "-q",
        "--all",
        "--preserve-digests",
        *tls,
        f"docker://{source}",
        f"docker://{to}",
    ]
    servers.run([*words], {"PATH": "/usr/bin:/usr/local/bin", "HOME": "/nonexistent"})


def ends(project: ImageProject, commit: str) -> None:
    """Follow what `verify` advises, to its end: then all agree that this commit runs, and a restart would work."""
    seen = project.json("verify", code=1)
    (advice, *_) = [one for one in seen["next"] if one.startswith("invoke rollback")]
    project.json(*shlex.split(advice)[1:], "--why", "as verify says")
    agreed(project, commit)


def agreed(project: ImageProject, commit: str) -> None:
    assert project.runs() == commit
    assert project.json("verify")["details"]["differences"] == []
    assert state(project)["state"] == "as recorded"
    before = project.entries(), project.releases()
    assert "already runs" in project.json("deploy", "--commit", commit)["line"]
    assert (project.entries(), project.releases()) == before
    digest = project.entries()[-1].record.digest
    assert images.lacks(f"{project.of_app('staging')}@sha256:{digest}", environ={}) == ""


def state(project: ImageProject) -> dict[str, Any]:
    said = project.invoke("status", "--json").said
    return next(row for row in said["details"]["environments"] if row["environment"] == "staging")


def lose(project: ImageProject, what: str) -> None:
    digest, at = project.entries()[-1].record.digest, project.of_app("staging")
    image = images.read(f"{at}@sha256:{digest}", environ={})
    parts = {"manifest": f"manifests/{image.digest}", "config": f"blobs/{image.config.digest}"}
    removed(at, parts.get(what, f"blobs/{image.layers[-1].digest}"))


@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
def test_what_already_runs_is_copied_again_when_its_registry_lost_it(what: str, project: ImageProject):
    project.deployed()
    releases = project.releases()
    lose(project, what)
    said = json.dumps(project.json("verify", code=1)["reasons"])
    assert "cannot start again" in said and "adopt" not in said
    again = project.json("deploy")
    assert "already" not in again["line"], again
    assert project.releases() == releases  # the platform makes none for the image that runs
    agreed(project, project.first)
    lose(project, what)
    ends(project, project.first)


def test_a_tag_that_somebody_moved_is_put_back(project: ImageProject):
    project.deployed()
    second = project.commit("Second")
    project.deployed()
    at, found = project.of_app("staging"), {}
    for entry in project.entries():
        if entry.record.kind == "end":
            found[entry.record.details["to"]["commit"]] = entry.record
    tag = found[second].details["to"]["slug"]
    copied(f"{at}@sha256:{found[project.first].digest}", f"{at}:{tag}")
    assert state(project)["state"] == "drift"
    ends(project, second)
    copied(f"{at}@sha256:{found[project.first].digest}", f"{at}:{tag}")
    project.json("deploy")
    agreed(project, second)


def test_an_image_released_by_hand_is_left_by_the_way_that_is_named(project: ImageProject, python_image: str):
    project.deployed()
    at = project.of_app("staging")
    copied(python_image, f"{at}:latest")  # as the platform's own command line would push it
    by_hand(project, images.read(python_image, environ={}).config.digest)
    drift = state(project)["drift"]
    assert "package none" in drift[0]["seen"] and "adopt" not in drift[0]["do"]
    ends(project, project.first)
    second = project.commit("Second")
    project.deployed()
    first = next(e.record for e in project.entries() if e.record.kind == "end")
    by_hand(project, first.details["to"]["config"])  # one that was verified here: it may be adopted, too
    assert "adopt" in state(project)["drift"][0]["do"]
    ends(project, second)
    by_hand(project, first.details["to"]["config"])
    project.json("adopt", "--why", "the first is what we want")
    agreed(project, project.first)


def by_hand(project: ImageProject, config: str) -> None:
    """What `heroku container:release` sends."""
    here = control_of(project)
    body = json.dumps({"updates": [{"type": "web", "docker_image": config}]}).encode()
    headers = {
        "Authorization": f"Bearer {here.api_key}",
        "Accept": DOCKER_RELEASES,
        "Content-Type": "application/json",
    }
    path = f"{here.url}/apps/{project.app('staging')}/formation"
    request = urllib.request.Request(path, body, headers, method="PATCH")
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200


def control_of(project: ImageProject) -> Any:
    from roadworthy.sandbox import control

    return control.find(project.sandbox)


def test_an_image_that_its_repository_lost_is_copied_back_or_found_where_it_moved_to(project: ImageProject):
    project.released()
    project.json("deploy")
    digest = project.entries()[-1].record.digest
    at, repository = f"{project.of_app('staging')}@sha256:{digest}", project.repository
    removed(repository, f"manifests/sha256:{digest}")
    for command in ("build", "deploy"):
        lost = project.json(command, "--commit", project.first, code=2)["line"]
        assert "is no longer in" in lost and "skopeo copy" in lost and "build it" not in lost
    copied(at, f"{repository}:{project.first}")  # the advice
    agreed(project, project.first)
    moved = f"{repository}-moved"
    copied(at, f"{moved}:{project.first}")
    removed(repository, f"manifests/sha256:{digest}")
    project.change_config((f'repository = "{repository}"', f'repository = "{moved}"'))
    agreed(project, project.first)
    project.deployed()
    removed(moved, f"manifests/sha256:{digest}")
    project.json("rollback", "--to", project.first, "--why", "the app's own repository still has it")
    assert project.runs() == project.first
