"""Building the image of a commit with a real engine, and finding it again in a real registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from packages.repository import Repository

from roadworthy import references
from roadworthy.config import PackageRules
from roadworthy.errors import CheckFailed, UsageError
from roadworthy.packages import image as images
from roadworthy.packages import registry

from . import servers
from .base import RELEASE_PHASE

DOCKERFILE = """\
FROM {base}
ARG GIT_SHA
ENV GIT_SHA=$GIT_SHA
COPY . /app
CMD ["python3", "/app/web.py"]
"""
REVISION = "org.opencontainers.image.revision"


@pytest.fixture
def project(tmp_path: Path, python_image: str) -> Repository:
    made = Repository(tmp_path / "project")
    made.commit({"app/Dockerfile": DOCKERFILE.format(base=python_image), "app/web.py": "print('one')\n"})
    made.checkout()
    return made


@pytest.fixture
def rules(place: str) -> PackageRules:
    return PackageRules(kind="image", path="app", repository=place, engine="buildah")


class Site:
    """A project, where its images go, and a store."""

    def __init__(
        self, project: Repository, rules: PackageRules, store: Path, environ: dict[str, str]
    ) -> None:
        self.project, self.rules, self.store, self.environ = project, rules, store, environ
        self.commit = project.git("rev-parse", "main")

    def build(self, commit: str = "", store: Path | None = None, **change: object) -> images.Image:
        rules = msgspec.structs.replace(self.rules, **change)
        where = {"store": store or self.store, "environ": self.environ}
        return images.find_or_build(self.project.root, commit or self.commit, rules=rules, **where)

    @property
    def record(self) -> Path:
        return self.store / "images" / f"{self.commit}.json"


@pytest.fixture
def site(project, rules, tmp_path, engine) -> Site:
    return Site(project, rules, tmp_path / "store", engine)


def config_of(made: images.Image) -> dict:
    return json.loads(servers.inspect(made.ref, "--config"))


@pytest.mark.parametrize("engine_name", ["buildah", "podman"])
def test_the_image_of_a_commit_is_built_pushed_and_named_by_digest(engine_name, site):
    made = site.build(engine=engine_name)
    raw = json.loads(servers.inspect(made.ref))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"  # what Heroku takes
    assert made.ref == f"{site.rules.repository}@{made.digest}"
    assert made.config == raw["config"]["digest"]
    assert made.size == sum(blob["size"] for blob in (raw["config"], *raw["layers"]))
    assert servers.inspect(f"{site.rules.repository}:{site.commit}", "--format", "{{.Digest}}").strip() == (
        made.digest.encode()
    )
    config = config_of(made)["config"]
    assert config["Labels"][REVISION] == site.commit
    assert f"GIT_SHA={site.commit}" in config["Env"]


def test_what_lies_in_the_working_folder_is_not_in_the_image(site, tmp_path):
    (site.project.root / "app/web.py").write_text("print('not committed')\n")
    (site.project.root / "app/.env").write_text("SECRET=canary\n")
    made = site.build()
    files = unpacked(made, tmp_path / "layers")
    assert files["app/web.py"] == b"print('one')\n"
    assert files["app/COMMIT"] == f"{site.commit}\n".encode()
    assert "app/.env" not in files


def test_a_commit_is_built_once(site, monkeypatch, tmp_path):
    first = site.build()
    monkeypatch.setattr(images.engine, "run", None)  # called, it would raise
    assert site.build() == first
    elsewhere = site.build(store=tmp_path / "another machine")  # which finds it by its tag
    assert (elsewhere.ref, elsewhere.config, elsewhere.size) == (first.ref, first.config, first.size)
    assert (first.found, elsewhere.found) == (False, True)
    assert site.build(store=tmp_path / "another machine").found  # its record keeps that in mind


def test_a_version_that_was_given_to_another_image_is_refused(site):
    first = site.build()
    (site.project.root / "app/web.py").write_text("print('two')\n")
    other = site.project.commit(
        {"app/Dockerfile": "FROM scratch\nCOPY . /\n", "app/web.py": "print('two')\n"}
    )
    second = site.build(other)
    assert second.digest != first.digest
    point(site, second)
    with pytest.raises(UsageError, match=f"{second.digest} now and {first.digest} on record"):
        site.build()
    site.record.unlink()  # without a record the label still tells
    with pytest.raises(UsageError, match="not labelled"):
        site.build()
    assert not site.record.exists()


def test_an_image_that_went_away_is_not_built_again(site, registry):
    made = site.build()
    link = registry.folder / "docker/registry/v2/repositories" / made.ref.partition("/")[2].partition("@")[0]
    for file in (link / "_manifests").rglob("link"):
        file.unlink()
    with pytest.raises(CheckFailed, match="is not there"):
        site.build()


def test_a_record_that_was_altered_is_refused(site):
    made = site.build()
    site.record.chmod(0o644)
    site.record.write_text(
        site.record.read_text().replace(f'"digest": "{made.digest[:9]}', '"digest": "sha256:00')
    )
    with pytest.raises(UsageError, match="altered"):
        site.build()


def test_a_folder_without_a_dockerfile_is_no_image(site):
    with pytest.raises(UsageError, match=r"no Dockerfile\.web"):
        site.build(dockerfile="Dockerfile.web")


def test_a_build_that_fails_says_why_and_leaves_nothing(site):
    broken = site.project.commit({"app/Dockerfile": "FROM scratch\nCOPY missing /\n"})
    with pytest.raises(CheckFailed, match=r"buildah bud ended with [0-9]+\n(.*\n)*.*missing") as error:
        site.build(broken)
    assert broken not in str(error.value).partition("\n")[0]
    assert list((site.store / "images").iterdir()) == [site.store / "images/.lock"]
    assert registry.tagged(site.rules.repository, broken, environ={}) is None


def test_the_build_sees_nothing_of_the_callers_surroundings(site, tmp_path):
    """A stand-in for the engine writes down its environment."""
    seen = tmp_path / "seen"
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin/buildah"
    stand_in.write_text(f'#!/bin/sh\nenv >"{seen}"\nexit 9\n')
    stand_in.chmod(0o755)
    site.environ = {
        **site.environ,
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "HEROKU_API_KEY": "canary",
        "ALLOW_PROD": "1",
        "GIT_DIR": "/nowhere",
    }
    with pytest.raises(CheckFailed, match="ended with 9"):
        site.build()
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} <= {*images.engine.PASSED_ON, "LC_ALL"}
    assert "canary" not in seen.read_text()


def test_two_platforms_make_an_index(site):
    made = site.build(platforms=("linux/amd64", "linux/arm64"))
    listed = json.loads(servers.inspect(made.ref))["manifests"]
    assert {one["platform"]["architecture"] for one in listed} == {"amd64", "arm64"}
    assert made.config == ""
    assert registry.verify(made.ref, environ={}).digest == made.digest


@pytest.mark.parametrize("folder", [".building-_a_b__", ".building-abcdefgh"])
def test_the_name_of_a_list_is_one_whatever_its_folder_is_called(folder, tmp_path):
    to = references.repository("registry.example/a/web")
    job = images.engine.Job("a" * 40, tmp_path, "Dockerfile", to, "1", ("a/b", "a/c"), {}, tmp_path / folder)
    assert references.repository(job.index)


@pytest.mark.parametrize("verb", ["bud", "push"])
def test_a_killed_build_leaves_nothing_that_counts(verb, site, tmp_path):
    """The engine stops at `verb`, the build is killed, and the next one does it all again."""
    (tmp_path / "bin").mkdir()
    stand_in, reached = tmp_path / "bin/buildah", tmp_path / "reached"
    real = next(p for p in map(Path, ("/usr/bin/buildah", "/usr/local/bin/buildah")) if p.exists())
    stops = f'[ "$1" = {verb} ] && {{ echo $$ >"{reached}"; exec sleep 60; }}'
    stand_in.write_text(f'#!/bin/sh\n{stops}\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    environ = {**site.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    script = (
        "import json, os, sys; from pathlib import Path\n"
        "from roadworthy.config import PackageRules; from roadworthy.packages import image\n"
        "root, commit, path, repository, store = sys.argv[1:]\n"
        "rules = PackageRules(kind='image', path=path, repository=repository, engine='buildah')\n"
        "image.find_or_build(Path(root), commit, rules=rules, store=Path(store), environ=dict(os.environ))\n"
    )
    words = [site.project.root, site.commit, "app", site.rules.repository, site.store]
    build = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], env=environ)
    deadline = time.monotonic() + 60
    while not (reached.exists() and reached.read_text()):
        assert build.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    os.kill(int(reached.read_text()), signal.SIGKILL)
    assert not site.record.exists()
    assert registry.tagged(site.rules.repository, site.commit, environ={}) is None
    made = site.build()
    assert registry.verify(made.ref, environ={}).digest == made.digest
    assert sorted(p.name for p in (site.store / "images").iterdir()) == [".lock", f"{site.commit}.json"]


def test_a_flipped_bit_in_a_layer_of_a_build_is_found(site, registry):
    from roadworthy.packages.registry import verify

    from .test_registry import flip

    made = site.build()
    flip(registry.blob(verify(made.ref, environ={}).layers[-1].digest))
    with pytest.raises(CheckFailed, match="other bytes"):
        verify(made.ref, environ={})


def point(site: Site, other: images.Image) -> None:
    """Move the commit's tag to another image, as somebody with the registry's password could."""
    copy = ["skopeo", "copy", "-q", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]
    to = f"docker://{site.rules.repository}:{site.commit}"
    servers.run([*copy, f"docker://{other.ref}", to], site.environ)


def unpacked(made: images.Image, folder: Path) -> dict[str, bytes]:
    """Every file of the image's last layer, by name, fetched by skopeo."""
    import tarfile

    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{made.ref}", f"dir:{folder}"]
    servers.run(copy, dict(os.environ))
    layer = json.loads((folder / "manifest.json").read_text())["layers"][-1]["digest"]
    with tarfile.open(folder / layer.removeprefix("sha256:")) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isreg()}


