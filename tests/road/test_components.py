"""A release of several components: one package, one lock, one verdict; in order forward, and back together."""

import hashlib
import json

import pytest

from road.project import KEYS, Project, paths
from roadworthy.model import digest_of

BOTH = ("web", "worker")


def made(project: Project, place: str) -> dict[str, list[str]]:
    """Which packages the platform released, by component: their commits, oldest first."""
    found = {}
    for component, app in (("web", place), ("worker", f"{place} worker")):
        slugs = [r["slug"]["id"] for r in project.releases(app) if r["slug"]]
        name = project.app(app)
        found[component] = [project.api("GET", f"/apps/{name}/slugs/{slug}")["commit"] for slug in slugs]
    return found


@pytest.mark.slow
def test_one_package_goes_through_all_stages_to_production(pair: Project):
    commit = pair.first
    pair.released()
    pair.deployed(env="staging")
    pair.json("migrate")
    pair.json("certify")
    pair.json("deploy", "--env", "prod", "--commit", commit, env=KEYS)
    for place in ("staging", "prod", "staging worker", "prod worker"):
        assert pair.runs(place) == commit
    manifest = json.loads((pair.root / f".artifacts/release-package/{commit}/manifest.json").read_text())
    refs = manifest["releasePackage"]
    assert list(refs) == ["webRef", "workerRef"]
    digests = {name: refs[f"{name}Ref"].rpartition("@sha256:")[2] for name in BOTH}
    for component, app in (("web", "prod"), ("worker", "prod worker")):
        name = pair.app(app)
        slug = pair.releases(app)[-1]["slug"]["id"]
        assert pair.api("GET", f"/apps/{name}/slugs/{slug}")["checksum"] == f"SHA256:{digests[component]}"
    ends = {e.record.digest for e in pair.entries("prod") if e.record.kind == "end"}
    assert ends == {digest_of(digests)}
    status = pair.json("status")["details"]["environments"]
    assert [row["state"] for row in status] == ["as recorded", "as recorded"]
    assert pair.json("verify", "--env", "prod")["details"]["differences"] == []
    assert pair.json("smoke", "--env", "prod")["line"].startswith("6 of 6 checks")
    assert pair.json("evidence.audit")["code"] == 0


def test_the_digest_is_what_sha256sum_lists_of_the_components():
    listed = b"a" * 64 + b"  api\n" + b"b" * 64 + b"  web\n"
    assert digest_of({"web": "b" * 64, "api": "a" * 64}) == hashlib.sha256(listed).hexdigest()
    assert digest_of({"web": "b" * 64, "api": ""}) == ""


@pytest.mark.slow
def test_components_are_released_in_the_declared_order(pair: Project):
    pair.deployed()
    access = (pair.sandbox / "access.log").read_text().splitlines()
    releases = [
        c["path"] for c in map(json.loads, access) if c["method"] == "POST" and "/releases" in c["path"]
    ]
    ours = [path for path in releases if pair.staging in path]
    assert ours == [f"/apps/{pair.staging}/releases", f"/apps/{pair.staging}-worker/releases"]


@pytest.mark.later(1)
@pytest.mark.parametrize("how", [{"boot": "die"}, {"health": "sick"}, {"version": "unknown"}])
def test_when_the_second_component_fails_the_first_goes_back(pair: Project, how):
    pair.deployed()
    second = pair.commit("Break the worker", of="worker", **how)
    pair.json("test")
    said = pair.json("deploy", code=1)
    assert "rolled back to" in said["line"], said
    assert made(pair, "staging") == {name: [pair.first, second, pair.first] for name in BOTH}
    assert (pair.runs(), pair.runs("staging worker")) == (pair.first, pair.first)
    assert pair.kinds()[-4:] == ["start deploy", "failed deploy", "start rollback", "end rollback"]
    assert pair.json("verify")["details"]["differences"] == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"boot": "die"}, {"health": "sick"}])
def test_when_the_first_component_fails_the_second_is_never_touched(pair: Project, how):
    pair.deployed()
    second = pair.commit("Break the web", **how)
    pair.json("test")
    before = len(pair.calls("staging worker"))
    said = pair.json("deploy", code=1)
    assert "rolled back to" in said["line"], said
    assert made(pair, "staging") == {"web": [pair.first, second, pair.first], "worker": [pair.first]}
    changed = [c for c in pair.calls("staging worker")[before:] if c["method"] in ("POST", "PATCH", "PUT")]
    assert changed == []
    assert pair.json("verify")["details"]["differences"] == []
    assert pair.json("status")["code"] == 0


@pytest.mark.slow
def test_when_the_second_cannot_be_uploaded_the_first_goes_back(pair: Project):
    pair.deployed()
    second = pair.commit("Second")
    pair.json("test")
    pair.faults_of(
        "staging worker", {"kind": "status", "method": "POST", "path": "/slugs", "status": 503, "count": 99}
    )
    said = pair.json("deploy", code=1)
    assert "rolled back to" in said["line"], said
    assert made(pair, "staging") == {"web": [pair.first, second, pair.first], "worker": [pair.first]}


@pytest.mark.slow
def test_a_rollback_takes_all_components_back(pair: Project):
    pair.deployed()
    second = pair.commit("Second")
    pair.deployed()
    said = pair.json("rollback")
    assert made(pair, "staging") == {name: [pair.first, second, pair.first] for name in BOTH}
    numbers = {part["name"]: part["release"] for part in said["details"]["to"]["components"]}
    assert numbers == {
        "web": pair.releases()[-1]["version"],
        "worker": pair.releases("staging worker")[-1]["version"],
    }
    assert "already runs" in pair.json("rollback", "--to", pair.first)["line"]


