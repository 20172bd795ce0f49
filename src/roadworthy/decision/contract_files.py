"""The contract's files as views of a decision that was made: nothing here decides (contracts, B.5 and B.8).

Pure. A file holds the reasons against it, each as a code, a sentence and both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..facts.acceptance_checks import API, IDENTITY, INFRA
from .decide import NOT_REQUIRED, Decision

if TYPE_CHECKING:
    from ..config import Slo
    from ..facts.scope import Scope
    from .decide import Release, Told

_NOT: Final = "not-required"


def reasoned(decision: Decision) -> dict[str, Any]:
    """How every file of the contract says its reasons."""
    return {
        "reasonCodes": list(decision.reasons),
        "reasonDetails": [{"code": code, "message": said} for code, said in decision.reasons.items()],
        "reasons": list(decision.reasons.values()),
    }


def acceptance_file(
    scope: Scope,
    required: Sequence[str],
    results: Mapping[str, str],
    refs: Decision,
    identity: Decision,
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
    codes = [spared[IDENTITY]] if IDENTITY in spared else list(identity.reasons)
    return {
        **head,
        "runtimeRequired": API in required,
        "infraRequired": INFRA in required,
        "identityRequired": IDENTITY in required,
        "releasePackageRefContractStatus": _word(refs, "pass", "fail"),
        "releasePackageRefContractReasonCodes": list(refs.reasons),
        "identityConfigContractStatus": _NOT if IDENTITY in spared else _word(identity, "pass", "fail"),
        "identityConfigContractReasonCodes": codes,
        "checkResults": dict(results),
        "notRequired": {name: {"status": _NOT, "reasonCode": code} for name, code in spared.items()},
        **reasoned(decision),
    }


def decision_file(told: Told, release: Release, manifest: Mapping[str, Any], now: str) -> dict[str, Any]:
    """`release/<sha>/decision.json`."""
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": told.commit,
        "releasePackageSha": told.commit,
        "replayMode": release.replay,
        "commitStage": release.commit_stage,
        "acceptance": release.acceptance.word,
        "production": release.production.word,
        "deployRequired": told.deploy_required,
        "releaseable": release.yes,
        **reasoned(release.decision),
        "releasePackage": manifest.get("releasePackage", {}),
    }


def production_file(
    told: Told, release: Release, manifest: Mapping[str, Any], now: str, place: str
) -> dict[str, Any]:
    """`production/<sha>/result.json`. `place` names the environment, for the deployment's id.

    Beside the YES of a change that needs no deployment stands the code that says why.
    """
    scope = manifest.get("scope", {})
    spared = {} if told.deploy_required else {told.no_deploy: "the change needs no deployment"}
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": told.commit,
        "changeClass": manifest.get("changeClass", ""),
        "decision": release.production.word,
        "deployRequired": told.deploy_required,
        **reasoned(Decision(spared) if release.production.yes else release.production),
        "scope": {name: bool(scope.get(name)) for name in ("runtime", "desktop", "infra", "identity")},
        "checks": {
            "deployReleasePackageResult": told.deploy_result,
            "productionBlackboxVerifyResult": told.verify_result,
        },
        "releasePackage": manifest.get("releasePackage", {}),
        "deploymentId": f"{place}#{told.deployed.start}" if told.deployed else "",
    }


def timing_file(told: Told, release: Release, slo: Slo, now: str, run: str) -> dict[str, Any]:
    """`pipeline/<sha>/timing.json`: whole seconds, rounded down; null for what was not measured."""
    times = told.times
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "runId": run,
        "headSha": told.commit,
        "runStatus": "completed",
        "runConclusion": _word(release.decision, "success", "failure"),
        "metrics": {
            "queueDelaySeconds": _floor(times.queue),
            "overallExecutionSeconds": _floor(times.overall),
            "commitStageSeconds": _floor(times.test),
            "releasePackageBuildSeconds": _floor(times.build),
            "acceptanceStageSeconds": _floor(times.verification),
            "productionStageSeconds": _floor(times.deploy),
        },
        "slo": {
            "mode": slo.mode,
            "acceptanceTargetSeconds": round(slo.acceptance),
            "productionTargetSeconds": round(slo.production),
            "acceptancePass": _within(times.verification, slo.acceptance),
            "productionPass": _within(times.deploy, slo.production),
        },
        "slowestJobsTop3": list(times.slowest),
    }


def _word(decision: Decision, yes: str, no: str) -> str:
    return yes if decision.yes else no


def _within(seconds: float | None, target: float) -> bool | None:
    return None if seconds is None else seconds <= target


def _floor(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
