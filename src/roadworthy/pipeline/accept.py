"""Acceptance: is this package good enough to release? One decision, YES or NO, for the very bytes.

The checks that the scope of the change requires run in a place of their own, with credentials that cannot
change production: a guard looks at them first. The result is a signed entry about the package's digest; the
file `.artifacts/acceptance/<sha>/result.json` is a view of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from .. import guard
from ..decision import artifacts, commit_stage, decide
from ..decision.contract_files import acceptance_file
from ..errors import CheckFailed, Refused, UsageError
from ..execution.holding import say_open
from ..facts.acceptance_checks import API, BROWSER, CHECKS, IDENTITY, INFRA, LOAD, MIGRATION, required_checks
from ..facts.package import recorded
from ..facts.read import read_acceptance
from ..facts.scope import scope_of
from ..facts.standing import Done, standing_of
from ..journal.entry import place_of
from ..model import Outcome, Package, Plan, Request, Result
from ..packages import start_commands
from ..packages.manifest import refs as refs_of
from ..record import phases
from ..trial import starting
from . import accept_migrations, build
from .on_package import begin

if TYPE_CHECKING:
    from ..context import Context
    from ..trial.package import Trial

NAME = "verification"
LONGEST: Final = 2000  # characters of a problem in the entry
RESULT: Final = "acceptance.json"
VIEWS: Final = {
    RESULT: artifacts.ACCEPTANCE,
    "commit-stage.json": artifacts.COMMIT_RUN,
    "commit-stage-result.json": artifacts.COMMIT_STAGE,
}


@dataclass(slots=True)
class Findings:
    """What the checks found: success, failure or skipped by name; the files that show it; problems in words."""

    results: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CHECKS, decide.SKIPPED))
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def note(self, name: str, problems: list[str]) -> None:
        """Record the result of a check: success unless there are problems."""
        self.results[name] = "failure" if problems else decide.SUCCESS
        self.problems += [f"{name}: {problem}" for problem in problems]

    def add(self, name: str, problems: list[str]) -> None:
        """Note what came to light later of a check that has its result already."""
        if problems:
            self.note(name, problems)


def accept(context: Context, request: Request, *, again: bool = False) -> Result:
    """Decide on the recorded package of `request.commit`, for `request.environment`.

    What was accepted already with every check that this environment's scope requires is not run again; with
    `again` only when this very run of CI accepted it. Raises Refused before its turn and where a guard refuses.
    """
    commit = request.commit
    standing = standing_of(context, commit)
    if lacks := standing.lacks("accept"):
        raise Refused(f"{commit[:12]} cannot be accepted: {lacks}")
    if standing.build is None:
        raise ValueError("the package has no build entry")
    say_open(context, context.log(request.environment))
    scope = scope_of(context, request.environment, commit)
    required = required_checks(scope, context.config.acceptance)
    known = standing.accepted
    stands = known is not None and (not again or by_this_run(context, commit, known))
    if known and stands and not known.lacks_checks(required):
        views = {name: view for name, view in VIEWS.items() if name in known.evidence}
        artifacts.restore(context, context.log(place_of(commit)), known.evidence, views, commit)
        line = f"{commit[:12]} was accepted already (journal #{known.seq})"
        return Result(Outcome.SUCCEEDED, line, seq=known.seq, details=dict(known.details))
    refs = refs_of(build.manifest_of(context, standing.build, commit))
    package = recorded(context, commit, standing.build)
    facts = read_acceptance(context, request, package)
    plan = Plan(request, "", (), package, {}, {})
    verdicts = guard.evaluate(guard.load(context.paths.root, "accept", context.policy_files), plan, facts)
    if refused := guard.refusals(verdicts):
        raise Refused("; ".join(f"{v.guard}: {v.reason}" for v in refused), guard.exit_code(verdicts))
    told = {
        "for": request.environment,
        "change": {"id": request.change, "why": request.why},
        "required": list(required),
        "class": scope.change_class,
        **phases(facts),
        "verdicts": [{"guard": v.guard, "outcome": v.outcome, "sha256": v.sha256} for v in verdicts],
    }
    with begin(context, commit, NAME, "accept", package, **told) as turn:
        began = time.monotonic()
        found = _examine(context, package, required)
        took = time.monotonic() - began
        slo = context.config.slo
        stage = commit_stage.read(context, commit, facts.ci)
        target = slo.acceptance if slo.mode == "enforce" else 0.0
        named = decide.package_refs(scope, refs, _components(context, package, refs))
        identity = decide.identity_contract(required, found.results)
        decision = decide.acceptance(
            required,
            found.results,
            refs=named,
            identity=identity,
            commit_stage=stage.decision,
            took=took,
            target=target,
        )
        now = f"{context.now():%Y-%m-%dT%H:%M:%SZ}"
        said = (
            acceptance_file(scope, required, found.results, named, identity, decision, commit, now),
            commit_stage.evidence(facts.ci, commit, now),
            commit_stage.result(stage, now),
        )
        files = {name: artifacts.as_bytes(value) for name, value in zip(VIEWS, said, strict=True)}
        details = {
            **told,
            "decision": decision.word,
            "checks": found.results,
            "reason_codes": list(decision.reasons),
            "problems": [problem[:LONGEST] for problem in found.problems],
            "millis": round(1000 * took),
        }
        end = turn.done if decision.yes else turn.failed
        entry = end(package, details, {**found.files, **files})
    for name, data in files.items():
        artifacts.write(context, VIEWS[name], commit, data)
    evidence = context.shown(artifacts.path_of(context, artifacts.ACCEPTANCE, commit))
    if decision.yes:
        ran = sum(1 for outcome in found.results.values() if outcome == decide.SUCCESS)
        line = f"YES: {commit[:12]} is accepted, {ran} checks, scope {scope.change_class}"
        return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=evidence, details=details)
    codes = ", ".join(decision.reasons)
    reasons = (*found.problems, *decision.reasons.values())
    line = f"NO: {commit[:12]} is not accepted: {codes}"
    return Result(Outcome.FAILED, line, None, (), entry.seq, evidence, details, reasons, code=1)


def by_this_run(context: Context, commit: str, known: Done) -> bool:
    """Was it this run of CI that accepted it? Then in a job of its own, which holds nothing of production's."""
    from ..journal import lock

    run: str | None = lock.this_process().get("ci", {}).get("run_id")
    if run is None:
        return False
    return lock.holder(context.log(place_of(commit)).entries()[known.start - 1]).ci_run == run


