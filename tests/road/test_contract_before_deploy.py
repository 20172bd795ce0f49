"""The deployment contract, E1 to E7: what is known and proven of a change before it may be deployed.

Each test is named for the requirement that it shows, on a real project, journal and sandbox.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from road.project import KEYS, Project, paths

REFUSED_TURNS = {
    "build": "INTAKE_MISSING: ",
    "accept": "INTAKE_MISSING: ",
    "release": "INTAKE_MISSING: ",
    "replay": "a replay builds nothing: intake: not reached",
}
BROKEN = {
    "integration: it does not start": ({"boot": "die"}, "CHECK_RUNTIME_API_SYSTEM_ACCEPTANCE"),
    "contract: another version": ({"version": "1" * 40}, "CHECK_RUNTIME_API_SYSTEM_ACCEPTANCE"),
    "contract: no health": ({"health": "degraded"}, "CHECK_RUNTIME_API_SYSTEM_ACCEPTANCE"),
    "integration: no schema": ({"migrate_fails_at": "0001"}, "CHECK_RUNTIME_MIGRATION_IMAGE_ACCEPTANCE"),
}


def package_of(project: Project, commit: str) -> Path:
    return project.root / ".release" / "packages" / f"{commit}.tgz"


def stages(project: Project, commit: str) -> list[str]:
    return [kind for kind in project.kinds(f"package-{commit}") if not kind.startswith("start")]


# ---- E1, E2: one recorded transition, stage by stage -----------------------------------------------------


def test_e01_a_deployment_is_recorded_as_going_from_a_known_version_to_a_known_version(project: Project):
    project.deployed()
    second = project.commit("Second")
    project.deployed()
    _, first_end, start, end = project.entries()
    before, after = start.record.details["from"], end.record.details["to"]
    assert (before["commit"], before["digest"]) == (project.first, first_end.record.digest)
    assert (after["commit"], after["digest"]) == (second, end.record.digest)
    assert after["release"] == project.releases()[-1]["version"] > before["release"]


def test_e01_from_a_version_that_nobody_recorded_there_is_no_deployment(project: Project):
    project.deployed()
    old = project.releases()[-1]
    made = project.api(
        "POST", f"/apps/{project.staging}/releases", {"slug": old["slug"]["id"], "description": "by hand"}
    )
    project.commit("Second")
    project.json("test")
    said = project.json("deploy", code=3)
    assert said["line"] == "refused by platform_is_as_recorded"
    assert f"v{made['version']}" in said["reasons"][0]


@pytest.mark.parametrize(("command", "says"), REFUSED_TURNS.items())
def test_e02_a_stage_before_its_turn_is_refused_by_name(project: Project, command: str, says: str):
    said = project.json(command, code=3)
    assert says in said["line"]
    assert project.kinds(f"package-{project.first}") == []


@pytest.mark.slow
def test_e02_each_stage_opens_the_next_one_only(project: Project):
    order = ("intake", "build", "accept", "release")
    deploy = ("deploy", "--env", "prod")
    project.json("test")
    project.json("build", code=3)
    for number, command in enumerate(order):
        for later in order[number + 1 :]:
            project.json(later, code=3)
        reasons = project.json(*deploy, env=KEYS, code=3)["reasons"]
        assert any(reason.startswith("package_is_released") for reason in reasons)
        project.json(command)
    reasons = project.json(*deploy, env=KEYS, code=3)["reasons"]
    assert not any(reason.startswith("package_is_released") for reason in reasons)
    assert "nothing was ever deployed" in project.json("complete", code=2)["line"]
    assert project.calls("prod") == []


@pytest.mark.slow
def test_e02_a_deviation_makes_the_deployment_invalid(project: Project):
    project.json("intake")
    digest = project.json("build")["details"]["digest"]
    project.forge(project.first, "release", digest)  # before any acceptance
    assert "ACCEPTANCE_MISSING" in project.json("release", code=3)["line"]
    said = project.json("ship", code=1)
    assert "STAGES_OUT_OF_ORDER" in "".join(said["reasons"])
    assert "STAGES_OUT_OF_ORDER" in project.json("decide", code=1)["line"]
    assert project.kinds()[-1] == "failed complete"


# ---- E3, E4: what may be changed, and why ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["storefront", "backend service", "shop agent", "control plane"])
def test_e03_a_component_of_the_four_types_is_taken_in_under_its_type(project: Project, kind: str):
    project.change_config(('type = "backend service" ', f'type = "{kind}"  '))
    assert project.json("intake")["details"]["component"] == {"name": "web", "type": kind}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type = "backend service"', 'type = "external system"'),
        ('path = "app"', 'path = "instances/shop-1"'),
        ('path = "app"', 'path = "../theirs"'),
    ],
)
def test_e03_any_other_component_is_refused(project: Project, old: str, new: str):
    project.change_config((old, new))
    assert project.json("intake", code=2)["line"].startswith("release.toml:")


def test_e03_a_change_of_runtime_state_is_refused(project: Project):
    project.commit("Change a shop by hand", {"instances/shop-1/state.json": "{}"})
    assert "instances/shop-1/state.json is runtime state" in project.json("intake", code=2)["line"]
    project.commit("Leave it alone", {"instances/shop-1/state.json": None})
    project.json("intake")


def test_e04_a_change_without_a_reason_is_rejected(project: Project):
    project.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    assert "has no reason or change ID" in project.json("intake", code=2)["line"]
    taken = project.json("intake", "--why", "because of the audit", "--change", "WO-1")["details"]
    assert taken["change"] == {"id": "WO-1", "why": "because of the audit"}


def test_e04_an_intake_names_revision_scope_and_component(project: Project):
    project.json("intake")
    (end,) = (e for e in project.entries(f"package-{project.first}") if e.record.kind == "end")
    said = end.record.details
    assert (said["base"], said["class"], said["for"]) == ("", "runtime", "staging")
    assert (said["change"]["id"], said["component"]["name"]) == (project.first[:12], "web")
    scope = json.loads((project.root / f".artifacts/commit-stage/{project.first}/scope.json").read_text())
    assert scope["headSha"] == project.first
    assert "app/web.py" in scope["changedFiles"]


def test_e04_a_change_that_had_to_be_documented_and_was_not_goes_no_further(project: Project):
    project.deployed()
    project.commit("Add a rule", {"guards/new_rule.py": "x = 1\n"})
    assert "DOCS_DRIFT_BLOCKING" in project.json("intake", code=1)["line"]
    assert "INTAKE_MISSING" in project.json("build", code=3)["line"]


# ---- E5: artefacts ---------------------------------------------------------------------------------------


def test_e05_a_rebuild_elsewhere_and_otherwise_has_the_same_digest(project: Project, tmp_path: Path):
    project.json("intake")
    digest = project.json("build")["details"]["digest"]
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[tar]\n\tumask = 0077\n")
    clone = tmp_path / "another" / "folder"
    environ = {
        **{k: v for k, v in os.environ.items() if k != "GIT_CONFIG_GLOBAL"},
        "HOME": str(home), "LC_ALL": "C", "TZ": "Asia/Tokyo", "SECRET_SAUCE": "x", "SOURCE_DATE_EPOCH": "1",
    }  # fmt: skip

    def run(*words: str, cwd: Path) -> str:
        done = subprocess.run(
            words, cwd=cwd, env=environ, umask=0o077, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("git", "clone", "-q", str(project.root), str(clone), cwd=tmp_path)
    run(sys.executable, "-m", "invoke", "intake", cwd=clone)
    assert digest in run(sys.executable, "-m", "invoke", "build", cwd=clone)


@pytest.mark.later
def test_e05_a_version_is_built_once_and_never_stands_for_other_bytes(project: Project):
    project.json("intake")
    project.json("build")
    assert project.json("build")["line"].endswith("(already)")
    assert stages(project, project.first).count("end build") == 1
    file = package_of(project, project.first)
    file.chmod(0o644)
    data = file.read_bytes()
    other = data.replace(b"healthy", b"heal7hy", 1)
    file.write_bytes(other)
    before = project.kinds(f"package-{project.first}")
    for command in ("build", "accept", "test"):
        project.json(command, code=2)
    old, new = (hashlib.sha256(text).hexdigest() for text in (data, other))
    described = file.with_suffix(".json")
    described.chmod(0o644)
    described.write_text(described.read_text().replace(old, new))  # a package that is sound in itself
    for command in ("build", "accept", "test"):
        assert "RELEASE_PACKAGE_DIGEST_MISMATCH" in project.json(command, code=2)["line"]
    assert project.kinds(f"package-{project.first}") == before


def test_e05_a_build_attaches_from_which_commit_and_folder_its_package_comes(project: Project):
    project.json("intake")
    digest = project.json("build")["details"]["digest"]
    (end,) = (e for e in project.entries(f"package-{project.first}") if e.record.stage == "build"
              and e.record.kind == "end")  # fmt: skip
    (item,) = (item for item in end.record.evidence if item.name == "provenance.json")
    said = json.loads(project.log(f"package-{project.first}").evidence(item.sha256))
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    assert said["subject"] == [{"name": f"slug:{project.first}", "digest": {"sha256": digest}}]
    built = said["predicate"]["buildDefinition"]
    assert built["externalParameters"] == {"commit": project.first, "path": "app"}
    assert built["resolvedDependencies"] == [{"name": "source", "digest": {"gitCommit": project.first}}]


def test_e05_what_runs_a_package_for_acceptance_sees_nothing_of_the_environment(project: Project):
    project.change_config(('config = { ENV = "test" }', 'config = { ENV = "test" }\nbrowser = "env"'))
    project.json("intake")
    project.json("build")
    project.json("test")
    project.json("accept", env={"SECRET_SAUCE": "tomato", "HEROKU_API_KEY": "canary"})
    commit = project.git("rev-parse", "HEAD")
    end = project.entries(f"package-{commit}")[-1]
    (item,) = (i for i in end.record.evidence if i.name == "runtime-browser-acceptance.txt")
    seen = project.log(f"package-{commit}").evidence(item.sha256).decode()
    assert "ENV=test" in seen
    assert "SECRET_SAUCE" not in seen
    assert "canary" not in seen


# ---- E6, E7: verified, then released ---------------------------------------------------------------------


@pytest.mark.later(1)
@pytest.mark.parametrize(("mood", "code"), BROKEN.values(), ids=BROKEN)
def test_e06_a_failed_verification_blocks_everything_after_it(project: Project, mood: dict, code: str):
    project.commit("Break it", **mood)
    for command in ("intake", "build", "test"):
        project.json(command)
    assert code in project.json("accept", code=1)["line"]
    assert "ACCEPTANCE_DECISION_NOT_YES" in project.json("release", code=3)["line"]
    refused = project.json("deploy", "--env", "prod", env=KEYS, code=3)["reasons"]
    assert any("ACCEPTANCE_DECISION_NOT_YES" in reason for reason in refused)
    assert project.calls("prod") == []


def test_e06_the_tests_of_the_commit_and_the_policy_on_credentials_are_part_of_it(project: Project):
    project.json("intake")
    project.json("build")
    assert "COMMIT_STAGE_FAILED" in project.json("accept", code=1)["line"]
    project.change_config(("config = { ENV", 'credentials = ["HEROKU_API_KEY"]\nconfig = { ENV'))
    for command in ("intake", "build", "test"):
        project.json(command)
    key = {"HEROKU_API_KEY": "0123456789abcdef"}
    assert "acceptance_cannot_change_production" in project.json("accept", env=key, code=3)["line"]


def test_e07_a_release_promotes_the_same_bytes_deploys_nothing_and_is_recorded(project: Project):
    project.released()
    file = package_of(project, project.first)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    built, accepted, released = (
        next(e for e in project.entries(f"package-{project.first}")
             if (e.record.kind, e.record.action) == ("end", action))
        for action in ("build", "accept", "release")
    )  # fmt: skip
    assert {built.record.digest, accepted.record.digest, released.record.digest} == {digest}
    assert released.record.details["accepted"] == accepted.seq
    assert released.record.details["change"] == {"id": project.first[:12], "why": "Say hello"}
    assert (project.calls(), project.calls("prod")) == ([], [])
    project.json("deploy")
    assert project.entries()[-1].record.digest == digest
    assert stages(project, project.first).count("end build") == 1
    assert len(paths(project.calls(), "/slugs")) == 1
