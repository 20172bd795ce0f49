"""An image on the whole road: built once, accepted by running, released by digest, recognised, and gone back to."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal.verifying import VERIFY, refused_with_one_byte_changed, verified
from road.project import KEYS, ended, until

from roadworthy.context import Context
from roadworthy.packages import image
from roadworthy.packages import registry as images
from roadworthy.report.terminal import Screen
from roadworthy.sandbox import control

from . import servers
from .image_project import ImageProject, project_on, sandboxed
from .test_registry import flip
from .test_sandbox_images import needs_podman

pytestmark = needs_podman


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, registry, engine) -> Iterator[Path]:
    with sandboxed(tmp_path_factory.mktemp("sandbox"), registry.host, engine) as folder:
        yield folder


@pytest.fixture
def project(request, tmp_path, sandbox, registry, python_image) -> Iterator[ImageProject]:
    """Of one component, or beside it of those that the test names."""
    made = ImageProject(tmp_path / "project", sandbox, getattr(request, "param", ()))
    with project_on(made, registry.host, python_image):
        yield made


def seen_by_skopeo(repository: str, digest: str) -> str:
    """The digest of what the registry gives, computed by skopeo."""
    return servers.inspect(f"{repository}@sha256:{digest}", "--format", "{{.Digest}}").decode().strip()


def test_the_same_image_goes_to_staging_and_production_by_digest(project: ImageProject):
    project.released()
    accepted = [e for e in project.entries(f"package-{project.first}") if e.record.action == "accept"]
    assert accepted[-1].record.kind == "end"
    digest = accepted[-1].record.digest
    deployed = project.json("deploy")
    assert project.entries()[-1].record.subject == f"image:{project.first}"
    project.json("migrate")
    project.json("certify")
    project.json("deploy", "--env", "prod", env=KEYS)

    config = images.read(f"{project.repository}@sha256:{digest}", environ={}).config.digest
    for place in ("staging", "prod"):
        for repository in (project.repository, project.of_app(place)):
            assert seen_by_skopeo(repository, digest) == f"sha256:{digest}"
        assert project.runs_image(place) == config
        assert project.runs(place) == project.first
        end = project.entries(place)[-1 if place == "prod" else 1].record
        assert (end.kind, end.digest, end.details["to"]["config"]) == ("end", digest, config)
        assert end.details["to"]["slug"] == config.removeprefix("sha256:")[:12]

    before = project.entries(), project.releases()
    assert "already runs" in project.json("deploy")["line"]
    assert (project.entries(), project.releases()) == before
    assert deployed["outcome"] == "succeeded"


def test_it_goes_back_to_the_image_before_and_names_what_somebody_changed(project: ImageProject):
    project.deployed()
    second = project.commit("Second")
    project.deployed()
    assert project.runs() == second
    back = project.json("rollback", "--why", "the second is bad")
    assert project.runs() == project.first, back
    assert len(set(project.released_images())) == 2
    assert len(project.released_images()) == 3

    # A config var that somebody sets keeps the image; it is seen, adopted, and the same image is then no release.
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "red"})
    until(lambda: project.get("/env")[1]["COLOUR"] == "red", within=60)
    assert "COLOUR" in json.dumps(project.json("verify", code=1))
    project.json("adopt", "--why", "red is fine")
    # The end of an adoption names no repository, and nothing was built on record: it is release.toml's.
    end = project.entries()[-1]
    project.json("evidence.export", "--release", str(end.seq), "--to", "../out")
    manifest = (project.root.parent / "out" / "image.json").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == end.record.digest
    numbers = [r["version"] for r in project.releases()]
    assert "already runs" in project.json("deploy", "--commit", project.first)["line"]
    assert [r["version"] for r in project.releases()] == numbers


@pytest.mark.parametrize("project", [("worker",)], indirect=True)
def test_two_images_are_one_release_and_go_back_together(project: ImageProject):
    project.released()
    project.json("deploy")
    manifest = json.loads(
        (project.root / f".artifacts/release-package/{project.first}/manifest.json").read_text()
    )
    for component, app in (("web", "staging"), ("worker", "staging worker")):
        digest = manifest["releasePackage"][f"{component}Ref"].rpartition("@sha256:")[2]
        assert seen_by_skopeo(project.of_app(app), digest) == f"sha256:{digest}"
        config = images.read(f"{project.of_app(app)}@sha256:{digest}", environ={}).config.digest
        assert project.runs_image(app) == config
    project.commit("The second component dies", of="worker", boot="die")
    project.json("test")
    assert "rolled back to" in project.json("deploy", code=1)["line"]
    for app in ("staging", "staging worker"):
        assert project.runs(app) == project.first
        assert len(project.released_images(app)) == 3
    assert project.json("verify")["details"]["differences"] == []
    assert project.json("evidence.audit")["outcome"] == "succeeded"


@pytest.mark.parametrize("project", [(), ("worker",)], ids=["one", "two"], indirect=True)
def test_images_are_exported_with_their_manifests(project: ImageProject):
    project.released()
    project.json("deploy")
    (number,) = [e.seq for e in project.entries() if f"{e.record.kind} {e.record.action}" == "end deploy"]
    project.json("evidence.export", "--release", str(number), "--to", "out")
    out, to = project.root / "out", project.entries()[number - 1].record.details["to"]
    told = {f"image-{part['name']}.json": part for part in to.get("components", ())} or {"image.json": to}
    assert {path.name for path in out.glob("image*")} == set(told)
    for name, part in told.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == part["digest"]
        assert json.loads((out / name).read_bytes())["config"]["digest"] == part["config"]
    if VERIFY:  # with `nox -s intoto`'s variables; there is no image without buildah and a registry
        assert verified(out) == (0, "")
        refused_with_one_byte_changed(out, *(out / name for name in told))


def test_an_answer_that_was_lost_makes_one_release(project: ImageProject):
    project.json("test")
    project.faults({"kind": "reset", "method": "PATCH", "path": "/formation", "after": True})
    project.json("deploy")
    assert project.runs() == project.first
    assert len(project.released_images()) == 1


def test_a_kill_after_the_release_is_recognised(project: ImageProject):
    project.deployed()
    second = project.commit("Second")
    project.json("test")
    project.faults({"kind": "hang", "method": "PATCH", "path": "/formation", "after": True})
    deploy = project.start("deploy", "--json")
    until(lambda: len(project.released_images()) == 2, within=60)
    deploy.kill()
    ended(deploy)
    assert project.kinds()[-1] == "start deploy"
    settled = project.json("reconcile")
    assert project.kinds()[-1] == "end deploy"
    assert settled["outcome"] == "succeeded"
    until(lambda: project.runs() == second, within=30)
    assert len(project.released_images()) == 2


def test_a_kill_before_the_release_is_known_to_have_changed_nothing(project: ImageProject):
    project.deployed()
    project.commit("Second")
    project.json("test")
    project.faults({"kind": "hang", "method": "PATCH", "path": "/formation"})
    deploy = project.start("deploy", "--json")
    until(lambda: project.kinds()[-1] == "start deploy", within=60)
    until(lambda: not project.armed(), within=60)
    deploy.kill()
    ended(deploy)
    control.clear_faults(project.sandbox)
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.runs() == project.first


def test_one_flipped_bit_in_a_layer_is_refused_before_it_runs(project: ImageProject, registry):
    project.deployed()
    second = project.commit("Second", {"app/more.txt": "what only the second has\n" * 40})
    project.json("test")
    built = project.json("intake"), project.json("build")
    made = images.read(built[1]["details"]["ref"], environ={})
    flip(registry.blob(made.layers[-1].digest))
    refused = project.json("deploy", code=1)
    assert "other bytes" in json.dumps(refused)
    assert len(project.patches()) == 1
    assert project.runs() == project.first != second


def test_an_image_that_fails_its_checks_is_not_accepted(project: ImageProject):
    project.commit("Sick", health="sick")
    project.json("intake")
    project.json("build")
    project.json("test")
    said = project.json("accept", code=1)
    assert any("check health" in reason for reason in said["reasons"]), said
    assert project.patches() == []


def test_a_sandbox_without_a_registry_is_named_before_anything_is_done(project: ImageProject):
    project.change_config((f'registry = "{project.host}"\n', ""))
    project.json("test")
    assert "targets.sandbox.registry" in project.json("deploy", code=2)["line"]
    assert project.entries() == []


def elsewhere_built(project: ImageProject, engine: dict[str, str]) -> None:
    """Somebody who can push builds the newest commit, and pushes it under the commit's tag."""
    context = Context(project.root, Screen(json=True), engine)
    commit, store = project.git("rev-parse", "HEAD"), project.root.parent / "elsewhere"
    image.find_or_build(project.root, commit, rules=context.config.package, store=store, environ=engine)


