"""Where a commit stands in an environment: each stage of the contract, and the entry that says so. Pure.

This is the only place that works it out. `ship` goes on at the first line that has no valid end, `decide` says NO
while one has none, and everybody who says "what next" says `next`. An example, with migration 0003 pending:

    intake … release          done         package-4711… #2 to #9
    deploy                    done         prod #12
    migrations                refused      prod #13
    post-deploy verification  not reached
    completion                not reached
    next: invoke migrate --env prod --approval REF, invoke verify --env prod, invoke complete --env prod

What runs, and what leaves a doubt about it, says `facts/running.py`. While an action is open, nothing after it
counts.
A change that needs no deployment is done when it is released, but only where what runs is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from ..errors import RoadworthyError
from ..facts.running import RELEASES, Running, running
from ..facts.standing import STAGES as OF_A_PACKAGE
from ..facts.standing import Done
from ..journal.index import Settled
from .lines import LINES, MIGRATIONS, Asked, Journal, Line, Mark, Progress, State

_LINE_OF: Final = {**dict.fromkeys(RELEASES, "deploy"), "migrate": MIGRATIONS}  # any other action: completion
_ACTION: Final = {stage: action for action, stage in OF_A_PACKAGE.items()} | {
    "deploy": "deploy",
    MIGRATIONS: "migrate",
    "post-deploy verification": "verify",
    "completion": "complete",
}
WAIT: Final = "10m"  # for as long as somebody is told to wait
_OF_WHAT_RUNS: Final = ("migrate", "verify", "complete")  # commands that take no commit


def progress(asked: Asked) -> Progress:
    """Where the commit stands in the environment."""
    there = running(asked.there.settled)
    ours = there if there and _is_ours(asked, there.end) else None
    complete = there is not None and there.complete and asked.there.open is None
    needed = ours is not None or not asked.no_deploy or not complete
    of_package = _package(asked)
    if needed:
        lines = (*of_package, *_deployment(asked, there, ours))
    else:
        why = "the change needs no deployment, and what runs is complete"
        seq = there.completed.seq if there and there.completed else 0
        lines = (
            *of_package,
            *(Line(name, State.NOT_NEEDED, asked.there.place, seq, why) for name in LINES[4:]),
        )
    return Progress(
        asked.commit,
        asked.environment,
        lines,
        _next(asked, lines),
        "" if needed else asked.no_deploy,
        _named(asked),
        ours.end if ours and lines[4].state is State.DONE else None,
        ours.completed if ours else None,
    )


def as_completed(asked: Asked) -> Asked:
    """The same, as it would be had a completion of what runs just ended well: for whoever is about to write it."""
    there = running(asked.there.settled)
    if there is None:
        return asked
    settled = [*asked.there.settled]
    end = replace(
        there.end,
        seq=settled[-1].seq + 1,
        action="complete",
        deployment=there.end.seq,
        revised=False,
        claim=None,
    )
    return replace(asked, there=replace(asked.there, settled=(*settled, end), open=None))


def _named(asked: Asked) -> tuple[str, ...]:
    try:
        return tuple(map(str, asked.pending()))
    except RoadworthyError as error:
        return (f"unknown: {error}",)


def _is_ours(asked: Asked, end: Settled) -> bool:
    return end.commit == asked.commit and asked.standing.digest in ("", end.digest)


# ---- the stages before a deployment, in the package's own journal ------------------------------------------


def _package(asked: Asked) -> tuple[Line, ...]:
    standing, place = asked.standing, asked.package.place
    done: Mapping[str, Done | None] = {
        "intake": standing.intake,
        "build": standing.build,
        "verification": standing.accepted,
        "release": standing.released,
    }
    lines = []
    for stage, action in ((stage, action) for action, stage in OF_A_PACKAGE.items()):
        passed, start = done[stage], asked.package.open
        if start and start.action in (action, *(("test",) if action == "accept" else ())):
            line = Line(stage, State.OPEN, place, start.seq, f"its {start.action} has begun and not ended")
        elif passed:
            line = Line(stage, State.DONE, place, passed.seq)
            missing = passed.lacks_checks(asked.required) if stage == "verification" else ()
            if missing:
                why = f"it was accepted without {', '.join(missing)}, which this change needs here"
                line = Line(stage, State.NOT_REACHED, place, passed.seq, why)
        else:
            line = _not_passed(asked.package, stage, action)
        lines.append(line)
    if standing.invalid:  # nothing mends that: its entries stay
        lines[-1] = Line("release", State.FAILED, place, 0, standing.invalid[0])
    return tuple(lines)


def _not_passed(package: Journal, stage: str, action: str) -> Line:
    newest = next((one for one in reversed(package.settled) if one.action == action), None)
    if newest and newest.kind == "failed":
        said = "the decision was NO" if action == "accept" else f"its {action} failed"
        return Line(stage, State.FAILED, package.place, newest.seq, said)
    return Line(stage, State.NOT_REACHED)


# ---- the stages of a deployment, in the environment's journal ----------------------------------------------


def _deployment(asked: Asked, there: Running | None, ours: Running | None) -> tuple[Line, ...]:
    lines = [_deploy(asked, there, ours)]
    lines.append(_migrations(asked, ours if lines[0].passed else None))
    as_planned = ours if all(line.passed for line in lines) else None
    lines += [_verification(asked, as_planned), _completion(asked, as_planned)]
    start = asked.there.open
    if start is None:
        return tuple(lines)
    # What an open action does is not known yet: neither its own stage nor one after it has an end that counts.
    at = LINES.index(_LINE_OF.get(start.action, "completion")) - LINES.index("deploy")
    why = f"its {start.action} has begun and not ended"
    lines[at] = Line(lines[at].stage, State.OPEN, asked.there.place, start.seq, why)
    return (*lines[: at + 1], *(Line(line.stage, State.NOT_REACHED) for line in lines[at + 1 :]))


def _deploy(asked: Asked, there: Running | None, ours: Running | None) -> Line:
    place = asked.there.place
    doubts = ours.doubts if ours else ()
    # One that failed and made no release left what ran; of one that was given up nobody knows.
    left = next((o for o in doubts if o.action in RELEASES and (o.release or o.kind == "abandon")), None)
    if ours and left is None:
        return Line("deploy", State.DONE, place, ours.end.seq)
    if left:
        return Line("deploy", State.NOT_REACHED, place, left.seq, f"a {left.action} {_how(left)} after it")
    mine = (o for o in reversed(asked.there.settled) if o.action == "deploy" and _about(asked, o.digest))
    refused = [o for o in asked.there.refused if o.action == "deploy" and _about(asked, o.digest)]
    why = f"{there.end.commit[:12]} runs since {place} #{there.end.seq}" if there else "nothing runs yet"
    return _tried("deploy", place, next(mine, None), refused, why)


def _migrations(asked: Asked, ours: Running | None) -> Line:
    place, newest = asked.there.place, asked.revised
    try:
        pending = asked.pending()
    except RoadworthyError as error:
        return Line(MIGRATIONS, State.NOT_REACHED, why=f"the pending migrations are unknown: {error}")
    doubts = ours.doubts if ours else ()
    given_up = [o for o in doubts if o.action == "migrate" and o.kind == "abandon"]
    if not pending and not given_up:
        if ours and newest and newest.seq >= ours.end.seq:
            return Line(MIGRATIONS, State.DONE, place, newest.seq, f"the database is at {newest.revision}")
        why = f"nothing is pending, the database is at {newest.revision}" if newest else "it has none"
        return Line(MIGRATIONS, State.NOT_NEEDED, place if newest else "", newest.seq if newest else 0, why)
    names = ", ".join(one.revision for one in pending)
    if ours is None:
        return Line(MIGRATIONS, State.NOT_REACHED, why=f"{names} will be pending")
    tried = next((o for o in doubts if o.action == "migrate"), None)
    refused = [o for o in asked.there.refused if o.action == "migrate" and o.seq > ours.end.seq]
    return _tried(MIGRATIONS, place, tried, refused, f"{names} is pending" if names else "")


def _verification(asked: Asked, ours: Running | None) -> Line:
    stage, place = "post-deploy verification", asked.there.place
    if ours is None:
        return Line(stage, State.NOT_REACHED)
    if ours.complete and ours.completed:
        return Line(stage, State.DONE, place, max(ours.completed.seq, ours.checked.seq))
    if ours.doubts:
        doubt = ours.doubts[0]
        return Line(stage, State.NOT_REACHED, place, doubt.seq, f"a {doubt.action} {_how(doubt)} after it")
    if ours.migrated:
        why = "the schema changed after the deployment was verified"
        return Line(stage, State.NOT_REACHED, place, ours.migrated.seq, why)
    return Line(stage, State.DONE, place, ours.checked.seq)


def _completion(asked: Asked, ours: Running | None) -> Line:
    place = asked.there.place
    if ours is None:
        return Line("completion", State.NOT_REACHED)
    if ours.complete and ours.completed:
        return Line("completion", State.DONE, place, ours.completed.seq)
    refused = [o for o in asked.there.refused if o.action == "complete" and o.seq > ours.end.seq]
    return _tried("completion", place, ours.completed, refused)


def _tried(stage: str, place: str, one: Settled | None, refused: Sequence[Mark], why: str = "") -> Line:
    """A stage without a valid end: how its newest try, `one` or a refusal, ended."""
    no = next(iter(refused), None)
    if no and (one is None or no.seq > one.seq):
        return Line(stage, State.REFUSED, place, no.seq, why)
    if one and one.kind != "end":
        return Line(stage, State.FAILED, place, one.seq, f"it {_how(one)}{'; ' if why else ''}{why}")
    return Line(stage, State.NOT_REACHED, why=why)


def _about(asked: Asked, digest: str) -> bool:
    return bool(digest) and digest == asked.standing.digest


def _how(one: Settled) -> str:
    return {"failed": "failed", "abandon": "was given up"}.get(one.kind, "ended")


# ---- what next ---------------------------------------------------------------------------------------------


def _next(asked: Asked, lines: Sequence[Line]) -> tuple[str, ...]:
    """The commands of every stage that is left. What is open comes first: it decides about all the others."""
    if asked.there.open and any(not line.passed for line in lines):
        return while_open(asked.there.open, asked.environment, _ship(asked))
    if asked.standing.invalid:
        return ()
    if lines[0].state is State.FAILED:  # the same commit would be refused again: it takes another one
        return (f"git show --stat {asked.commit}", f"invoke ship --env {asked.environment}")
    left = [line.stage for line in lines if not line.passed]
    commands = []
    if asked.package.open and not asked.package.open.dead and left:
        commands.append(f"invoke lock.status --commit {asked.commit}")
    for stage in left:
        if stage == "verification" and asked.own_tests and not tested(asked):
            commands.append(f"invoke test --commit {asked.commit}")
        command = f"invoke {_ACTION[stage]} --env {asked.environment}"
        if _ACTION[stage] not in _OF_WHAT_RUNS:
            command += f" --commit {asked.commit}"
        if stage == MIGRATIONS and asked.production:
            command += " --approval REF"
        commands.append(command)
    return tuple(commands)


def while_open(start: Mark, environment: str, wait: str = "") -> tuple[str, ...]:
    """What leads past an open start: a dead holder's is settled; one that may live is looked at and waited for."""
    if start.dead:
        return (f"invoke reconcile --env {environment}",)
    return (f"invoke lock.status --env {environment}", *((wait,) if wait else ()))


def _ship(asked: Asked) -> str:
    """The ship that waits for its turn and goes on where the commit stands then."""
    unapproved = asked.production and _named(asked)
    approval = " --approval REF" if unapproved else ""
    return f"invoke ship --env {asked.environment} --commit {asked.commit}{approval} --wait {WAIT}"


def tested(asked: Asked) -> bool:
    """Whether the newest test run of this very package, that ended, ended well."""
    digest = asked.standing.digest
    tests = (o for o in reversed(asked.package.settled) if (o.action, o.digest) == ("test", digest))
    newest = next((o for o in tests if o.kind in ("end", "failed")), None)
    return bool(digest) and newest is not None and newest.kind == "end"