def _components(context: Context, package: Package, refs: Mapping[str, object]) -> tuple[str, ...]:
    """Whom the manifest's refs must name; a package of one component keeps the name that it was built under."""
    several = tuple(part.component for part in package.parts)
    return several or tuple(ref.removesuffix("Ref") for ref in refs) or (context.config.package.component,)


def _examine(context: Context, package: Package, required: tuple[str, ...]) -> Findings:
    """Run the checks. Those of the package itself always run: another environment's change may need them."""
    from ..trial import package as trial

    found = Findings()
    found.note(LOAD, [])  # its bytes have just been compared with the journal
    with ExitStack() as stack:
        try:
            places = stack.enter_context(trial.unpacked(context, package))
        except UsageError as error:
            found.note(LOAD, [str(error)])
            return found
        place = places[0]  # the first component's: the database is its own
        with context.screen.step(
            "acceptance: starting the app on an empty database, which must stay empty"
        ) as step:
            started = starting.on_empty(context, places)
            step.fail(started)
        with context.screen.step("acceptance: running the migrations twice on an empty database") as step:
            said: list[bytes] = []
            made = accept_migrations.problems(context, place, said)
            step.fail(made)
            found.files["migrations.txt"] = b"".join(said)
        found.note(MIGRATION, [*started, *made])
        urls: dict[str, str] = {}
        if not made:
            with context.screen.step("acceptance: checking the running app") as step:
                urls = _serve(context, package, places, found, stack)
                step.fail(found.results.get(API) != decide.SUCCESS)
        else:
            found.note(API, ["cannot create its database"])
        for name, command in _own(context):
            if command and (name in required or name == BROWSER):
                with context.screen.step(f"acceptance: {command}") as step:
                    problems = _own_check(context, place, command, urls, name, found)
                    step.fail(problems)
                found.note(name, problems)
    return found


