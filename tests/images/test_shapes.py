"""Images as people build them: each is run as it is, or refused at build in one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from packages.repository import Repository

from roadworthy.config import PackageRules
from roadworthy.drivers import TRAITS
from roadworthy.errors import UsageError
from roadworthy.packages import registry as images
from roadworthy.packages import settings
from roadworthy.packages.build import build as build_package
from roadworthy.packages.podman import take
from roadworthy.packages.settings import Settings, check_releasable, foreign

from .conftest import build, push
from .image_project import DOCKERFILE, ImageProject, project_on, sandboxed
from .test_image import Site, configured
from .test_sandbox_images import needs_podman

CMD = 'CMD ["/web"]\n'


@pytest.fixture
def made(tmp_path, place, engine):
    """Build and push an image of some lines; its reference."""

    def make(lines: str, *words: str) -> str:
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /web\n{lines}")
        return push(build(tmp_path, engine, *words), f"{place}:1", tmp_path, engine)

    return make


def refusal(ref: str, *asked: str, live: bool = False) -> str:
    with pytest.raises(UsageError) as error:
        check_releasable(ref, asked, {}, TRAITS["heroku"], live=live)
    said = str(error.value)
    assert "\n" not in said and "commit again" in said
    return said


def test_an_image_of_this_machine_with_a_command_is_released(made):
    ref = made(CMD)
    for asked in ((), ("linux/amd64",), ("linux/amd64/v1",)):
        check_releasable(ref, asked, {}, TRAITS["heroku"], live=True)
    found = settings.settings_of(images.read(ref, environ={}), {})
    assert (found.platform, found.user, found.entrypoint, found.cmd) == ("linux/amd64", "", (), ("/web",))


@pytest.mark.parametrize("lines", ["", 'ENTRYPOINT ["/web"]\n'])
def test_an_image_without_a_command_is_refused_for_heroku_takes_none(lines, made):
    assert "no CMD" in refusal(made(lines))


def test_an_image_of_another_platform_than_was_asked_for_is_refused(made):
    ref = made(CMD, "--platform", "linux/arm64")
    assert "linux/arm64 and not for linux/amd64" in refusal(ref, "linux/amd64")
    assert "Heroku runs linux/amd64" in refusal(ref, live=True)


def test_an_image_of_several_platforms_that_was_found_is_refused(site):
    assert "several platforms" in refusal(site.build(platforms=("linux/amd64", "linux/arm64")).ref)


def test_what_this_machine_cannot_run_is_refused_unless_it_emulates_it(made, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "_BINFMT", tmp_path)
    ref = made(CMD, "--platform", "linux/arm64")
    assert "does not emulate it" in refusal(ref)
    (tmp_path / "qemu-aarch64").touch()
    check_releasable(ref, ("linux/arm64",), {}, TRAITS["heroku"], live=False)


@pytest.mark.parametrize("said", [{}, {"os": "linux"}, {"architecture": "amd64"}])
def test_an_image_that_does_not_say_what_it_is_for_is_foreign(said):
    assert foreign(msgspec.convert(said, Settings))


@pytest.mark.parametrize("user", ["0", "root", "0:0", "root:root", ""])
def test_root_has_several_names(user):
    assert msgspec.convert({"config": {"User": user}}, Settings).user == ""


@pytest.fixture
def site(tmp_path, place, python_image, engine) -> Site:
    project = Repository(tmp_path / "project")
    project.commit({"app/Dockerfile": f"FROM {python_image}\nCOPY . /app\nENTRYPOINT []\nCMD []\n"})
    project.checkout()
    rules = PackageRules(kind="image", path="app", repository=place, engine="buildah")
    return Site(project, rules, tmp_path / "store", engine)


def test_a_build_refuses_what_cannot_be_released_each_time(site):
    for _ in range(2):
        with pytest.raises(UsageError, match="no CMD"):
            build_package(configured(site), site.commit)


def test_several_platforms_are_refused_before_anything_is_built(site):
    context = configured(site)
    toml = site.project.root / "release.toml"
    kind = 'engine = "buildah"'
    toml.write_text(toml.read_text().replace(kind, f'{kind}\nplatforms = ["linux/amd64", "linux/arm64"]', 1))
    context = type(context)(site.project.root, context.screen, site.environ)
    with pytest.raises(UsageError, match="names 2, and Heroku runs an image of one"):
        build_package(context, site.commit)
    assert images.tagged(site.rules.repository, site.commit, environ={}) is None


# ---- on the road ---------------------------------------------------------------------------------------------

ENTRY = "import os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n"
SWALLOWS = "import sys\nprint('what comes after me is not run:', *sys.argv[1:])\nsys.exit(7)\n"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, registry, engine) -> Iterator[Path]:
    with sandboxed(tmp_path_factory.mktemp("sandbox"), registry.host, engine) as folder:
        yield folder


@pytest.fixture
def project(tmp_path, sandbox, registry, python_image) -> Iterator[ImageProject]:
    with project_on(ImageProject(tmp_path / "project", sandbox), registry.host, python_image) as made:
        yield made


def of_user(base: str) -> str:
    """A Dockerfile whose image runs as somebody, and puts a program before the words of every command."""
    first = 'USER 1000:1000\nENTRYPOINT ["python3", "-S", "-E", "/app/entry.py"]\nCMD'
    return DOCKERFILE.format(base=base).replace("CMD", first)


@needs_podman
def test_an_image_of_a_user_with_an_entrypoint_takes_the_whole_road(project: ImageProject, python_image: str):
    project.commit("Be somebody", {"app/Dockerfile": of_user(python_image), "app/entry.py": ENTRY})
    project.released()
    project.json("deploy")
    project.json("migrate")
    assert project.json("verify")["details"]["differences"] == []
    assert project.json("deploy")["line"].count("already runs") == 1
    assert project.database().stat().st_uid == 1000
    project.json("rollback", "--to", project.git("rev-parse", "HEAD"))


@needs_podman
def test_an_entrypoint_that_swallows_its_words_is_not_accepted_and_shown_with_what_it_said(
    project: ImageProject, python_image: str
):
    project.commit("Swallow", {"app/Dockerfile": of_user(python_image), "app/entry.py": SWALLOWS})
    project.json("intake")
    project.json("build")
    project.json("test")
    said = json.dumps(project.json("accept", code=1)["reasons"])
    assert "exited with 7" in said and "ENTRYPOINT" in said and "must run its arguments" in said
    assert "what comes after me is not run: " in said


@needs_podman
def test_the_sandbox_takes_no_image_that_this_machine_cannot_run(made, engine):
    with pytest.raises(UsageError, match="does not emulate it"):
        take(made(CMD, "--platform", "linux/arm64"), engine)
