"""`dockerhub.*`: for real with buildah and a registry; docker's command lines with a stand-in that notes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from roadworthy.commands import dockerhub
from roadworthy.errors import CheckFailed, UsageError
from roadworthy.packages import credentials, engine
from roadworthy.packages import registry as images

from . import servers
from .hub import DOCKER, called, published


def test_a_release_is_one_index_under_four_tags_with_a_signed_note(hub):
    result = dockerhub.release(hub.context, None, hub.repository, "", "")
    short = hub.project.git("rev-parse", "--short", "HEAD")
    engine_tag = f"docker-buildah-{engine.version('buildah', hub.environ).removeprefix('buildah-')}"
    names = ["v1.2.3", "latest", engine_tag, f"git-{short}"]
    assert result.details["tags"] == names
    raw = servers.inspect(result.details["ref"])
    assert [hub.tag(name) for name in names] == [raw] * 4
    listed = json.loads(raw)["manifests"]
    assert {one["platform"]["architecture"] for one in listed} == {"amd64", "arm64"}
    assert result.details["ref"] in result.line
    assert published(hub.context, hub.commit) == [{**result.details}]
    from roadworthy.commands.audit import audit

    assert audit(hub.context, (), "").code == 0


def test_the_same_release_again_builds_nothing(hub, monkeypatch):
    first = dockerhub.release(hub.context, None, hub.repository, "", "")
    monkeypatch.setattr(engine, "build", None)  # called, it would raise
    assert dockerhub.release(hub.context, None, hub.repository, "", "").details == first.details


def test_a_version_of_another_commit_is_refused_before_anything_is_built(hub, monkeypatch):
    first = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    hub.project.commit(hub.files("two", "buildah"))
    hub.project.checkout()
    monkeypatch.setattr(engine, "build", None)
    with pytest.raises(UsageError, match="not labelled as built from"):
        dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    assert hub.tag("1.0.0") == hub.tag("latest") == servers.inspect(first.details["ref"])


def test_latest_moves_on_with_the_next_version(hub):
    dockerhub.push(hub.context, None, hub.repository, "1.0.0")
    hub.project.commit(hub.files("two", "buildah"))
    hub.project.checkout()
    second = dockerhub.push(hub.context, None, hub.repository, "1.1.0")
    assert hub.tag("latest") == hub.tag("1.1.0") == servers.inspect(second.details["ref"]) != hub.tag("1.0.0")


def test_a_build_for_this_machine_pushes_nothing(hub):
    dockerhub.build_version(hub.context, None, f"{hub.repository}", "1.0.0")
    for tag in ("1.0.0", "latest"):
        servers.run(["buildah", "inspect", "--type", "image", f"{hub.repository}:{tag}"], hub.environ)
    assert images.tagged(hub.repository, "1.0.0", environ={}) is None


def test_what_could_not_be_noted_is_not_published(hub):
    context = hub.context
    context.signer = None
    with pytest.raises(UsageError, match="no signing key"):
        dockerhub.push(context, None, hub.repository, "1.0.0")
    assert images.tagged(hub.repository, "1.0.0", environ={}) is None


@pytest.mark.parametrize("platforms", ["linux", "linux/amd64;id", "--push", "linux/amd64,"])
def test_an_odd_platform_is_refused(platforms, hub):
    with pytest.raises(UsageError, match="PLATFORMS"):
        dockerhub.release(hub.context, None, hub.repository, "1.0.0", platforms)


# ---- docker --------------------------------------------------------------------------------------------------


def test_docker_is_called_once_to_build_and_push_without_attestations(docker):
    result = dockerhub.release(docker.context, None, docker.repository, "1.0.0", "")
    inspected, created, built = called(docker)
    assert inspected == ["buildx", "inspect", engine.BUILDER]
    assert created == ["buildx", "create", "--name", engine.BUILDER, "--driver", "docker-container"]
    assert built[:4] == ["buildx", "build", "--builder", engine.BUILDER]
    assert built[built.index("--platform") + 1] == "linux/amd64,linux/arm64"
    assert built[built.index("--build-arg") + 1] == f"GIT_SHA={docker.commit}"
    assert {"--provenance=false", "--sbom=false", "--push"} <= set(built)
    assert built.count("--tag") == 1 and built[built.index("--tag") + 1].startswith(
        f"{docker.repository}:git-"
    )
    assert str(docker.project.root / "app") not in " ".join(built)  # never the working folder
    assert "docker-28.2.2-x" in result.details["tags"]
    assert docker.tag("1.0.0") == servers.inspect(result.details["ref"])


def test_a_push_that_docker_fails_is_a_failure_and_names_nothing(docker):
    stand_in = Path(shutil.which("docker", path=docker.environ["PATH"]))
    stand_in.write_text(DOCKER.replace('"buildx build") ;;', '"buildx build") STATUS=17 ;;'))
    with pytest.raises(CheckFailed, match=r"docker buildx build ended with 17\n.*no space left"):
        dockerhub.release(docker.context, None, docker.repository, "1.0.0", "")
    assert images.tagged(docker.repository, "1.0.0", environ={}) is None
    assert published(docker.context, docker.commit) == []


def test_docker_build_names_one_image_and_pushes_nothing(docker):
    dockerhub.build(docker.context, None, ("autorisen:local",))
    (built,) = called(docker)
    assert built[0] == "build" and built[built.index("--tag") + 1] == "autorisen:local"
    assert "--push" not in built


def test_docker_without_buildx_is_not_taken(tmp_path):
    stand_in = tmp_path / "docker"
    stand_in.write_text("#!/bin/sh\nexit 1\n")
    stand_in.chmod(0o755)
    with pytest.raises(UsageError, match="docker is not here"):
        engine.find("docker", {"PATH": str(tmp_path)})
    with pytest.raises(UsageError, match="neither"):
        engine.find("", {"PATH": str(tmp_path)})


# ---- logins --------------------------------------------------------------------------------------------------


def test_a_token_goes_to_standard_input_and_nowhere_else(docker):
    docker.environ |= {"DOCKERHUB_USERNAME": "somebody", "DOCKERHUB_TOKEN": "canary-of-the-token"}
    result = dockerhub.login(docker.context, "ns/app")
    assert called(docker) == [["login", "--username", "somebody", "--password-stdin", "docker.io"]]
    stdin = Path(shutil.which("docker", path=docker.environ["PATH"]) + ".stdin")
    assert stdin.read_text() == "canary-of-the-token"
    dockerhub.logout(docker.context, "ns/app")
    assert called(docker)[1] == ["logout", "docker.io"]
    assert "canary" not in result.line


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("guarded"), htpasswd=servers.HTPASSWD) as made:
        yield made


def test_a_real_login_opens_the_registry_for_the_engine_and_for_us(hub, guarded, tmp_path):
    hub.environ |= {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"), "DOCKERHUB_USERNAME": servers.USER}
    hub.environ |= {"DOCKERHUB_TOKEN": servers.PASSWORD}
    repository = f"{guarded.host}/ns/app"
    dockerhub.login(hub.context, repository)
    assert credentials.login(guarded.host, hub.environ).password == servers.PASSWORD
    made = dockerhub.push(hub.context, None, repository, "1.0.0")
    assert images.verify(made.details["ref"], environ=hub.environ).ref == made.details["ref"]
    dockerhub.logout(hub.context, repository)
    assert credentials.login(guarded.host, hub.environ) is None


def test_a_wrong_token_is_one_failure_without_the_token(hub, guarded, tmp_path):
    hub.environ |= {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"), "DOCKERHUB_USERNAME": servers.USER}
    hub.environ |= {"DOCKERHUB_TOKEN": "canary-of-another"}
    with pytest.raises(CheckFailed, match="buildah login ended with") as error:
        dockerhub.login(hub.context, f"{guarded.host}/ns/app")
    assert "canary" not in str(error.value)


def test_a_login_without_a_token_says_what_is_missing(hub):
    with pytest.raises(UsageError, match="DOCKERHUB_TOKEN"):
        dockerhub.login(hub.context, "ns/app")
