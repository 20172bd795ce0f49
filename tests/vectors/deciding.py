"""The decisions: commit stage, acceptance, production and release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from roadworthy.config import ScopeRules, Slo
from roadworthy.decision import commit_stage, contract_files, decide
from roadworthy.decision.commit_stage import Drift, Stage
from roadworthy.decision.decide import Decision
from roadworthy.facts.acceptance_checks import API, BROWSER, IDENTITY, INFRA, LOAD, MIGRATION
from roadworthy.facts.scope import classify
from roadworthy.model import CiState, Fact, StageRun

from .reading import Answer, Difference, Subject, Vector, differs

NOW = "2030-01-01T00:00:00Z"
DOCS = classify(ScopeRules(docs=("*",)), ("a",), base="b", head="c")
PRODUCT = classify(ScopeRules(runtime=("*",)), ("a",), base="b", head="c")
NOT_ASKED = "ours has no such input"


def given(codes: list[str]) -> Decision:
    """A decision with these codes against it."""
    return Decision(dict.fromkeys(codes, "the vector says so"))


def said(decision: Decision, yes: str = "pass") -> Answer:
    return {yes: decision.yes, "reasonCodes": list(decision.reasons)}


# ---- commit stage


def required(flags: Mapping[str, Any], checks: Mapping[str, str]) -> list[str]:
    """The checks of which `flags` says that they are required: runtimeRequired and the like."""
    return [name for name, part in checks.items() if flags[f"{part}Required"]]


def ask_commit(vector: Vector) -> Answer:
    one = vector["input"]
    return said(
        commit_stage.judge(
            [commit_stage.SCOPE, *required(one, commit_stage.PARTS)],
            one["checkResults"],
            Drift(one["docsDriftBlocking"], one["docsDriftStatus"]),
            Slo(mode=one["commitStageSloMode"], commit=one["commitStageSloTargetSeconds"]),
            one["timeToCommitGateSeconds"],
        )
    )


COMMIT = Subject("commit-stage", ask_commit, lambda vector: vector["expected"])


class Given(Stage, frozen=True):
    """A stage whose checks ended as a vector says, each for itself."""

    ended: Mapping[str, str] = {}
    needed: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        return self.needed

    @property
    def results(self) -> dict[str, str]:
        return {name: self.ended.get(name, "unknown") for name in commit_stage.CHECKS}


def flag(env: Mapping[str, str], name: str, default: str) -> bool:
    return env.get(name, default).strip().lower() == "true"


def ask_commit_file(vector: Vector) -> Answer:
    env = vector["input"]["env"]
    if vector["expected"]["file"] is None:
        return NOT_ASKED
    flags = {
        f"{part}Required": flag(env, f"{part.upper()}_REQUIRED", "true" if part == "runtime" else "false")
        for part in commit_stage.PARTS.values()
    }
    seconds, target = env.get("TIME_TO_COMMIT_GATE_SECONDS"), env.get("COMMIT_STAGE_SLO_TARGET_SECONDS")
    head = env["HEAD_SHA"]
    stage = Given(
        commit=head,
        ci=Fact("ci", CiState("success", "a vector", run=StageRun(env.get("TESTED_SHA", head), 1))),
        scope={},
        drift=Drift(
            flag(env, "DOCS_DRIFT_BLOCKING", "false"), env.get("DOCS_DRIFT_STATUS", "unknown").strip().lower()
        ),
        seconds=float(seconds) if seconds else None,
        slo=Slo(mode=env.get("COMMIT_STAGE_SLO_MODE", "observe"), commit=float(target or 300)),
        ended=json.loads(env["CHECK_RESULTS_JSON"]),
        needed=(commit_stage.SCOPE, *required(flags, commit_stage.PARTS)),
    )
    return {name: commit_stage.result(stage, NOW)[name] for name in vector["expected"]["file"]}


def measured(vector: Vector, answer: Answer) -> Answer:
    """Ours knows its target, and judges by the time itself: one that is not known is neither good nor bad."""
    if answer == NOT_ASKED:
        return answer
    slo, codes = answer["commitStageSlo"], answer["reasonCodes"]
    took, target = slo["observedSeconds"], slo["targetSeconds"] or 300
    late = (
        ["COMMIT_STAGE_SLO_NOT_MET"] if slo["mode"] == "enforce" and (took is None or took > target) else []
    )
    codes = [code for code in codes if code != "COMMIT_STAGE_SLO_NOT_MET"] + late
    slo = {**slo, "pass": None if took is None else took <= target, "targetSeconds": target}
    return {**answer, "commitStageSlo": slo, "reasonCodes": codes, "pass": not codes}


COMMIT_FILE = Subject(
    "commit-stage-file",
    ask_commit_file,
    lambda vector: vector["expected"]["file"],
    (
        Difference(
            "commit-stage-file-input", lambda v: v["expected"]["file"] is None, lambda v, answer: NOT_ASKED
        ),
        Difference("commit-stage-file-time", differs, measured),
    ),
)

# ---- acceptance

PARTS = {
    API: "runtime",
    BROWSER: "runtime",
    MIGRATION: "runtime",
    INFRA: "infra",
    IDENTITY: "identity",
}


def ask_acceptance(vector: Vector) -> Answer:
    one = vector["input"]

    def contract(name: str) -> Decision:
        return given([] if one[f"{name}ContractStatus"] == "pass" else ["X"])

    return said(
        decide.acceptance(
            [LOAD, *required(one, PARTS)],
            one["checkResults"],
            refs=contract("releasePackageRef"),
            identity=contract("identityConfig"),
            commit_stage=given([]),
            took=0,
            target=0,
        )
    )


def spared_and_failed(vector: Vector) -> bool:
    one = vector["input"]
    needed = [LOAD, *required(one, PARTS)]
    return any(
        result not in ("success", "skipped")
        for name, result in one["checkResults"].items()
        if name not in needed
    )


def says_which(vector: Vector, answer: Answer) -> Answer:
    """Beside the code of a required check that was skipped stands which one it was; each code stands once."""
    one, codes = vector["input"], list[str]()
    for name in [LOAD, *required(one, PARTS)]:
        middle = "" if name == LOAD else "_REQUIRED"
        if one["checkResults"][name] != "success":
            codes.append(f"CHECK_{name.upper().replace('-', '_')}{middle}_NOT_SUCCESS")
        if one["checkResults"][name] == "skipped":
            codes.append("REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY")
    return {**answer, "reasonCodes": list(dict.fromkeys([*codes, *answer["reasonCodes"]]))}


ACCEPTANCE = Subject(
    "acceptance",
    ask_acceptance,
    lambda vector: vector["expected"],
    (
        Difference("acceptance-skipped-check", differs, says_which),
        Difference(
            "acceptance-spared-check",
            spared_and_failed,
            lambda v, answer: {
                "pass": False,
                "reasonCodes": [*answer["reasonCodes"], "ACCEPTANCE_GATE_FAILED"],
            },
        ),
    ),
)


def ask_final(vector: Vector) -> Answer:
    env, file = vector["input"]["env"], vector["input"]["resultFile"] or {}
    spared = env.get("DEPLOY_REQUIRED") == "false"
    word = "YES" if env.get("DECIDE_OUTCOME") == "success" else "NO"
    decision = decide.recorded(word, file.get("reasonCodes"), "ACCEPTANCE_GATE_FAILED")
    code = env.get("DEPLOY_SKIP_REASON_CODE", "NO_DEPLOY_REQUIRED")
    scope = replace(DOCS, reason_code=code) if spared else PRODUCT
    made = contract_files.acceptance_file(scope, (), {}, given([]), given([]), decision, env["HEAD_SHA"], NOW)
    return {name: made[name] for name in ("decision", "reasonCodes")}


def codes_of(vector: Vector) -> list[str]:
    listed = (vector["input"]["resultFile"] or {}).get("reasonCodes", [])
    return [code.strip() for code in listed if code.strip()]


def came_to_nothing(vector: Vector) -> bool:
    env = vector["input"]["env"]
    return env.get("DEPLOY_REQUIRED") == "false" and (
        env.get("DECIDE_OUTCOME") != "success" or bool(codes_of(vector))
    )


FINAL = Subject(
    "acceptance-final",
    ask_final,
    lambda vector: {name: vector["expected"][name] for name in ("decision", "reasonCodes")},
    (
        Difference(
            "acceptance-final-codes",
            lambda v: v["expected"]["decision"] == "YES" and bool(codes_of(v)),
            lambda v, answer: {"decision": "NO", "reasonCodes": codes_of(v)},
        ),
        Difference(
            "acceptance-final-no-deploy",
            came_to_nothing,
            lambda v, answer: {"decision": "NO", "reasonCodes": codes_of(v) or ["ACCEPTANCE_GATE_FAILED"]},
        ),
    ),
)

# ---- production


def listed(text: str | None) -> list[str]:
    """Codes of a JSON text; [] for what is none."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(code).strip() for code in found if code is not None and str(code).strip()]


