"""The commit that a squash made: whose check counts for it; and which workflow run made a check."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from facts.answering import Answers
from roadworthy import http
from roadworthy.config import GitHub
from roadworthy.facts.github import ACTIONS, ci_state, with_workflow
from roadworthy.model import CiState, MissingFact, StageRun

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "github"
HEAD, MAIN, OTHER = "a" * 40, "b" * 40, "c" * 40
TOKEN = "ghp_0123456789abcdefSECRET"
# The fields that are read, named as GitHub's description names them.
PULL = {"number": 7, "merged_at": "2026-01-02T03:04:05Z", "merge_commit_sha": MAIN, "head": {"sha": HEAD}}
CHECK = {
    "id": 4,
    "head_sha": HEAD,
    "name": "commit-stage",
    "status": "completed",
    "conclusion": "success",
    "completed_at": "2026-01-02T03:00:00Z",
    "html_url": "https://github.com/o/r/runs/4",
    "app": {"id": ACTIONS},
    "check_suite": {"id": 5},
}
RUN = {
    "id": 42,
    "run_number": 17,
    "html_url": "https://github.com/o/r/actions/runs/42",
    "event": "pull_request",
    "head_branch": "topic",
    "head_sha": HEAD,
    "status": "in_progress",
    "conclusion": None,
    "updated_at": "2026-01-02T03:00:01Z",
    "path": ".github/workflows/commit-stage.yml@refs/heads/topic",
}


@pytest.fixture(scope="module")
def server():
    answers = Answers()
    yield answers
    answers.close()


@pytest.fixture
def session():
    with http.session(5.0) as made:
        yield made


@pytest.fixture
def github(server):
    server.asked.clear()
    return GitHub(repository="o/r", check="commit-stage", gate="pull-request", api=server.url)


def says(server, *, pulls=(PULL,), checks=(CHECK,), runs=(RUN,)):
    def answer(path, query):
        if path.endswith("/pulls"):
            return 200, list(pulls), {}
        if path.endswith("/check-runs"):
            return 200, {"total_count": len(checks), "check_runs": list(checks)}, {}
        assert path == "/repos/o/r/actions/runs"
        return 200, {"total_count": len(runs), "workflow_runs": list(runs)}, {}

    server.answer = answer


def state(github, session):
    return ci_state(github, MAIN, TOKEN, session, within=0.0)


def test_a_squashed_commit_has_the_check_of_its_pull_requests_head(server, github, session):
    says(server)
    said = state(github, session)
    assert said == CiState(
        "success", "GitHub's check 'commit-stage' of o/r, of pull request #7", "https://github.com/o/r/runs/4"
    )
    assert (said.run.commit, said.run.pull_request) == (HEAD, 7)
    first, second = (path for path, _, _ in server.asked)
    assert first == f"/repos/o/r/commits/{MAIN}/pulls"
    assert second == f"/repos/o/r/commits/{HEAD}/check-runs"


def test_without_that_gate_no_pull_request_is_asked_for(server, session):
    github = GitHub(repository="o/r", check="commit-stage", api=server.url)
    server.asked.clear()
    says(server)
    assert state(github, session).outcome == "not found"  # the check is of another commit
    assert [path for path, _, _ in server.asked] == [f"/repos/o/r/commits/{MAIN}/check-runs"]


@pytest.mark.parametrize(
    ("pulls", "why"),
    [
        ([], "it knows none of this commit"),
        ([{**PULL, "merged_at": None}], "#7 was not merged, or as another commit"),
        ([{**PULL, "merge_commit_sha": OTHER}], "#7 was not merged, or as another commit"),
        ([{**PULL, "merge_commit_sha": None}], "#7 was not merged, or as another commit"),
        ([PULL, {**PULL, "number": 8}], "#7, #8 were all merged as it"),
        ([PULL, {**PULL, "number": 8}, {**PULL, "number": 9, "merged_at": None}], "#7, #8 were all merged"),
        ([{**PULL, "head": {"sha": "../../other"}}], "#7 was not merged"),
    ],
)
def test_anything_but_one_pull_request_that_became_the_commit_is_no_evidence(
    server, github, session, pulls, why
):
    says(server, pulls=pulls)
    with pytest.raises(MissingFact, match=why):
        state(github, session)
    assert len(server.asked) == 1, "no check is asked for"


def test_an_open_pull_request_that_has_the_commit_too_does_not_matter(server, github, session):
    says(server, pulls=[{**PULL, "number": 8, "merged_at": None, "merge_commit_sha": OTHER}, PULL])
    assert state(github, session).run.pull_request == 7


@pytest.mark.parametrize("missing", PULL)
def test_a_pull_request_that_says_less_than_the_api_promises_says_nothing(server, github, session, missing):
    says(server, pulls=[{name: value for name, value in PULL.items() if name != missing}])
    with pytest.raises(MissingFact, match="not what its API promises"):
        state(github, session)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_a_commit_whose_pull_requests_cannot_be_asked_for_is_not_green(server, github, session, status):
    server.answer = lambda path, query: (status, [], {})
    with pytest.raises(MissingFact, match=str(status)):
        state(github, session)


def test_the_check_of_the_merged_head_must_be_green_like_any_other(server, github, session):
    says(server, checks=[{**CHECK, "conclusion": "failure"}])
    assert state(github, session).outcome == "failure"
    says(server, checks=[{**CHECK, "head_sha": MAIN}])
    assert state(github, session).outcome == "not found"


def test_the_run_of_a_check_is_found_by_its_suite_and_commit(server, github, session):
    says(server)
    told = with_workflow(github, state(github, session), TOKEN, session, within=0.0)
    assert told.run == StageRun(
        commit=HEAD,
        id=42,
        url="https://github.com/o/r/actions/runs/42",
        status="in_progress",
        conclusion=None,
        updated="2026-01-02T03:00:01Z",
        workflow="commit-stage.yml",
        number=17,
        event="pull_request",
        branch="topic",
        pull_request=7,
        suite=5,
    )
    assert told.outcome == "success", "the check decides, not the run's other jobs"
    assert server.asked[-1][1] == {
        "check_suite_id": "5",
        "head_sha": HEAD,
        "per_page": "100",
        "page": "1",
    }


@pytest.mark.parametrize("runs", [[], [RUN, {**RUN, "id": 43}], [{**RUN, "head_sha": OTHER}]])
def test_a_check_whose_run_is_not_one_is_no_evidence(server, github, session, runs):
    says(server, runs=runs)
    green = state(github, session)
    with pytest.raises(MissingFact, match="workflow runs for the check 'commit-stage', not one"):
        with_workflow(github, green, TOKEN, session, within=0.0)


@pytest.mark.parametrize(
    "event", ["pull_request_target", "workflow_dispatch", "schedule", "workflow_run", ""]
)
def test_a_run_that_may_have_tested_something_else_than_its_commit_is_no_evidence(
    server, github, session, event
):
    says(server, runs=[{**RUN, "event": event}])
    green = state(github, session)
    with pytest.raises(
        MissingFact, match=f"was started by {event}: expected merge_group, pull_request, push"
    ):
        with_workflow(github, green, TOKEN, session, within=0.0)


def test_a_check_without_a_suite_has_no_run(server, github, session):
    says(server, checks=[{**CHECK, "check_suite": None}])
    green = state(github, session)
    with pytest.raises(MissingFact, match="not one"):
        with_workflow(github, green, TOKEN, session, within=0.0)


def test_a_check_of_another_app_is_its_own_run(server, session):
    github = GitHub(repository="o/r", check="commit-stage", app_id=1, api=server.url)
    says(server, checks=[{**CHECK, "head_sha": MAIN, "app": {"id": 1}}])
    green = state(github, session)
    asked = len(server.asked)
    assert with_workflow(github, green, TOKEN, session) == green
    assert (green.run.id, green.run.updated, len(server.asked)) == (4, "2026-01-02T03:00:00Z", asked)


def test_where_there_is_no_check_there_is_no_run(server, github, session):
    nothing = CiState("not found", "GitHub")
    assert with_workflow(github, nothing, TOKEN, session) == nothing


@pytest.fixture(scope="module")
def published():
    if not DATA.is_dir():
        pytest.skip("GitHub's published examples are not beside this checkout (../shared/data/github)")
    read = json.loads
    return read((DATA / "github-slice.json").read_text()), read((DATA / "github-examples.json").read_text())


def test_the_fields_of_a_check_and_of_its_run_are_the_published_ones(published):
    schemas = published[0]["components"]["schemas"]
    assert set(CHECK) <= set(schemas["check-run"]["required"])
    assert schemas["check-run"]["properties"]["check_suite"]["required"] == ["id"]
    assert set(RUN) <= set(schemas["workflow-run"]["required"])


def test_the_published_list_of_runs_is_read(server, github, session, published):
    example = published[1]["workflow-run-paginated"]["value"]
    first = example["workflow_runs"][0]
    suite, sha = first["check_suite_id"], first["head_sha"]
    server.answer = lambda path, query: (200, example, {})
    green = CiState("success", "GitHub", run=StageRun(commit=sha, id=1, suite=suite))
    told = with_workflow(github, green, TOKEN, session, within=0.0)
    assert told.run == replace(
        green.run,
        id=first["id"],
        number=first["run_number"],
        url=first["html_url"],
        event=first["event"],
        branch=first["head_branch"],
        status=first["status"],
        conclusion=first["conclusion"],
        updated=first["updated_at"],
        workflow=Path(first["path"].partition("@")[0]).name,
    )


BEGAN = "2026-01-02T02:55:00Z"
WHOLE = {**RUN, "status": "completed", "conclusion": "success"}


@pytest.mark.parametrize(
    ("run", "seconds"),
    [
        ({"run_started_at": BEGAN, "created_at": "2026-01-01T00:00:00Z"}, 301),
        ({"created_at": BEGAN}, 301),
        ({"run_started_at": BEGAN, "updated_at": "2026-01-02T02:59:00Z"}, 300),  # the check ended later
        ({"run_started_at": BEGAN, "status": "in_progress"}, None),
        ({"run_started_at": "yesterday"}, None),
        ({"run_started_at": "2026-01-02T04:00:00Z"}, None),
        ({}, None),
    ],
)
def test_a_gate_took_as_long_as_the_whole_run_and_not_as_long_as_it_waited(
    server, github, session, run, seconds
):
    says(server, checks=[{**CHECK, "started_at": "2026-01-02T02:58:14Z"}], runs=[{**WHOLE, **run}])
    gate = state(github, session)
    assert gate.run.seconds is None, "of a job alone nobody knows how long its run took"
    assert with_workflow(github, gate, TOKEN, session, within=0.0).run.seconds == seconds
