"""YES or NO, and why: computed from what the journals hold, never from a variable that somebody set.

Pure. The reason codes and the fields are the contract's (contracts, B.5 and B.8). A decision is YES only when
there is no reason against it, so no code can stand beside a YES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ..facts.acceptance_checks import API, BROWSER, CHECKS, IDENTITY, INFRA, LOAD, MIGRATION
from .times import Times

if TYPE_CHECKING:
    from ..config import Slo
    from ..facts.scope import Scope
    from ..facts.standing import Standing
    from .commit_stage import Stage

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
COMMIT_STAGE_FAILED: Final = "COMMIT_STAGE_FAILED"
_BY_DIGEST: Final = re.compile(r".+@sha256:[0-9a-fA-F]{64}")


class Decision(msgspec.Struct, frozen=True):
    """`yes`, or the codes that stand against it, each with a sentence."""

    reasons: Mapping[str, str]

    @property
    def yes(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons

    @property
    def word(self) -> str:
        """YES or NO, as the contract's files write it."""
        return "YES" if self.yes else "NO"


def package_refs(scope: Scope, refs: Mapping[str, object], components: Sequence[str]) -> Decision:
    """Whether `refs`, the manifest's, name each component by digest, where the scope needs it (contracts, B.1).

    What is empty or no text is missing, as JSON's own `false` and `0` are; all that are missing come first.
    """
    needed = scope.runtime or scope.infra or scope.requires_infra_convergence
    named = {name: refs.get(f"{name}Ref") for name in components} if needed else {}
    missing = {_ref_code(name, "MISSING"): f"{name}Ref: none" for name, ref in named.items() if not ref}
    tags = {
        _ref_code(name, "NOT_DIGEST"): f"{name}Ref: {ref}"
        for name, ref in named.items()
        if ref and not (isinstance(ref, str) and _BY_DIGEST.fullmatch(ref))
    }
    return Decision(missing | tags)


def _ref_code(component: str, wrong: str) -> str:
    return f"RELEASE_PACKAGE_{_in_code(component)}_REF_{wrong}"


def identity_contract(required: Sequence[str], results: Mapping[str, str]) -> Decision:
    """What the project's own identity check, which knows its configuration, says of it where it is required."""
    return Decision(_no_success(IDENTITY, results) if IDENTITY in required else {})


def acceptance(
    required: Sequence[str],
    results: Mapping[str, str],
    *,
    refs: Decision,
    identity: Decision,
    commit_stage: Decision,
    took: float,
    target: float,
) -> Decision:
    """The decision on a package.

    `results` are success, failure or skipped by check; `refs` and `identity` say whether the manifest and the
    configuration of identities are right. `took` and `target` are seconds, `target` 0 where no limit is enforced.
    """
    reasons = _commit_stage(commit_stage)
    for name in required:
        reasons |= _no_success(name, results)
    if {API, INFRA} & set(required) and not refs.yes:
        reasons["CONFIG_CONTRACT_RELEASE_PACKAGE_REFS_NOT_PASS"] = "; ".join(refs.reasons.values())
    if IDENTITY in required and not identity.yes:
        reasons["CONFIG_CONTRACT_IDENTITY_NOT_PASS"] = "; ".join(identity.reasons.values())
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


class Deployment(msgspec.Struct, frozen=True):
    """One deployment: the numbers of its start and its end, UTC times, the platform's release number."""

    start: int
    end: int
    began: str
    ended: str
    release: int


class Told(msgspec.Struct, frozen=True):
    """What the journals tell of one commit in one environment; everything a release decision rests on.

    `no_deploy` is the contract's code of why the change needs no deployment, "" where it needs one. `deployed` is
    the deployment of this very package that still stands, with its entries' numbers and times; None when there is
    none. `unmet` are the criteria of the Definition of Done that do not hold, each with a sentence.
    """

    commit: str
    standing: Standing
    commit_stage: Stage
    no_deploy: str
    deployed: Deployment | None
    unmet: Mapping[str, str]
    replay: bool = False
    times: Times = Times()

    @property
    def deploy_required(self) -> bool:
        """Whether the change needs a deployment."""
        return not self.no_deploy

    @property
    def deploy_result(self) -> str:
        """How the deployment ended; `skipped` where none of this package was tried."""
        if self.deployed:
            return SUCCESS
        return FAILURE if "deploy" in self.times.failed else SKIPPED

    @property
    def verify_result(self) -> str:
        """Whether what was deployed meets the Definition of Done; `skipped` where nothing was deployed."""
        if not self.deployed:
            return SKIPPED
        return FAILURE if self.unmet else SUCCESS


class Release(msgspec.Struct, frozen=True):
    """The decision on a release, whole. Every file of the contract is a view of this one value.

    `acceptance` and `production` hold all that makes these stages no YES; `decision` holds every reason, also
    those of the commit stage.
    """

    acceptance: Decision
    production: Decision
    decision: Decision
    replay: bool

    @property
    def yes(self) -> bool:
        """Whether the release is good."""
        return self.decision.yes

    @property
    def word(self) -> str:
        """YES or NO, as the contract's files write it."""
        return self.decision.word

    @property
    def reasons(self) -> Mapping[str, str]:
        """Each code against the release, with its sentence."""
        return self.decision.reasons

    @property
    def commit_stage(self) -> str:
        """YES, NO or, of a replay, REPLAY."""
        return "REPLAY" if self.replay else "NO" if COMMIT_STAGE_FAILED in self.reasons else "YES"