def ask_production(vector: Vector) -> Answer:
    env = vector["input"]["env"]
    spared = env.get("DEPLOY_REQUIRED") == "false"
    word, codes = env.get("ACCEPTANCE_DECISION", ""), listed(env.get("ACCEPTANCE_REASON_CODES_JSON"))
    why = codes or ["NO_DEPLOY_REQUIRED"]
    accepted = decide.recorded(word, [] if spared and word == "YES" else codes, "ACCEPTANCE_DECISION_NOT_YES")
    results = {"deploy": env["DEPLOY_RESULT"], "verify": env["VERIFY_RESULT"]}
    produced = decide.production(accepted, deploy_required=not spared, **results)
    return {
        "decision": produced.word,
        "deployRequired": not spared,
        "reasonCodes": why if spared and produced.yes else list(produced.reasons),
    }


def unsaid(vector: Vector) -> bool:
    return "DEPLOY_REQUIRED" not in vector["input"]["env"]


def env_of(vector: Vector, name: str) -> str:
    return vector["input"]["env"].get(name, "")


def accepted_without_a_reason(vector: Vector) -> bool:
    return env_of(vector, "ACCEPTANCE_DECISION") == "YES" and not listed(
        env_of(vector, "ACCEPTANCE_REASON_CODES_JSON")
    )