def test_the_tests_of_an_image_run_on_what_it_was_built_from(site):
    from roadworthy.pipeline.test_run import test as run_tests

    context = configured(
        site, "python -c \"import sys; sys.exit(open('COMMIT').read().strip() != 'x' and 4)\""
    )
    with pytest.raises(CheckFailed, match="exited with 4"):
        run_tests(context, site.commit)
    script = f"python -c \"assert open('COMMIT').read().strip() == '{site.commit}'\""
    entry = run_tests(configured(site, script), site.commit)
    assert (entry.record.kind, entry.record.subject) == ("end", f"image:{site.commit}")


def configured(site: Site, test: str = ""):
    """A context whose release.toml says that the package is an image."""
    from roadworthy.context import Context
    from roadworthy.report.terminal import Screen

    text = (Path(__file__).parents[2] / "release.toml").read_text()
    wanted = f'kind = "image"\nrepository = "{site.rules.repository}"\nengine = "buildah"'
    text = text.replace('kind = "slug"', wanted, 1).replace(RELEASE_PHASE, "")
    if test:
        text = text.replace('test = "python -m pytest -q tests"', f"test = {json.dumps(test)}", 1)
    (site.project.root / "release.toml").write_text(text)
    return Context(site.project.root, Screen(json=True), site.environ)


def test_a_build_makes_the_image_that_release_toml_says(site):
    from roadworthy.packages.build import build

    made = build(configured(site), site.commit)
    assert made.kind == "image"
    assert made.ref == f"{site.rules.repository}@sha256:{made.digest}"
    assert json.loads(servers.inspect(made.ref))["schemaVersion"] == 2
