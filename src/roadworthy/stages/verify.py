"""Verify: what the platform, the app and the database say must equal what the journal says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..errors import RoadworthyError, UsageError
from ..facts.drift import drift
from ..facts.history import read_history
from ..model import Outcome, Result
from .migrate import revision_in
from .running import ask

if TYPE_CHECKING:
    from ..context import Context


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the journal says; `what` is release, package, processes, revision or a check."""

    what: str
    journal: str
    seen: str

    def __str__(self) -> str:
        return f"{self.what}: the journal says {self.journal}, seen {self.seen}"


def verify(context: Context, environment: str) -> tuple[Difference, ...]:
    """Look at everything, and name every difference. Raises UsageError when nothing was ever deployed."""
    app = context.config.environment(environment).app
    log = context.log(environment)
    history = read_history(log.settled(), context.paths.state, log.open_start())
    running = history.running
    if running is None:
        raise UsageError(
            f"nothing was ever deployed to {environment}: run `invoke deploy --env {environment}`"
        )
    with context.screen.step(f"asking the platform about {app}"):
        observed = context.platform.observe(app)
    drifts = drift(environment, history, observed)
    found = [Difference(d.what, d.journal, d.seen) for d in drifts]
    current = observed.current
    known = not any(d.what == "release" for d in drifts)
    if known and current and current.version != running.release:
        left = f"v{current.version}, which failed"
        found.append(Difference("release", f"v{running.release}", left))
    if observed.digest != running.package.digest:
        seen = observed.digest[:12] or "none"
        found.append(Difference("package", running.package.digest[:12], seen))
    for dyno in observed.dynos:
        if dyno.type not in ("run", "release") and (dyno.state, dyno.release) != ("up", running.release):
            seen = f"{dyno.name} {dyno.state} on v{dyno.release}"
            found.append(Difference("processes", f"up on v{running.release}", seen))
    if observed.maintenance and history.maintenance:
        found.append(Difference("maintenance", "off", "on, left by a deploy that did not succeed"))
    results = ask(context, app, observed.url, running.package.commit)
    found += [Difference(f"check {r.name}", "passes", r.reason) for r in results if r.outcome != "passed"]
    with context.screen.step("asking the database for its revision"):
        seen = _revision(context, app)
    if seen != str(history.revision):
        found.append(Difference("revision", str(history.revision), seen))
    return tuple(found)


def _revision(context: Context, app: str) -> str:
    try:
        return str(revision_in(context.platform.query(app, context.config.commands.revision)))
    except RoadworthyError as error:
        return f"unreadable ({error})"


def report(context: Context, environment: str) -> Result:
    """Verify, for the command."""
    app = context.config.environment(environment).app
    context.screen.title(f"verify {app} ({environment}) on {context.target}")
    return compare(context, environment)


def compare(context: Context, environment: str) -> Result:
    """Whether platform, app and database are as the journal says."""
    app = context.config.environment(environment).app
    differences = verify(context, environment)
    details = {"differences": [asdict(d) for d in differences]}
    if differences:
        line = f"{app} is not as the journal says"
        return Result(Outcome.FAILED, line, reasons=tuple(map(str, differences)), details=details, code=1)
    return Result(Outcome.SUCCEEDED, f"{app} is as the journal says", details=details)
