"""What the journals tell of a commit in an environment, for the decision and for the contract's files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from ..facts.history import test_run
from ..facts.package import MANIFEST
from ..facts.running import RUNS
from ..journal.entry import place_of
from ..model import Fact
from . import artifacts, commit_stage, contract_files, decide, times
from .lines import State
from .progress import as_completed, progress
from .reading import asked_of

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..model import CiState
    from ..world import World
    from .lines import Progress

DECISION: Final = "decision.json"
PRODUCTION: Final = "production.json"
TIMING: Final = "timing.json"
COMMIT_STAGE: Final = "commit-stage-result.json"
VIEWS: Final = {
    DECISION: artifacts.DECISION,
    PRODUCTION: artifacts.PRODUCTION,
    TIMING: artifacts.TIMING,
    COMMIT_STAGE: artifacts.COMMIT_STAGE,
}
"""The contract's file of each of a decision's evidence."""


def read(
    context: World, environment: str, commit: str, asked_now: Mapping[str, str] | None = None
) -> decide.Told:
    """What the journals tell of `commit` in `environment`.

    `asked_now` are the criteria that a completion which is being written found unmet; else the newest one that was
    written counts.
    """
    log, asked = context.log(environment), asked_of(context, environment, commit)
    found = progress(asked if asked_now is None else as_completed(asked))
    package = context.log(place_of(commit)).entries()
    deployed, start = _deployed(log, found)
    replay = deployed is not None and start is not None and _replayed(log, deployed, start)
    failed = deployed is None and _last_failed(log, commit)
    return decide.Told(
        commit=commit,
        standing=asked.standing,
        commit_stage=commit_stage.read(context, commit, _tests(context, commit, asked.standing.digest)),
        no_deploy=found.no_deploy,
        deployed=deployed,
        unmet={**_unmet_of(found, log if asked_now is None else None), **(asked_now or {})},
        replay=replay,
        times=times.of_release(package, environment, deployed, replay=replay, failed=failed),
    )


def files_of(
    context: World, environment: str, told: decide.Told, decision: decide.Release
) -> dict[str, bytes]:
    """The files of the contract, as evidence."""
    now = f"{context.now():%Y-%m-%dT%H:%M:%SZ}"
    place = f"{context.target}/{environment}"
    build = told.standing.build
    manifest = context.log(place_of(told.commit)).evidence_json(build.evidence[MANIFEST]) if build else {}
    run = f"{place}#{told.deployed.start}" if told.deployed else place
    return {
        DECISION: artifacts.as_bytes(contract_files.decision_file(told, decision, manifest, now)),
        PRODUCTION: artifacts.as_bytes(contract_files.production_file(told, decision, manifest, now, place)),
        TIMING: artifacts.as_bytes(contract_files.timing_file(told, decision, context.config.slo, now, run)),
        COMMIT_STAGE: artifacts.as_bytes(commit_stage.result(told.commit_stage, now)),
    }


def _tests(context: World, commit: str, digest: str) -> Fact[CiState]:
    if not context.config.github:
        return Fact("ci", test_run(context.log(place_of(commit)).settled(), digest))
    from .. import http
    from ..facts.github import ci_state, with_workflow

    github, session = context.config.github, http.session(context.config.limits.http)
    token = context.environ.get("GITHUB_TOKEN", "")
    try:
        state = ci_state(github, commit, token, session)
        return Fact("ci", with_workflow(github, state, token, session))
    except RoadworthyError as error:
        return Fact("ci", missing=str(error))


def _deployed(log: Log, found: Progress) -> tuple[decide.Deployment | None, Entry | None]:
    """The deployment of this package that stands, and its start."""
    if found.ran is None:
        return None, None
    before = log.backwards(found.ran)
    settles = next(before).record.details["settles"]
    start = next(entry for entry in before if entry.seq == settles)
    return decide.Deployment(start.seq, found.ran.seq, start.at, found.ran.at, found.ran.release), start


def _last_failed(log: Log, commit: str) -> bool:
    """Whether the newest deployment of this commit did not end well."""
    runs = (one for one in reversed(log.settled()) if one.action in RUNS and one.commit == commit)
    newest = next(runs, None)
    return newest is not None and newest.kind == "failed"


def _replayed(log: Log, deployed: decide.Deployment, start: Entry) -> bool:
    """Whether a replay began this deployment or, where it ran already, its newest completion."""
    since = takewhile(lambda entry: entry.seq > deployed.end, log.backwards())
    began = (e.record for e in since if (e.record.kind, e.record.action) == ("start", "complete"))
    newest = next(
        (one for one in began if one.details.get("from", {}).get("deployment") == deployed.end), start.record
    )
    return bool(start.record.details.get("replay") or newest.details.get("replay"))


def _unmet_of(found: Progress, log: Log | None) -> dict[str, str]:
    """Why the deployment is not complete: what its completion found unmet, or the first stage that is not done.

    Nothing for a commit that was never deployed here: that is said already.
    """
    line = next((one for one in found.deployment if not one.passed), None)
    if line is None or (line.stage == "deploy" and line.state is not State.OPEN):
        return {}
    if log and line.stage == "completion" and line.state is State.FAILED and found.completed:
        details = next(log.backwards(found.completed)).record.details
        said = details.get("criteria", {})
        return {name: why for name, why in said.items() if why != "holds"} or {"complete": "it failed"}
    return {"complete": f"{line}{f': run `{found.next[0]}`' if found.next else ''}"}
