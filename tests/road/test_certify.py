"""Certify: each step that fails means no certificate; the certificate opens production for one package only."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from road.fixtures import living
from road.project import KEYS, Project, migration, until

SUMMARY = "verification-summary.json"


@pytest.fixture
def staged(project: Project) -> Project:
    project.deployed()
    project.json("migrate")
    return project


@pytest.fixture(scope="module")
def shared(platform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One staged project for the tests that only change its mood."""
    for made in living(tmp_path_factory.mktemp("shared") / "project", platform):
        made.deployed()
        made.json("migrate")
        yield made


def certificate(project: Project) -> Path:
    return project.root / ".release" / f"{project.staging}_certified"


def evidence(project: Project, name: str) -> Any:
    """What the newest entry attaches under this name."""
    (item,) = [item for item in project.entries()[-1].record.evidence if item.name == name]
    return json.loads((project.root / ".release/journal/evidence" / item.sha256).read_bytes())


def summary(project: Project) -> Any:
    """The decision as a SLSA verification summary of the package that runs, resting on the start."""
    statement, start = evidence(project, SUMMARY), project.entries()[-2]
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["subject"] == [{"name": start.record.subject, "digest": {"sha256": start.record.digest}}]
    assert statement["predicate"]["inputAttestations"][0]["digest"] == {"sha256": start.sha256}
    return statement["predicate"]


def refused(project: Project) -> str:
    """Why a certification failed: it must, with exit code 1, a journalled failure and no certificate."""
    said = project.json("certify", code=1)
    assert project.kinds()[-2:] == ["start certify", "failed certify"]
    assert not certificate(project).exists()
    problems = project.entries()[-1].record.details["problems"]
    assert list(problems) == said["reasons"]
    if SUMMARY in {
        item.name for item in project.entries()[-1].record.evidence
    }:  # it got as far as a decision
        assert summary(project)["verificationResult"] == "FAILED"
    return "\n".join(problems)


def test_a_certificate_says_what_was_proven(staged: Project):
    said = staged.json("certify")
    start, end = staged.entries()[-2:]
    lines = dict(line.split("=", 1) for line in certificate(staged).read_text().splitlines())
    assert lines["CERTIFIED_APP"] == staged.staging
    assert lines["CERTIFIED_SHA"] == lines["CERTIFIED_RUNTIME_VERSION"] == staged.first
    assert lines["CERTIFIED_ALEMBIC_HEAD"] == "0001"
    assert lines["CERTIFIED_PACKAGE"] == f"sha256:{end.record.digest}"
    assert lines["CERTIFIED_ENTRY"] == f"{start.seq} {start.sha256}"
    assert lines["CERTIFIED_TARGET"] == "sandbox"
    assert lines["CERTIFIED_EXPIRES"] == said["details"]["expires"] > lines["CERTIFIED_AT"]
    one_offs = [c for c in staged.calls() if c["path"].endswith("/dynos") and c["at"][:26] > start.at[:-1]]
    assert len(one_offs) == 4  # the migration and the question for the revision, twice
    assert not [p for p in certificate(staged).parent.iterdir() if p.name.endswith(".part")]
    assert [item.name for item in end.record.evidence] == [
        f"{staged.staging}_certified",
        "checks.json",
        SUMMARY,
    ]
    assert summary(staged)["verificationResult"] == "PASSED"
    assert [one["outcome"] for one in evidence(staged, "checks.json")] == ["passed"] * 4


def test_certify_runs_what_is_pending_and_proves_that_a_second_run_changes_nothing(project: Project):
    project.deployed()
    project.json("certify")
    assert project.revision() == "0001"
    assert project.entries()[-1].record.details["revision"] == "0001"


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ({"health": "degraded"}, "check health"),
        ({"cookie": "csrftoken=abc"}, "check csrf"),
        ({"me": 200}, "check me"),
        ({"version": "unknown"}, "check version"),
        ({"version": "prefix {}"}, "check version"),
        ({"version": "{:.12}"}, "check version"),
    ],
)
def test_a_check_that_fails_means_no_certificate(shared: Project, mood, reason):
    shared.mood(**mood)
    assert reason in refused(shared)


@pytest.mark.later
def test_a_second_migration_that_changes_something_means_no_certificate(project: Project):
    files = {"app/migrations/0002.py": migration("0002", "0001")}
    project.commit("Two migrations", files)
    project.deployed()
    project.mood(each_migration_goes_back_to="0001")
    assert "the second migration changed the database from 0002 to 0001" in refused(project)


@pytest.mark.later
def test_a_migration_that_fails_means_no_certificate(project: Project):
    project.deployed()
    project.mood(migrate_fails_at="0001")
    assert "no such column" in refused(project)


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "[CRITICAL] WORKER TIMEOUT (pid:9)",
    ],
)
@pytest.mark.slow
def test_a_line_in_the_log_since_the_release_means_no_certificate(staged: Project, line):
    staged.mood(say=[line])
    staged.get("/")
    staged.mood()
    assert "log rule" in refused(staged)
    staged.commit("Fixed")  # a new release: what was logged before it does not count
    staged.deployed()
    staged.json("certify")


@pytest.mark.later
def test_an_error_that_the_router_logged_means_no_certificate(staged: Project):
    staged.mood(health_code=503)
    staged.get("/api/health")
    staged.mood()
    assert "log rule '5xx'" in refused(staged)


