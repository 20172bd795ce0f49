"""How long a release took, stage by stage, in seconds; None where they cannot be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..spans import Span, seconds

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from .decide import Deployment

SLOWEST: Final = 3


class Job(msgspec.Struct, frozen=True):
    """One piece of work: `span`, and how it ended in the contract's words."""

    name: str
    span: Span
    conclusion: str
    status: str = "completed"


class Times(msgspec.Struct, frozen=True):
    """Seconds of a release: `queue` from its request to its first work, `overall` from then to its end.

    `slowest` are its longest jobs as the contract's file has them. `failed` names the stages whose newest run did
    not end well.
    """

    queue: float | None = None
    overall: float | None = None
    test: float | None = None
    build: float | None = None
    verification: float | None = None
    deploy: float | None = None
    slowest: tuple[Mapping[str, Any], ...] = ()
    failed: frozenset[str] = frozenset()


def slowest(jobs: Iterable[Job]) -> tuple[Mapping[str, Any], ...]:
    """The jobs that took longest, as `slowestJobsTop3` names them; of equals the first."""
    measured = [(job, took) for job in jobs if (took := seconds(job.span)) is not None]
    measured.sort(key=lambda one: -one[1])
    return tuple(
        {"name": job.name, "conclusion": job.conclusion, "status": job.status, "durationSeconds": int(took)}
        for job, took in measured[:SLOWEST]
    )


def of_release(
    package: Sequence[Entry], environment: str, deployed: Deployment | None, *, replay: bool, failed: bool
) -> Times:
    """The times of one commit's release to `environment`, from the entries of its package, in order.

    A release begins with the newest intake for the environment, a replay with its acceptance: what came before is
    another run's. It waits in the queue from when it was released until its deployment begins. `failed` says that
    its newest deployment did not end well.
    """
    begins = "accept" if replay else "intake"
    begun: dict[int, str] = {}
    jobs: dict[str, Job] = {}
    first: str | None = None
    last: str | None = None
    released: str | None = None
    for entry in package:
        record = entry.record
        if record.kind == "start":
            begun[entry.seq] = entry.at
        elif record.kind in ("end", "failed"):
            began, last = begun[record.details["settles"]], entry.at
            if record.action == begins and record.details.get("for", environment) == environment:
                first = began
                jobs = {} if replay else jobs
            if record.action == "release" and not (deployed and entry.at > deployed.began):
                released = entry.at
            name = "test" if record.action == "test" else record.stage
            jobs[name] = Job(name, (began, entry.at), "success" if record.kind == "end" else "failure")
    if deployed:
        jobs["deploy"] = Job("deploy", (deployed.began, deployed.ended), "success")
        last = max(last or "", deployed.ended)
    took = {name: seconds(job.span) for name, job in jobs.items()}
    return Times(
        queue=seconds((released, deployed.began)) if deployed else None,
        overall=seconds((first, last)),
        **{name: took.get(name) for name in ("test", "build", "verification", "deploy")},
        slowest=slowest(jobs.values()),
        failed=frozenset(name for name, job in jobs.items() if job.conclusion != "success")
        | ({"deploy"} if failed else set()),
    )
