"""A GitHub of this machine that tells of a project's commit stage."""

from __future__ import annotations

from facts.answering import Answers
from road.project import Project

ENV = {"GITHUB_TOKEN": "ghp_0123456789abcdefSECRET"}
TESTED = "a" * 40  # the head of the pull request that was squashed


def read_from(github: Answers, project: Project, gate: str) -> str:
    """Let the project ask this GitHub for its commit stage; its newest commit."""
    table = f'[github]\nrepository = "o/r"\ncheck = "commit-stage"\ngate = "{gate}"\napi = "{github.url}"\n'
    path = project.root / "release.toml"
    path.write_text(f"{path.read_text()}\n{table}")
    project.git("commit", "-q", "-am", "Ask GitHub")
    return project.git("rev-parse", "HEAD").strip()


def says(
    github: Answers,
    commit: str,
    tested: str,
    conclusion: str | None = "success",
    runs: int = 1,
    started: str | None = "2026-01-02T02:58:00Z",
    event: str = "merge_group",
) -> None:
    check = {
        "id": 4,
        "head_sha": tested,
        "name": "commit-stage",
        "status": "completed",
        "conclusion": conclusion,
        "started_at": started,
        "completed_at": "2026-01-02T03:00:00Z",
        "html_url": "https://github.com/o/r/runs/4",
        "app": {"id": 15368},
        "check_suite": {"id": 5},
    }
    run = {
        "id": 42,
        "run_number": 17,
        "html_url": "https://github.com/o/r/actions/runs/42",
        "event": event,
        "head_branch": "gh-readonly-queue/main/pr-7",
        "head_sha": tested,
        "status": "completed",
        "conclusion": conclusion,
        "updated_at": "2026-01-02T03:00:01Z",
        "path": ".github/workflows/commit-stage.yml",
        # The check is a gate, and waited for most of its run.
        "run_started_at": started and "2026-01-02T02:55:00Z",
    }
    pull = {"number": 7, "merged_at": "2026-01-02", "merge_commit_sha": commit, "head": {"sha": TESTED}}

    def answer(path: str, query: dict[str, str]) -> tuple[int, object, dict[str, str]]:
        found: dict[str, object] = {
            f"/repos/o/r/commits/{commit}/pulls": [pull],
            f"/repos/o/r/commits/{tested}/check-runs": {"total_count": 1, "check_runs": [check]},
            "/repos/o/r/actions/runs": {"total_count": runs, "workflow_runs": [run] * runs},
            "/repos/o/r/issues": [],
        }
        return (200, found[path], {}) if path in found else (404, {}, {})

    github.answer = answer
