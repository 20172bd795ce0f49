"""The commit stage: whether a commit was tested, in time, and is documented; judged from what is recorded of it.

Intake has determined the scope and looked at the documentation; one run has tested the commit, and its outcome
stands for every check that the scope requires. Its time is that of the whole run: the check that the configuration
names may be a gate that only waits for the others. What its source does not say is null; a state that could not be
read is written down as its reason, and stands for no success. The fields and codes are the contract's (contracts,
B.3). Only `read` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..spans import seconds
from . import contract_files, decide

if TYPE_CHECKING:
    from ..config import Slo
    from ..journal.entry import Entry
    from ..model import CiState, Fact, StageRun
    from ..world import World

SCOPE: Final = "determine-scope"
TESTS: Final = "fast-feedback"
CHECKS: Final = {
    SCOPE: "CHECK_DETERMINE_SCOPE_NOT_SUCCESS",
    TESTS: "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS",
    "desktop-fast-feedback": "CHECK_DESKTOP_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS",
    "infra-static-check": "CHECK_INFRA_STATIC_CHECK_REQUIRED_NOT_SUCCESS",
    "identity-static-check": "CHECK_IDENTITY_STATIC_CHECK_REQUIRED_NOT_SUCCESS",
}
"""The checks of the contract, each with the code of one that is required and no success."""
PARTS: Final = {TESTS: "runtime", **{name: name.partition("-")[0] for name in tuple(CHECKS)[2:]}}
"""The part of the product whose change requires a check."""


class Drift(msgspec.Struct, frozen=True):
    """Whether documentation had to change along with the commit, and whether it did: `pass`, `fail`, `unknown`."""

    blocking: bool
    status: str


UNKNOWN: Final = "unknown"
DRIFTS: Final = {
    "pass": Drift(False, "pass"),
    "advisory": Drift(False, "pass"),
    "blocking": Drift(True, "fail"),
}
"""What an intake's `docs_drift` means here; nothing and anything else is `Drift(True, UNKNOWN)`."""


class Stage(msgspec.Struct, frozen=True):
    """What is recorded of one commit's stage.

    `scope` says which parts of the product the newest intake found changed, None before there is one, and `drift`
    what it found of the documentation. `seconds` is how long the whole run took, None when its source does not say.
    """

    commit: str
    ci: Fact[CiState]
    scope: Mapping[str, bool] | None
    drift: Drift
    seconds: float | None
    slo: Slo

    @property
    def in_time(self) -> bool | None:
        """Whether the run took no longer than it may; None when that is not known."""
        return None if self.seconds is None else self.seconds <= self.slo.commit

    @property
    def required(self) -> tuple[str, ...]:
        """The checks that this commit needs: its scope always, of the parts those that changed; else all known."""
        scope = {"runtime": True} if self.scope is None else self.scope
        return SCOPE, *(name for name, part in PARTS.items() if scope.get(part))

    @property
    def results(self) -> dict[str, str]:
        """How each check ended; `skipped` is one that is not required, or was not asked for."""
        ran = self.ci.known.outcome if self.ci.known else UNKNOWN
        results = {name: ran if name in self.required else decide.SKIPPED for name in CHECKS}
        return {**results, SCOPE: decide.SKIPPED if self.scope is None else decide.SUCCESS}

    @property
    def decision(self) -> decide.Decision:
        """Whether the commit may go on."""
        return judge(self.required, self.results, self.drift, self.slo, self.seconds, outcome(self.ci))


