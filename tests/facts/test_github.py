"""GitHub's answers, from a loopback server that gives GitHub's own examples, and everything short of them."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from facts.answering import Answers
from roadworthy import http
from roadworthy.config import GitHub
from roadworthy.errors import UsageError
from roadworthy.facts.github import blockers, ci_state, run_state
from roadworthy.model import Blocker, CiState, MissingFact

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "github"
TOKEN = "ghp_0123456789abcdefSECRET"
COMMIT = "ce587453ced02b1526dfb4cb910479d431683101"
OTHER = "f" * 40
FIRST_PAGE = {"per_page": "100", "page": "1"}

# The fields that are read, as GitHub's own example of a check run has them; `official` has the whole of it.
RUN = {
    "id": 4,
    "head_sha": COMMIT,
    "name": "mighty_readme",
    "status": "completed",
    "conclusion": "success",
    "html_url": "https://github.com/github/hello-world/runs/4",
    "app": {"id": 1},
}


@pytest.fixture(scope="module")
def server():
    answers = Answers()
    yield answers
    answers.close()


@pytest.fixture
def github(server):
    server.asked.clear()
    return GitHub(repository="github/hello-world", check="mighty_readme", app_id=1, api=server.url)


@pytest.fixture
def session():
    with http.session(5.0) as made:
        yield made


def runs(*found, total=None):
    page = {"total_count": len(found) if total is None else total, "check_runs": list(found)}
    return lambda path, query: (200, page, {})


def state(github, session, commit=COMMIT, token=TOKEN):
    return ci_state(github, commit, token, session, within=0.0)


@pytest.fixture(scope="module")
def official():
    if not DATA.is_dir():
        pytest.skip("GitHub's published examples are not beside this checkout (../shared/data/github)")
    examples = json.loads((DATA / "github-examples.json").read_text())
    return examples["check-run-paginated"]["value"]


def test_the_published_example_is_read_and_is_not_green(server, github, session, official):
    server.answer = lambda path, query: (200, official, {})
    assert state(github, session) == CiState(
        "neutral",
        "GitHub's check 'mighty_readme' of github/hello-world",
        "https://github.com/github/hello-world/runs/4",
    )


def test_the_published_example_with_success_is_green(server, github, session, official):
    green = deepcopy(official)
    green["check_runs"][0]["conclusion"] = "success"
    server.answer = lambda path, query: (200, green, {})
    assert state(github, session).outcome == "success"


def test_the_fields_that_are_read_are_the_published_ones(official):
    description = json.loads((DATA / "github-slice.json").read_text())
    schema = description["components"]["schemas"]["check-run"]
    assert set(RUN) <= set(schema["required"]) and RUN.keys() <= official["check_runs"][0].keys()
    assert "success" in schema["properties"]["conclusion"]["enum"]
    assert "completed" in schema["properties"]["status"]["enum"]
    names = {
        description["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]]["name"]
        if "$ref" in p
        else p["name"]
        for p in description["paths"]["/repos/{owner}/{repo}/commits/{ref}/check-runs"]["get"]["parameters"]
    }
    assert {"check_name", "app_id", "filter", "per_page", "page"} <= names


def test_the_question_names_the_commit_the_check_and_the_app(server, github, session):
    server.answer = runs(RUN)
    assert state(github, session).outcome == "success"
    ((path, query, headers),) = server.asked
    assert path == f"/repos/github/hello-world/commits/{COMMIT}/check-runs"
    assert query == {"check_name": "mighty_readme", "app_id": "1", "filter": "latest"} | FIRST_PAGE
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["accept"] == "application/vnd.github+json"


@pytest.mark.parametrize(
    "other",
    [
        *({"name": "mighty_readme (2)"}, {"name": "Mighty_Readme"}),
        *({"head_sha": OTHER}, {"app": {"id": 2}}, {"app": None}),
    ],
)
def test_a_success_of_another_check_commit_or_app_is_not_ours(server, github, session, other):
    server.answer = runs({**RUN, **other})
    assert state(github, session).outcome == "not found"


def test_no_check_run_at_all_is_not_found(server, github, session):
    server.answer = runs()
    assert state(github, session).outcome == "not found"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"status": "queued", "conclusion": None}, "queued"),
        ({"status": "in_progress", "conclusion": None}, "in_progress"),
        ({"status": "in_progress", "conclusion": "success"}, "in_progress"),
        ({"status": "completed", "conclusion": None}, "no conclusion"),
        *[
            ({"conclusion": word}, word)
            for word in (
                "failure",
                "cancelled",
                "skipped",
                "timed_out",
                "action_required",
                "stale",
                "neutral",
            )
        ],
    ],
)
def test_anything_but_a_completed_success_is_said_in_githubs_words(server, github, session, said, outcome):
    server.answer = runs({**RUN, **said})
    assert state(github, session).outcome == outcome


def test_of_several_newest_runs_all_must_be_green(server, github, session):
    server.answer = runs(RUN, {**RUN, "id": 5, "conclusion": "failure", "html_url": None})
    assert state(github, session) == CiState(
        "failure", "GitHub's check 'mighty_readme' of github/hello-world", ""
    )


def in_pages(*pages):
    """Pages with GitHub's Link header, which points somewhere that must not be followed."""

    def answer(path, query):
        page = int(query["page"])
        more = {"Link": '<http://127.0.0.1:1/elsewhere>; rel="next"'} if page < len(pages) else {}
        return 200, pages[page - 1], more

    return answer