def as_if_required(vector: Vector, answer: Answer) -> Answer:
    env = vector["input"]["env"]
    answer["deployRequired"] = True
    if answer["decision"] == "NO":
        return answer
    codes = listed(env.get("ACCEPTANCE_REASON_CODES_JSON"))
    failed = [] if env["DEPLOY_RESULT"] == "success" else ["DEPLOY_RELEASE_PACKAGE_FAILED"]
    unverified = [] if env["VERIFY_RESULT"] == "success" else ["PRODUCTION_BLACKBOX_VERIFY_FAILED"]
    against = codes or failed or unverified
    return {**answer, "decision": "NO" if against else "YES", "reasonCodes": against}


PRODUCTION = Subject(
    "production",
    ask_production,
    lambda vector: {name: vector["expected"][name] for name in ("decision", "deployRequired", "reasonCodes")},
    (
        Difference("production-unsaid", unsaid, as_if_required),
        Difference(
            "production-no-without-code",
            lambda v: v["expected"]["decision"] == "NO" and not v["expected"]["reasonCodes"],
            lambda v, answer: {**answer, "reasonCodes": ["ACCEPTANCE_DECISION_NOT_YES"]},
        ),
        Difference(
            "production-says-why",
            lambda v: v["expected"]["decision"] == "YES" and env_of(v, "DEPLOY_REQUIRED") == "false",
            lambda v, answer: {**answer, "reasonCodes": answer["reasonCodes"] or ["NO_DEPLOY_REQUIRED"]},
        ),
        Difference(
            "production-verifies-all",
            lambda v: (
                accepted_without_a_reason(v)
                and env_of(v, "DEPLOY_REQUIRED") == "true"
                and env_of(v, "DEPLOY_RESULT") == "success"
                and env_of(v, "VERIFY_RESULT") != "success"
            ),
            lambda v, answer: {
                **answer,
                "decision": "NO",
                "reasonCodes": ["PRODUCTION_BLACKBOX_VERIFY_FAILED"],
            },
        ),
    ),
)

# ---- release


def ask_outcome(vector: Vector) -> Answer:
    one = vector["input"]
    replay = str(one.get("replayMode", False)).lower() == "true"
    decisions = {}
    for stage in ("acceptance", "production"):
        codes = json.loads(one.get(f"{stage}ReasonCodes") or "[]")
        word = one.get(f"{stage}Decision", "").upper()
        decisions[stage] = decide.recorded(word, codes, f"{stage.upper()}_DECISION_NOT_YES")
    tested = one.get("commitStageResult") in ("success", "replay") or replay
    found = decide.outcome(
        given([] if tested else ["X"]),
        decisions["acceptance"],
        decisions["production"],
        replay=replay,
        loaded=one.get("loadReleasePackageResult", ""),
        acceptance_stage=one.get("acceptanceStageResult", ""),
        production_stage=one.get("productionStageResult", ""),
    )
    return {
        "replayMode": found.replay,
        "commitStageDecision": found.commit_stage,
        "acceptanceDecision": found.acceptance.word,
        "productionDecision": found.production.word,
        "releaseable": found.yes,
        "reasonCodes": [code for code in found.reasons if code != "X"],
    }


