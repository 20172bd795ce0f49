"""Which run tested a commit, and how long everything took."""

from __future__ import annotations

from typing import Any

from facts.answering import Answers
from msgspec.structs import replace

from roadworthy import http
from roadworthy.config import GitHub, Slo
from roadworthy.decision import commit_stage, contract_files, decide
from roadworthy.decision.commit_stage import Stage
from roadworthy.decision.times import Job, Times, slowest
from roadworthy.errors import RoadworthyError
from roadworthy.facts.github import ACTIONS, EVENTS, ci_state, with_workflow
from roadworthy.facts.standing import Standing
from roadworthy.model import CiState, Fact
from roadworthy.spans import seconds

from .deciding import NOW
from .reading import Answer, Difference, Subject, Vector

CHECK, FILE = "commit-stage", "commit-stage.yml"


def ask_github(head: str, checks: list[dict[str, Any]], runs: list[dict[str, Any]] | None) -> Fact[CiState]:
    """What ours reads of a GitHub that has these check runs and these workflow runs, each in its suite."""

    def answer(path: str, query: dict[str, str]) -> tuple[int, object, dict[str, str]]:
        if path.endswith("/check-runs"):
            made = [
                {"name": CHECK, "app": {"id": ACTIONS}, "check_suite": {"id": c["id"]}, **c} for c in checks
            ]
            return 200, {"total_count": len(made), "check_runs": None if runs is None else made}, {}
        found = [one for one in runs or [] if str(one["id"]) == query["check_suite_id"]]
        named = [{"path": f".github/workflows/{FILE}", **one} for one in found]
        return 200, {"total_count": len(found), "workflow_runs": named}, {}

    server = Answers()
    server.answer = answer
    github, session = GitHub(repository="o/r", check=CHECK, api=server.url), http.session(5.0)
    try:
        state = ci_state(github, head, "a-token-of-github", session, within=0.0)
        return Fact("ci", with_workflow(github, state, "a-token-of-github", session, within=0.0))
    except RoadworthyError as error:
        return Fact("ci", missing=str(error))
    finally:
        session.close()
        server.close()


def ask_evidence(vector: Vector) -> Answer:
    head, runs = vector["input"]["headSha"], vector["input"]["runs"]
    checks = [{name: one[name] for name in ("id", "head_sha", "status", "conclusion")} for one in runs or []]
    made = commit_stage.evidence(ask_github(head, checks, runs), head, NOW)
    fields = ("schemaVersion", "headSha", "workflowFile", "commitStageRun")
    return {
        "pass": made["pass"],
        "file": {name: made[name] for name in fields} if made["pass"] else "says why not",
    }


def their_evidence(vector: Vector) -> Answer:
    return {"pass": vector["expected"]["exit"] == 0, "file": vector["expected"]["file"]}


NO = {"pass": False, "file": "says why not"}


def counted(vector: Vector) -> list[dict[str, Any]]:
    """The runs that the original takes: of this commit, with that word."""
    head = vector["input"]["headSha"]
    return [
        r for r in vector["input"]["runs"] or [] if r["head_sha"] == head and r["conclusion"] == "success"
    ]


EVIDENCE = Subject(
    "commit-stage-evidence",
    ask_evidence,
    their_evidence,
    (
        Difference("evidence-always-written", lambda v: v["expected"]["file"] is None, lambda v, answer: NO),
        Difference(
            "evidence-event",
            lambda v: any(run["event"] not in EVENTS for run in counted(v)),
            lambda v, answer: NO,
        ),
        Difference(
            "evidence-completed",
            lambda v: any(run["status"] != "completed" for run in counted(v)),
            lambda v, answer: NO,
        ),
    ),
)

# ---- times

STAGES = {
    "test": (("verify-commit-stage-evidence",), "determine-scope"),
    "build": (
        ("build-release-package-api-image", "build-release-package-web-image"),
        "publish-release-package",
    ),
    "verification": (("load-release-package",), "acceptance-stage"),
    "deploy": (("deploy-release-package",), "production-stage"),
}
"""Of each stage of ours the jobs of the original that may begin it, and the one that ends it."""
YES = decide.Told("a" * 40, Standing(), None, "NO_DEPLOY_REQUIRED", None, {})  # type: ignore[arg-type]


def at(jobs: list[dict[str, Any]], names: tuple[str, ...], key: str) -> str | None:
    return min((job[key] for job in jobs if job["name"] in names and job[key]), default=None)


