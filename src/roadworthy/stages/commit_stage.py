"""The evidence of the commit stage: which run tested a commit, as a file that goes with its acceptance.

Pure. The fields are the contract's (contracts, B.3). What its source does not say is null; a state that could not
be read is written down as its reason, and stands for no success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import decide

if TYPE_CHECKING:
    from ..model import CiState, Fact, StageRun


def outcome(ci: Fact[CiState]) -> str:
    """How the commit stage ended, or the reason why that is not known."""
    return ci.known.outcome if ci.known else ci.missing


def evidence(ci: Fact[CiState], commit: str, now: str) -> dict[str, Any]:
    """`commit-stage/<sha>/evidence.json` about the released `commit`; `now` is a UTC time."""
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