def test_an_image_that_was_found_says_so_for_ever_and_does_not_go_to_production(project, engine):
    elsewhere_built(project, engine)
    project.json("intake")
    for _ in range(2):  # also when it was recorded already
        line = project.json("build")["line"]
        assert f"found in {project.repository} under its tag" in line and "whoever can push there" in line
    build = next(
        e
        for e in project.entries(f"package-{project.first}")
        if e.record.kind == "end" and e.record.action == "build"
    )
    assert build.record.details["found"] is True
    told = project.log(f"package-{project.first}").evidence_json(
        next(item.sha256 for item in build.record.evidence if item.name == "provenance.json")
    )["predicate"]
    assert told["buildDefinition"]["internalParameters"]["found"] == "under its tag"
    assert project.repository in told["buildDefinition"]["internalParameters"]["mayBeFrom"]
    assert told["runDetails"]["builder"]["id"].endswith("/builder/unknown")
    refused = project.invoke("deploy", "--env", "prod", "--json", env=KEYS)
    assert refused.code == 3 and "has no recorded build" in json.dumps(refused.said["reasons"])
    project.json("test")
    project.json("deploy")  # staging may try it


def test_what_a_recorded_test_run_has_built_is_not_strange_to_a_later_build(project):
    project.json("test")
    shutil.rmtree(project.root / ".release/packages")  # the next job of CI begins without it
    project.json("intake")
    assert "found" not in project.json("build")["line"]
    refused = project.invoke("deploy", "--env", "prod", "--json", env=KEYS)
    assert refused.code == 3 and "has no recorded build" not in json.dumps(refused.said["reasons"])
