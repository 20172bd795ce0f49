"""Why: what ran in an environment at a moment, when it got there, who sent it, why, and what stood before it.

Everything is read from the journals; the platform is not asked, so this also answers for a year ago.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..decision.lines import Asked, Line, State
from ..decision.progress import progress
from ..decision.reading import asked_of
from ..errors import UsageError
from ..execution.holding import say_open
from ..facts.history import as_of, read_history, test_run
from ..facts.running import running
from ..facts.standing import STAGES
from ..journal.entry import place_of
from ..model import Outcome, Result
from ..record import evidence_of, shown

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.index import Settled
    from ..journal.log import Log


def why(context: Context, environment: str, log: Log, at: str) -> dict[str, Any]:
    """What ran at `at` ("" for now, a UTC day for its end, or an ISO 8601 time), as plain values.

    Raises UsageError when nothing ran there then.
    """
    moment = _moment(at) if at else context.now()
    if not moment.microsecond:  # a second as people read it off the history means its end
        moment += timedelta(seconds=1, microseconds=-1)
    until = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    settled = as_of(log.settled(), until)
    runs = running(settled)
    if runs is None:
        raise UsageError(f"nothing had been deployed to {environment} by {until[:19]}Z")
    asked = asked_of(context, environment, runs.end.commit, until)
    start, end = _both(log, runs.end)
    details = end.record.details
    said, to = start.record.details, details["to"]
    return {
        "environment": environment,
        "app": said["app"],
        "commit": to["commit"],
        "digest": end.record.digest,
        "release": to["release"],
        "components": list(to.get("components", ())),
        "action": end.record.action,
        "adopted": [d["seen"] for d in to.get("drift", ())],
        "started": start.at,
        "verified": end.at,
        "who": _who(said.get("actor", {})),
        "change": said["change"]["id"],
        "why": said["change"]["why"],
        "from": said["from"].get("commit", ""),
        "stages": _stages(log, asked, start, end),
        "config": _configured(log, runs.end.seq, until),
        "revision": asked.revision,
        "tested": _tested(context, to["commit"], end.record.digest),
        "certified": _certified(context, environment, end.record.digest, start.at),
        "verdicts": [
            {"guard": v["guard"], "outcome": v["outcome"], "reason": v["reason"]}
            for v in said.get("verdicts", ())
        ],
        "checks": list(details.get("checks", ())),
        "start": evidence_of(context, environment, start),
        "end": evidence_of(context, environment, end),
    }


def report(context: Context, environment: str, at: str) -> Result:
    """Why, for the command."""
    app = context.config.environment(environment).app
    context.screen.title(f"why {app} ({environment}) on {context.target}{f', at {at}' if at else ''}")
    log = context.log(environment)
    say_open(context, log)
    found = why(context, environment, log, at)
    screen = context.screen
    screen.fact("what", f"{found['commit']} as {shown(found)}, package sha256 {found['digest']}")
    screen.fact("when", f"{found['started'][:19]}Z, verified {found['verified'][:19]}Z")
    screen.fact("who", found["who"])
    screen.fact("why", f"{found['action']}: {found['why']} ({found['change']})")
    for seen in found["adopted"]:
        screen.fact("by hand", seen)
    for row in found["stages"]:
        took = f", {row['began'][:19]}Z to {row['ended'][:19]}Z" if row["ended"] else ""
        screen.fact("stage", f"{row['stage']}: {row['state']}{took}, {row['entry'] or 'no entry'}")
    for one in found["config"]:
        names = ", ".join((*one["set"], *(f"no {name}" for name in one["unset"])))
        screen.fact("config vars", f"{names}, {one['at'][:19]}Z by {one['who']}: {one['why']}")
    screen.fact("instead of", found["from"] or "nothing")
    screen.fact("schema", found["revision"])
    screen.fact("tests", found["tested"])
    screen.fact("certificate", found["certified"])
    screen.fact("guards", _count(found["verdicts"], "guard"))
    screen.fact("checks", _count(found["checks"], "name"))
    screen.fact("claimed in", found["start"])
    line = f"{app} ran {found['commit'][:12]}"
    return Result(Outcome.SUCCEEDED, line, evidence=found["end"], details=found)


def _configured(log: Log, deployed: int, until: str) -> list[dict[str, Any]]:
    """The changes of config vars since a deployment, oldest first: names, who and why. Nothing has the values."""
    changes: list[dict[str, Any]] = []
    for entry in log.backwards():
        if entry.seq <= deployed:
            break
        record, details = entry.record, entry.record.details
        if (record.kind, record.action) == ("end", "config") and entry.at <= until:
            changes.append(
                {
                    "at": entry.at,
                    "who": _who(details.get("actor", {})),
                    "why": details["change"]["why"],
                    **details["to"]["vars"],
                }
            )
    return changes[::-1]


def _both(log: Log, end: Settled) -> tuple[Entry, Entry]:
    """What began an action, and its outcome."""
    before = log.backwards(end)
    outcome = next(before)
    return next(entry for entry in before if entry.seq == outcome.record.details["settles"]), outcome


def _stages(log: Log, asked: Asked, start: Entry, end: Entry) -> list[dict[str, Any]]:
    """Each stage as the progress shows it for that moment; of one that is done also from when to when it took.

    Deploy and post-deploy verification share one entry: the first ends with the last of its recorded steps.
    """
    stepped = sum(receipt["millis"] for receipt in end.record.details["receipts"])
    deployed = datetime.fromisoformat(start.at) + timedelta(milliseconds=stepped)
    between = min(deployed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), end.at)
    standing = asked.standing
    of_package = {
        STAGES[done.action]: (done.began, done.ended)
        for done in (standing.intake, standing.build, standing.accepted, standing.released)
        if done
    }

    def took(line: Line) -> tuple[str, str]:
        if line.state is not State.DONE:
            return "", ""
        if line.stage in of_package:
            return of_package[line.stage]
        if line.seq == end.seq:
            return (start.at, between) if line.stage == "deploy" else (between, end.at)
        began, ended = _both(log, next(o for o in reversed(asked.there.settled) if o.seq == line.seq))
        return began.at, ended.at

    lines = ((line, *took(line)) for line in progress(asked).lines)
    return [
        {"stage": o.stage, "state": o.state, "entry": o.entry, "why": o.why, "began": began, "ended": ended}
        for o, began, ended in lines
    ]


def _moment(said: str) -> datetime:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said):
            return datetime.fromisoformat(f"{said}T00:00:00Z") + timedelta(days=1, microseconds=-1)
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise UsageError(
            f"--at {said[:40]!r} is not a time: write 2026-11-01 or 2026-11-01T14:30:00Z"
        ) from error
    if moment.tzinfo is None:
        raise UsageError(f"--at {said[:40]!r} names no time zone: end it with Z for UTC")
    return moment


def _who(actor: Mapping[str, Any]) -> str:
    ci = actor.get("ci") or {}
    return f"{actor.get('user', 'unknown')} on {ci.get('url') or actor.get('host', 'an unknown host')}"


def _tested(context: Context, commit: str, digest: str) -> str:
    run = test_run(context.log(place_of(commit)).settled(), digest)
    return f"{run.outcome}: {run.source}"


def _certified(context: Context, environment: str, digest: str, before: str) -> str:
    """The certificate that opened the way, from the environment that has to certify."""
    place = context.config.environment(environment).certified_in
    if not place:
        return "none asked for"
    settled = as_of(context.log(place).settled(), before)
    certified = read_history(settled, context.paths.state).certified
    found = next((c for c in certified if c.package_digest == digest), None)
    return f"{place} #{found.seq}, until {found.expires}" if found else f"none in {place}"


def _count(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(str(row["outcome"]), []).append(str(row[name]))
    return (
        "; ".join(f"{len(found)} {outcome} ({', '.join(found)})" for outcome, found in names.items())
        or "none"
    )