def test_every_page_is_read_from_the_configured_address(server, github, session):
    first = {"total_count": 2, "check_runs": [RUN]}
    second = {"total_count": 2, "check_runs": [{**RUN, "conclusion": "failure"}]}
    server.answer = in_pages(first, second)
    assert state(github, session).outcome == "failure"
    assert [query["page"] for _, query, _ in server.asked] == ["1", "2"]


def test_fewer_runs_than_were_counted_are_no_answer(server, github, session):
    server.answer = runs(RUN, total=2)
    with pytest.raises(MissingFact, match="fewer"):
        state(github, session)


def test_endless_pages_are_no_answer(server, github, session):
    server.answer = lambda path, query: (200, [], {"Link": '<x>; rel="next"'})
    with pytest.raises(MissingFact, match="more than 1000"):
        blockers(github, TOKEN, session, within=0.0)
    assert len(server.asked) == 10


@pytest.mark.parametrize(
    ("status", "word"),
    [
        *((301, "moved"), (401, "GITHUB_TOKEN"), (403, "rate limit"), (404, "no such repository")),
        *((422, "push it"), (429, "rate limit"), (500, "500"), (503, "later"), (204, "204")),
    ],
)
def test_a_refused_question_is_a_missing_fact_in_one_line(server, github, session, status, word):
    server.answer = lambda path, query: (status, b"", {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(MissingFact, match=word) as caught:
        state(github, session)
    assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)
    assert len(server.asked) == 1, "no redirect is followed"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"{}", b'{"total_count": 1}'),
        b'{"total_count": 1, "check_runs": [{"name": "x"}]}',
        b'{"total_count": "1", "check_runs": []}',
        json.dumps({"total_count": 1, "check_runs": [{**RUN, "status": None}]}).encode(),
        json.dumps({"total_count": 1, "check_runs": [{**RUN, "conclusion": True}]}).encode(),
    ],
)
def test_an_answer_of_another_shape_is_a_missing_fact(server, github, session, body):
    server.answer = lambda path, query: (200, body, {})
    with pytest.raises(MissingFact, match="not what its API promises"):
        state(github, session)


def test_an_answer_that_is_cut_short_is_a_missing_fact(server, github, session):
    server.answer = lambda path, query: (
        200,
        b'{"total_count"',
        {"Content-Length": "500", "Connection": "close"},
    )
    with pytest.raises(MissingFact, match="GitHub cannot be asked"):
        state(github, session)


def test_a_passing_fault_is_asked_again(server, github, session):
    green = runs(RUN)
    server.answer = lambda path, query: (503, b"", {}) if len(server.asked) == 1 else green(path, query)
    assert ci_state(github, COMMIT, TOKEN, session, within=10.0).outcome == "success"
    assert len(server.asked) == 2


