"""Decisions: YES exactly when nothing stands against it, whatever the journals tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roadworthy.config import Slo
from roadworthy.facts.scope import Scope
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
RUNTIME = Scope(
    base="b" * 40, head="c" * 40, changed=("app/web.py",), runtime=True, desktop=False, infra=False, identity=False,
    migration=False, docs_only=False, toolkit=False, unknown=(), change_class="runtime",
    requires_infra_convergence=False, requires_migrations=False, deploy_required=True, reason_code="",
)  # fmt: skip
NONE = replace(RUNTIME, runtime=False)
BY_DIGEST = decide.Decision({})
UNNAMED = decide.Decision({"RELEASE_PACKAGE_WEB_REF_MISSING": "webRef: none"})


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
    st.sampled_from([BY_DIGEST, UNNAMED]),
)
def test_a_package_is_accepted_exactly_when_all_that_is_required_succeeded(
    needed: set[str], results: dict[str, str], ci: str, took: float, target: float, refs: decide.Decision
):
    def accepts(required: tuple[str, ...], results: dict[str, str]) -> decide.Decision:
        return decide.acceptance(required, results, refs=refs, commit_stage=stage, took=took, target=target)

    required = tuple(name for name in decide.CHECKS if name in needed)
    stage = stage_of(ci).decision
    decision = accepts(required, results)
    failed = [name for name, result in results.items() if result not in ("success", "skipped")]
    assert decision.yes == (
        ci == "success"
        and refs.yes
        and all(results.get(name) == "success" for name in required)
        and not failed
        and not (target and took > target)
    )
    for name in required:
        worse = {**results, name: "failure"}
        assert not accepts(required, worse).yes
    more = accepts(decide.CHECKS, results)
    assert decision.yes or not more.yes, "asking for more checks never helps"
    file = decide.acceptance_file(RUNTIME, required, results, refs, decision, "c" * 40, NOW)
    assert file["pass"] == decision.yes == (file["reasonCodes"] == [])
    assert file["pass"] <= (file["releasePackageRefContractStatus"] == "pass")
    assert file["pass"] <= (file["identityConfigContractStatus"] != "fail")
    for name in ("releasePackageRef", "identityConfig"):
        status, codes = file[f"{name}ContractStatus"], file[f"{name}ContractReasonCodes"]
        assert (status == "pass") == (codes == [])
    assert set(file["notRequired"]) == set(decide.CHECKS) - needed - {decide.LOAD}


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
    red = stage_of("failure").decision
    decision = accepting(decide.CHECKS, failed, refs=UNNAMED, commit_stage=red)
    assert list(decision.reasons) == [
        "COMMIT_STAGE_FAILED",
        "CHECK_LOAD_RELEASE_PACKAGE_NOT_SUCCESS",
        "CHECK_RUNTIME_API_SYSTEM_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_RUNTIME_BROWSER_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_RUNTIME_MIGRATION_IMAGE_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_INFRA_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CHECK_IDENTITY_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS",
        "CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS",
        "CONFIG_CONTRACT_IDENTITY_NOT_PASS",
    ]
    assert "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY" in accepting((decide.LOAD,), {}).reasons
    assert list(accepting((), {decide.INFRA: "failure"}).reasons) == ["ACCEPTANCE_GATE_FAILED"]


def accepting(
    required: tuple[str, ...],
    results: dict[str, str],
    refs: decide.Decision = BY_DIGEST,
    commit_stage: decide.Decision | None = None,
) -> decide.Decision:
    stage = commit_stage or stage_of("success").decision
    return decide.acceptance(required, results, refs=refs, commit_stage=stage, took=0, target=0)


GOOD = f"registry.example/shop/api@sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("refs", "codes"),
    [
        ({"apiRef": GOOD, "webRef": GOOD.replace("a" * 64, "A" * 64), "codexRef": f"slug/x@sha256:{'0' * 64}"}, []),
        (
            {},
            [
                "RELEASE_PACKAGE_API_REF_MISSING",
                "RELEASE_PACKAGE_WEB_REF_MISSING",
                "RELEASE_PACKAGE_CODEX_REF_MISSING",
            ],
        ),
        ({"apiRef": GOOD, "webRef": "", "codexRef": GOOD}, ["RELEASE_PACKAGE_WEB_REF_MISSING"]),
        ({"apiRef": GOOD, "web": GOOD, "codexRef": GOOD}, ["RELEASE_PACKAGE_WEB_REF_MISSING"]),
        (
            {"apiRef": "shop/api:latest", "webRef": GOOD[:-1], "codexRef": f"{GOOD}0"},
            [
                "RELEASE_PACKAGE_API_REF_NOT_DIGEST",
                "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST",
                "RELEASE_PACKAGE_CODEX_REF_NOT_DIGEST",
            ],
        ),
        (
            {"apiRef": f"@sha256:{'a' * 64}", "webRef": f"{GOOD}\n", "codexRef": GOOD},
            ["RELEASE_PACKAGE_API_REF_NOT_DIGEST", "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST"],
        ),
    ],
)  # fmt: skip
def test_the_manifest_names_each_component_by_digest(refs: dict[str, str], codes: list[str]):
    # contracts, B.1: the loader's codes, and the expression that it has for a ref.
    found = decide.package_refs(RUNTIME, refs, ("api", "web", "codex"))
    assert list(found.reasons) == codes
    decision = accepting((), {}, refs=found)
    assert list(decision.reasons) == (["CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"] if codes else [])
    file = decide.acceptance_file(RUNTIME, (), {}, found, decision, "c" * 40, NOW)
    assert file["releasePackageRefContractStatus"] == ("fail" if codes else "pass")
    assert file["releasePackageRefContractReasonCodes"] == codes


@pytest.mark.parametrize(
    ("scope", "needed"),
    [
        (RUNTIME, True),
        (replace(NONE, infra=True), True),
        (replace(NONE, requires_infra_convergence=True), True),
        (replace(NONE, identity=True), False),
        (replace(NONE, desktop=True), False),
        (NONE, False),
    ],
)
def test_refs_are_needed_where_the_change_reaches_what_runs(scope: Scope, needed: bool):
    found = decide.package_refs(scope, {}, ("shop-floor",))
    assert list(found.reasons) == (["RELEASE_PACKAGE_SHOP_FLOOR_REF_MISSING"] if needed else [])


CHECK_IDENTITY = "CHECK_IDENTITY_READONLY_ACCEPTANCE_REQUIRED_NOT_SUCCESS"


@pytest.mark.parametrize(
    ("required", "results", "status", "codes"),
    [
        ((decide.IDENTITY,), {decide.IDENTITY: "success"}, "pass", []),
        ((decide.IDENTITY,), {decide.IDENTITY: "failure"}, "fail", [CHECK_IDENTITY]),
        ((decide.IDENTITY,), {}, "fail", [CHECK_IDENTITY, "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY"]),
        ((), {}, "not-required", ["IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED"]),
    ],
)
def test_the_identity_contract_is_what_the_identity_check_said(
    required: tuple[str, ...], results: dict[str, str], status: str, codes: list[str]
):
    decision = accepting(required, results)
    assert ("CONFIG_CONTRACT_IDENTITY_NOT_PASS" in decision.reasons) == (status == "fail")
    file = decide.acceptance_file(RUNTIME, required, results, BY_DIGEST, decision, "c" * 40, NOW)
    assert (file["identityConfigContractStatus"], file["identityConfigContractReasonCodes"]) == (
        status,
        codes,
    )


def test_each_check_that_a_change_does_not_need_says_so():
    # contracts, B.5: status and code of what was not required.
    decision = accepting((decide.LOAD,), {decide.LOAD: "success"})
    file = decide.acceptance_file(RUNTIME, (decide.LOAD,), {}, BY_DIGEST, decision, "c" * 40, NOW)
    assert file["notRequired"] == {
        "runtime-api-system-acceptance": not_required("RUNTIME_API_SYSTEM_NOT_REQUIRED"),
        "runtime-browser-acceptance": not_required("RUNTIME_BROWSER_NOT_REQUIRED"),
        "runtime-migration-image-acceptance": not_required("RUNTIME_MIGRATION_IMAGE_NOT_REQUIRED"),
        "infra-readonly-acceptance": not_required("INFRA_READONLY_ACCEPTANCE_NOT_REQUIRED"),
        "identity-readonly-acceptance": not_required("IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED"),
    }
    every = decide.acceptance_file(RUNTIME, decide.CHECKS, {}, BY_DIGEST, decision, "c" * 40, NOW)
    assert every["notRequired"] == {}


def not_required(code: str) -> dict[str, str]:
    return {"status": "not-required", "reasonCode": code}


def test_the_acceptance_has_the_contracts_fields():
    # contracts, B.5; `decision` is in both forms here, and `notRequired` holds what were files of their own.
    every = {"schemaVersion", "generatedAt", "headSha", "pass", "decision", "reasonCodes", "reasons"}
    yes = accepting((), {})
    results = dict.fromkeys(decide.CHECKS, "skipped")
    full = decide.acceptance_file(RUNTIME, (), results, BY_DIGEST, yes, "c" * 40, NOW)
    assert set(full) == every | {
        "runtimeRequired", "infraRequired", "identityRequired",
        "releasePackageRefContractStatus", "releasePackageRefContractReasonCodes",
        "identityConfigContractStatus", "identityConfigContractReasonCodes",
        "checkResults", "notRequired", "reasonDetails",
    }  # fmt: skip
    assert list(full["checkResults"]) == [
        "load-release-package", "runtime-api-system-acceptance", "runtime-browser-acceptance",
        "runtime-migration-image-acceptance", "infra-readonly-acceptance", "identity-readonly-acceptance",
    ]  # fmt: skip
    docs = replace(NONE, docs_only=True, deploy_required=False, reason_code="DOCS_ONLY_CHANGE")
    short = decide.acceptance_file(docs, (decide.LOAD,), results, BY_DIGEST, yes, "c" * 40, NOW)
    assert set(short) == every
    assert (short["pass"], short["decision"], short["reasonCodes"]) == (True, "YES", ["DOCS_ONLY_CHANGE"])
    no = accepting((decide.LOAD,), results)
    assert set(decide.acceptance_file(docs, (decide.LOAD,), results, BY_DIGEST, no, "c" * 40, NOW)) == set(
        full
    )


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