def recorded(word: str, codes: object, otherwise: str) -> Decision:
    """The decision that a record tells: YES only for this word beside no code, and no NO without a code.

    `codes` should be a list of texts; `otherwise` is the code of a NO that names none.
    """
    listed = codes if isinstance(codes, list | tuple) else ()
    named = [text for code in listed if code is not None and (text := str(code).strip())]
    if word == "YES" and not named:
        return Decision({})
    return Decision(dict.fromkeys(named or [otherwise], f"the recorded decision is {word or 'none'}"))


def production(accepted: Decision, *, deploy_required: bool, deploy: str, verify: str) -> Decision:
    """The decision on the production stage, whose `deploy` and `verify` ended in success, failure or skipped."""
    if not accepted.yes:
        return accepted
    if deploy_required and deploy != SUCCESS:
        return Decision({"DEPLOY_RELEASE_PACKAGE_FAILED": f"no deployment of this package stands: {deploy}"})
    if deploy_required and verify != SUCCESS:
        return Decision({"PRODUCTION_BLACKBOX_VERIFY_FAILED": f"what was deployed is not verified: {verify}"})
    return Decision({})


def outcome(
    commit: Decision,
    accepted: Decision,
    produced: Decision,
    *,
    replay: bool,
    loaded: str,
    acceptance_stage: str,
    production_stage: str,
) -> Release:
    """The decision on a release from those of its stages, and from how the stages themselves ended.

    A NO of one stage is a NO of all that rest on it. First come the contract's own codes, in the order of the
    stages, then those that the stages' decisions gave.
    """
    acceptance = dict[str, str]()
    if loaded != SUCCESS:
        acceptance["LOAD_RELEASE_PACKAGE_NOT_SUCCESS"] = f"no build of it is recorded: {loaded}"
    acceptance |= _stage("ACCEPTANCE", acceptance_stage, accepted)
    both = {**acceptance, **_stage("PRODUCTION", production_stage, produced)}
    given = {**accepted.reasons, **produced.reasons}
    return Release(
        acceptance=Decision({**acceptance, **accepted.reasons}),
        production=Decision({**both, **given}),
        decision=Decision({**_commit_stage(commit), **commit.reasons, **both, **given}),
        replay=replay,
    )


def _stage(name: str, result: str, decision: Decision) -> dict[str, str]:
    """The contract's own codes of one stage: they stand for it where its decision gives no code of its own."""
    said = f"{name}_DECISION_NOT_YES"
    if decision.reasons.keys() - {said}:
        return {}
    reasons = (
        {} if result == SUCCESS else {f"{name}_STAGE_NOT_SUCCESS": f"its result is {result or 'not known'}"}
    )
    return {**reasons, **decision.reasons}


def release(told: Told, slo: Slo) -> Release:
    """Whether the release of this commit is good: only if every stage says so."""
    standing = told.standing
    commit = told.commit_stage.decision
    if standing.intake is None:
        commit = Decision({**commit.reasons, "INTAKE_MISSING": "the change was never taken in"})
    slow = late("ACCEPTANCE", told.times.verification, slo, slo.acceptance)
    accepted = Decision({**_accepted(standing).reasons, **slow})
    results = {"deploy": told.deploy_result, "verify": told.verify_result}
    produced = dict(production(accepted, deploy_required=told.deploy_required, **results).reasons)
    if standing.released is None:
        produced["RELEASE_MISSING"] = "it was not released"
    if standing.invalid:
        produced["STAGES_OUT_OF_ORDER"] = standing.invalid[0]
    produced |= {f"DONE_{criterion.upper()}": why for criterion, why in told.unmet.items()}
    produced |= late("PRODUCTION", told.times.deploy, slo, slo.production)
    return outcome(
        commit,
        accepted,
        Decision(produced),
        replay=told.replay,
        loaded=SUCCESS if standing.build else SKIPPED,
        acceptance_stage=SUCCESS if standing.accepted or standing.refused else SKIPPED,
        production_stage=SUCCESS if told.deployed or not told.deploy_required else told.deploy_result,
    )


def _accepted(standing: Standing) -> Decision:
    """The decision of the newest acceptance, with the codes that its entry has."""
    if standing.accepted:
        return Decision({})
    codes = standing.refused.details.get("reason_codes", ()) if standing.refused else ()
    return recorded("NO" if standing.refused else "", codes, "ACCEPTANCE_DECISION_NOT_YES")


def late(stage: str, seconds: float | None, slo: Slo, target: float) -> dict[str, str]:
    """The reason against a stage that took longer than it may; {} where that is only observed."""
    if slo.mode != "enforce" or seconds is None or seconds <= target:
        return {}
    return {f"{stage}_SLO_NOT_MET": f"it took {seconds:g} s, more than {target:.0f} s"}


def _commit_stage(decision: Decision) -> dict[str, str]:
    """What a commit that may not go on is a reason for."""
    why = "; ".join(f"{code}: {said}" for code, said in decision.reasons.items())
    return {} if decision.yes else {COMMIT_STAGE_FAILED: f"the commit stage of this commit: {why}"}