def test_a_github_that_is_not_there_is_a_missing_fact_without_the_token(session):
    nowhere = GitHub(repository="o/r", check="test", api="http://127.0.0.1:1")
    with pytest.raises(MissingFact, match="GitHub cannot be asked") as caught:
        state(nowhere, session)
    assert TOKEN not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", f"{TOKEN}\n", "tökén", "x" * 501])
def test_a_token_that_is_none_is_never_sent_or_shown(server, github, session, token):
    with pytest.raises(MissingFact, match="GITHUB_TOKEN") as caught:
        state(github, session, token=token)
    assert not server.asked
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("commit", ["", "main", COMMIT[:12], COMMIT.upper(), COMMIT + "\n", "../" + COMMIT])
def test_a_commit_that_is_no_full_sha_is_not_asked_for(server, github, session, commit):
    with pytest.raises(UsageError, match="full commit"):
        state(github, session, commit=commit)
    assert not server.asked


@pytest.mark.parametrize("repository", ["", "hello", "a/b/c", "../x/y", "a/..", "a b/c", "a/b?x=1", "a/b\n"])
def test_a_repository_that_is_no_name_is_not_asked_for(server, session, repository):
    with pytest.raises(UsageError, match="owner/name"):
        state(GitHub(repository=repository, check="test", api=server.url), session)


@pytest.mark.parametrize("api", ["http://api.github.com", "ftp://x", "", "http://127.0.0.1.example.com"])
def test_the_token_is_sent_over_tls_or_loopback_only(session, api):
    with pytest.raises(UsageError, match="https://"):
        state(GitHub(repository="o/r", check="test", api=api), session)


def issue(number, title="It is broken", **more):
    return {"number": number, "title": title, "state": "open", "labels": [{"name": "P1"}], **more}


def test_open_issues_of_every_label_are_blockers_once_and_pull_requests_are_none(server, github, session):
    by_label = {
        "P0": [issue(3), issue(4, pull_request={"url": "https://api.github.com/repos/o/r/pulls/4"})],
        "P1": [issue(3), issue(9, "Two\nlines \x1b[2J" + "x" * 300)],
    }
    server.answer = lambda path, query: (200, by_label[query["labels"]], {})
    found = blockers(github, TOKEN, session, within=0.0)
    assert found[0] == Blocker("#3", "P0", "It is broken")
    assert [b.id for b in found] == ["#3", "#9"]
    assert found[1].summary.isprintable() and len(found[1].summary) == 200
    assert [(path, query["state"]) for path, query, _ in server.asked] == [
        ("/repos/github/hello-world/issues", "open")
    ] * 2


def test_every_page_of_issues_is_read(server, github, session):
    server.answer = in_pages([issue(1)], [issue(2)], [issue(3)])
    assert [b.id for b in blockers(github, TOKEN, session, within=0.0)] == ["#1", "#2", "#3"]


def test_no_open_issue_is_no_blocker(server, github, session):
    server.answer = lambda path, query: (200, [], {})
    assert blockers(github, TOKEN, session, within=0.0) == ()


@pytest.mark.parametrize("body", [{}, [{"number": "1", "title": "x"}], [{"title": "x"}], [1], None])
def test_issues_of_another_shape_are_a_missing_fact(server, github, session, body):
    server.answer = lambda path, query: (200, body, {})
    with pytest.raises(MissingFact):
        blockers(github, TOKEN, session, within=0.0)


# ---- a workflow run --------------------------------------------------------------------------------------

URL = "https://github.com/github/hello-world/actions/runs/42"
WORKFLOW_RUN = {
    "id": 42,
    "html_url": URL,
    "status": "completed",
    "conclusion": "cancelled",
    "run_attempt": 2,
    "repository": {"full_name": "github/Hello-World"},
}


def of_run(github, session, run="42", attempt=2, token=TOKEN):
    return run_state(github, run, attempt, URL, token, session, within=0.0)