def _own(context: Context) -> tuple[tuple[str, str], ...]:
    rules = context.config.acceptance
    return (
        (BROWSER, rules.browser),
        (INFRA, rules.infra),
        (IDENTITY, rules.identity),
    )


def _serve(
    context: Context, package: Package, places: Sequence[Trial], found: Findings, stack: ExitStack
) -> dict[str, str]:
    """Start the app and ask it the checks of release.toml; its addresses while `stack` is open, {} when it fails.

    Several components are started in their order; each is told the addresses of those before it.
    """
    from ..checks import http
    from ..trial.package import tail

    limits = context.config.limits
    urls: dict[str, str] = {}
    try:
        watch = starting.Watch(places)
        for place in places:
            if phase := starting.processes_of(place).get(start_commands.RELEASE):
                ran = place.run(phase)
                found.files[_named("release-phase", place, "txt")] = ran.output
                if not ran.well:
                    found.note(API, [f"the release phase {phase!r} {ran.told(place.hide)}"])
                    return {}
                watch.look(f"the release phase {phase!r}")
    except (CheckFailed, UsageError) as error:
        found.note(API, [str(error)])
        return {}
    logs = [place.folder.parent / _named("web", place, "log") for place in places]
    try:
        for place, log in zip(places, logs, strict=True):
            serving = place.serving(_command(place), log, limits.boot, starting.told(urls))
            urls[place.package.component] = stack.enter_context(serving)
    except (UsageError, OSError) as error:
        component = place.package.component
        found.note(API, [f"component {component}: {error}" if component else str(error)])
        return {}
    results = http.run(
        context.config.checks,
        next(iter(urls.values())),
        commit=package.commit,
        deadline=time.monotonic() + limits.verify,
        timeout=limits.http,
        others=urls,
        environ=context.environ,
        fresh=True,
        forwarded=context.config.acceptance.forward_url,
    )
    context.screen.checks(results)
    found.files["acceptance-checks.json"] = (
        json.dumps([msgspec.to_builtins(r) for r in results], indent=2).encode() + b"\n"
    )
    found.files |= {log.with_suffix(".txt").name: tail(log) for log in logs}
    found.note(API, [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"])
    try:
        watch.look("its web process")
        watch.others(urls)
    except CheckFailed as error:
        watch.problems.append(str(error))
    found.add(MIGRATION, watch.problems)
    return urls


def _named(what: str, place: Trial, kind: str) -> str:
    component = place.package.component
    return f"{what}-{component}.{kind}" if component else f"{what}.{kind}"


def _command(place: Trial) -> str:
    """How the component is started: its start command `web`; "" is an image's own command."""
    command = starting.processes_of(place).get("web")
    if command is None:
        raise UsageError(f"the {start_commands.NAME} has no web process")
    return command


def _own_check(
    context: Context, place: Trial, command: str, urls: Mapping[str, str], name: str, found: Findings
) -> list[str]:
    """Run one of the project's own checks; it gets the app's addresses, and the named credentials."""
    if name == BROWSER and not urls:
        return ["the app does not run"]
    named = context.config.acceptance.credentials
    given = {key: context.environ[key] for key in named if key in context.environ}
    where = {"BASE_URL": next(iter(urls.values()), ""), **starting.told(urls)}
    ran = place.run_beside(command, {**given, **where})
    output = ran.output
    for value in given.values():
        output = output.replace(value.encode(), b"***") if value else output
    found.files[f"{name}.txt"] = output
    return [f"{command!r} {replace(ran, output=output).told()}"] if not ran.well else []
