"""The file of an acceptance: what it says of the manifest's refs and of identity is what was found, by code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from road.project import Project

from roadworthy.pipeline import build

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

FIELDS = ("Status", "ReasonCodes")
NOT_PASS = "CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"
CHECK_IDENTITY = "CHECK_IDENTITY_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS"


def accepted(project: Project, code: int = 0) -> dict[str, Any]:
    """What the acceptance of HEAD left, after its test run."""
    project.json("test")
    project.json("accept", code=code)
    path = project.root / f".artifacts/acceptance/{project.git('rev-parse', 'HEAD')}/result.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def said(found: dict[str, Any], contract: str) -> tuple[str, list[str]]:
    status, codes = (found[f"{contract}Contract{field}"] for field in FIELDS)
    return status, codes


def built_with(project: Project, monkeypatch: pytest.MonkeyPatch, refs: dict[str, str]) -> None:
    """A recorded build whose manifest has these refs in the place of its own; one that is "" it lacks."""
    honest = build._manifest

    def made(*given: Any) -> dict[str, Any]:
        manifest = honest(*given)
        named = {**manifest["releasePackage"], **refs}
        return {**manifest, "releasePackage": {name: ref for name, ref in named.items() if ref}}

    project.json("intake")
    with monkeypatch.context() as patched:
        patched.setattr(build, "_manifest", made)
        project.json("build")


def test_a_good_package_passes_and_what_was_not_required_says_so(project: Project):
    project.json("intake")
    project.json("build")
    found = accepted(project)
    assert said(found, "releasePackageRef") == ("pass", [])
    assert said(found, "identityConfig") == ("not-required", ["IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED"])
    assert {name: one["reasonCode"] for name, one in found["notRequired"].items()} == {
        "runtime-browser-acceptance": "RUNTIME_BROWSER_NOT_REQUIRED",
        "infra-readonly-acceptance": "INFRA_READONLY_ACCEPTANCE_NOT_REQUIRED",
        "identity-readonly-acceptance": "IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED",
    }
    assert {one["status"] for one in found["notRequired"].values()} == {"not-required"}


@pytest.mark.parametrize(
    ("ref", "code"),
    [("", "RELEASE_PACKAGE_WEB_REF_MISSING"), ("slug/shop:latest", "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST")],
)
def test_a_manifest_that_does_not_name_the_package_by_digest_is_a_no(
    project: Project, monkeypatch: pytest.MonkeyPatch, ref: str, code: str
):
    built_with(project, monkeypatch, {"webRef": ref})
    found = accepted(project, code=1)
    assert (said(found, "releasePackageRef"), found["reasonCodes"]) == (("fail", [code]), [NOT_PASS])
    assert found["checkResults"]["load-release-package"] == "success", "its bytes are what was built"


def test_each_component_has_its_code(pair: Project, monkeypatch: pytest.MonkeyPatch):
    built_with(pair, monkeypatch, {"webRef": "slug/shop:latest", "workerRef": ""})
    found = accepted(pair, code=1)
    # The missing ones come first.
    codes = ["RELEASE_PACKAGE_WORKER_REF_MISSING", "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST"]
    assert (said(found, "releasePackageRef"), found["reasonCodes"]) == (("fail", codes), [NOT_PASS])


def test_a_package_of_before_its_component_was_renamed_is_still_accepted(project: Project):
    project.json("intake")
    project.json("build")
    project.json("test")
    project.change_config(('component = "web"', 'component = "site"'))
    project.json("accept", "--commit", project.first)


@pytest.mark.parametrize(
    ("check", "status", "codes"),
    [
        ("true", "pass", []),
        ("false", "fail", [CHECK_IDENTITY]),
        ("", "fail", [CHECK_IDENTITY, "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY"]),
    ],
)
def test_a_change_of_identity_has_its_check_for_a_contract(
    project: Project, check: str, status: str, codes: list[str]
):
    project.change_config(
        ('runtime = ["app/**"] ', 'identity = ["app/web.py"]\nruntime = ["app/**"] '),
        ('config = { ENV = "test" }', f'config = {{ ENV = "test" }}\nidentity = "{check}"'),
    )
    project.json("intake")
    project.json("build")
    found = accepted(project, code=1 if codes else 0)
    assert said(found, "identityConfig") == (status, codes)
    assert found["reasonCodes"] == ([*codes, "CONFIG_CONTRACT_IDENTITY_NOT_PASS"] if codes else [])
    assert "identity-readonly-acceptance" not in found["notRequired"]
