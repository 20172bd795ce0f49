"""YES or NO, and why: computed from what the journals hold, never from a variable that somebody set.

Pure. The reason codes and the fields are the contract's (contracts, B.5 and B.8). A decision is YES only when
there is no reason against it, so no code can stand beside a YES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from ..config import Acceptance, Slo
    from ..facts.scope import Scope
    from ..facts.standing import Standing
    from .commit_stage import Stage

LOAD: Final = "load-release-package"
API: Final = "runtime-api-system-acceptance"
BROWSER: Final = "runtime-browser-acceptance"
MIGRATION: Final = "runtime-migration-image-acceptance"
INFRA: Final = "infra-readonly-acceptance"
IDENTITY: Final = "identity-readonly-acceptance"
CHECKS: Final = (LOAD, API, BROWSER, MIGRATION, INFRA, IDENTITY)
NOT_REQUIRED: Final = {
    API: "RUNTIME_API_SYSTEM_NOT_REQUIRED",
    BROWSER: "RUNTIME_BROWSER_NOT_REQUIRED",
    MIGRATION: "RUNTIME_MIGRATION_IMAGE_NOT_REQUIRED",
    INFRA: "INFRA_READONLY_ACCEPTANCE_NOT_REQUIRED",
    IDENTITY: "IDENTITY_READONLY_ACCEPTANCE_NOT_REQUIRED",
}
"""The contract's code of each check that a change does not need; the package itself is always loaded."""
SUCCESS: Final = "success"
FAILURE: Final = "failure"
SKIPPED: Final = "skipped"
_NOT: Final = "not-required"
_BY_DIGEST: Final = re.compile(r".+@sha256:[0-9a-fA-F]{64}")


class Decision(msgspec.Struct, frozen=True):
    """`yes`, or the codes that stand against it, each with a sentence."""

    reasons: Mapping[str, str]

    @property
    def yes(self) -> bool:
        return not self.reasons

    @property
    def word(self) -> str:
        return "YES" if self.yes else "NO"


def required_checks(scope: Scope, rules: Acceptance) -> tuple[str, ...]:
    """The acceptance checks that a change of this scope needs.

    A browser check is asked for where the project has one; infra and identity checks where the change touches
    them, also when the project has none: then the decision is NO.
    """
    if not scope.deploy_required:
        return (LOAD,)
    wanted = {
        LOAD: True,
        API: True,
        BROWSER: bool(rules.browser) and scope.runtime,
        MIGRATION: scope.migration,
        INFRA: scope.infra or scope.requires_infra_convergence,
        IDENTITY: scope.identity,
    }
    return tuple(name for name in CHECKS if wanted[name])


def package_refs(scope: Scope, refs: Mapping[str, str], components: Sequence[str]) -> Decision:
    """Whether `refs`, the manifest's, name each component by digest, where the scope needs it (contracts, B.1)."""
    reasons: dict[str, str] = {}
    needed = scope.runtime or scope.infra or scope.requires_infra_convergence
    for name in components if needed else ():
        ref = refs.get(f"{name}Ref", "")
        if not _BY_DIGEST.fullmatch(ref):
            wrong = "NOT_DIGEST" if ref else "MISSING"
            reasons[f"RELEASE_PACKAGE_{_in_code(name)}_REF_{wrong}"] = f"{name}Ref: {ref or 'none'}"
    return Decision(reasons)


def acceptance(
    required: Sequence[str],
    results: Mapping[str, str],
    *,
    refs: Decision,
    commit_stage: Decision,
    took: float,
    target: float,
) -> Decision:
    """The decision on a package.

    `results` are success, failure or skipped by check, `refs` is what `package_refs` said; `took` and `target` are
    seconds, `target` 0 where no time limit is enforced.
    """
    reasons = _commit_stage(commit_stage)
    for name in required:
        reasons |= _no_success(name, results)
    if not refs.yes:
        reasons["CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"] = "; ".join(refs.reasons.values())
    if IDENTITY in required and (identity := _no_success(IDENTITY, results)):
        reasons["CONFIG_CONTRACT_IDENTITY_NOT_PASS"] = "; ".join(identity.values())
    for name in CHECKS:
        if name not in required and results.get(name, SKIPPED) not in (SUCCESS, SKIPPED):
            reasons["ACCEPTANCE_GATE_FAILED"] = f"{name} was not required, ran, and failed"
    if target and took > target:
        reasons["ACCEPTANCE_SLO_NOT_MET"] = f"acceptance took {took:.0f} s, more than {target:.0f} s"
    return Decision(reasons)


