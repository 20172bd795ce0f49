"""Ship: take one commit through the contract's seven stages, in order; the first that does not succeed ends it.

Each stage is the same function as its own command, and each refuses before its turn: the order is in the
journals and not here. What is done already, and recorded, is not done again: a build of these bytes, a YES for
them, and each stage of the deployment that the progress shows as done. What a person can still be asked for is
asked before the deploy: its own guards are evaluated together with those of the migration and the completion.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ..action import Effect
from ..actions import named
from ..actions.deploy import package_of
from ..actions.running import runs_now
from ..decision.lines import LINES, MIGRATIONS, Line, Progress, State
from ..decision.progress import progress
from ..decision.reading import asked_of, progress_of
from ..errors import CheckFailed, Held, OutcomeUnknown, Refused, RoadworthyError, Superseded
from ..execution import run as release
from ..execution import turn
from ..execution.signing import require
from ..facts.history import test_run
from ..facts.newer import newer_than
from ..facts.package import recorded
from ..facts.running import running
from ..journal.entry import place_of
from ..journal.lock import HeldBy
from ..model import Outcome, Request, Result, outcome_of
from . import accept, build, complete, intake, mark_released, verify, will_sign
from .ship_plan import planned
from .test_run import test
from .what_next import again

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.log import Log

SEVEN: Final = tuple(line for line in LINES if line != MIGRATIONS)
STAGE_OF: Final = {MIGRATIONS: "deploy"}  # the contract's stage of a line that is none
Walk = Iterator[tuple[str, Callable[[], Result]]]


def ship(context: Context, request: Request) -> Result:
    """Take the commit of `request` (a deploy) through every stage.

    With `request.replay` an existing package goes through again: nothing is built, and acceptance decides anew.
    Raises Refused when its key may not sign all that is left, and what the stages raise; a refusal or a failure is
    its Result, with the table of stages in its details.
    """
    log = context.log(request.environment)
    begun = log.head()
    release.refuse_if_superseded(context, log, request, begun)
    will_sign.require(context, request)
    if context.planning:
        if request.replay:
            _existing(context, request)
        turn.take(context, log, request, time.monotonic() + request.wait, settle=False)
        return planned(context, request)
    rows: list[dict[str, Any]] = []
    changed = False
    walk = _replayed if request.replay else _shipped
    result = Result(Outcome.SUCCEEDED, "")
    try:
        with context.screen.board(LINES):
            for stage, go in walk(context, request):
                context.screen.stage(SEVEN.index(STAGE_OF.get(stage, stage)) + 1, len(SEVEN), stage)
                began = time.monotonic()
                try:
                    result = go()
                except RoadworthyError as error:
                    rows.append(_row(stage, outcome_of(error), began, str(error)))
                    told = _overtaken(context, log, request, error, begun)
                    raise (_after_a_change(context, request, told) if changed else told) from error
                if _changes(result):
                    changed = True
                rows.append(_row(stage, result.outcome, began, result.line))
                if result.outcome is not Outcome.SUCCEEDED:
                    break
                context.screen.line(f"  {result.line}")
    finally:
        context.screen.stages(LINES, rows)
    if result.outcome is Outcome.SUCCEEDED:
        result = replace(result, line=_shipped_line(context, request, rows))
    else:
        result = _stopped(context, request, result, changed)
    return replace(result, details={**result.details, "stages": rows})


def _changes(result: Result) -> bool:
    """Whether this stage changed the app or its database, or may have."""
    plan = result.plan
    if plan is None or plan.already or result.outcome is Outcome.REFUSED:
        return False
    action = named(plan.request.action)
    return action.effect is not Effect.NOTHING and not action.again


def _stopped(context: Context, request: Request, result: Result, changed: bool) -> Result:
    """The end of a ship that did not succeed: what runs now, and what comes next.

    What is refused once something was changed is a failure: the environment is not as it was.
    """
    if changed:
        result = replace(result, line=f"{result.line}; {runs_now(context, request.environment)}")
        if result.outcome is Outcome.REFUSED:
            result = replace(result, outcome=Outcome.FAILED, code=CheckFailed.code)
    if result.outcome is Outcome.REFUSED:
        return result  # what leads past the guards that refused is named by what_next.py
    with suppress(RoadworthyError):  # what stopped it is to be said, whatever else cannot be told
        found = progress_of(context, request.environment, request.commit)
        result = replace(result, next=_next(context, request, found))
    return result


def _next(context: Context, request: Request, found: Progress) -> tuple[str, ...]:
    """The ship itself, said again: it goes on where it stopped. What is open comes before it."""
    first = found.first
    if first is None or not found.next:
        return ()
    pending = not found.of(MIGRATIONS).passed and context.config.environment(request.environment).production
    same = again(context, request, **({"approval": request.approval or "REF"} if pending else {}))
    return (*(found.next[:1] if first.state is State.OPEN else ()), same)


def _overtaken(
    context: Context, log: Log, request: Request, error: RoadworthyError, begun: Entry | None
) -> RoadworthyError:
    """What is said of a ship that stopped because another package runs by now: superseded, where that is newer."""
    newer = None
    if isinstance(error, Held) and not isinstance(error, HeldBy) and not request.replay:
        newer = newer_than(context, log, request, begun)
    if newer is None:
        return error
    return Superseded(f"{request.commit[:12]} is superseded in {request.environment} by {newer}")


def _after_a_change(context: Context, request: Request, error: RoadworthyError) -> RoadworthyError:
    """An error that ended a ship which had changed something: a failure that says what runs, never a refusal."""
    if isinstance(error, OutcomeUnknown):
        return error
    kind = next((one for one in (Held, Superseded) if isinstance(error, one)), CheckFailed)
    return kind(f"{error}; {runs_now(context, request.environment)}")


def _row(stage: str, outcome: Outcome, began: float, line: str) -> dict[str, Any]:
    seconds = round(time.monotonic() - began, 1)
    return {"stage": stage, "outcome": outcome, "seconds": seconds, "line": line.partition("\n")[0]}


def _shipped(context: Context, request: Request) -> Walk:
    yield "intake", lambda: intake.report(context, request)
    yield "build", lambda: build.report(context, request)
    yield "verification", lambda: _verification(context, request)
    yield "release", lambda: mark_released.mark_released(context, request)
    found = progress_of(context, request.environment, request.commit)
    if found.no_deploy:
        yield "completion", lambda: complete.without_deployment(context, request)
    else:
        yield from _deployed(context, request, found)


def _replayed(context: Context, request: Request) -> Walk:
    yield "build", lambda: _existing(context, request)
    yield "verification", lambda: accept.accept(context, request, again=True)
    yield "release", lambda: mark_released.mark_released(context, request)
    yield from _deployed(context, request, progress_of(context, request.environment, request.commit))


def _deployed(context: Context, request: Request, found: Progress) -> Walk:
    """The stages of the deployment from the first that has no valid end; a replay asks for all of them again."""
    deployed = found.of("deploy")
    if deployed.passed and not request.replay:
        yield "deploy", lambda: _done_already(deployed)
    else:
        yield "deploy", lambda: release.run(context, replace(request, then=("migrate", "complete")))
    migrated = progress_of(context, request.environment, request.commit).of(MIGRATIONS)
    if migrated.passed:
        yield MIGRATIONS, lambda: _done_already(migrated)
    else:
        yield MIGRATIONS, lambda: _migrate(context, request)
    yield "post-deploy verification", lambda: _verified(context, request)
    yield "completion", lambda: _completed(context, request)


def _done_already(line: Line) -> Result:
    return Result(Outcome.SUCCEEDED, f"{line.state}: {line.why or 'it stands'} ({line.entry or 'no entry'})")


def _migrate(context: Context, request: Request) -> Result:
    """Migrate, when exactly the package of this ship runs."""
    package = package_of(context, request.commit)
    asked = replace(request, action="migrate", to=package.digest, then=("complete",))
    return release.run(context, asked)


def _completed(context: Context, request: Request) -> Result:
    """Complete the deployment of this very package. What was complete already is decided on as it is told now."""
    package = package_of(context, request.commit)
    done = complete.complete(context, replace(request, action="complete", to=package.digest))
    if done.outcome is not Outcome.SUCCEEDED or done.seq:
        return done
    decided = complete.decision_of(context, request)
    return done if decided.outcome is Outcome.SUCCEEDED else decided


def _verification(context: Context, request: Request) -> Result:
    """The commit stage, where it is this repository's own test run, and then acceptance."""
    package = package_of(context, request.commit)
    tested = test_run(context.log(place_of(request.commit)).settled(), package.digest)
    if context.config.github is None and tested.outcome != "success":
        test(context, request.commit)
    elif tested.outcome == "success":
        context.screen.fact("tests", f"passed already: {tested.source} ({tested.url})")
    return accept.accept(context, request)