def judge(
    required: Sequence[str],
    results: Mapping[str, str],
    drift: Drift,
    slo: Slo,
    took: float | None,
    said: str = "",
) -> decide.Decision:
    """Whether a commit may go on: every required check a success, its documentation there, and in time.

    `took` is how many seconds it took, None when that is not known; `said` is what its source says of the run.
    """
    reasons: dict[str, str] = {}
    for name in required:
        if (result := results.get(name, UNKNOWN)) != decide.SUCCESS:
            reasons[CHECKS[name]] = f"{name}: {'no intake' if name == SCOPE else said or result}"
    if drift.blocking and drift.status != "pass":
        reasons["DOCS_DRIFT_BLOCKING_NOT_PASS"] = f"the documentation of the change: {drift.status}"
    if slo.mode == "enforce" and (took is None or took > slo.commit):
        long = "how long it took is not known" if took is None else f"it took {took:g} s"
        reasons["COMMIT_STAGE_SLO_NOT_MET"] = f"{long}, and it may take {slo.commit:g} s"
    return decide.Decision(reasons)


def read(context: World, commit: str, ci: Fact[CiState]) -> Stage:
    """What the journal of a commit's package tells, beside the state of its tests."""
    from ..journal.entry import place_of

    log = context.log(place_of(commit))
    entries = log.entries()
    ended = (
        e for e in reversed(entries) if e.record.action == "intake" and e.record.kind in ("end", "failed")
    )
    intake = next(ended, None)
    attached = {item.name: item.sha256 for item in intake.record.evidence} if intake else {}
    scope = log.evidence_json(attached["scope.json"])["scope"] if "scope.json" in attached else None
    found = intake.record.details.get("docs_drift") if intake else None
    drift = DRIFTS.get(str(found), Drift(True, UNKNOWN))
    return Stage(commit, ci, scope, drift, _took(entries, ci.known), context.config.slo)


def _took(entries: Sequence[Entry], ci: CiState | None) -> float | None:
    """Seconds of the run: the journal's own times where the journal holds it, else what its source said."""
    if ci is None or ci.proof is None:
        return ci.run.seconds if ci and ci.run else None
    ended = next(entry for entry in entries if entry.sha256 == ci.proof.sha256)
    began = next(entry for entry in entries if entry.seq == ended.record.details["settles"])
    return seconds((began.at, ended.at))


def outcome(ci: Fact[CiState]) -> str:
    """How the run ended, or the reason why that is not known."""
    return ci.known.outcome if ci.known else ci.missing


def result(stage: Stage, now: str) -> dict[str, Any]:
    """`commit-stage/<sha>/result.json`; `now` is a UTC time."""
    decision = stage.decision
    run = stage.ci.known.run if stage.ci.known else None
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": stage.commit,
        "testedSha": run.commit if run else None,
        **{f"{part}Required": name in stage.required for name, part in PARTS.items()},
        "docsDriftBlocking": stage.drift.blocking,
        "docsDriftStatus": stage.drift.status,
        "commitStageSlo": {
            "mode": stage.slo.mode,
            "pass": stage.in_time,
            "targetSeconds": round(stage.slo.commit),
            "observedSeconds": stage.seconds,
        },
        "checkResults": stage.results,
        "pass": decision.yes,
        **contract_files.reasoned(decision),
    }


def evidence(ci: Fact[CiState], commit: str, now: str) -> dict[str, Any]:
    """`commit-stage/<sha>/evidence.json`, which run tested the released `commit`; `now` is a UTC time."""
    state = ci.known
    run = state.run if state else None
    passed = outcome(ci) == decide.SUCCESS
    return {
        "schemaVersion": "1",
        "generatedAt": now,
        "headSha": commit,
        "testedSha": run.commit if run else None,
        "pullRequest": run.pull_request if run else None,
        "workflowFile": run.workflow if run else None,
        "source": state.source if state else None,
        "pass": passed,
        "reasons": [] if passed else [outcome(ci)],
        "journalEntrySha256": state.proof.sha256 if state and state.proof else None,
        "commitStageRun": _run(run) if run else None,
    }


def _run(run: StageRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "runNumber": run.number,
        "htmlUrl": run.url or None,
        "event": run.event,
        "headBranch": run.branch,
        "status": run.status,
        "conclusion": run.conclusion,
        "updatedAt": run.updated,
    }