def _no_success(name: str, results: Mapping[str, str]) -> dict[str, str]:
    """What a required check that was no success is a reason for."""
    result = results.get(name, SKIPPED)
    if result == SUCCESS:
        return {}
    middle = "" if name == LOAD else "_REQUIRED"
    reasons = {f"CHECK_{_in_code(name)}{middle}_NOT_SUCCESS": f"{name}: {result}"}
    if result == SKIPPED:
        reasons["REQUIRED_CHECK_SKIPPED_UNEXPECTEDLY"] = f"{name} is required and did not run"
    return reasons


def _in_code(name: str) -> str:
    return name.upper().replace("-", "_")


def acceptance_file(
    scope: Scope,
    required: Sequence[str],
    results: Mapping[str, str],
    refs: Decision,
    decision: Decision,
    commit: str,
    now: str,
) -> dict[str, Any]:
    """`acceptance/<sha>/result.json` (contracts, B.5): the short form when nothing is to be deployed.

    The identity contract is the project's own identity check, which knows what its configuration must be.
    `notRequired` says it of each check that the change does not need, whether or not it ran.
    """
    head = {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": commit,
        "decision": decision.word,
        "pass": decision.yes,
    }
    if not scope.deploy_required and decision.yes:
        return {**head, "reasonCodes": [scope.reason_code], "reasons": ["the change needs no deployment"]}
    spared = {name: code for name, code in NOT_REQUIRED.items() if name not in required}
    identity = [spared[IDENTITY]] if IDENTITY in spared else list(_no_success(IDENTITY, results))
    return {
        **head,
        "runtimeRequired": API in required,
        "infraRequired": INFRA in required,
        "identityRequired": IDENTITY in required,
        "releasePackageRefContractStatus": "pass" if refs.yes else "fail",
        "releasePackageRefContractReasonCodes": list(refs.reasons),
        "identityConfigContractStatus": _NOT if IDENTITY in spared else "fail" if identity else "pass",
        "identityConfigContractReasonCodes": identity,
        "checkResults": dict(results),
        "notRequired": {name: {"status": _NOT, "reasonCode": code} for name, code in spared.items()},
        **reasoned(decision),
    }


def reasoned(decision: Decision) -> dict[str, Any]:
    """How every file of the contract says its reasons."""
    return {
        "reasonCodes": list(decision.reasons),
        "reasonDetails": [{"code": code, "message": said} for code, said in decision.reasons.items()],
        "reasons": list(decision.reasons.values()),
    }


class Told(msgspec.Struct, frozen=True):
    """What the journals tell of one commit in one environment; everything a release decision rests on.

    `deployed` is the deployment of this very package that still stands, with its entries' numbers and times; None
    when there is none. `unmet` are the criteria of the Definition of Done that do not hold, each with a sentence.
    """

    commit: str
    standing: Standing
    commit_stage: Stage
    deploy_required: bool
    deployed: Deployment | None
    unmet: Mapping[str, str]
    replay: bool = False
    took: Mapping[str, float] | None = None  # seconds of each stage, by its name
    failed: frozenset[str] = frozenset()  # the names of those whose newest run did not end well


class Deployment(msgspec.Struct, frozen=True):
    """One deployment: the numbers of its start and its end, UTC times, the platform's release number."""

    start: int
    end: int
    began: str
    ended: str
    release: int


def release(told: Told, slo: Slo) -> Decision:
    """Whether the release of this commit is good: only if every stage says so."""
    standing = told.standing
    commit = told.commit_stage.decision
    reasons = {**_commit_stage(commit), **commit.reasons}
    if standing.intake is None:
        reasons["INTAKE_MISSING"] = "the change was never taken in"
    if standing.build is None:
        reasons["LOAD_RELEASE_PACKAGE_NOT_SUCCESS"] = "no build of it is recorded"
    if standing.accepted is None and standing.refused is None:
        reasons["ACCEPTANCE_STAGE_NOT_SUCCESS"] = "it was not accepted"
    if standing.accepted is None:
        reasons["ACCEPTANCE_DECISION_NOT_YES"] = "the decision of acceptance is not YES"
    if standing.released is None:
        reasons["RELEASE_MISSING"] = "it was not released"
    if standing.invalid:
        reasons["STAGES_OUT_OF_ORDER"] = standing.invalid[0]
    if told.deploy_required and told.deployed is None:
        reasons["PRODUCTION_STAGE_NOT_SUCCESS"] = "no deployment of this package stands"
    for criterion, why in told.unmet.items():
        reasons["PRODUCTION_DECISION_NOT_YES"] = "the Definition of Done is not met"
        reasons[f"DONE_{criterion.upper()}"] = why
    if slo.mode == "enforce" and told.took:
        for stage, target in (("verification", slo.acceptance), ("deploy", slo.production)):
            if told.took.get(stage, 0.0) > target:
                code = f"{'ACCEPTANCE' if stage == 'verification' else 'PRODUCTION'}_SLO_NOT_MET"
                reasons[code] = f"{stage} took {told.took[stage]:.0f} s, more than {target:.0f} s"
    return Decision(reasons)


