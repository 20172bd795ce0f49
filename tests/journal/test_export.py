"""What is exported of a release: links, layout and predicates that say what the journal says, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import UsageError
from roadworthy.journal.export import Release, gather, write
from roadworthy.journal.sign import create_key
from roadworthy.model import digest_of

from .exporting import COMMIT, FAR, PACKAGE, did, exported, gathered, shipped
from .making import log_of, secret_line, signer_of

NAMES = ["01.package.test", "02.staging.deploy", "03.staging.certify", "04.prod.deploy", "05.prod.migrate"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shipped(tmp_path)
    return tmp_path


def payload(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    return found


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def no_floats(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not isinstance(value, float) and all(map(no_floats, inner))


@pytest.mark.parametrize("said", ["v7", "4", "3"])
def test_a_release_is_named_by_the_platforms_number_or_the_journals(root: Path, said: str) -> None:
    release = gathered(root, said)
    assert [step.name for step in release.steps] == NAMES
    assert (release.name, release.commit) == ("prod#4", COMMIT)
    assert all(step.end.record.kind == "end" for step in release.steps), "what failed is no link"


@pytest.mark.parametrize("said", ["v8", "1", "2", "", "x", "v07", "../4", "999999999999"])
def test_what_did_not_succeed_is_no_release(root: Path, said: str) -> None:
    with pytest.raises(UsageError, match="the last that did: 4"):
        gathered(root, said)


def test_what_came_after_the_next_release_belongs_to_that(root: Path) -> None:
    prod = log_of(root, "prod")
    did(prod, "prod", "rollback", to={"commit": COMMIT, "release": 8})
    did(prod, "prod", "certify")
    assert [step.name for step in gathered(root).steps] == NAMES
    assert [step.name for step in gathered(root, "v8").steps][3:] == ["04.prod.rollback", "05.prod.certify"]


def test_links_hang_together_and_hold_no_floats(root: Path) -> None:
    release = exported(root, root / "out")
    links = [payload(next((root / "out").glob(f"{name}.*.link"))) for name in NAMES]
    assert all(no_floats(link) for link in [*links, payload(root / "out" / "root.layout")])
    for before, link, step in zip([None, *links], links, release.steps, strict=False):
        (entry,) = [name for name in link["products"] if name.startswith("entry/")]
        assert link["products"][entry] == {"sha256": step.end.sha256}
        given = {name for name in link["materials"] if name.startswith("entry/")}
        assert given == {name for name in (before or {}).get("products", {}) if name.startswith("entry/")}
        assert {f"run/{release.run}", "package.tgz"} <= set(link["materials"]) & set(link["products"])
    assert (root / "out" / "package.tgz").read_bytes() == PACKAGE


def test_a_layout_ends(root: Path) -> None:
    exported(root, root / "out", now=datetime(2026, 11, 20, 18, 30, tzinfo=UTC))
    assert payload(root / "out" / "root.layout")["expires"] == "2027-02-18T18:30:00Z"


# Required and allowed fields, from the published definitions of each predicate.
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "https://slsa.dev/provenance/v1": ({"buildDefinition", "runDetails"}, set()),
    "https://in-toto.io/attestation/test-result/v0.1": (
        {"result", "configuration"},
        {"url", "passedTests", "warnedTests", "failedTests"},
    ),
    "https://slsa.dev/verification_summary/v1": (
        {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels"},
        {"inputAttestations", "dependencyLevels", "slsaVersion"},
    ),
}
DESCRIPTOR = {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}


def test_published_predicates_have_the_published_fields(root: Path) -> None:
    release = exported(root, root / "out")
    found = {p.name: payload(p) for p in (root / "out").glob("*.dsse.json")}
    assert set(found) == {
        "provenance.dsse.json",
        "01.package.test.test-result.dsse.json",
        "03.staging.certify.summary.dsse.json",
    }
    for statement in found.values():
        required, allowed = FIELDS[statement["predicateType"]]
        assert required <= set(statement["predicate"]) <= required | allowed
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["subject"] == [{"name": f"slug:{COMMIT}", "digest": {"sha256": release.digest}}]


def test_provenance_says_from_which_commit_and_when(root: Path) -> None:
    exported(root, root / "out")
    said = payload(root / "out" / "provenance.dsse.json")["predicate"]
    build, run = said["buildDefinition"], said["runDetails"]
    assert set(build) <= {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert build["externalParameters"] and "://" in build["buildType"] and "://" in run["builder"]["id"]
    assert build["resolvedDependencies"] == [{"name": "source", "digest": {"gitCommit": COMMIT}}]
    assert set(run) <= {"builder", "metadata", "byproducts"}
    assert set(run["metadata"]) == {"invocationId", "startedOn", "finishedOn"}
    assert all(set(one) <= DESCRIPTOR and "digest" in one for one in run["byproducts"])
    assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"]


def test_the_tests_result_names_the_command(root: Path) -> None:
    exported(root, root / "out")
    said = payload(root / "out" / "01.package.test.test-result.dsse.json")["predicate"]
    assert (said["result"], said["failedTests"]) == ("PASSED", [])
    assert all(
        set(one) <= DESCRIPTOR and {"uri", "digest", "content"} & set(one) for one in said["configuration"]
    )
    assert base64.b64decode(said["configuration"][0]["content"]) == b"python -m pytest"


def test_the_summary_claims_no_level_of_slsa(root: Path) -> None:
    exported(root, root / "out")
    said = payload(root / "out" / "03.staging.certify.summary.dsse.json")["predicate"]
    assert said["verificationResult"] == "PASSED"
    assert said["verifiedLevels"] == ["CERTIFIED"]
    assert set(said["policy"]) <= DESCRIPTOR and len(said["policy"]["digest"]["sha256"]) == 64
    assert len(said["inputAttestations"]) == 2


WEB, WORKER = b"web's slug", b'{"an image": "its manifest"}'


def two(root: Path, said_digest: str = "", **changed: Any) -> Release:
    """A release of a slug and an image in prod, whose end says `changed` of the second."""
    digests = {"web": sha256(WEB), "worker": sha256(WORKER)}
    ref = f"registry.test/worker@sha256:{digests['worker']}"
    told = [{"name": name, "digest": digest} for name, digest in digests.items()]
    told[1] |= {"ref": ref, **changed}
    to = {"commit": COMMIT, "release": 7, "components": told}
    said = {"digest": said_digest or digest_of(digests)}
    did(log_of(root, f"package-{COMMIT}"), f"package-{COMMIT}", "test", said=said)
    did(log_of(root, "prod"), "prod", "deploy", said=said, to=to)
    return gather(lambda place: log_of(root, place).entries(), "prod", "v7")


def test_each_component_is_a_product_of_every_link_and_of_the_layout(tmp_path: Path) -> None:
    release, out = two(tmp_path), tmp_path / "out"
    (tmp_path / "web").write_bytes(WEB)
    files = {"package-web.tgz": tmp_path / "web", "image-worker.json": WORKER}
    write(release, out, signer_of(tmp_path), files=files, now=FAR)
    for name, data in (("package-web.tgz", WEB), ("image-worker.json", WORKER)):
        assert (out / name).read_bytes() == data
        assert f"{sha256(data)}  {name}\n" in (out / "README.txt").read_text()
        for link in out.glob("*.link"):
            said = payload(link)
            assert said["products"][name] == said["materials"][name] == {"sha256": sha256(data)}
        rules = payload(out / "root.layout")["inspect"][0]["expected_products"]
        assert [rule[0] for rule in rules if rule[1] == name] == ["REQUIRE", "MATCH", "DISALLOW"]
        subjects = payload(out / "provenance.dsse.json")["subject"]
        assert {"name": name, "digest": {"sha256": sha256(data)}} in subjects
    for name in files:
        with pytest.raises(UsageError, match=f"{name} is not the package"):
            write(release, tmp_path / "other", signer_of(tmp_path), files={**files, name: b"{}"}, now=FAR)


@pytest.mark.parametrize("changed", [{"digest": "0" * 64}, {"name": "other"}, {"name": "web"}])
def test_components_that_are_not_the_package_are_no_release(tmp_path: Path, changed: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="are not together its package"):
        two(tmp_path, **changed)


def test_a_component_whose_name_leads_elsewhere_is_no_release(tmp_path: Path) -> None:
    digest = digest_of({"web": sha256(WEB), "../x": sha256(WORKER)})
    with pytest.raises(UsageError, match="are not together its package"):
        two(tmp_path, digest, name="../x")


def test_an_images_product_is_its_manifest(tmp_path: Path) -> None:
    said = {"subject": f"image:{COMMIT}", "digest": sha256(WORKER)}
    to = {"commit": COMMIT, "release": 7, "ref": f"registry.test/web@sha256:{sha256(WORKER)}"}
    did(log_of(tmp_path, "prod"), "prod", "deploy", said=said, to=to)
    release = gather(lambda place: log_of(tmp_path, place).entries(), "prod", "v7")
    assert [(p.file, p.digest, p.ref) for p in release.products] == [
        ("image.json", sha256(WORKER), to["ref"])
    ]
    write(release, tmp_path / "out", signer_of(tmp_path), files={"image.json": WORKER}, now=FAR)
    build = payload(tmp_path / "out" / "provenance.dsse.json")["predicate"]["buildDefinition"]
    assert build["buildType"].endswith("/build/image/v1")


def test_the_private_key_is_not_in_the_export(root: Path) -> None:
    exported(root, root / "out")
    secret = secret_line(root / "keys" / "deployer")
    assert all(secret not in path.read_text() for path in (root / "out").iterdir())


def test_an_export_is_whole_or_not_there(root: Path) -> None:
    release = gathered(root)
    now, signer = datetime.now(UTC), signer_of(root)
    for package, why in (("absent", "invoke build --commit"), ("keys/deployer.pub", "is not the package")):
        with pytest.raises(UsageError, match=why):
            write(release, root / "out", signer, files={"package.tgz": root / package}, now=now)
    files = {"package.tgz": root / "package.tgz"}
    write(release, root / "out", signer, files=files, now=now)
    before = sorted((root / "out").iterdir())
    with pytest.raises(UsageError, match="is there already"):
        write(release, root / "out", create_key(root / "other", "x"), files=files, now=now)
    assert sorted((root / "out").iterdir()) == before
    assert not list(root.glob(".out*"))
