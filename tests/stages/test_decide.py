"""Decisions: YES exactly when nothing stands against it, whatever the journals tell."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roadworthy.config import Slo
from roadworthy.facts.standing import Done, Standing
from roadworthy.model import CiState, Fact
from roadworthy.stages import decide
from roadworthy.stages.commit_stage import Stage

NOW = "2030-01-01T00:00:00Z"
RESULTS = st.sampled_from(["success", "failure", "skipped", "unknown", ""])
OUTCOMES = st.sampled_from(["success", "failure", "missing", "cancelled", "no answer"])
SECONDS = st.floats(0, 3000, allow_nan=False)
DONE = Done("build", 1, 2, NOW, NOW, "d" * 64, "e" * 64, {}, {})
DEPLOYED = decide.Deployment(1, 2, NOW, NOW, 3)


def stage_of(outcome: str, seconds: float = 10.0, mode: str = "observe") -> Stage:
    """The commit stage of a documented commit whose tests ended like that."""
    ci = Fact("ci", CiState(outcome, "a test"))
    return Stage("c" * 40, ci, {"runtime": True}, "pass", seconds, Slo(mode=mode))


def maybe(value: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, value])


@st.composite
def told(draw: st.DrawFn) -> decide.Told:
    accepted = draw(maybe(DONE))
    standing = Standing(
        intake=draw(maybe(DONE)),
        build=draw(maybe(DONE)),
        accepted=accepted,
        released=draw(maybe(DONE)),
        refused=None if accepted else draw(maybe(DONE)),
        invalid=draw(st.sampled_from([(), ("release #4: ACCEPTANCE_MISSING",)])),
    )
    return decide.Told(
        commit="c" * 40,
        standing=standing,
        commit_stage=stage_of(draw(OUTCOMES), draw(SECONDS), draw(st.sampled_from(["observe", "enforce"]))),
        deploy_required=draw(st.booleans()),
        deployed=draw(maybe(DEPLOYED)),
        unmet=draw(st.sampled_from([{}, {"checks_pass": "check health: 503"}])),
        replay=draw(st.booleans()),
        took=draw(st.none() | st.fixed_dictionaries({"verification": SECONDS, "deploy": SECONDS})),
    )


SLOS = st.builds(Slo, mode=st.sampled_from(["observe", "enforce"]))
MANIFEST = {"releasePackage": {"webRef": f"slug/x@sha256:{'d' * 64}"}, "scope": {}, "changeClass": "runtime"}


def good(one: decide.Told, slo: Slo) -> bool:
    """The rule, said once more: every stage says so, and no enforced time was exceeded."""
    stages = one.standing
    whole = stages.intake and stages.build and stages.accepted and stages.released and not stages.invalid
    live = one.deployed or not one.deploy_required
    took = one.took or {}
    slow = slo.mode == "enforce" and (
        took.get("verification", 0) > slo.acceptance or took.get("deploy", 0) > slo.production
    )
    return bool(whole and live and one.commit_stage.decision.yes and not one.unmet and not slow)


@given(told(), SLOS)
def test_a_release_is_good_exactly_when_every_stage_says_so(one: decide.Told, slo: Slo):
    decision = decide.release(one, slo)
    assert decision.yes == good(one, slo) == (not decision.reasons) == (decision.word == "YES")


@given(told(), SLOS)
def test_the_decision_file_says_releaseable_only_beside_no_reason_code(one: decide.Told, slo: Slo):
    decision = decide.release(one, slo)
    file = decide.decision_file(one, decision, MANIFEST, NOW)
    assert file["releaseable"] == (file["reasonCodes"] == [])
    assert [detail["code"] for detail in file["reasonDetails"]] == file["reasonCodes"]
    assert len(file["reasons"]) == len(file["reasonCodes"])
    if file["releaseable"]:
        assert (file["acceptance"], file["production"]) == ("YES", "YES")
        assert file["commitStage"] in ("YES", "REPLAY")
    production = decide.production_file(one, decision, MANIFEST, NOW, "sandbox/prod")
    assert production["decision"] == (
        "NO" if set(production["reasonCodes"]) - {"NO_DEPLOY_REQUIRED"} else "YES"
    )
    if decision.yes:
        assert production["decision"] == "YES"


@given(told(), SLOS, st.data())
def test_whatever_is_taken_away_a_no_never_becomes_a_yes(one: decide.Told, slo: Slo, data: st.DataObject):
    field = data.draw(st.sampled_from(["intake", "build", "accepted", "released"]))
    worse = data.draw(
        st.sampled_from([
            replace(one, standing=replace(one.standing, **{field: None})),
            replace(one, standing=replace(one.standing, invalid=("build #3: INTAKE_MISSING",))),
            replace(one, commit_stage=replace(one.commit_stage, ci=Fact("ci", CiState("failure", "x")))),
            replace(one, deploy_required=True, deployed=None),
            replace(one, unmet={**one.unmet, "package_runs": "it does not"}),
        ])
    )  # fmt: skip
    assert not decide.release(worse, slo).yes
    assert set(decide.release(one, slo).reasons) <= set(decide.release(worse, slo).reasons)


@given(
    st.sets(st.sampled_from(decide.CHECKS)),
    st.dictionaries(st.sampled_from(decide.CHECKS), RESULTS),
    OUTCOMES,
    SECONDS,
    st.sampled_from([0.0, 900.0]),
)
def test_a_package_is_accepted_exactly_when_all_that_is_required_succeeded(
    needed: set[str], results: dict[str, str], ci: str, took: float, target: float
):
    required = tuple(name for name in decide.CHECKS if name in needed)
    stage = stage_of(ci).decision
    decision = decide.acceptance(required, results, commit_stage=stage, took=took, target=target)
    failed = [name for name, result in results.items() if result not in ("success", "skipped")]
    assert decision.yes == (
        ci == "success"
        and all(results.get(name) == "success" for name in required)
        and not failed
        and not (target and took > target)
    )
    for name in required:
        worse = {**results, name: "failure"}
        assert not decide.acceptance(required, worse, commit_stage=stage, took=took, target=target).yes
    more = decide.acceptance(decide.CHECKS, results, commit_stage=stage, took=took, target=target)
    assert decision.yes or not more.yes, "asking for more checks never helps"


def test_only_enforced_times_decide():
    one = decide.Told(
        "c" * 40, Standing(DONE, DONE, DONE, DONE), stage_of("success"), True, DEPLOYED, {},
        took={"verification": 901.0, "deploy": 1201.0},
    )  # fmt: skip
    assert decide.release(one, Slo(mode="observe")).yes
    late = decide.release(one, Slo(mode="enforce"))
    assert list(late.reasons) == ["ACCEPTANCE_SLO_NOT_MET", "PRODUCTION_SLO_NOT_MET"]


def test_a_stage_that_failed_is_no_success_in_the_times_and_neither_is_a_run_that_said_no():
    one = decide.Told(
        "c" * 40, Standing(DONE, DONE, None, None, DONE), stage_of("success"), True, DEPLOYED, {},
        took={"overall": 9.0, "verification": 5.0, "build": 1.0}, failed=frozenset({"verification"}),
    )  # fmt: skip
    decision = decide.release(one, Slo())
    file = decide.timing_file(one, decision, Slo(), NOW, "sandbox/prod#1")
    assert [(job["name"], job["conclusion"]) for job in file["slowestJobsTop3"]] == [
        ("verification", "failure"),
        ("build", "success"),
    ]
    assert (decision.word, file["runConclusion"]) == ("NO", "failure")
    good = replace(one, standing=Standing(DONE, DONE, DONE, DONE), failed=frozenset())
    file = decide.timing_file(good, decide.release(good, Slo()), Slo(), NOW, "sandbox/prod#1")
    assert file["runConclusion"] == "success"


NOTHING = decide.Told(
    "c" * 40, Standing(refused=DONE), stage_of("failure"), True, None, {"checks_pass": "503"}
)


def test_the_reason_codes_are_the_contracts_own():
    # contracts, B.5 and B.8: other tools look for these very words.
    assert set(decide.release(NOTHING, Slo()).reasons) == {
        "COMMIT_STAGE_FAILED", "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS", "INTAKE_MISSING",
        "LOAD_RELEASE_PACKAGE_NOT_SUCCESS", "ACCEPTANCE_DECISION_NOT_YES", "RELEASE_MISSING",
        "PRODUCTION_STAGE_NOT_SUCCESS", "PRODUCTION_DECISION_NOT_YES", "DONE_CHECKS_PASS",
    }  # fmt: skip
    never = replace(NOTHING, standing=Standing())
    assert "ACCEPTANCE_STAGE_NOT_SUCCESS" in decide.release(never, Slo()).reasons
    said = decide.production_file(NOTHING, decide.release(NOTHING, Slo()), MANIFEST, NOW, "sandbox/prod")
    assert said["reasonCodes"] == [
        "ACCEPTANCE_DECISION_NOT_YES", "DEPLOY_RELEASE_PACKAGE_FAILED", "PRODUCTION_BLACKBOX_VERIFY_FAILED",
    ]  # fmt: skip
    failed = dict.fromkeys(decide.CHECKS, "failure")
    red, green = stage_of("failure").decision, stage_of("success").decision
    decision = decide.acceptance(decide.CHECKS, failed, commit_stage=red, took=0, target=0)
    assert list(decision.reasons) == [
        "COMMIT_STAGE_FAILED",
        "CHECK_LOAD_RELEASE_PACKAGE_NOT_SUCCESS",
        "CHECK_RUNTIME_API_SYSTEM_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_RUNTIME_BROWSER_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_RUNTIME_MIGRATION_IMAGE_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_INFRA_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_IDENTITY_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
    ]
    skipped = decide.acceptance((decide.LOAD,), {}, commit_stage=green, took=0, target=0)
    assert "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY" in skipped.reasons
    beside = decide.acceptance((), {decide.INFRA: "failure"}, commit_stage=green, took=0, target=0)
    assert list(beside.reasons) == ["ACCEPTANCE_GATE_FAILED"]


def test_the_files_have_the_contracts_fields():
    # contracts, B.8; `schemaVersion`, `generatedAt` and how reasons are said are those of every file.
    every = {"schemaVersion", "generatedAt", "headSha"}
    why = {"reasonCodes", "reasonDetails", "reasons"}
    decision = decide.release(NOTHING, Slo())
    assert set(decide.decision_file(NOTHING, decision, MANIFEST, NOW)) == every | why | {
        "releasePackageSha", "replayMode", "commitStage", "acceptance", "production", "deployRequired",
        "releaseable", "releasePackage",
    }  # fmt: skip
    production = decide.production_file(NOTHING, decision, MANIFEST, NOW, "sandbox/prod")
    assert set(production) == every | why | {
        "changeClass", "decision", "deployRequired", "scope", "checks", "releasePackage", "deploymentId",
    }  # fmt: skip
    assert set(production["scope"]) == {"runtime", "desktop", "infra", "identity"}
    assert set(production["checks"]) == {"deployReleasePackageResult", "productionBlackboxVerifyResult"}
    timing = decide.timing_file(NOTHING, decision, Slo(), NOW, "x")
    assert set(timing) == every | {
        "runId", "runStatus", "runConclusion", "metrics", "slo", "slowestJobsTop3",
    }  # fmt: skip
    assert set(timing["metrics"]) == {
        "queueDelaySeconds", "overallExecutionSeconds", "commitStageSeconds", "releasePackageBuildSeconds",
        "acceptanceStageSeconds", "productionStageSeconds",
    }  # fmt: skip
    assert set(timing["slo"]) == {
        "mode", "acceptanceTargetSeconds", "productionTargetSeconds", "acceptancePass", "productionPass",
    }  # fmt: skip
