"""Verify: what the platform, the app and the database say must equal what the journal says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..errors import RoadworthyError, UsageError
from ..facts.history import read_history
from ..model import Outcome, PlatformRelease, Result
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
    history = read_history(context.log(environment).settled(), context.paths.state)
    running = history.running
    if running is None:
        raise UsageError(
            f"nothing was ever deployed to {environment}: run `invoke deploy --env {environment}`"
        )
    with context.screen.step(f"asking the platform about {app}"):
        observed = context.platform.observe(app)
    found: list[Difference] = []
    current = observed.current
    if current is None or current.version != running.release:
        found.append(Difference("release", f"v{running.release}", _who(current)))
    if observed.digest != running.package.digest:
        seen = observed.digest[:12] or "none"
        found.append(Difference("package", running.package.digest[:12], seen))
    for dyno in observed.dynos:
        if dyno.type not in ("run", "release") and (dyno.state, dyno.release) != ("up", running.release):
            seen = f"{dyno.name} {dyno.state} on v{dyno.release}"
            found.append(Difference("processes", f"up on v{running.release}", seen))
    if observed.maintenance:
        found.append(Difference("maintenance", "off", "on"))
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


def _who(release: PlatformRelease | None) -> str:
    """A release with who made it and when: drift has an author."""
    if release is None:
        return "none"
    made = f"by {release.user}, {release.created_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"v{release.version} ({release.description}, {made})"


def report(context: Context, environment: str) -> Result:
    """Verify, for the command."""
    app = context.config.environment(environment).app
    context.screen.title(f"verify {app} ({environment}) on {context.target}")
    differences = verify(context, environment)
    details = {"differences": [asdict(d) for d in differences]}
    if differences:
        line = f"{app} is not as the journal says"
        return Result(Outcome.FAILED, line, reasons=tuple(map(str, differences)), details=details, code=1)
    return Result(Outcome.SUCCEEDED, f"{app} is as the journal says", details=details)
