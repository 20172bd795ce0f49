"""Status and history: what the journal says, beside what the platforms really run."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ..compatibility import release_name
from ..errors import RoadworthyError
from ..execution.holding import said_of, say_open
from ..facts.drift import apart, drift
from ..facts.history import history_of, runs
from ..facts.observe import observe
from ..journal.known import JournalLost
from ..model import Drift, History, Observed, Outcome, Result
from ..record import names, shown
from ..wait import side_by_side

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.log import Log

FINE: Final = ("as recorded", "empty")
LOST: Final = "lost"
Told: TypeAlias = "tuple[Entry | None, str, History] | JournalLost"


def status(context: Context) -> list[dict[str, Any]]:
    """One row per environment: what should run, what runs, and whether it is open or drifted."""
    names = list(context.config.environments)
    context.say_who_can_write(f"{context.target}/{name}" for name in names)
    told = [_told(context, name) for name in names]
    seen = side_by_side([partial(_seen, context, name) for name in names])
    return [_row(context, *each) for each in zip(names, told, seen, strict=True)]


def _told(context: Context, name: str) -> Told:
    """What the journal says: the open action, the message about it, and the history."""
    log = context.log(name)
    try:
        start = log.open_start()
    except JournalLost as lost:
        return lost
    return start, said_of(context, start), history_of(context, log)


def _seen(context: Context, name: str) -> Observed | RoadworthyError:
    """What the platform shows, or why it cannot be seen."""
    try:
        return observe(context, name)
    except RoadworthyError as error:
        return error


def _row(context: Context, name: str, told: Told, observed: Observed | RoadworthyError) -> dict[str, Any]:
    environment = context.config.environment(name)
    nothing = (None, "", History((), None, ()))
    start, held, history = nothing if isinstance(told, JournalLost) else told
    running = history.running
    row: dict[str, Any] = {
        "environment": name,
        "app": environment.app,
        "target": context.target,
        "commit": running.package.commit if running else "",
        "digest": running.package.digest if running else "",
        "release": running.release if running else 0,
        "components": [
            {"name": component, "app": app, "release": running.parts[component].release}
            for component, app in context.config.apps(name).items()
            if running and component in running.parts
        ],
        "revision": history.revision,
        "since": running.at if running else "",
        "open": f"{start.record.action} #{start.seq}" if start else "",
        "held": held,
        **_progress(context, name, start),
        "url": "",
        "drift": [],
        "apart": [],
        "problem": "",
    }
    if isinstance(told, JournalLost):
        return {**row, "state": LOST, "problem": str(told), "pending": []}
    if isinstance(observed, RoadworthyError):
        look = observed.next or (f"invoke verify --env {name}",)
        return {**row, "state": "unknown", "problem": str(observed), "look": list(look)}
    row["url"] = observed.url
    try:
        found = drift(name, history, observed)
    except JournalLost as lost:
        return {**row, "state": LOST, "problem": str(lost), "pending": []}
    row["apart"] = list(apart(name, history, observed))
    row["drift"] = [msgspec.to_builtins(d) for d in found]
    if start or found:
        return {**row, "state": "open" if start else "drift"}
    if not any(one.digest for one in (observed.parts or {"": observed}).values()):
        return {**row, "state": "empty"}
    if observed.maintenance:
        left = (
            f"{environment.app} is in maintenance mode, left by a deploy that did not succeed: deploy again"
        )
        return {**row, "state": "unverified", "problem": left}
    if running and runs(running.package, history, observed):
        return {**row, "state": "as recorded"}
    problem = f"{names(observed)} was never verified: deploy or roll back"
    return {**row, "state": "unverified", "problem": problem}


def _progress(context: Context, name: str, start: Entry | None) -> dict[str, Any]:
    """The pipeline state of what should run: each stage, pending migrations, and the commands still to run."""
    from ..decision.progress import while_open
    from ..decision.reading import mark_of, progress_of_what_runs

    first = list(while_open(mark_of(start), name)) if start else []
    try:
        found = progress_of_what_runs(context, name)
    except RoadworthyError as error:
        return {"pending": [f"unknown: {error}"], "left": first}
    if found is None:
        return {"pending": [], "left": first}
    stages = [{"stage": o.stage, "state": o.state, "entry": o.entry, "why": o.why} for o in found.lines]
    return {
        "pending": list(found.pending),
        "stages": stages,
        "complete": found.complete,
        "left": list(found.next),
    }


def history(log: Log, limit: int) -> list[dict[str, Any]]:
    """The last `limit` entries of an environment's journal, newest first."""
    rows = []
    for entry in islice(log.backwards(), max(limit, 0)):
        record, details = entry.record, entry.record.details
        change = details.get("change") or {}
        to = details.get("to") or {}
        rows.append(
            {
                "seq": entry.seq,
                "at": entry.at,
                "kind": record.kind,
                "action": record.action,
                "commit": to.get("commit", ""),
                "digest": record.digest,
                "release": to.get("release", 0),
                "who": (details.get("actor") or {}).get("user", ""),
                "change": change.get("id", ""),
                "why": change.get("why", ""),
                "revision": details.get("revision"),
                "adopted": [one["seen"] for one in to.get("drift", ())],
                "sha256": entry.sha256,
            }
        )
    return rows


