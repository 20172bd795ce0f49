"""Verify: what the platform, the app and the database say must equal what the journal says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ..actions.migrate import said_of
from ..actions.running import ask
from ..errors import Held, NoPackage, OutcomeUnknown, RoadworthyError
from ..execution.holding import fate
from ..facts.drift import apart, drift
from ..facts.history import history_of
from ..facts.observe import observe
from ..facts.revision import revision_of
from ..journal.lock import held, holder
from ..model import Deployed, Observed, Outcome, Result

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as the journal says; `what` is release, package, processes, revision or a check."""

    what: str
    journal: str
    seen: str

    def __str__(self) -> str:
        return f"{self.what}: the journal says {self.journal}, seen {self.seen}"


def verify(context: Context, environment: str) -> tuple[Difference, ...]:
    """Look at everything, and name every difference. Raises NoPackage when nothing was ever deployed."""
    app = context.config.environment(environment).app
    history = history_of(context, context.log(environment))
    running = history.running
    if running is None:
        raise NoPackage(
            f"nothing was ever deployed to {environment}: run `invoke deploy --env {environment}`"
        )
    with context.screen.step(f"asking the platform about {app}"):
        observed = observe(context, environment, whole=True)
    drifts = drift(environment, history, observed)
    found = [Difference(_of(d.what, d.component), d.journal, d.seen) for d in drifts]
    for part in running.package.each:
        strange = any((d.what, d.component) == ("release", part.component) for d in drifts)
        found += _component(running.of(part.component), observed.of(part.component), strange)
    if observed.as_of(running.package).maintenance and history.maintenance:
        found.append(Difference("maintenance", "off", "on, left by a deploy that did not succeed"))
    for line in apart(environment, history, observed):
        context.screen.line(f"  {line}")
    results = ask(context, environment, observed.urls, running.package)
    found += [Difference(f"check {r.name}", "passes", r.reason) for r in results if r.outcome != "passed"]
    with context.screen.step("asking the database for its revision"):
        seen = _revision(context, app)
    if seen != str(history.revision):
        found.append(Difference("revision", str(history.revision), seen))
    return tuple(found)


def _component(ran: Deployed, observed: Observed, strange: bool) -> Iterator[Difference]:
    """What is not as it was deployed in one app; `strange` when its release is somebody else's, and was named."""
    name, current = ran.package.component, observed.current
    if not strange and current and current.order != ran.release:
        left = f"{current.name}, which failed"
        yield Difference(_of("release", name), observed.name_of(ran.release), left)
    if observed.digest != ran.package.digest:
        seen = observed.digest[:12] or "none"
        yield Difference(_of("package", name), ran.package.digest[:12], seen)
    for one in observed.processes:
        if one.type not in ("run", "release") and (one.state, one.release) != ("up", ran.release):
            seen = f"{one.name} {one.state} on {observed.name_of(one.release)}"
            yield Difference(_of("processes", name), f"up on {observed.name_of(ran.release)}", seen)


def _of(what: str, component: str) -> str:
    return f"{what} of {component}" if component else what


def _revision(context: Context, app: str) -> str:
    try:
        return str(revision_of(context, app))
    except RoadworthyError as error:
        return f"unreadable ({error})"


def report(context: Context, environment: str) -> Result:
    """Verify, for the command."""
    app = context.config.environment(environment).app
    context.screen.title(f"verify {app} ({environment}) on {context.target}")
    return compare(context, environment)


def compare(context: Context, environment: str) -> Result:
    """Whether platform, app and database are as the journal says, which nobody can tell while a start is open."""
    app = context.config.environment(environment).app
    if start := context.log(environment).open_start():
        return _while_open(context, environment, start)
    differences = verify(context, environment)
    waits = _pending(context, environment)
    details = {"differences": [msgspec.to_builtins(d) for d in differences], "pending": waits}
    if differences:
        line = f"{app} differs from the journal"
        from .what_next import of_drift

        back = of_drift(context, environment, ())
        reasons = tuple(map(str, differences))
        return Result(Outcome.FAILED, line, reasons=reasons, details=details, code=1, next=back)
    line = f"{app} matches the journal{said_of(waits, environment)}"
    return Result(Outcome.SUCCEEDED, line, details=details)


def _pending(context: Context, environment: str) -> tuple[str, ...]:
    from ..decision.reading import progress_of_what_runs

    try:
        found = progress_of_what_runs(context, environment)
    except RoadworthyError as error:  # what runs is as recorded, whatever cannot be told of its package
        return (f"unknown: {error}",)
    return found.pending if found else ()


def _while_open(context: Context, environment: str, start: Entry) -> Result:
    """What differs by now, with the open start as the verdict: it may still change, or nobody knows what it did."""
    held_by = holder(start)
    seen = fate(context, held_by)
    differences: tuple[Difference, ...] = ()
    reasons: tuple[str, ...] = ()
    try:
        differences = verify(context, environment)
        reasons = tuple(map(str, differences))
    except NoPackage:
        pass  # the first deploy is the one that is open
    except RoadworthyError as error:  # that nobody can look hides neither the open start nor what to do
        reasons = (str(error),)
    details = {"differences": [msgspec.to_builtins(d) for d in differences]}
    outcome, code = (Outcome.UNKNOWN, OutcomeUnknown.code) if seen.dead else (Outcome.FAILED, Held.code)
    look = "reconcile" if seen.dead else "lock.status"
    then = (f"invoke {look} --env {environment}", f"invoke verify --env {environment}")
    return Result(outcome, held(held_by, seen), reasons=reasons, details=details, code=code, next=then)