def ask_cloud(vector: Vector) -> Answer:
    run, jobs, slo = vector["input"]["run"], vector["input"]["jobs"], vector["input"]["slo"] or {}
    first = min((job["started_at"] for job in jobs), default=None)
    times = Times(
        queue=seconds((run.get("created_at"), first)),
        overall=seconds((first, run.get("updated_at"))),
        **{
            stage: seconds((at(jobs, begins, "started_at"), at(jobs, (ends,), "completed_at")))
            for stage, (begins, ends) in STAGES.items()
        },
        slowest=slowest(
            Job(
                job["name"] or "unknown",
                (job["started_at"], job["completed_at"]),
                job.get("conclusion") or "",
                job.get("status") or "",
            )
            for job in jobs
        ),
    )
    ours = Slo(
        mode=slo.get("mode", "observe"),
        acceptance=slo.get("acceptanceTargetSeconds", 900),
        production=slo.get("productionTargetSeconds", 1200),
    )
    late = decide.late("ACCEPTANCE", times.verification, ours, ours.acceptance) | decide.late(
        "PRODUCTION", times.deploy, ours, ours.production
    )
    nothing = decide.Decision({})
    release = decide.Release(nothing, nothing, decide.Decision(late), replay=False)
    made = contract_files.timing_file(replace(YES, times=times), release, ours, NOW, "5")
    return {name: made[name] for name in vector["expected"]["file"]}


def ask_commit(vector: Vector) -> Answer:
    """The original's snapshot of a run that goes on, as ours sees it once it is over."""
    run, jobs = vector["input"]["run"], vector["input"]["jobs"]
    gate = next(({**job, "id": 1, "head_sha": "a" * 40} for job in jobs if job["name"] == CHECK), None)
    over = {"run_number": 1, "html_url": "", "event": "push", "head_branch": "main", "head_sha": "a" * 40}
    done = {**over, **run, "id": 1, "status": "completed", "conclusion": "success"}
    ci = ask_github("a" * 40, [gate] if gate else [], [done])
    took = ci.known.run.seconds if ci.known and ci.known.run else None
    slo = vector["input"]["slo"]
    stage = Stage("a" * 40, ci, {}, commit_stage.DRIFTS["pass"], took, Slo(slo["mode"], slo["targetSeconds"]))
    return {"seconds": took, "pass": stage.in_time}


def of_commit(vector: Vector) -> bool:
    return vector["program"] == "collect-commit-stage-timing"


def ask_timing(vector: Vector) -> Answer:
    return ask_commit(vector) if of_commit(vector) else ask_cloud(vector)


def their_timing(vector: Vector) -> Answer:
    file = vector["expected"]["file"]
    if of_commit(vector):
        return {"seconds": file["metrics"]["time_to_commit_gate_seconds"], "pass": file["slo"]["pass"]}
    return file


def whole_run(vector: Vector, answer: Answer) -> Answer:
    """From the run's own beginning to its end or, if that is later, the gate's."""
    run, jobs = vector["input"]["run"], vector["input"]["jobs"]
    gates = [job["completed_at"] for job in jobs if job["name"] == CHECK]
    spans = [seconds((run.get("created_at"), ended)) for ended in (run.get("updated_at"), *gates)]
    took = max((span for span in spans if span is not None), default=None) if gates else None
    return {
        "seconds": took,
        "pass": None if took is None else took <= vector["input"]["slo"]["targetSeconds"],
    }


def ended(vector: Vector, answer: Answer) -> Answer:
    slo = answer["slo"]
    late = slo["mode"] == "enforce" and False in (slo["acceptancePass"], slo["productionPass"])
    return {**answer, "runStatus": "completed", "runConclusion": "failure" if late else "success"}


def with_targets(vector: Vector, answer: Answer) -> Answer:
    slo = {**answer["slo"], "acceptanceTargetSeconds": 900, "productionTargetSeconds": 1200}
    for stage, took in (("acceptance", "acceptanceStage"), ("production", "productionStage")):
        seconds_ = answer["metrics"][f"{took}Seconds"]
        slo[f"{stage}Pass"] = None if seconds_ is None else seconds_ <= slo[f"{stage}TargetSeconds"]
    return {**answer, "slo": slo}


TIMING = Subject(
    "timing",
    ask_timing,
    their_timing,
    (
        Difference("timing-whole-run", of_commit, whole_run),
        Difference("timing-targets", lambda v: not of_commit(v) and v["input"]["slo"] is None, with_targets),
        Difference("timing-ended", lambda v: not of_commit(v), ended),
    ),
)

SUBJECTS = (EVIDENCE, TIMING)