def _commit_stage(decision: Decision) -> dict[str, str]:
    """What a commit that may not go on is a reason for."""
    why = "; ".join(f"{code}: {said}" for code, said in decision.reasons.items())
    return {} if decision.yes else {"COMMIT_STAGE_FAILED": f"the commit stage of this commit: {why}"}


def decision_file(told: Told, decision: Decision, manifest: Mapping[str, Any], now: str) -> dict[str, Any]:
    """`release/<sha>/decision.json` (contracts, B.8)."""
    codes = decision.reasons
    stage = "REPLAY" if told.replay else _word("COMMIT_STAGE_FAILED" not in codes)
    accepted = not {"ACCEPTANCE_STAGE_NOT_SUCCESS", "ACCEPTANCE_DECISION_NOT_YES"} & set(codes)
    production = not {"PRODUCTION_STAGE_NOT_SUCCESS", "PRODUCTION_DECISION_NOT_YES"} & set(codes)
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": told.commit,
        "releasePackageSha": told.commit,
        "replayMode": told.replay,
        "commitStage": stage,
        "acceptance": _word(accepted),
        "production": _word(production),
        "deployRequired": told.deploy_required,
        "releaseable": decision.yes,
        **reasoned(decision),
        "releasePackage": manifest.get("releasePackage", {}),
    }


def production_file(
    told: Told, decision: Decision, manifest: Mapping[str, Any], now: str, place: str
) -> dict[str, Any]:
    """`production/<sha>/result.json` (contracts, B.8). `place` names the environment, for the deployment's id."""
    codes = {} if told.deploy_required else {"NO_DEPLOY_REQUIRED": "the change needs no deployment"}
    if "ACCEPTANCE_DECISION_NOT_YES" in decision.reasons:
        codes["ACCEPTANCE_DECISION_NOT_YES"] = decision.reasons["ACCEPTANCE_DECISION_NOT_YES"]
    if told.deploy_required and told.deployed is None:
        codes["DEPLOY_RELEASE_PACKAGE_FAILED"] = "no deployment of this package stands"
    if told.unmet:
        codes["PRODUCTION_BLACKBOX_VERIFY_FAILED"] = "; ".join(told.unmet.values())
    scope = manifest.get("scope", {})
    deployed = SUCCESS if told.deployed else FAILURE if told.deploy_required else SKIPPED
    verified = FAILURE if told.unmet else deployed
    good = set(codes) <= {"NO_DEPLOY_REQUIRED"}
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": told.commit,
        "changeClass": manifest.get("changeClass", ""),
        "decision": _word(good),
        "deployRequired": told.deploy_required,
        **reasoned(Decision(codes)),
        "scope": {name: bool(scope.get(name)) for name in ("runtime", "desktop", "infra", "identity")},
        "checks": {"deployReleasePackageResult": deployed, "productionBlackboxVerifyResult": verified},
        "releasePackage": manifest.get("releasePackage", {}),
        "deploymentId": f"{place}#{told.deployed.start}" if told.deployed else "",
    }


def timing_file(told: Told, decision: Decision, slo: Slo, now: str, run: str) -> dict[str, Any]:
    """`pipeline/<sha>/timing.json` (contracts, B.8): seconds, null for what was not measured."""
    took = dict(told.took or {})
    overall = took.pop("overall", None)
    names = {"test": "commitStage", "build": "releasePackageBuild", "verification": "acceptanceStage"}
    metrics: dict[str, float | None] = {"queueDelaySeconds": None, "overallExecutionSeconds": overall}
    for stage, name in {**names, "deploy": "productionStage"}.items():
        metrics[f"{name}Seconds"] = took.get(stage)
    passed = {
        "acceptancePass": _within(took.get("verification"), slo.acceptance),
        "productionPass": _within(took.get("deploy"), slo.production),
    }
    slowest = sorted(took.items(), key=lambda item: -item[1])[:3]
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "runId": run,
        "headSha": told.commit,
        "runStatus": "completed",
        "runConclusion": SUCCESS if decision.yes else FAILURE,
        "metrics": metrics,
        "slo": {
            "mode": slo.mode,
            "acceptanceTargetSeconds": round(slo.acceptance),
            "productionTargetSeconds": round(slo.production),
            **passed,
        },
        "slowestJobsTop3": [
            {
                "name": name,
                "conclusion": FAILURE if name in told.failed else SUCCESS,
                "status": "completed",
                "durationSeconds": seconds,
            }
            for name, seconds in slowest
        ],
    }


def _word(yes: bool) -> str:
    return "YES" if yes else "NO"


def _within(seconds: float | None, target: float) -> bool | None:
    return None if seconds is None else seconds <= target