@pytest.mark.parametrize(
    "status", ["completed", "in_progress", "queued", "waiting", "requested", "pending", None]
)
def test_a_run_is_where_github_says(server, github, session, status):
    server.answer = lambda path, query: (200, {**WORKFLOW_RUN, "status": status}, {})
    assert of_run(github, session) == (status or "no status")
    path, _, headers = server.asked[0]
    assert path == "/repos/github/hello-world/actions/runs/42"
    assert headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "other",
    [
        {"id": 43},
        {"html_url": URL.replace("hello-world", "other")},
        {"html_url": URL.replace("github.com", "github.example")},
        {"repository": {"full_name": "github/other"}},
        {"run_attempt": 1},
    ],
)
def test_what_is_said_of_another_run_says_nothing_of_ours(server, github, session, other):
    server.answer = lambda path, query: (200, {**WORKFLOW_RUN, **other}, {})
    with pytest.raises(MissingFact):
        of_run(github, session)


@pytest.mark.parametrize("missing", ["id", "html_url", "status", "repository"])
def test_a_run_that_says_less_than_the_api_promises_says_nothing(server, github, session, missing):
    said = {name: value for name, value in WORKFLOW_RUN.items() if name != missing}
    server.answer = lambda path, query: (200, said, {})
    with pytest.raises(MissingFact, match="not what its API promises"):
        of_run(github, session)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500])
def test_a_run_that_cannot_be_asked_for_is_not_over(server, github, session, status):
    server.answer = lambda path, query: (status, WORKFLOW_RUN, {"Location": "/elsewhere"})
    with pytest.raises(MissingFact, match=str(status)):
        of_run(github, session)


@pytest.mark.parametrize("run", ["", "0", "x", "1/../2", "1?x", "9" * 20])
def test_the_number_of_a_run_is_a_number(server, github, session, run):
    with pytest.raises(MissingFact, match="number of its run is invalid"):
        of_run(github, session, run)
    assert server.asked == []


def test_a_run_is_not_asked_for_without_a_token(server, github, session):
    with pytest.raises(MissingFact, match="GITHUB_TOKEN"):
        of_run(github, session, token="")
    assert server.asked == []


def test_the_fields_of_a_run_are_the_published_ones(server, github, session, official):
    schemas = json.loads((DATA / "github-slice.json").read_text())["components"]["schemas"]
    assert WORKFLOW_RUN.keys() <= schemas["workflow-run"]["properties"].keys()
    assert {"id", "html_url", "status", "repository"} <= set(schemas["workflow-run"]["required"])
    assert "full_name" in schemas["minimal-repository"]["required"]
    example = json.loads((DATA / "github-examples.json").read_text())["workflow-run"]["value"]
    server.answer = lambda path, query: (200, example, {})
    there = GitHub(repository=example["repository"]["full_name"], check="x", api=server.url)
    run, url = str(example["id"]), example["html_url"]
    assert run_state(there, run, 1, url, TOKEN, session) == example["status"] == "queued"


BEGAN, ENDED = "2026-01-02T02:58:00Z", "2026-01-02T03:00:00Z"


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([(BEGAN, ENDED)], 120),
        ([(BEGAN, ENDED), ("2026-01-02T02:00:00Z", ENDED)], 3600),
        ([(BEGAN, ENDED), (None, ENDED)], None),
        ([(BEGAN, None)], None),
        ([(ENDED, BEGAN)], None),
        ([("2026-01-02T02:58:00", ENDED)], None),
        ([("yesterday", ENDED)], None),
    ],
)
def test_a_check_took_as_long_as_its_longest_run_or_nobody_knows(server, github, session, times, seconds):
    server.answer = runs(*({**RUN, "started_at": began, "completed_at": ended} for began, ended in times))
    assert state(github, session).run.seconds == seconds


@pytest.mark.parametrize("token", ["a", "e", "1", "ok", "check"])
def test_a_short_token_does_not_spoil_what_github_answers(server, github, session, token):
    server.answer = runs(RUN)
    assert state(github, session, token=token).outcome == "success"