def report(context: Context) -> Result:
    """The status command. Drift and open actions count as failures."""
    rows = status(context)
    for row in rows:
        context.screen.fact(f"{row['environment']} ({row['app']})", f"{_runs(row)} {row['url']}".rstrip())
        for line in row["apart"]:
            context.screen.line(f"  {line}")
    odd = tuple(
        f"{r['environment']}: {why}"
        for r in rows
        if r["state"] not in FINE
        for why in (*(str(Drift(**d)) for d in r["drift"]), *filter(None, (r["held"], r["problem"])))
    )
    line = f"{len(rows) - len(odd)} of {len(rows)} environments on {context.target} match the journal"
    outcome = Outcome.FAILED if odd else Outcome.SUCCEEDED
    code = int(bool(odd))
    return Result(
        outcome, line, details={"environments": rows}, reasons=odd, code=code, next=_next(context, rows)
    )


def _runs(row: dict[str, Any]) -> str:
    """What should run in an environment, and its state, as one phrase: commit, release, schema, state."""
    state = f"{row['state']}: {row['open']}" if row["open"] else row["state"]
    if not row["commit"]:
        return f"nothing deployed yet{'' if row['state'] == 'empty' else f', {state}'}"
    what = f"{row['commit'][:12]} {shown(row)}, schema {row['revision'] or 'unknown'}"
    what += f" (pending: {', '.join(row['pending'])})" if row["pending"] else ""
    what += ", complete" if row.get("complete") else ""
    return f"{what}, {state}"


def _next(context: Context, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The next commands for each environment with an open action, drift or an unverified release."""
    from ..pipeline.what_next import of_drift

    commands: list[str] = []
    for row in rows:
        name = row["environment"]
        if row["state"] == "unknown":
            commands += row["look"]
        if row["open"]:
            commands += row["left"]
        elif row["state"] in ("drift", "unverified"):
            commands += of_drift(context, name, [Drift(**one) for one in row["drift"]])
        elif row["state"] == LOST:
            commands.append("invoke evidence.audit")
    return tuple(commands)


def report_history(context: Context, environment: str, limit: int) -> Result:
    """The history command."""
    app = context.config.environment(environment).app
    context.screen.title(f"history of {app} ({environment}) on {context.target}")
    log = context.log(environment)
    say_open(context, log)
    rows = history(log, limit)
    for row in rows:
        release = release_name(row["release"])
        commit = str(row["commit"])[:12]
        line = (
            f"{row['seq']:>4}  {row['at'][:19]}Z  {row['action']:8} {row['kind']:7} {commit:12} {release:5}"
        )
        context.screen.line(f"{line} {row['who']} {row['why'][:60]}".rstrip())
        for seen in row["adopted"]:
            context.screen.line(f"        adopted: {seen}")
    return Result(
        Outcome.SUCCEEDED,
        f"{len(rows)} {'entry' if len(rows) == 1 else 'entries'}",
        details={"entries": rows},
    )
