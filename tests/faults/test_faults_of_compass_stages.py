"""More faults of the delivery pipeline, each shown not to exist here: those of its stages, decisions and files.

The numbers are those of the list of faults; what the fault was stands in each test's comment.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from facts.answering import Answers
from pipeline.green import ENV, read_from, says
from road.project import KEYS, REPOSITORY, Project, ended, until
from road.test_wait import give_up, hold

from roadworthy import config
from roadworthy.journal.entry import Record
from roadworthy.journal.lock import this_process

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

CODES = ("reasonCodes", "reasonDetails", "reasons")


@pytest.fixture
def shipped(project: Project) -> Project:
    """A project whose first commit is complete in staging."""
    project.json("ship")
    return project


@pytest.fixture
def in_production(shipped: Project) -> Project:
    """Its second commit is complete in production, too, after the first was."""
    to_production = ("ship", "--env", "prod", "--approval", "CR-1")
    shipped.json("certify")
    shipped.json(*to_production, env=KEYS)
    second = shipped.commit("Second", {"app/second.py": "x = 2\n"})
    shipped.json("ship")
    shipped.json("certify")
    shipped.json(*to_production, env=KEYS)
    assert shipped.runs("prod") == second
    return shipped


@pytest.fixture
def github() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.close()


def files(project: Project) -> dict[str, Any]:
    """Every file of the contract about HEAD, parsed, by its folder and name."""
    found = (project.root / ".artifacts").glob(f"*/{project.git('rev-parse', 'HEAD')}/*.json")
    return {f"{path.parts[-3]}/{path.name}": json.loads(path.read_text()) for path in found}


def checking(project: Project) -> subprocess.Popen[str]:
    """A deploy of a slow app, at the moment when it is released and not yet verified."""
    project.commit("Slow", health_seconds=0.8)
    project.json("test")
    before = len(project.releases())
    deploy = project.start("deploy", "--json")
    until(lambda: project.releases()[before:] and project.runs() == project.git("rev-parse", "HEAD"))
    return deploy


def test_fault_01_no_artefact_holds_a_secret(project: Project):
    # Signing secrets and passwords were written into files that were uploaded.
    secret = "correct-horse-battery-staple"
    project.change_config(
        ('config = { ENV = "test" }',
         'config = { ENV = "test" }\nbrowser = "sh -c \'echo got $READER\'"\ncredentials = ["READER"]')
    )  # fmt: skip
    project.json("ship", env={"READER": secret})
    left = [p for folder in (".artifacts", ".release/journal", ".release/logs")
            for p in (project.root / folder).rglob("*") if p.is_file()]  # fmt: skip
    texts = [path.read_bytes() for path in left]
    assert any(b"got ***" in text for text in texts), "it was given, and said"
    assert not any(secret.encode() in text for text in texts)


def test_fault_02_what_must_be_fresh_is_looked_at_before_anything_changes(shipped: Project):
    # The "pre-deploy readiness" was checked in the job after the mutation.
    shipped.change_config(('certificate = "72h"', 'certificate = "1ms"'))
    shipped.json("ship")
    shipped.json("certify")
    shipped.released()
    reasons = shipped.json("deploy", "--env", "prod", "--approval", "C", env=KEYS, code=3)["reasons"]
    assert any(r.startswith("staging_is_certified") and "expired" in r for r in reasons)
    assert shipped.calls("prod") == []


def test_fault_02_what_went_stale_while_a_release_waited_for_its_turn_is_looked_at_again(shipped: Project):
    # What had been fresh when the job began was believed until after the mutation.
    shipped.json("certify")
    shipped.released()
    holder = hold(shipped, "prod")
    words = ("deploy", "--env", "prod", "--approval", "C", "--wait", "30s", "--json")
    waiting = shipped.start(*words, env=KEYS)
    assert waiting.stderr is not None
    assert "prod" in waiting.stderr.readline(), "it has begun, and can only wait"
    certificate = shipped.root / ".release" / f"{shipped.staging}_certified"
    certificate.write_text(certificate.read_text().replace("EXPIRES=20", "EXPIRES=21"))
    give_up(shipped, holder)
    refused = ended(waiting)
    assert refused.code == 3, refused.text
    assert "staging_is_certified" in refused.text and "altered" in refused.text
    assert shipped.calls("prod") == []


def test_fault_02_what_a_release_was_allowed_on_is_written_down_before_its_first_change(
    in_production: Project,
):
    start = [
        e for e in in_production.entries("prod") if (e.record.kind, e.record.action) == ("start", "deploy")
    ][-1]
    asked = {verdict["guard"]: verdict["outcome"] for verdict in start.record.details["verdicts"]}
    assert asked["staging_is_certified"] == asked["package_is_released"] == asked["ci_is_green"] == "pass"
    changes = [
        call["at"] for call in in_production.calls("prod") if call["path"].endswith(("/slugs", "/releases"))
    ]
    assert len(changes) == 4, "two deploys"
    assert changes[1] < start.at < changes[2], "nothing was sent for the second before its start"


def test_fault_03_nothing_is_called_a_success_before_it_is_verified(shipped: Project):
    # The deployment was recorded as a success before verification, and never corrected.
    deploy = checking(shipped)
    assert shipped.kinds()[-1] == "start deploy"
    assert shipped.json("decide", code=1)["line"].startswith("NO")
    assert ended(deploy).code == 0
    assert shipped.kinds()[-1] == "end deploy"


def test_fault_03_a_release_whose_verification_was_cut_off_is_none_until_somebody_has_looked(
    shipped: Project,
):
    # Whoever trusted the record took a release that nobody had verified for the base of the next one.
    deploy = checking(shipped)
    deploy.send_signal(signal.SIGKILL)
    deploy.communicate()
    assert shipped.runs() == shipped.git("rev-parse", "HEAD"), "the platform runs it"
    assert shipped.json("decide", code=1)["line"].startswith("NO")
    production = files(shipped)["production/result.json"]
    assert (production["decision"], production["deploymentId"]) == ("NO", "")
    assert shipped.json("complete", code=4)["outcome"] == "unknown"
    assert shipped.json("intake")["details"]["base"] == shipped.first
    shipped.mood(health="degraded")
    assert shipped.json("reconcile", code=1)["outcome"] == "failed"
    assert shipped.kinds()[-2:] == ["start deploy", "failed deploy"]
    assert shipped.json("decide", code=1)["line"].startswith("NO")
    assert shipped.json("intake")["details"]["base"] == shipped.first


def test_fault_04_every_record_says_how_it_ended(shipped: Project):
    # The deployment record was written always, and had no status.
    shipped.commit("Worse", health="degraded")
    shipped.json("test")
    shipped.json("deploy", code=1)
    failed, start, end = (entry.record for entry in shipped.entries()[-3:])
    assert (failed.kind, failed.details["outcome"]) == ("failed", "failed")
    assert (end.kind, end.details["outcome"]) == ("end", "succeeded")
    assert end.details["settles"] == shipped.entries()[-2].seq
    assert start.kind == "start"
    shipped.json("decide", code=1)
    said = files(shipped)["production/result.json"]
    assert (said["decision"], said["checks"]["deployReleasePackageResult"]) == ("NO", "failure")


def test_fault_06_an_older_run_never_overwrites_a_newer_one(in_production: Project):
    # The script that was to refuse it was called from nowhere.
    asked = ("--env", "prod", "--approval", "CR-1")
    first, second = in_production.first, in_production.runs("prod")
    said = in_production.json("deploy", *asked, "--commit", first, env=KEYS, code=6)
    assert said["outcome"] == "superseded"
    assert in_production.runs("prod") == second
    in_production.json("rollback", "--env", "prod", "--to", first, env=KEYS)
    assert in_production.runs("prod") == first
    in_production.json("deploy", *asked, "--commit", second, env=KEYS)
    assert in_production.runs("prod") == second


def test_fault_08_no_yes_stands_beside_a_reason_code(shipped: Project):
    # releaseable was true with reason codes beside it; one of its terms was always true.
    shipped.json("decide")
    assert files(shipped)["release/decision.json"]["releaseable"] is True
    shipped.commit("Second", {"app/second.py": "x = 2\n"})
    for command in ("intake", "build", "test", "accept", "release", "deploy", "complete"):
        shipped.json("decide", code=1)
        said = files(shipped)["release/decision.json"]
        assert said["releaseable"] is False
        assert said["reasonCodes"]
        shipped.json(command)
    for name, said in files(shipped).items():
        if name in ("release/decision.json", "acceptance/result.json"):
            assert said.get("releaseable", said.get("pass")) is True
            assert [said[key] for key in CODES] == [[], [], []], name


def test_fault_09_a_replay_is_of_a_good_run_of_this_very_commit_and_its_own_manifest(shipped: Project):
    # Failed source runs were replayed, the manifest's commit was not compared, and it had no digest.
    good = shipped.first
    never = shipped.commit("Never built")
    assert "a replay builds nothing: intake" in shipped.json("replay", "--sha", never, code=3)["line"]
    bad = shipped.commit("Bad", health="degraded")
    for command, code in (("intake", 0), ("build", 0), ("test", 0), ("accept", 1)):
        shipped.json(command, code=code)
    said = shipped.json("replay", "--sha", bad, code=3)["line"]
    assert "its own run did not succeed, and a replay builds nothing: verification: failed" in said
    manifest = shipped.root / f".artifacts/release-package/{good}/manifest.json"
    text = manifest.read_text()
    for altered in (text.replace(good, bad), text.replace("sha256:", "sha256:0"), text + " "):
        manifest.write_text(altered)
        assert "MANIFEST_ALTERED" in shipped.json("replay", "--sha", good, code=3)["line"]
    manifest.write_text(text)
    shipped.json("replay", "--sha", good)
    shipped.json("decide", "--commit", good)
    assert shipped.runs() == good


def test_fault_10_evidence_of_another_commit_is_no_evidence(shipped: Project):
    # Runs were found by name or age; branch, event and content were never looked at.
    untested = shipped.commit("Not tested")
    shipped.commit("Tested")
    shipped.json("test")
    said = shipped.json("deploy", "--commit", untested, code=3)
    assert said["line"] == "refused by ci_is_green"
    assert shipped.runs() == shipped.first


def test_fault_10_a_test_run_of_other_bytes_is_no_evidence(project: Project):
    # An artefact was found by its name; what was in it, nobody looked at.
    project.json("intake")
    project.json("build")
    place = f"package-{project.first}"
    words = ("verification", "test", place, "sandbox", f"slug:{project.first}", "d" * 64)
    start = project.log(place).append(Record("start", *words, {"actor": this_process()}))
    project.log(place).append(Record("end", *words, {"settles": start.seq, "outcome": "succeeded"}))
    assert project.json("accept", code=1)["details"]["reason_codes"] == ["COMMIT_STAGE_FAILED"]
    run = files(project)["commit-stage/evidence.json"]
    assert (run["pass"], run["commitStageRun"]) == (False, None)
    project.json("test")
    project.json("accept")


def test_fault_10_a_run_is_found_by_its_commit_and_counts_by_what_started_it(
    project: Project, github: Answers
):
    # Among the hundred newest runs, of whatever branch or event: an older commit had none, another event's did.
    commit = read_from(github, project, "commit")
    project.json("intake")
    project.json("build")
    for event, code in (
        ("pull_request_target", 1),
        ("workflow_dispatch", 1),
        ("schedule", 1),
        ("merge_group", 0),
    ):
        github.asked.clear()
        says(github, commit, commit, event=event)
        said = project.json("accept", env=ENV, code=code)["details"]
        assert said["decision"] == ("NO" if code else "YES"), event
        run = files(project)["commit-stage/evidence.json"]
        assert (run["pass"], run["commitStageRun"] is None) == (not code, bool(code))
        asked = [(path, query.get("head_sha")) for path, query, _ in github.asked if "/issues" not in path]
        assert asked == [
            (f"/repos/o/r/commits/{commit}/check-runs", None),
            ("/repos/o/r/actions/runs", commit),
        ], "by the commit, however many are newer"


def test_fault_11_which_commit_runs_is_always_proven(shipped: Project):
    # The check of the running commit was off.
    assert [c.name for c in config.read(REPOSITORY).checks if "{commit}" in c.json.values()] == ["version"]
    shipped.commit("A liar", version=shipped.first)
    shipped.json("test")
    assert "check version" in "".join(shipped.json("deploy", code=1)["reasons"])
    assert shipped.runs() == shipped.first


def test_fault_12_a_change_of_identity_alone_is_accepted_and_verified_like_any(project: Project):
    # Changes of identity alone were never verified in production.
    project.change_config(('runtime = ["app/**"] ', 'identity = ["identity/**"]\nruntime = ["app/**"] '))
    project.json("ship")
    project.commit("Change a role", {"identity/role.tf": "x"})
    said = project.json("ship", code=1)
    assert "CHECK_IDENTITY_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS" in said["line"]
    project.change_config(('config = { ENV = "test" }', 'config = { ENV = "test" }\nidentity = "true"'))
    project.json("ship")
    head = project.commit("Change a role again", {"identity/role.tf": "y"})
    project.json("ship")
    assert files(project)["commit-stage/scope.json"]["changeClass"] in ("runtime", "identity")
    deployed = [e.record for e in project.entries() if (e.record.kind, e.record.action) == ("end", "deploy")]
    assert deployed[-1].details["to"]["commit"] == head
    assert {check["outcome"] for check in deployed[-1].details["checks"]} == {"passed"}


def test_fault_14_the_lock_is_held_until_the_verdict(shipped: Project):
    # The lock covered the mutation and not its verification.
    deploy = checking(shipped)
    for command in ("deploy", "migrate", "rollback", "complete", "certify"):
        assert shipped.json(command, code=5)["outcome"] == "failed"
    assert ended(deploy).code == 0


def test_fault_15_what_fails_goes_back_by_itself(shipped: Project):
    # Nothing went back; migrations ran before the deploy and had no way down.
    shipped.commit("Worse", boot="die")
    shipped.json("test")
    shipped.json("deploy", code=1)
    assert shipped.runs() == shipped.first
    assert shipped.json("verify")["details"]["differences"] == []


def test_fault_16_whatever_a_change_is_called_its_files_are_json(project: Project):
    # JSON was put together in a shell, without escaping.
    why = """He said "}'; $(date) `id` \\ {"releaseable": true} é 🚀"""
    commit = project.commit(why)
    project.json("ship")
    found = files(project)
    assert len(found) == 9
    assert {said["headSha"] for said in found.values()} == {commit}
    assert project.json("why")["details"]["why"] == why