@pytest.mark.later
def test_a_platform_error_in_the_log_means_no_certificate(staged: Project):
    staged.api("PATCH", f"/apps/{staged.staging}", {"maintenance": True})
    until(lambda: staged.get("/api/health")[0] == 503)
    staged.api("PATCH", f"/apps/{staged.staging}", {"maintenance": False})
    until(lambda: staged.get("/api/health")[0] == 200)
    assert "code=H80" in refused(staged)


def test_a_process_that_ended_abnormally_since_the_release_means_no_certificate(project: Project):
    """Of whatever type: a name may have `_` and `-`, which the rules once did not know."""
    procfile = (project.root / "app" / "Procfile").read_text()
    project.commit("A worker", {"app/Procfile": f"{procfile}worker_critical-2: sleep 1; exit 1\n"})
    project.deployed()
    project.json("migrate")
    app = f"/apps/{project.staging}"
    project.api("PATCH", f"{app}/formation", {"updates": [{"type": "worker_critical-2", "quantity": 1}]})
    until(lambda: "exited with status 1" in project.invoke("sandbox.logs", "--app", project.staging).out)
    assert "worker_critical-2.1]: Process exited with status 1" in refused(project)


@pytest.mark.later
def test_a_one_off_that_a_person_ran_and_that_ended_badly_is_theirs(staged: Project):
    staged.api("POST", f"/apps/{staged.staging}/dynos", {"command": "sh -c 'kill -9 $$'", "type": "run"})
    until(lambda: "exited with status 137" in staged.invoke("sandbox.logs", "--app", staged.staging).out)
    staged.json("certify")


@pytest.mark.later
def test_harmless_lines_raise_no_alarm(staged: Project):
    staged.mood(say=["GET /big 200 512", "Error reading nothing", "took 503 ms", "status=5000"])
    staged.get("/")
    staged.mood()
    staged.json("certify")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 403},
        pytest.param({"kind": "status", "status": 503}, marks=pytest.mark.slow),
        pytest.param({"kind": "reset"}, marks=pytest.mark.slow),
    ],
)
def test_a_log_that_cannot_be_read_means_no_certificate(shared: Project, fault):
    # The one-offs need the log, too: break it when the checks are asked, which is after them.
    shared.break_log_at_check(fault)
    reasons = refused(shared)
    shared.faults()
    assert "the log cannot be read" in reasons


@pytest.mark.slow
def test_production_is_never_certified(staged: Project):
    staged.json("certify")
    staged.deployed(env="prod")
    said = staged.json("certify", "--env", "prod", env=KEYS, code=3)
    assert "certifies_no_production" in said["line"]


def reasons(project: Project, **keys: str) -> dict[str, str]:
    said = project.json("deploy", "--env", "prod", env=KEYS, code=3)
    assert project.calls("prod") == []
    return dict(reason.split(": ", 1) for reason in said["reasons"])


def test_production_takes_what_was_certified(staged: Project):
    staged.json("certify")
    staged.released()
    staged.json("deploy", "--env", "prod", env=KEYS)
    assert staged.runs("prod") == staged.first


@pytest.mark.slow
def test_a_tampered_certificate_opens_nothing(staged: Project):
    staged.json("certify")
    path = certificate(staged)
    path.write_text(path.read_text().replace("CERTIFIED_EXPIRES=20", "CERTIFIED_EXPIRES=21"))
    assert "was altered" in reasons(staged)["staging_is_certified"]
    path.unlink()
    assert "is gone" in reasons(staged)["staging_is_certified"]


@pytest.mark.slow
def test_an_expired_certificate_opens_nothing(staged: Project):
    staged.change_config(('certificate = "72h"', 'certificate = "1s"'))
    staged.json("certify")
    words = ("deploy", "--env", "prod", "--commit", staged.first, "--plan")
    until(lambda: "expired" in staged.invoke(*words, env=KEYS).text, every=0.2)
    assert staged.process(*words, env=KEYS).code == 3


@pytest.mark.later
def test_a_certificate_of_another_package_opens_nothing(staged: Project):
    staged.json("certify")
    staged.commit("Second")
    staged.json("test")
    assert "staging certified package" in reasons(staged)["staging_is_certified"]


def test_a_certificate_that_is_not_in_the_journal_opens_nothing(staged: Project):
    staged.json("certify")
    text = certificate(staged).read_text()
    second = staged.commit("Second")
    staged.deployed()
    certificate(staged).write_text(text.replace(staged.first, second))
    assert "staging_is_certified" in reasons(staged)


@pytest.mark.later
def test_what_runs_is_not_what_the_journal_says_then_nothing_is_certified(staged: Project):
    staged.commit("Second")
    staged.deployed()
    old = staged.releases()[-2]
    staged.api("POST", f"/apps/{staged.staging}/releases", {"slug": old["slug"]["id"]})
    assert "package_is_running" in staged.json("certify", code=3)["line"]


@pytest.mark.later
def test_a_database_that_is_ahead_is_not_certified(staged: Project):
    with sqlite3.connect(staged.database()) as database:
        database.execute("UPDATE alembic_version SET version_num = '0042'")
    database.close()
    assert "migrations_are_safe" in staged.json("certify", code=3)["line"]
