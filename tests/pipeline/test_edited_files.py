"""Files that somebody made or edited, and a journal in which somebody with a key wrote: none opens anything."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from road.project import KEYS, Project

from roadworthy.journal.entry import Record

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow


def through(project: Project, *stages: str) -> str:
    for stage in stages:
        project.json(stage)
    return project.git("rev-parse", "HEAD")


def test_hand_made_files_of_the_pipeline_open_nothing(project: Project):
    project.json("ship")
    project.json("certify")
    commit = project.commit("Second")
    made = {
        "release-package": {"headSha": commit, "releasePackage": {"webRef": "slug/x@sha256:" + "0" * 64}},
        "acceptance": {"headSha": commit, "decision": "YES", "pass": True, "reasonCodes": []},
        "release": {"headSha": commit, "releaseable": True},
    }
    for (stage, said), name in zip(made.items(), ("manifest", "result", "decision"), strict=True):
        path = project.root / ".artifacts" / stage / commit / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(said))
    assert "INTAKE_MISSING" in project.json("release", code=3)["line"]
    said = project.json("deploy", "--env", "prod", env=KEYS, code=3)
    assert "package_is_released" in said["line"]
    assert project.json("decide", code=1)["line"].startswith("NO: ")
    decision = json.loads((project.root / f".artifacts/release/{commit}/decision.json").read_text())
    assert decision["releaseable"] is False


def test_an_edited_manifest_stops_acceptance_and_replay(project: Project):
    commit = through(project, "intake", "build", "test")
    path = project.root / f".artifacts/release-package/{commit}/manifest.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"runtime": true', b'"runtime": false'))
    assert "RELEASE_PACKAGE_MANIFEST_ALTERED" in project.json("accept", code=3)["line"]
    path.write_bytes(good)
    through(project, "accept", "release")
    path.write_bytes(good + b" ")
    assert "RELEASE_PACKAGE_MANIFEST_ALTERED" in project.json("replay", "--sha", commit, code=3)["line"]


def test_a_manifest_altered_in_the_store_stops_a_replay_before_anything_is_deployed(project: Project):
    project.json("ship")
    project.commit("Second", {"app/second.py": "x = 2\n"})
    project.json("ship")
    built = next(e.record for e in project.entries(f"package-{project.first}") if e.record.kind == "end"
                 and e.record.action == "build")  # fmt: skip
    (kept,) = (item.sha256 for item in built.evidence if item.name == "manifest.json")
    stored = project.root / ".release/journal/evidence" / kept
    good = stored.read_bytes()
    stored.chmod(0o644)
    shutil.rmtree(project.root / ".artifacts")  # as on another machine: only the store has it
    before, calls = project.kinds(), project.calls()
    for altered in (good.replace(b"runtime", b"Runtime"), good[:-1], b""):
        stored.write_bytes(altered)
        for command in (("replay", "--sha", project.first), ("build", "--commit", project.first)):
            assert "RELEASE_PACKAGE_MANIFEST_ALTERED" in project.json(*command, code=3)["line"]
    stored.unlink()
    assert "is missing" in project.json("replay", "--sha", project.first, code=3)["line"]
    assert (project.kinds(), project.calls()) == (before, calls)
    stored.write_bytes(good)
    project.json("replay", "--sha", project.first)
    assert project.runs() == project.first


def test_one_flipped_bit_in_a_slug_that_the_platform_keeps_is_refused_before_it_runs(project: Project):
    project.json("ship")
    second = project.commit("Second", {"app/second.py": "x = 2\n"})
    project.json("ship")
    digest = next(e.record.digest for e in project.entries() if e.record.kind == "end")
    old = next(r["slug"]["id"] for r in project.releases() if r["slug"])
    stored = project.sandbox / "slugs" / old
    data = bytearray(stored.read_bytes())
    assert hashlib.sha256(data).hexdigest() == digest
    data[data.index(b"healthy")] ^= 1
    stored.write_bytes(data)
    for unpacked in (project.sandbox / "apps").glob(f"*/{old}"):
        shutil.rmtree(unpacked)
    said = project.json("rollback", code=1)
    assert "but the slug was announced as" in "".join(said["reasons"])
    assert project.runs() == second, "what ran goes on"


def test_an_edited_acceptance_counts_for_nothing(project: Project):
    (project.root / "app" / "web.py").write_text("raise SystemExit(1)")
    commit = project.commit("Do not start")
    through(project, "intake", "build", "test")
    project.json("accept", code=1)
    path = project.root / f".artifacts/acceptance/{commit}/result.json"
    path.write_text(path.read_text().replace('"NO"', '"YES"').replace("false", "true"))
    assert "ACCEPTANCE_DECISION_NOT_YES" in project.json("release", code=3)["line"]


def test_a_package_swapped_on_this_machine_is_refused_before_it_runs(project: Project):
    commit = through(project, "intake", "build", "test", "accept", "release")
    file = project.root / ".release" / "packages" / f"{commit}.tgz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    for words in (("test",), ("replay", "--sha", commit), ("deploy",)):
        assert "altered" in project.json(*words, code=2)["line"], words
    assert project.calls() == []


def test_a_release_that_somebody_with_a_key_wrote_before_the_acceptance_is_named(project: Project):
    commit = through(project, "intake", "build", "test")
    log, place = project.log(f"package-{commit}"), f"package-{commit}"
    digest = log.entries()[-1].record.digest
    start = log.append(
        Record("start", "release", "release", place, "sandbox", f"slug:{commit}", digest, {"x": 1})
    )
    log.append(
        Record(
            "end", "release", "release", place, "sandbox", f"slug:{commit}", digest, {"settles": start.seq}
        )
    )
    assert "STAGES_OUT_OF_ORDER" in project.json("decide", code=1)["line"]
    project.json("accept")
    assert "cannot be replayed" in project.json("replay", "--sha", commit, code=3)["line"]
    project.json("release")
    project.json("deploy")
    project.json("migrate")
    assert "STAGES_OUT_OF_ORDER" in project.json("decide", code=1)["line"]
    criteria = project.json("complete", code=1)["details"]["criteria"]
    assert [name for name, found in criteria.items() if found != "holds"] == ["stages_in_order"]


@pytest.mark.parametrize("kind", ["file", "link to a file", "dangling link"])
def test_artifacts_that_are_no_folder_stop_a_stage_with_one_line(project: Project, tmp_path: Path, kind: str):
    place = project.root / ".artifacts"
    (tmp_path / "file").write_text("")
    match kind:
        case "file":
            place.write_text("")
        case "link to a file":
            place.symlink_to(tmp_path / "file")
        case _:
            place.symlink_to(tmp_path / "nowhere")
    said = project.json("intake", code=2)["line"]
    assert "cannot be written" in said
    assert "\n" not in said
    place.unlink()
    project.json("intake")
    project.json("build")


def test_a_result_that_is_a_link_is_not_written_through(project: Project, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    commit = project.git("rev-parse", "HEAD")
    path = project.root / f".artifacts/commit-stage/{commit}/scope.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(outside)
    assert "symbolic link" in project.json("intake", code=2)["line"]
    assert outside.read_text() == "mine"


def test_a_ship_says_one_object_with_the_seven_stages(project: Project):
    rows = project.json("ship")["details"]["stages"]
    assert [row["stage"] for row in rows] == [
        "intake",
        "build",
        "verification",
        "release",
        "deploy",
        "migrations",  # a line of its own: it belongs to the deploy
        "post-deploy verification",
        "completion",
    ]
    assert {row["outcome"] for row in rows} == {"succeeded"}
