"""Decisions: YES exactly when nothing stands against it, whatever the journals tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roadworthy.config import Acceptance, Slo
from roadworthy.decision import contract_files, decide
from roadworthy.decision.commit_stage import Drift, Stage
from roadworthy.decision.times import Job, Times, slowest
from roadworthy.facts.acceptance_checks import (
    API,
    BROWSER,
    CHECKS,
    IDENTITY,
    INFRA,
    LOAD,
    MIGRATION,
    required_checks,
)
from roadworthy.facts.scope import Scope
from roadworthy.facts.standing import Done, Standing
from roadworthy.model import CiState, Fact

NOW = "2030-01-01T00:00:00Z"
RESULTS = st.sampled_from(["success", "failure", "skipped", "unknown", ""])
OUTCOMES = st.sampled_from(["success", "failure", "missing", "cancelled", "no answer"])
SECONDS = st.integers(0, 3000)
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


def stage_of(outcome: str, seconds: int = 10, mode: str = "observe") -> Stage:
    """The commit stage of a documented commit whose tests ended like that."""
    ci = Fact("ci", CiState(outcome, "a test"))
    return Stage("c" * 40, ci, {"runtime": True}, Drift(False, "pass"), seconds, Slo(mode=mode))


def maybe(value: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, value])


YES = decide.Told(
    "c" * 40, Standing(DONE, DONE, DONE, DONE), stage_of("success"), "", DEPLOYED, {},
    times=Times(verification=5, deploy=5),
)  # fmt: skip
REFUSED = replace(DONE, action="accept", details={"reason_codes": ["CHECK_X_NOT_SUCCESS", "ANOTHER"]})
FLAWS: dict[str, Callable[[decide.Told], decide.Told]] = {
    "no intake": lambda one: replace(one, standing=replace(one.standing, intake=None)),
    "no build": lambda one: replace(one, standing=replace(one.standing, build=None)),
    "never accepted": lambda one: replace(one, standing=replace(one.standing, accepted=None)),
    "accepted with NO": lambda one: replace(
        one, standing=replace(one.standing, accepted=None, refused=REFUSED)
    ),
    "no release": lambda one: replace(one, standing=replace(one.standing, released=None)),
    "out of order": lambda one: replace(one, standing=replace(one.standing, invalid=("build #3: INTAKE_MISSING",))),
    "red commit": lambda one: replace(
        one, commit_stage=replace(one.commit_stage, ci=Fact("ci", CiState("failure", "x")))
    ),
    "slow commit": lambda one: replace(
        one, commit_stage=replace(one.commit_stage, seconds=301, slo=Slo(mode="enforce"))
    ),
    "not done": lambda one: replace(one, unmet={"checks_pass": "check health: 503"}),
    "slow acceptance": lambda one: replace(one, times=replace(one.times, verification=901)),
    "slow production": lambda one: replace(one, times=replace(one.times, deploy=1201)),
}  # fmt: skip
OF_COMMIT = {"no intake", "red commit", "slow commit"}
OF_ACCEPTANCE = {"no build", "never accepted", "accepted with NO"}
SLOW = {"slow acceptance", "slow production"}  # these count where they are enforced


@st.composite
def cases(draw: st.DrawFn) -> tuple[decide.Told, set[str]]:
    """A release that is good but for a few flaws, and which: each of them must make the decision NO."""
    flaws = draw(st.sets(st.sampled_from(list(FLAWS)), max_size=3))
    one = replace(YES, replay=draw(st.booleans()), no_deploy=draw(st.sampled_from(["", "DOCS_ONLY_CHANGE"])))
    if draw(st.booleans()):
        one = replace(
            one, deployed=None, times=replace(one.times, failed=draw(st.sampled_from([frozenset(), DEPLOY])))
        )
    for flaw in sorted(flaws):
        one = FLAWS[flaw](one)
    return one, flaws | ({"not deployed"} if one.deploy_required and not one.deployed else set())


DEPLOY = frozenset({"deploy"})
SLOS = st.builds(Slo, mode=st.sampled_from(["observe", "enforce"]))
MANIFEST = {"releasePackage": {"webRef": f"slug/x@sha256:{'d' * 64}"}, "scope": {}, "changeClass": "runtime"}


@given(cases(), SLOS)
def test_a_release_is_good_exactly_when_every_stage_says_so(case: tuple[decide.Told, set[str]], slo: Slo):
    one, flaws = case
    decision = decide.release(one, slo)
    assert decision.yes == (not flaws - (SLOW if slo.mode == "observe" else set())) == (not decision.reasons)


@given(cases(), SLOS)
def test_every_file_says_the_same_of_every_stage(case: tuple[decide.Told, set[str]], slo: Slo):
    one, flaws = case
    flaws -= SLOW if slo.mode == "observe" else set()
    release = decide.release(one, slo)
    file = contract_files.decision_file(one, release, MANIFEST, NOW)
    of_commit, of_acceptance = flaws & OF_COMMIT, flaws & {*OF_ACCEPTANCE, "slow acceptance"}
    assert file["commitStage"] == ("REPLAY" if one.replay else "NO" if of_commit else "YES")
    assert file["acceptance"] == ("NO" if of_acceptance else "YES")
    assert file["production"] == ("NO" if flaws - of_commit else "YES"), "it rests on acceptance"
    assert file["releaseable"] == (not flaws) == (file["reasonCodes"] == []), "no code stands beside a YES"
    assert [detail["code"] for detail in file["reasonDetails"]] == file["reasonCodes"]
    assert len(file["reasons"]) == len(file["reasonCodes"])
    production = contract_files.production_file(one, release, MANIFEST, NOW, "sandbox/prod")
    assert production["decision"] == file["production"]
    assert production["deployRequired"] == file["deployRequired"] == (one.no_deploy == "")
    if production["decision"] == "YES":
        assert production["reasonCodes"] == ([one.no_deploy] if one.no_deploy else [])
    else:
        assert production["reasonCodes"] and set(production["reasonCodes"]) <= set(file["reasonCodes"])
    timing = contract_files.timing_file(one, release, slo, NOW, "x")
    assert timing["runConclusion"] == ("success" if file["releaseable"] else "failure")


CODES = {
    "no intake": ["COMMIT_STAGE_FAILED", "INTAKE_MISSING"],
    "no build": ["LOAD_RELEASE_PACKAGE_NOT_SUCCESS"],
    "never accepted": ["ACCEPTANCE_STAGE_NOT_SUCCESS", "ACCEPTANCE_DECISION_NOT_YES"],
    "accepted with NO": ["CHECK_X_NOT_SUCCESS", "ANOTHER"],
    "no release": ["RELEASE_MISSING"],
    "out of order": ["STAGES_OUT_OF_ORDER"],
    "red commit": ["COMMIT_STAGE_FAILED", "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS"],
    "slow commit": ["COMMIT_STAGE_FAILED", "COMMIT_STAGE_SLO_NOT_MET"],
    "not done": ["PRODUCTION_BLACKBOX_VERIFY_FAILED", "DONE_CHECKS_PASS"],
    "slow acceptance": ["ACCEPTANCE_SLO_NOT_MET"],
    "slow production": ["PRODUCTION_SLO_NOT_MET"],
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_has_its_codes_and_each_decision_file_passes_them_on(flaw: str):
    one = FLAWS[flaw](YES)
    release = decide.release(one, Slo(mode="enforce"))
    file = contract_files.decision_file(one, release, MANIFEST, NOW)
    assert file["reasonCodes"] == CODES[flaw]
    production = contract_files.production_file(one, release, MANIFEST, NOW, "sandbox/prod")
    assert production["reasonCodes"] == ([] if flaw in OF_COMMIT else CODES[flaw])


UNVERIFIED = ["PRODUCTION_BLACKBOX_VERIFY_FAILED", "DONE_CHECKS_PASS"]
UNDEPLOYED = ["DEPLOY_RELEASE_PACKAGE_FAILED"]


@pytest.mark.parametrize(
    ("change", "deployed", "verified", "codes"),
    [
        ({}, "success", "success", []),
        ({"unmet": {"checks_pass": "503"}}, "success", "failure", UNVERIFIED),
        ({"deployed": None}, "skipped", "skipped", UNDEPLOYED),
        ({"deployed": None, "times": Times(failed=DEPLOY)}, "failure", "skipped", UNDEPLOYED),
        ({"deployed": None, "no_deploy": "DOCS_ONLY_CHANGE"}, "skipped", "skipped", ["DOCS_ONLY_CHANGE"]),
    ],
)  # fmt: skip
def test_what_was_not_deployed_was_not_verified_and_has_not_failed(
    change: dict[str, Any], deployed: str, verified: str, codes: list[str]
):
    one = replace(YES, **change)
    file = contract_files.production_file(one, decide.release(one, Slo()), MANIFEST, NOW, "sandbox/prod")
    assert file["checks"] == {
        "deployReleasePackageResult": deployed,
        "productionBlackboxVerifyResult": verified,
    }
    assert file["reasonCodes"] == codes


@pytest.mark.parametrize(
    ("word", "codes", "expected"),
    [
        ("YES", [], []),
        ("YES", [" "], []),
        ("YES", ["X"], ["X"]),
        ("yes", [], ["OTHERWISE"]),
        ("", [], ["OTHERWISE"]),
        ("NO", [], ["OTHERWISE"]),
        ("NO", [" X ", "", "Y"], ["X", "Y"]),
        ("NO", [1, None, " Z "], ["1", "Z"]),
        ("NO", None, ["OTHERWISE"]),
        ("NO", "text", ["OTHERWISE"]),
        ("NO", {"X": "why"}, ["OTHERWISE"]),
        ("YES", 5, []),
    ],
)
def test_a_recorded_decision_is_yes_by_that_word_alone_and_a_no_has_a_code(
    word: str, codes: object, expected: list[str]
):
    assert list(decide.recorded(word, codes, "OTHERWISE").reasons) == expected


@given(cases(), st.sampled_from(list(FLAWS)))
def test_whatever_is_taken_away_a_no_never_becomes_a_yes(case: tuple[decide.Told, set[str]], flaw: str):
    worse = FLAWS[flaw](case[0])
    assert not decide.release(worse, Slo(mode="enforce")).yes


@given(
    st.sets(st.sampled_from(CHECKS)),
    st.dictionaries(st.sampled_from(CHECKS), RESULTS),
    OUTCOMES,
    SECONDS,
    st.sampled_from([0.0, 900.0]),
    st.sampled_from([BY_DIGEST, UNNAMED]),
)
def test_a_package_is_accepted_exactly_when_all_that_is_required_succeeded(
    needed: set[str], results: dict[str, str], ci: str, took: float, target: float, refs: decide.Decision
):
    def accepts(required: tuple[str, ...], results: dict[str, str]) -> decide.Decision:
        identity = decide.identity_contract(required, results)
        return decide.acceptance(
            required, results, refs=refs, identity=identity, commit_stage=stage, took=took, target=target
        )

    required = tuple(name for name in CHECKS if name in needed)
    stage = stage_of(ci).decision
    decision = accepts(required, results)
    failed = [name for name, result in results.items() if result not in ("success", "skipped")]
    assert decision.yes == (
        ci == "success"
        and (refs.yes or not {API, INFRA} & needed)
        and all(results.get(name) == "success" for name in required)
        and not failed
        and not (target and took > target)
    )
    for name in required:
        worse = {**results, name: "failure"}
        assert not accepts(required, worse).yes
    more = accepts(CHECKS, results)
    assert decision.yes or not more.yes, "asking for more checks never helps"
    file = accepted_file(RUNTIME, required, results, refs, decision)
    assert file["pass"] == decision.yes == (file["reasonCodes"] == [])
    if {API, INFRA} & needed:
        assert file["pass"] <= (file["releasePackageRefContractStatus"] == "pass")
    assert file["pass"] <= (file["identityConfigContractStatus"] != "fail")
    for name in ("releasePackageRef", "identityConfig"):
        status, codes = file[f"{name}ContractStatus"], file[f"{name}ContractReasonCodes"]
        assert (status == "pass") == (codes == [])
    assert set(file["notRequired"]) == set(CHECKS) - needed - {LOAD}
    for part, check in (
        ("runtime", API),
        ("infra", INFRA),
        ("identity", IDENTITY),
    ):
        assert file[f"{part}Required"] == (check in needed)


def test_only_enforced_times_decide():
    one = replace(YES, times=Times(verification=901, deploy=1201))
    assert decide.release(one, Slo(mode="observe")).yes
    late = decide.release(one, Slo(mode="enforce"))
    assert list(late.reasons) == ["ACCEPTANCE_SLO_NOT_MET", "PRODUCTION_SLO_NOT_MET"]
    just = replace(YES, times=Times(verification=900, deploy=1200))
    assert decide.release(just, Slo(mode="enforce")).yes


def test_the_times_are_whole_seconds_or_null_and_are_judged_as_they_were():
    times = Times(queue=1.9, overall=2.9, test=3.9, build=4.9, verification=900.5, deploy=None)
    one = replace(YES, times=times)
    file = contract_files.timing_file(one, decide.release(one, Slo()), Slo(), NOW, "x")
    assert file["metrics"] == {
        "queueDelaySeconds": 1, "overallExecutionSeconds": 2, "commitStageSeconds": 3,
        "releasePackageBuildSeconds": 4, "acceptanceStageSeconds": 900, "productionStageSeconds": None,
    }  # fmt: skip
    assert (file["slo"]["acceptancePass"], file["slo"]["productionPass"]) == (False, None)
    assert list(decide.release(one, Slo(mode="enforce")).reasons) == ["ACCEPTANCE_SLO_NOT_MET"]


def test_a_stage_that_failed_is_no_success_in_the_times_and_neither_is_a_run_that_said_no():
    jobs = [
        Job("build", (NOW, "2030-01-01T00:00:01Z"), "success"),
        Job("verification", (NOW, "2030-01-01T00:00:05Z"), "failure"),
    ]
    one = replace(
        YES, standing=Standing(DONE, DONE, None, None, DONE), times=Times(overall=9, slowest=slowest(jobs))
    )
    decision = decide.release(one, Slo())
    file = contract_files.timing_file(one, decision, Slo(), NOW, "sandbox/prod#1")
    assert [(job["name"], job["conclusion"]) for job in file["slowestJobsTop3"]] == [
        ("verification", "failure"),
        ("build", "success"),
    ]
    assert (decision.word, file["runConclusion"]) == ("NO", "failure")
    file = contract_files.timing_file(YES, decide.release(YES, Slo()), Slo(), NOW, "sandbox/prod#1")
    assert file["runConclusion"] == "success"


NOTHING = decide.Told("c" * 40, Standing(refused=DONE), stage_of("failure"), "", None, {"checks_pass": "503"})


def test_the_reason_codes_are_the_contracts_own():
    # contracts, B.5 and B.8: other tools look for these very words.
    assert set(decide.release(NOTHING, Slo()).reasons) == {
        "COMMIT_STAGE_FAILED", "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS", "INTAKE_MISSING",
        "LOAD_RELEASE_PACKAGE_NOT_SUCCESS", "ACCEPTANCE_DECISION_NOT_YES", "RELEASE_MISSING",
        "DONE_CHECKS_PASS",
    }  # fmt: skip
    never = replace(NOTHING, standing=Standing())
    assert "ACCEPTANCE_STAGE_NOT_SUCCESS" in decide.release(never, Slo()).reasons
    said = contract_files.production_file(
        NOTHING, decide.release(NOTHING, Slo()), MANIFEST, NOW, "sandbox/prod"
    )
    assert said["reasonCodes"] == [
        "LOAD_RELEASE_PACKAGE_NOT_SUCCESS", "ACCEPTANCE_DECISION_NOT_YES",
        "RELEASE_MISSING", "DONE_CHECKS_PASS",
    ]  # fmt: skip
    failed = dict.fromkeys(CHECKS, "failure")
    red = stage_of("failure").decision
    decision = accepting(CHECKS, failed, refs=UNNAMED, commit_stage=red)
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
    assert "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY" in accepting((LOAD,), {}).reasons
    assert list(accepting((), {INFRA: "failure"}).reasons) == ["ACCEPTANCE_GATE_FAILED"]


def accepting(
    required: tuple[str, ...],
    results: dict[str, str],
    refs: decide.Decision = BY_DIGEST,
    commit_stage: decide.Decision | None = None,
) -> decide.Decision:
    stage = commit_stage or stage_of("success").decision
    identity = decide.identity_contract(required, results)
    return decide.acceptance(
        required, results, refs=refs, identity=identity, commit_stage=stage, took=0, target=0
    )


def accepted_file(
    scope: Scope,
    required: tuple[str, ...],
    results: dict[str, str],
    refs: decide.Decision,
    said: decide.Decision,
) -> dict[str, Any]:
    identity = decide.identity_contract(required, results)
    return contract_files.acceptance_file(scope, required, results, refs, identity, said, "c" * 40, NOW)


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
        ({"apiRef": 0, "webRef": False, "codexRef": GOOD}, [
            "RELEASE_PACKAGE_API_REF_MISSING", "RELEASE_PACKAGE_WEB_REF_MISSING",
        ]),
        ({"apiRef": 42, "webRef": [GOOD], "codexRef": ""}, [
            "RELEASE_PACKAGE_CODEX_REF_MISSING", "RELEASE_PACKAGE_API_REF_NOT_DIGEST",
            "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST",
        ]),
        (
            {"apiRef": f"@sha256:{'a' * 64}", "webRef": f"{GOOD}\n", "codexRef": GOOD},
            ["RELEASE_PACKAGE_API_REF_NOT_DIGEST", "RELEASE_PACKAGE_WEB_REF_NOT_DIGEST"],
        ),
    ],
)  # fmt: skip
def test_the_manifest_names_each_component_by_digest(refs: dict[str, object], codes: list[str]):
    # contracts, B.1: the loader's codes, and the expression that it has for a ref.
    found = decide.package_refs(RUNTIME, refs, ("api", "web", "codex"))
    assert list(found.reasons) == codes
    decision = accepting((API,), {API: "success"}, refs=found)
    assert list(decision.reasons) == (["CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"] if codes else [])
    file = accepted_file(RUNTIME, (), {}, found, decision)
    assert file["releasePackageRefContractStatus"] == ("fail" if codes else "pass")
    assert file["releasePackageRefContractReasonCodes"] == codes


OF_RUNTIME = {API, MIGRATION}


@pytest.mark.parametrize(
    ("scope", "browser", "checks"),
    [
        (RUNTIME, "", OF_RUNTIME),
        (RUNTIME, "test", {*OF_RUNTIME, BROWSER}),
        (NONE, "test", set()),
        (replace(NONE, migration=True), "test", set()),
        (replace(NONE, desktop=True), "test", set()),
        (replace(NONE, infra=True), "test", {INFRA}),
        (replace(NONE, requires_infra_convergence=True), "", {INFRA}),
        (replace(NONE, identity=True), "", {IDENTITY}),
        (
            replace(RUNTIME, infra=True, identity=True),
            "",
            {*OF_RUNTIME, INFRA, IDENTITY},
        ),
    ],
)
def test_a_change_requires_the_checks_of_what_it_touches(scope: Scope, browser: str, checks: set[str]):
    found = required_checks(scope, Acceptance(browser=browser))
    assert set(found) == {LOAD, *checks} and len(found) == len(checks) + 1


def test_a_failing_migration_has_a_code_of_its_own():
    required = required_checks(RUNTIME, Acceptance())
    said = accepting(required, {**dict.fromkeys(required, "success"), MIGRATION: "failure"})
    assert list(said.reasons) == ["CHECK_RUNTIME_MIGRATION_IMAGE_ACCEPTANCE_REQUIRED_NOT_SUCCESS"]


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
        ((IDENTITY,), {IDENTITY: "success"}, "pass", []),
        ((IDENTITY,), {IDENTITY: "failure"}, "fail", [CHECK_IDENTITY]),
        ((IDENTITY,), {}, "fail", [CHECK_IDENTITY, "REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY"]),
        ((), {}, "not-required", ["IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED"]),
    ],
)
def test_the_identity_contract_is_what_the_identity_check_said(
    required: tuple[str, ...], results: dict[str, str], status: str, codes: list[str]
):
    decision = accepting(required, results)
    assert ("CONFIG_CONTRACT_IDENTITY_NOT_PASS" in decision.reasons) == (status == "fail")
    file = accepted_file(RUNTIME, required, results, BY_DIGEST, decision)
    assert (file["identityConfigContractStatus"], file["identityConfigContractReasonCodes"]) == (
        status,
        codes,
    )


def test_each_check_that_a_change_does_not_need_says_so():
    # contracts, B.5: status and code of what was not required.
    decision = accepting((LOAD,), {LOAD: "success"})
    file = accepted_file(RUNTIME, (LOAD,), {}, BY_DIGEST, decision)
    assert file["notRequired"] == {
        "runtime-api-system-acceptance": not_required("RUNTIME_API_SYSTEM_NOT_REQUIRED"),
        "runtime-browser-acceptance": not_required("RUNTIME_BROWSER_NOT_REQUIRED"),
        "runtime-migration-image-acceptance": not_required("RUNTIME_MIGRATION_IMAGE_NOT_REQUIRED"),
        "infra-readonly-acceptance": not_required("INFRA_READONLY_ACCEPTANCE_NOT_REQUIRED"),
        "identity-readonly-acceptance": not_required("IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED"),
    }
    every = accepted_file(RUNTIME, CHECKS, {}, BY_DIGEST, decision)
    assert every["notRequired"] == {}


def not_required(code: str) -> dict[str, str]:
    return {"status": "not-required", "reasonCode": code}


def test_the_acceptance_has_the_contracts_fields():
    # contracts, B.5; `decision` is in both forms here, and `notRequired` holds what were files of their own.
    every = {"schemaVersion", "generatedAt", "headSha", "pass", "decision", "reasonCodes", "reasons"}
    yes = accepting((), {})
    results = dict.fromkeys(CHECKS, "skipped")
    full = accepted_file(RUNTIME, (), results, BY_DIGEST, yes)
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
    short = accepted_file(docs, (LOAD,), results, BY_DIGEST, yes)
    assert set(short) == every
    assert (short["pass"], short["decision"], short["reasonCodes"]) == (True, "YES", ["DOCS_ONLY_CHANGE"])
    no = accepting((LOAD,), results)
    assert set(accepted_file(docs, (LOAD,), results, BY_DIGEST, no)) == set(full)


def test_the_files_have_the_contracts_fields():
    # contracts, B.8; `schemaVersion`, `generatedAt` and how reasons are said are those of every file.
    every = {"schemaVersion", "generatedAt", "headSha"}
    why = {"reasonCodes", "reasonDetails", "reasons"}
    decision = decide.release(NOTHING, Slo())
    assert set(contract_files.decision_file(NOTHING, decision, MANIFEST, NOW)) == every | why | {
        "releasePackageSha", "replayMode", "commitStage", "acceptance", "production", "deployRequired",
        "releaseable", "releasePackage",
    }  # fmt: skip
    production = contract_files.production_file(NOTHING, decision, MANIFEST, NOW, "sandbox/prod")
    assert set(production) == every | why | {
        "changeClass", "decision", "deployRequired", "scope", "checks", "releasePackage", "deploymentId",
    }  # fmt: skip
    assert set(production["scope"]) == {"runtime", "desktop", "infra", "identity"}
    assert set(production["checks"]) == {"deployReleasePackageResult", "productionBlackboxVerifyResult"}
    timing = contract_files.timing_file(NOTHING, decision, Slo(), NOW, "x")
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


@pytest.mark.parametrize(
    ("required", "refs", "against"),
    [
        ((decide.LOAD,), UNNAMED, False),  # a change that needs neither names no component
        ((decide.LOAD, decide.API), UNNAMED, True),
        ((decide.LOAD, decide.INFRA), UNNAMED, True),
        ((decide.LOAD, decide.BROWSER, decide.MIGRATION, decide.IDENTITY), UNNAMED, False),
        ((decide.LOAD, decide.API), BY_DIGEST, False),
    ],
)
def test_refs_are_asked_for_where_a_check_of_what_runs_is_required(
    required: tuple[str, ...], refs: decide.Decision, against: bool
):
    found = decide.acceptance(
        required,
        dict.fromkeys(required, "success"),
        refs=refs,
        identity=decide.Decision({}),
        commit_stage=decide.Decision({}),
        took=0,
        target=0,
    )
    assert set(found.reasons) == ({"CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"} if against else set())
