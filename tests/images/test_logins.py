"""Logins reach the real engines from wherever they lie, by a file alone; an engine's reasons reach people."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess

import pytest
from packages.repository import Repository

from roadworthy import references
from roadworthy.config import PackageRules
from roadworthy.errors import CheckFailed
from roadworthy.packages import engine, handover, image
from roadworthy.packages import podman as sandbox
from roadworthy.packages import registry as images

from . import servers
from .test_sandbox_images import needs_podman

DOCKERFILE = "FROM {base}\nCOPY . /app\n"
NOTES = """#!/bin/sh
{{ tr '\\0' ' ' </proc/$$/cmdline; env; }} >>"{seen}"
exec {real} "$@"
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("guarded"), htpasswd=servers.HTPASSWD) as made:
        yield made


def auths(host: str) -> str:
    said = base64.b64encode(f"{servers.USER}:{servers.PASSWORD}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": said}}})


@pytest.fixture(params=["DOCKER_AUTH_CONFIG", "XDG_RUNTIME_DIR", "dockercfg", "credHelpers"])
def logged_in(request, tmp_path, guarded, engine) -> dict[str, str]:
    """An environment in which the login lies in one place, some of which podman and buildah do not read."""
    home, text = tmp_path / "home", auths(guarded.host)
    home.mkdir()
    environ = {**engine, "HOME": str(home)}
    match request.param:
        case "DOCKER_AUTH_CONFIG":
            environ["DOCKER_AUTH_CONFIG"] = text
        case "XDG_RUNTIME_DIR":
            environ["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
            (tmp_path / "run/containers").mkdir(parents=True)
            (tmp_path / "run/containers/auth.json").write_text(text)
        case "dockercfg":
            (home / ".dockercfg").write_text(json.dumps(json.loads(text)["auths"]))
        case _:
            (home / ".docker").mkdir()
            (home / ".docker/config.json").write_text(json.dumps({"credHelpers": {guarded.host: "mine"}}))
            helper = tmp_path / "bin/docker-credential-mine"
            helper.parent.mkdir()
            answer = json.dumps({"Username": servers.USER, "Secret": servers.PASSWORD})
            helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
            helper.chmod(0o755)
            environ["PATH"] = f"{helper.parent}:{environ['PATH']}"
    return environ


@pytest.mark.parametrize("name", ["buildah", "podman"])
def test_what_is_built_is_pushed_with_the_login_wherever_it_lies(
    name, logged_in, guarded, python_image, tmp_path
):
    seen = tmp_path / "seen"
    stand_in = tmp_path / f"noting/{name}"
    stand_in.parent.mkdir()
    stand_in.write_text(NOTES.format(seen=seen, real=shutil.which(name)))
    stand_in.chmod(0o755)
    environ = {**logged_in, "PATH": f"{stand_in.parent}:{logged_in['PATH']}"}
    project = Repository(tmp_path / "project")
    commit = project.commit({"app/Dockerfile": DOCKERFILE.format(base=python_image)})
    rules = PackageRules(
        kind="image",
        path="app",
        repository=f"{guarded.host}/{name}/{tmp_path.name[-10:].strip('_')}",
        engine=name,
    )
    made = image.find_or_build(project.root, commit, rules=rules, store=tmp_path / "store", environ=environ)
    assert images.verify(made.ref, environ=environ).digest == made.digest
    said = seen.read_text()
    assert "push" in said and servers.PASSWORD not in said
    assert base64.b64encode(f"{servers.USER}:{servers.PASSWORD}".encode()).decode() not in said
    assert not [*(tmp_path / "store").rglob("logins")]


@needs_podman
def test_podman_pulls_what_is_accepted_with_the_login_wherever_it_lies(logged_in, guarded, python_image):
    ref = images.promote(python_image, f"{guarded.host}/pulled/web", environ=logged_in)
    sandbox.pull(ref, logged_in)
    here = servers.run(["podman", "--cgroup-manager=cgroupfs", "image", "inspect", ref], logged_in)
    assert json.loads(here)[0]


@pytest.mark.skipif(not shutil.which("docker"), reason="docker is not installed here")
def test_docker_reads_what_it_is_handed(guarded, python_image, tmp_path, engine):
    """Its own command line, without a daemon: it asks the registry for a manifest."""
    folder = tmp_path / ".config/containers"
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text(auths(guarded.host))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"credsStore": "none-is-here"}')
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ref = images.promote(python_image, f"{guarded.host}/docker/web", environ=environ)
    words = ("docker", "manifest", "inspect", "--insecure", ref)
    alone = subprocess.run(words, env=environ, capture_output=True, timeout=60, check=False)
    assert alone.returncode
    seen = handover.handed("docker", environ, tmp_path, references.reference(ref).repository)
    told = subprocess.run(words, env=seen, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["schemaVersion"] == 2


# ---- what an engine says -------------------------------------------------------------------------------------


def test_of_a_long_line_the_end_is_quoted_for_there_the_reason_stands():
    words = (
        "sh",
        "-c",
        "for i in $(seq 200); do printf 'copying: writing: '; done; echo the disk is full; exit 3",
    )
    with pytest.raises(CheckFailed, match=r"sh -c ended with 3\n  ….*the disk is full$") as error:
        engine.run(words, {"PATH": os.environ["PATH"]})
    assert len(str(error.value).splitlines()[1]) <= engine.LONGEST_LINE + 3


@pytest.mark.parametrize("before", range(engine.LONGEST_LINE - 30, engine.LONGEST_LINE + 1, 5))
def test_a_secret_that_the_cut_would_halve_is_hidden_whole(before: int):
    """The cut falls inside of it; no part of it may be left at the beginning of what is quoted."""
    secret = "canary-0123456789-abcdefghijk"
    words = ("sh", "-c", f"printf 'x%.0s' $(seq 50); cat; printf '%0{before}d\\n' 0; exit 1")
    with pytest.raises(CheckFailed) as error:
        engine.run(words, {"PATH": os.environ["PATH"]}, password=secret)
    assert not any(secret[at : at + 6] in str(error.value) for at in range(len(secret) - 5))


def test_a_real_refusal_says_its_reason(engine, guarded, tmp_path):
    """buildah wraps what the registry answered in words of its own: the registry's stand last."""
    from roadworthy.packages import engine as engines

    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    built = tmp_path / "id"
    engines.run(("buildah", "bud", "--iidfile", str(built), str(tmp_path)), engine)
    words = (
        "buildah",
        "push",
        "--tls-verify=false",
        built.read_text(),
        f"docker://{guarded.host}/{'a/' * 100}web",
    )
    with pytest.raises(CheckFailed, match="authentication required"):
        engines.run(words, engine)