def _verified(context: Context, request: Request) -> Result:
    """Compare what runs with the journal, once nobody else is at work there: this waits like any other stage.

    Raises Held when another package was deployed meanwhile.
    """
    log = context.log(request.environment)
    turn.take(context, log, request, time.monotonic() + request.wait, settle=True)
    runs = running(log.settled())
    if runs is None or runs.end.commit != request.commit:
        commit = runs.end.commit[:12] if runs else "nothing"
        raise Held(f"{commit} was deployed to {request.environment} meanwhile: nothing was verified")
    return verify.compare(context, request.environment)


def _existing(context: Context, request: Request) -> Result:
    """The package that was built and accepted before. Raises Refused when there is none such."""
    commit = request.commit
    asked = asked_of(context, request.environment, commit)
    found = progress(asked)
    built = asked.standing.build
    # It is accepted anew; all the rest of its own run must have ended well.
    if built is None or not (found.of("build").passed and found.of("release").passed):
        why = f"its own run did not succeed, and a replay builds nothing: {found.first}"
        raise Refused(f"{commit[:12]} cannot be replayed, {why}").then(*found.next)
    build.manifest_of(context, built, commit)
    package = recorded(context, commit, built)
    line = f"package {package.digest} of {commit[:12]}, built {built.ended[:19]}Z"
    return Result(Outcome.SUCCEEDED, line, seq=built.seq)


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
    from ..files import exclusive
    from ..journal.entry import Record

    environment = context.config.name_of(said)
    require(context, environment, ("ship",))
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