def test_fault_18_one_set_of_names_a_decision_in_each_and_whole_commits_only(shipped: Project):
    # api here and apiRef there, no decision in the full result, any text for a commit.
    shipped.json("decide")
    found = files(shipped)
    named = ("release-package/manifest.json", "production/result.json", "release/decision.json")
    refs = [found[name]["releasePackage"] for name in named]
    assert refs[0] == refs[1] == refs[2]
    assert list(refs[0]) == ["webRef"]
    assert re.fullmatch(r".+@sha256:[0-9a-f]{64}", refs[0]["webRef"])
    for name in ("acceptance/result.json", "production/result.json"):
        assert found[name]["decision"] == "YES"
    shipped.json("decide", f"--commit={shipped.first[:12]}")
    assert sorted(files(shipped)) == sorted(found), "what is said in short is written in full"
    for wrong in ("main", "x" * 40, f"{shipped.first}0", "", "--help"):
        for command in ("intake", "build", "accept", "release", "decide"):
            shipped.json(command, f"--commit={wrong}", code=2)
        shipped.json("replay", f"--sha={wrong}", code=2)


def test_fault_19_a_time_that_is_enforced_blocks(shipped: Project):
    # Times were only ever observed.
    shipped.change_config(
        ('acceptance = "15m"', 'acceptance = "1ms"'), ('production = "20m"', 'production = "1ms"')
    )
    shipped.json("ship")
    shipped.first = shipped.git("rev-parse", "HEAD")
    shipped.change_config(('mode = "observe"', 'mode = "enforce"'))
    assert "ACCEPTANCE_SLO_NOT_MET" in shipped.json("ship", code=1)["line"]
    shipped.change_config(('acceptance = "1ms"', 'acceptance = "15m"'))
    said = shipped.json("ship", code=1)
    assert "PRODUCTION_SLO_NOT_MET" in "".join(said["reasons"])
    assert shipped.runs() == shipped.first, "it went back"


def test_each_fault_that_applies_has_its_test_and_each_other_one_its_reason():
    here = Path(__file__).parent
    tested = {
        int(number)
        for file in here.glob("test_faults_of_compass*.py")
        for number in re.findall(r"^def test_fault_(\d\d)_", file.read_text(), re.M)
    }
    page = (REPOSITORY / "docs" / "faults-of-the-pipeline.md").read_text()
    elsewhere = {int(n) for n in re.findall(r"^## (\d+)\n\n- \*\*Does not apply", page, re.M)}
    assert tested | elsewhere == set(range(1, 20))
    assert not tested & elsewhere