@pytest.mark.slow
def test_a_deploy_of_what_runs_changes_nothing(pair: Project):
    pair.deployed()
    before = made(pair, "staging")
    assert "already runs" in pair.json("deploy")["line"]
    assert made(pair, "staging") == before


@pytest.mark.slow
@pytest.mark.parametrize("component", ["", " worker"])
def test_a_change_by_hand_of_either_app_is_drift(pair: Project, component):
    pair.deployed()
    app = pair.app(f"staging{component}")
    pair.api("PATCH", f"/apps/{app}/config-vars", {"COLOUR": "red"})
    status = pair.json("status", code=1)
    assert [row["state"] for row in status["details"]["environments"]] == ["drift", "empty"]
    assert component.strip() in " ".join(status["reasons"])
    pair.commit("Second")
    pair.json("test")
    assert "platform_is_as_recorded" in pair.json("deploy", code=3)["line"]
    pair.json("adopt", "--why", "the colour is ours")
    assert pair.json("status")["details"]["environments"][0]["state"] == "as recorded"
    assert pair.json("verify")["details"]["differences"] == []
    pair.json("deploy")


@pytest.mark.slow
def test_both_apps_of_production_are_guarded(pair: Project):
    for app in ("prod", "prod worker"):
        assert pair.invoke("smoke", "--env", pair.app(app)).code != 2  # both name the environment
    pair.released()
    said = pair.json("deploy", "--env", pair.app("prod worker"), env={"ALLOW_PROD": "1"}, code=42)
    assert "deploy_guard" in said["line"]


@pytest.mark.slow
def test_under_maintenance_both_apps_are_closed_and_opened(pair: Project):
    pair.deployed()
    pair.commit("Second")
    pair.json("test")
    pair.json("deploy", "--maintenance")
    for app in ("staging", "staging worker"):
        said = [c for c in pair.calls(app) if c["method"] == "PATCH"]
        assert len(paths(said, f"/apps/{pair.app(app)}")) == 2
        assert pair.api("GET", f"/apps/{pair.app(app)}")["maintenance"] is False


@pytest.mark.slow
def test_bytes_of_a_component_that_were_altered_are_refused(pair: Project):
    pair.released()
    package = pair.root / f".release/packages/worker/{pair.first}.tgz"
    data = bytearray(package.read_bytes())
    data[len(data) // 2] ^= 1
    package.write_bytes(data)
    assert "altered" in pair.json("deploy", code=2)["line"]
    assert pair.releases("staging worker")[-1]["slug"] is None


@pytest.mark.slow
def test_a_component_that_the_store_alone_has_is_brought(pair: Project):
    pair.released()
    for file in (pair.root / ".release/packages").rglob("*.*"):
        if file.is_file():
            file.unlink()
    pair.json("deploy")
    assert pair.runs("staging worker") == pair.first


@pytest.mark.slow
def test_a_component_whose_tests_fail_opens_nothing(pair: Project):
    config = pair.root / "release.toml"
    text = config.read_text()
    config.write_text(
        text.replace('path = "worker"\ntest = "python -S -c pass"', 'path = "worker"\ntest = "false"')
    )
    pair.commit("Break the worker's tests")
    said = pair.json("test", code=1)
    assert "the tests of component worker" in said["line"]
    assert "ci_is_green" in pair.json("deploy", code=3)["line"]


@pytest.mark.slow
@pytest.mark.parametrize("of", ["app", "worker"])
def test_one_component_that_fails_its_checks_is_a_no_to_all(pair: Project, of):
    commit = pair.commit("Sick", of=of, health="sick")
    for stage in ("intake", "build", "test"):
        pair.json(stage)
    said = pair.json("accept", code=1)
    assert said["line"].startswith(f"NO: {commit[:12]}")
    assert "health" in " ".join(said["reasons"]) or "worker is well" in " ".join(said["reasons"])
    assert "ACCEPTANCE_DECISION_NOT_YES" in pair.json("release", code=3)["line"]


@pytest.mark.slow
def test_a_component_that_dies_in_acceptance_is_named(pair: Project):
    pair.commit("Dies", of="worker", boot="die")
    for stage in ("intake", "build", "test"):
        pair.json(stage)
    assert "component worker" in " ".join(pair.json("accept", code=1)["reasons"])


@pytest.mark.slow
def test_each_component_is_told_where_those_before_it_answer(pair: Project):
    tells = 'import os\nopen(os.environ["DATABASE_URL"][10:] + ".told", "w").write(os.environ["WEB_URL"])\n'
    web = (pair.root / "worker" / "web.py").read_text()
    asks = "import os, sys, urllib.request as u; sys.exit(u.urlopen(os.environ['WORKER_URL'] + '/').status != 200)"
    config = pair.root / "release.toml"
    text = config.read_text()
    config.write_text(text.replace("[acceptance]", f'[acceptance]\nbrowser = """python -c "{asks}" """', 1))
    pair.commit("Tell", {"worker/web.py": tells + web})
    pair.released()
    kept = pair.entries(f"package-{pair.git('rev-parse', 'HEAD')}")
    accepted = next(e.record for e in kept if (e.record.kind, e.record.action) == ("end", "accept"))
    assert accepted.details["checks"]["runtime-browser-acceptance"] == "success"
    names = {item.name for item in accepted.evidence}
    assert {"web-web.txt", "web-worker.txt"} <= names
