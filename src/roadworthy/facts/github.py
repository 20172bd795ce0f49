"""What GitHub says about a commit's tests, about open problems, and about a run of CI.

- A test counts as passed only when the check run of the configured name, of this very commit and of the
  configured app is completed with success. Where several are the newest (one per event that started a run),
  all must be. Whatever GitHub does not say is never assumed: it is a missing fact, and that refuses.
- Where `gate` is "pull-request" that commit is the head of the one pull request that was merged as the released
  commit, for a squash has a SHA that no test ever saw.

Source of names and fields: GitHub REST API 2022-11-28, "List check runs for a Git reference", "List
pull requests associated with a commit", "List repository issues", "List workflow runs for a repository" and "Get a
workflow run".
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
import requests
from msgspec.structs import replace

from ..config import GitHub
from ..errors import UsageError
from ..model import Blocker, CiState, MissingFact, StageRun
from ..spans import seconds
from .github_api import pages

ACTIONS: Final = 15368  # the app that GitHub's own workflows report as
EVENTS: Final = (
    "merge_group",
    "pull_request",
    "push",
)  # whose run is of its commit, and of nothing that was typed
_SHA: Final = re.compile(r"[0-9a-f]{40}")


class _App(msgspec.Struct, frozen=True):
    id: int


class _Suite(msgspec.Struct, frozen=True):
    id: int


class _CheckRun(msgspec.Struct, frozen=True):
    id: int
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    app: _App | None
    html_url: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    check_suite: _Suite | None = None


class _CheckRuns(msgspec.Struct, frozen=True):
    total_count: int
    check_runs: tuple[_CheckRun, ...]


class _Head(msgspec.Struct, frozen=True):
    sha: str


class _Pull(msgspec.Struct, frozen=True):
    number: int
    merged_at: str | None
    merge_commit_sha: str | None
    head: _Head


class _Issue(msgspec.Struct, frozen=True):
    number: int
    title: str
    pull_request: dict[str, Any] | None = None  # GitHub lists pull requests as issues


class _Repository(msgspec.Struct, frozen=True):
    full_name: str


class _WorkflowRun(msgspec.Struct, frozen=True):
    id: int
    run_number: int
    html_url: str
    event: str
    head_branch: str | None
    head_sha: str
    status: str | None
    conclusion: str | None
    updated_at: str
    path: str
    created_at: str | None = None
    run_started_at: str | None = None  # of the newest attempt


class _WorkflowRuns(msgspec.Struct, frozen=True):
    workflow_runs: tuple[_WorkflowRun, ...]


class _Run(msgspec.Struct, frozen=True):
    id: int
    html_url: str
    status: str | None
    repository: _Repository
    run_attempt: int = 1


def ci_state(
    github: GitHub, commit: str, token: str, session: requests.Session, within: float = 30.0
) -> CiState:
    """The state of the configured check for `commit`, a full SHA; `within` is seconds for all of it.

    `outcome` is "success", or GitHub's word for what is not ("failure", "in_progress", …), or "not found".
    `session` is one of `roadworthy.http`. Raises MissingFact when GitHub cannot tell.
    """
    if not _SHA.fullmatch(commit):
        raise UsageError(f"{commit!r} is no full commit: name all 40 characters")
    deadline = time.monotonic() + within
    source = f"GitHub's check {github.check!r} of {github.repository}"
    tested, pull = commit, 0
    if github.gate == "pull-request":
        merged = _merged_as(github, commit, token, session, deadline)
        tested, pull = merged.head.sha, merged.number
        source += f", of pull request #{pull}"
    query: dict[str, str | int] = {"check_name": github.check, "app_id": github.app_id, "filter": "latest"}
    path = f"commits/{tested}/check-runs"
    found = list(pages(github, path, query, token, session, deadline, _CheckRuns))
    runs = [run for page in found for run in page.check_runs]
    if len(runs) < max(page.total_count for page in found):
        raise MissingFact("GitHub listed fewer check runs than it counted: run the command again")
    ours = [
        run
        for run in runs
        if run.name == github.check and run.head_sha == tested and run.app and run.app.id == github.app_id
    ]
    if not ours:
        return CiState("not found", source)
    worst = next((run for run in ours if _outcome(run) != "success"), ours[0])
    url = worst.html_url or ""
    run = StageRun(
        commit=tested,
        id=worst.id,
        url=url,
        status=worst.status,
        conclusion=worst.conclusion,
        updated=worst.completed_at,
        pull_request=pull or None,
        suite=worst.check_suite.id if worst.check_suite else 0,
        seconds=None if github.app_id == ACTIONS else _longest(ours),
    )
    return CiState(_outcome(worst), source, url, run=run)


def with_workflow(
    github: GitHub, state: CiState, token: str, session: requests.Session, within: float = 30.0
) -> CiState:
    """The same state with the workflow run that made its check; a check of another app is its own run.

    How long it took is only known of the whole run: the check may be a gate that waits for the others.

    Raises MissingFact when GitHub does not tell of exactly one run for the check's suite and commit, and for a run
    that another event started: `pull_request_target` is listed under a commit that it did not test.
    """
    run = state.run
    if run is None or github.app_id != ACTIONS:
        return state
    deadline = time.monotonic() + within
    query: dict[str, str | int] = {"check_suite_id": run.suite, "head_sha": run.commit}
    found = list(pages(github, "actions/runs", query, token, session, deadline, _WorkflowRuns))
    made = [one for page in found for one in page.workflow_runs if one.head_sha == run.commit]
    if len(made) != 1 or not run.suite:
        raise MissingFact(f"GitHub names {len(made)} workflow runs for the check {github.check!r}, not one")
    (one,) = made
    if one.event not in EVENTS:
        raise MissingFact(
            f"the run of the check {github.check!r} was started by {one.event[:40]}: expected {', '.join(EVENTS)}"
        )
    told = replace(
        run,
        id=one.id,
        number=one.run_number,
        url=one.html_url,
        event=one.event,
        branch=one.head_branch,
        status=one.status,
        conclusion=one.conclusion,
        updated=one.updated_at,
        workflow=PurePosixPath(one.path.partition("@")[0]).name,
        seconds=_whole(one, run),
    )
    return dataclasses.replace(state, run=told)


def _merged_as(github: GitHub, commit: str, token: str, session: requests.Session, deadline: float) -> _Pull:
    """The one pull request that was merged as `commit`. Raises MissingFact when there is none, or several."""
    found = pages(github, f"commits/{commit}/pulls", {}, token, session, deadline, tuple[_Pull, ...])
    pulls = [pull for page in found for pull in page]
    merged = [pull for pull in pulls if pull.merged_at and pull.merge_commit_sha == commit]
    if len(merged) == 1 and _SHA.fullmatch(merged[0].head.sha):
        return merged[0]
    named = ", ".join(f"#{pull.number}" for pull in (merged or pulls)[:5])
    if len(merged) > 1:
        why = f"{named} were all merged as it"
    elif not pulls:
        why = "it knows none of this commit"
    else:
        why = f"{named} was not merged, or as another commit"
    raise MissingFact(f"GitHub does not name one pull request that became {commit[:12]}: {why}")


def blockers(
    github: GitHub, token: str, session: requests.Session, within: float = 30.0
) -> tuple[Blocker, ...]:
    """The open issues that carry one of the configured labels, each once, in the order of the labels.

    Raises MissingFact when GitHub cannot tell.
    """
    found: dict[int, Blocker] = {}
    deadline = time.monotonic() + within
    for label in github.blocker_labels:
        query = {"state": "open", "labels": label}
        for page in pages(github, "issues", query, token, session, deadline, tuple[_Issue, ...]):
            for issue in page:
                if issue.pull_request is None and issue.number not in found:
                    title = "".join(c if c.isprintable() else " " for c in issue.title)[:200]
                    found[issue.number] = Blocker(f"#{issue.number}", label, title)
    return tuple(found.values())


def run_state(
    github: GitHub,
    run: str,
    attempt: int,
    url: str,
    token: str,
    session: requests.Session,
    within: float = 10.0,
) -> str:
    """GitHub's word for where a workflow run is: "completed" when it is over, else "in_progress", "queued", …

    Raises MissingFact when GitHub cannot tell, or tells of anything else than attempt `attempt`, or a later
    one, of the run `run` that people find at `url`.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,18}", run):
        raise MissingFact("the number of its run is invalid")
    deadline = time.monotonic() + within
    found = next(pages(github, f"actions/runs/{run}", {}, token, session, deadline, _Run))
    ours = found.repository.full_name.lower() == github.repository.lower()
    if not ours or (str(found.id), found.html_url) != (run, url):
        raise MissingFact(f"GitHub reports another run than {url[:200]}")
    if found.run_attempt < attempt:
        raise MissingFact(f"GitHub does not know attempt {attempt} of run {run} yet")
    return found.status or "no status"


def _longest(runs: Sequence[_CheckRun]) -> float | None:
    """Seconds of the run that took longest; None when one of them does not say when it began and ended."""
    took = [seconds((run.started_at, run.completed_at)) for run in runs]
    known = [one for one in took if one is not None]
    return max(known) if len(known) == len(took) else None


def _whole(run: _WorkflowRun, check: StageRun) -> float | None:
    """Seconds of all of a run that is over; the check may be a gate, and have waited for most of it."""
    if run.status != "completed":
        return None
    began = run.run_started_at or run.created_at
    took = [seconds((began, ended)) for ended in (run.updated_at, check.updated)]
    return max((one for one in took if one is not None), default=None)


def _outcome(run: _CheckRun) -> str:
    return run.conclusion or "no conclusion" if run.status == "completed" else run.status