def ask_outcome_or_error(vector: Vector) -> Answer:
    try:
        return ask_outcome(vector)
    except ValueError:
        return {"throws": True}


def words_by_codes(vector: Vector, answer: Answer) -> Answer:
    """A stage is YES only where nothing speaks against it: its own codes, its job's result, and its base."""
    one = vector["input"]

    def good(stage: str) -> bool:
        codes, result = listed(one.get(f"{stage}ReasonCodes")), one.get(f"{stage}StageResult")
        return answer[f"{stage}Decision"] == "YES" and not codes and result == "success"

    accepted = good("acceptance") and one.get("loadReleasePackageResult") == "success"
    produced = accepted and good("production")
    return {
        **answer,
        "acceptanceDecision": "YES" if accepted else "NO",
        "productionDecision": "YES" if produced else "NO",
        "releaseable": produced and not answer["reasonCodes"],
    }


OUTCOME = Subject(
    "release-outcome",
    ask_outcome_or_error,
    lambda vector: {name: value for name, value in vector["expected"].items() if name != "deployRequired"},
    (Difference("release-outcome-words", lambda v: "throws" not in v["expected"], words_by_codes),),
)

# ---- whole runs


def ask_chain(vector: Vector) -> Answer:
    one = vector["input"]
    acceptance, spared = one["acceptance"], not one["deployRequired"]
    codes = [] if spared and acceptance["decision"] == "YES" else acceptance["reasonCodes"]
    accepted = decide.recorded(acceptance["decision"], codes, "ACCEPTANCE_DECISION_NOT_YES")
    produced = decide.production(
        accepted, deploy_required=not spared, deploy=one["deployResult"], verify=one["verifyResult"]
    )
    tested = one["commitStageResult"] in ("success", "replay")
    found = decide.outcome(
        given([] if tested else ["X"]),
        accepted,
        produced,
        replay=one["replayMode"],
        loaded="success",
        acceptance_stage="success",
        production_stage="success",
    )
    why = acceptance["reasonCodes"] if spared and found.production.yes else list(found.production.reasons)
    return {
        "production": {"decision": found.production.word, "reasonCodes": why},
        "release": {
            "commitStage": found.commit_stage,
            "acceptance": found.acceptance.word,
            "production": found.production.word,
            "releaseable": found.yes,
            "reasonCodes": [code for code in found.reasons if code != "X"],
        },
    }


def without_notes(vector: Vector, answer: Answer) -> Answer:
    notes = vector["input"]["acceptance"]["reasonCodes"]
    codes = [code for code in answer["release"]["reasonCodes"] if code not in notes]
    return {**answer, "release": {**answer["release"], "reasonCodes": codes}}


def unverified(vector: Vector, answer: Answer) -> Answer:
    code = "PRODUCTION_BLACKBOX_VERIFY_FAILED"
    release = answer["release"]
    return {
        "production": {"decision": "NO", "reasonCodes": [code]},
        "release": {
            **release,
            "production": "NO",
            "releaseable": False,
            "reasonCodes": [*release["reasonCodes"], code],
        },
    }


CHAIN = Subject(
    "release-chain",
    ask_chain,
    lambda vector: vector["expected"],
    (
        Difference(
            "release-chain-notes",
            lambda v: not v["input"]["deployRequired"] and v["input"]["acceptance"]["decision"] == "YES",
            without_notes,
        ),
        Difference(
            "release-chain-verifies-all",
            lambda v: (
                v["input"]["deployRequired"]
                and v["input"]["deployResult"] == "success"
                and v["input"]["verifyResult"] != "success"
                and v["expected"]["production"]["decision"] == "YES"
            ),
            unverified,
        ),
    ),
)

SUBJECTS = (COMMIT, COMMIT_FILE, ACCEPTANCE, FINAL, PRODUCTION, OUTCOME, CHAIN)
