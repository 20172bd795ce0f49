"""Ship: take one commit through the contract's seven stages, in order; the first that does not succeed ends it.

Each stage is the same function as its own command, and each refuses before its turn: the order is in the
journals and not here. What is done already, and recorded, is not done again: a build of these bytes, a YES for
them, a package that runs, a schema that is there, a deployment that is complete.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from .. import release
from ..command import outcome_of
from ..errors import Refused, RoadworthyError
from ..facts.history import test_run
from ..facts.standing import place_of, standing_of
from ..model import Outcome, Request, Result
from . import accept, build, complete, intake, mark_released, turn, verify
from .test_run import test

if TYPE_CHECKING:
    from ..context import Context

STAGES: Final = (
    "intake",
    "build",
    "verification",
    "release",
    "deploy",
    "post-deploy verification",
    "completion",
)
"""The contract's seven, in order (deployment contract, section 4)."""

Walk = Iterator[tuple[str, Callable[[], Result]]]


def ship(context: Context, request: Request) -> Result:
    """Take the commit of `request` (a deploy) through every stage.

    With `request.replay` an existing package goes through again: nothing is built, and acceptance decides anew.
    Raises what the stages raise; a refusal or a failure is its Result, with the table of stages in its details.
    """
    log = context.log(request.environment)
    release.refuse_if_superseded(context, log, request, log.head())
    rows: list[dict[str, Any]] = []
    walk = _replayed if request.replay else _shipped
    result = Result(Outcome.SUCCEEDED, "")
    try:
        with context.screen.board(STAGES):
            for stage, go in walk(context, request):
                context.screen.stage(STAGES.index(stage) + 1, len(STAGES), stage)
                began = time.monotonic()
                try:
                    result = go()
                except RoadworthyError as error:
                    rows.append(_row(stage, outcome_of(error), began, str(error)))
                    raise
                rows.append(_row(stage, result.outcome, began, result.line))
                if result.outcome is not Outcome.SUCCEEDED:
                    break
                context.screen.line(f"  {result.line}")
    finally:
        context.screen.stages(STAGES, rows)
    if result.outcome is Outcome.SUCCEEDED:
        result = replace(result, line=_shipped_line(context, request, rows))
    return replace(result, details={**result.details, "stages": rows})


def _row(stage: str, outcome: Outcome, began: float, line: str) -> dict[str, Any]:
    seconds = round(time.monotonic() - began, 1)
    return {"stage": stage, "outcome": outcome, "seconds": seconds, "line": line.partition("\n")[0]}


def _shipped(context: Context, request: Request) -> Walk:
    yield "intake", lambda: intake.report(context, request)
    yield "build", lambda: build.report(context, request)
    yield "verification", lambda: _verification(context, request)
    yield "release", lambda: mark_released.mark_released(context, request)
    if _nothing_to_deploy(context, request):
        yield "completion", lambda: complete.without_deployment(context, request)
        return
    yield from _deployed(context, request)


def _replayed(context: Context, request: Request) -> Walk:
    yield "build", lambda: _existing(context, request)
    yield "verification", lambda: accept.accept(context, request, again=True)
    yield "release", lambda: mark_released.mark_released(context, request)
    yield from _deployed(context, request)


def _deployed(context: Context, request: Request) -> Walk:
    yield "deploy", lambda: _deploy(context, request)
    yield "post-deploy verification", lambda: _verified(context, request)
    yield "completion", lambda: complete.complete(context, replace(request, action="complete"))


def _verification(context: Context, request: Request) -> Result:
    """The commit stage, where it is this repository's own test run, and then acceptance."""
    package = build.package_of(context, request.commit)
    tested = test_run(context.log(place_of(request.commit)).settled(), package.digest)
    if context.config.github is None and tested.outcome != "success":
        test(context, request.commit)
    elif tested.outcome == "success":
        context.screen.fact("tests", f"passed already: {tested.source} ({tested.url})")
    return accept.accept(context, request)


def _verified(context: Context, request: Request) -> Result:
    """Compare what runs with the journal, once nobody else is at work there: this waits like any other stage."""
    log = context.log(request.environment)
    turn.take(context, log, request, time.monotonic() + request.wait, settle=True)
    return verify.compare(context, request.environment)


def _deploy(context: Context, request: Request) -> Result:
    """Release the package on the platform; then its migrations, as a step of their own."""
    deployed = release.run(context, request)
    if deployed.outcome is not Outcome.SUCCEEDED or deployed.plan is None or deployed.plan.package is None:
        return deployed
    digest = deployed.plan.package.digest
    migrate = replace(request, action="migrate", maintenance=False, to=digest)
    migrated = release.run(context, migrate)
    if migrated.outcome is not Outcome.SUCCEEDED:
        return migrated
    return replace(migrated, line=f"{deployed.line}; {migrated.line}")


def _existing(context: Context, request: Request) -> Result:
    """The package that was built and accepted before. Raises Refused when there is none such."""
    commit = request.commit
    standing = standing_of(context, commit)
    if standing.invalid:
        raise Refused(f"{commit[:12]} cannot be replayed: {standing.invalid[0]}")
    if standing.build is None:
        raise Refused(
            f"{commit[:12]} cannot be replayed: {standing.lacks('accept')}, for a replay builds nothing"
        )
    if standing.released is None:
        raise Refused(
            f"{commit[:12]} cannot be replayed, its own run did not succeed: {standing.lacks('deploy')}"
        )
    build.manifest_of(context, standing.build, commit)
    package = build.recorded(context, commit, standing.build)
    line = f"package {package.digest} of {commit[:12]}, built {standing.build.ended[:19]}Z"
    return Result(Outcome.SUCCEEDED, line, seq=standing.build.seq)


def _nothing_to_deploy(context: Context, request: Request) -> bool:
    """Production stays as it is when the change needs no deployment; elsewhere the commit is always shown."""
    if not context.config.environment(request.environment).production:
        return False
    return not intake.scope_of(context, request.environment, request.commit).deploy_required


def _shipped_line(context: Context, request: Request, rows: list[dict[str, Any]]) -> str:
    app = context.config.environment(request.environment).app
    if not any(row["stage"] == "deploy" for row in rows):
        return f"{request.commit[:12]} needs no deployment to {app}: decision YES"
    return (
        f"{'replayed' if request.replay else 'shipped'} {request.commit[:12]} to {app}, verified and complete"
    )


@contextmanager
def logged(context: Context, said: str, wanted: bool) -> Iterator[None]:
    """Also write what the screen shows to `ship_<app>_<UTC stamp>.log`; its digest goes into the journal.

    The log is kept, and recorded, however the run ends.
    """
    if not wanted:
        yield
        return
    from ..journal.entry import Record
    from ..report.evidence import exclusive

    environment = context.config.name_of(said)
    app = context.config.environment(environment).app
    path = context.evidence / f"ship_{app}_{context.now():%Y%m%dT%H%M%S_%fZ}.log"
    with exclusive(path) as stream:
        context.screen.log = stream
        context.screen.fact("log", context.shown(path))
        try:
            yield
        except (RoadworthyError, KeyboardInterrupt) as error:
            stream.write(f"{error or 'interrupted'}\n")  # its last line is said after this log is closed
            raise
        finally:
            context.screen.log = None
            stream.flush()
            data = path.read_bytes()
            details = {
                "change": {"id": "", "why": "evidence of a ship"},
                "log": {"name": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)},
            }
            record = Record("note", "completion", "ship", environment, context.target, "none", "", details)
            context.log(environment).append(record, attach={path.name: data})
