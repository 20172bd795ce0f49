"""What GitHub says about a commit's tests, about open problems, and about a run of CI.

- Only reads. They are retried until a deadline, follow no redirect and no address that an answer names.
- A test counts as passed only when the check run of the configured name, of this very commit and of the
  configured app is completed with success. Where several are the newest (one per event that started a run),
  all must be. Whatever GitHub does not say is never assumed: it is a missing fact, and that refuses.
- The token is sent to the configured API only, over TLS (loopback excepted), and is never in a message.

Source of names and fields: GitHub REST API 2022-11-28, "List check runs for a Git reference", "List
repository issues" and "Get a workflow run".
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
import requests

from ..config import GitHub
from ..errors import UsageError
from ..http import is_loopback, read_limited, reason
from ..model import Blocker, CiState, MissingFact
from ..retry import reads

MOST: Final = 8 << 20  # bytes of one answer
PAGES: Final = 10  # of 100 items
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
_WHY: Final = {
    301: "the repository has moved: correct github.repository in release.toml",
    401: "the token is refused: renew GITHUB_TOKEN",
    403: "the token may not read this, or its rate limit is used up",
    404: "it knows no such repository, or the token may not see it",
    422: "it does not know this commit: push it",
    429: "the rate limit is used up: try again later",
}


class _App(msgspec.Struct, frozen=True):
    id: int


class _CheckRun(msgspec.Struct, frozen=True):
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    app: _App | None
    html_url: str | None = None


class _CheckRuns(msgspec.Struct, frozen=True):
    total_count: int
    check_runs: tuple[_CheckRun, ...]


class _Issue(msgspec.Struct, frozen=True):
    number: int
    title: str
    pull_request: dict[str, Any] | None = None  # GitHub lists pull requests as issues


class _Repository(msgspec.Struct, frozen=True):
    full_name: str


class _Run(msgspec.Struct, frozen=True):
    id: int
    html_url: str
    status: str | None
    repository: _Repository
    run_attempt: int = 1


_T = TypeVar("_T")


def ci_state(
    github: GitHub, commit: str, token: str, session: requests.Session, within: float = 30.0
) -> CiState:
    """The state of the configured check of `commit`, a full SHA; `within` is seconds for all of it.

    `outcome` is "success", or GitHub's word for what is not ("failure", "in_progress", …), or "not found".
    `session` is one of `roadworthy.http`. Raises MissingFact when GitHub cannot tell.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise UsageError(f"{commit!r} is no full commit: name all 40 characters")
    query: dict[str, str | int] = {"check_name": github.check, "app_id": github.app_id, "filter": "latest"}
    path, deadline = f"commits/{commit}/check-runs", time.monotonic() + within
    pages = list(_pages(github, path, query, token, session, deadline, _CheckRuns))
    runs = [run for page in pages for run in page.check_runs]
    if len(runs) < max(page.total_count for page in pages):
        raise MissingFact("GitHub listed fewer check runs than it counted: run the command again")
    ours = [
        run
        for run in runs
        if run.name == github.check and run.head_sha == commit and run.app and run.app.id == github.app_id
    ]
    source = f"GitHub's check {github.check!r} of {github.repository}"
    if not ours:
        return CiState("not found", source)
    worst = next((run for run in ours if _outcome(run) != "success"), ours[0])
    return CiState(_outcome(worst), source, worst.html_url or "")


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
        for page in _pages(github, "issues", query, token, session, deadline, tuple[_Issue, ...]):
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
        raise MissingFact("the number of its run makes no sense")
    deadline = time.monotonic() + within
    found = next(_pages(github, f"actions/runs/{run}", {}, token, session, deadline, _Run))
    ours = found.repository.full_name.lower() == github.repository.lower()
    if not ours or (str(found.id), found.html_url) != (run, url):
        raise MissingFact(f"GitHub tells of another run than {url[:200]}")
    if found.run_attempt < attempt:
        raise MissingFact(f"GitHub does not know attempt {attempt} of run {run} yet")
    return found.status or "no status"


def _outcome(run: _CheckRun) -> str:
    return run.conclusion or "no conclusion" if run.status == "completed" else run.status


def _pages(
    github: GitHub,
    path: str,
    query: Mapping[str, str | int],
    token: str,
    session: requests.Session,
    deadline: float,
    kind: type[_T],
) -> Iterator[_T]:
    """The answers to one question, page by page."""
    if not _REPOSITORY.fullmatch(github.repository):
        raise UsageError(f"github.repository {github.repository!r}: expected owner/name in release.toml")
    if not github.api.startswith("https://") and not is_loopback(github.api):
        raise UsageError(f"github.api {github.api!r}: expected an address that begins with https://")
    if not token:
        raise MissingFact("GITHUB_TOKEN is not set: give one that may read checks and issues")
    if not (token.isascii() and token.isprintable() and " " not in token and len(token) <= 500):
        raise MissingFact("GITHUB_TOKEN holds what no token does, a space or line end perhaps: set it again")
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    url = f"{github.api.rstrip('/')}/repos/{github.repository}/{path}"
    for page in range(1, PAGES + 1):
        asked = {**query, "per_page": 100, "page": page}
        try:
            response = reads(deadline, what=path)(
                session.get, url, params=asked, headers=headers, allow_redirects=False, stream=True
            )
            with response:
                body = read_limited(response, MOST)
        except requests.RequestException as error:
            raise MissingFact(f"GitHub cannot be asked: {reason(error)}") from error
        if response.status_code != 200:
            why = _WHY.get(response.status_code, "try again later")
            raise MissingFact(f"GitHub answered {response.status_code}: {why}")
        try:
            yield msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise MissingFact(f"GitHub's answer is not what its API promises: {error}") from error
        if "next" not in response.links:
            return
    raise MissingFact(f"GitHub lists more than {PAGES * 100} items: close what is solved")
