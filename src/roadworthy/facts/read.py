"""Read everything that a plan or a guard may look at: once, before deciding, with one clock.

What an action cannot do without (the tree, the package, the platform) stops the command with its own error.
Everything else becomes a missing fact, and the guard that needs it refuses with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from .. import git
from ..action import Action, Takes
from ..compatibility import RELEASE_EXAMPLE, START_FACT
from ..errors import NoPackage, Overtaken, RoadworthyError, UsageError
from ..journal.entry import place_of
from ..model import (
    Blocker,
    Certified,
    CiState,
    Deployed,
    Eligibility,
    Fact,
    Facts,
    History,
    MissingFact,
    Observed,
    Package,
    Processes,
    Request,
    RollbackTarget,
    Usual,
)
from ..packages import start_commands
from .acceptance_checks import required_checks
from .adoptable import adoptable
from .credentials import read_credentials
from .drift import drift
from .history import history_of, read_history, runs, test_run
from .images import image_target, releasable
from .observe import apps_of, observe
from .package import bring, here, known
from .policy import read_policy
from .revision import read_revision
from .schema import migrations_of, migrations_that_ran, own_migrations
from .scope import scope_of
from .standing import standing_of

if TYPE_CHECKING:
    from ..world import World
    from .migrations import Migrations
    from .standing import Standing

T = TypeVar("T")
_HEX: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def read_facts(context: World, request: Request, action: Action) -> Facts:
    """The facts for one request. Raises UsageError or CheckFailed when the action cannot even be planned."""
    config, paths = context.config, context.paths
    environment = config.environment(request.environment)
    tree = git.read_tree(paths.root)
    log = context.log(request.environment)
    head = log.head()
    history = history_of(context, log)
    observed = observe(context, request.environment, whole=True)
    drifts = drift(request.environment, history, observed)
    if drifts and log.head() != head:
        raise Overtaken(
            "another release ran while the facts were read; nothing was changed: run the command again"
        )
    policy = _fact("policy", lambda: read_policy(context, request, log, history, tree.commit))
    # What cannot be told may be production.
    environment = replace(environment, production=policy.known is None or policy.known.production)
    back = _back_fact(context, request, action, environment.app, history, observed)
    revision = read_revision(context, action, environment.app, history, observed)
    applied = history if revision.missing else replace(history, revision=revision.known)
    if action.takes is Takes.FOUND:  # what cannot be adopted is for a guard to say
        package = _fact("package", lambda: adoptable(context, request.environment, history, observed))
    else:
        package = Fact("package", _package(context, request, action, history, back))
    standing = _fact("standing", lambda: standing_of(context, package.value.commit))
    return Facts(
        now=context.now(),
        name=request.environment,
        environment=environment,
        target=context.target,
        tree=Fact("tree", tree),
        package=package,
        start_commands=_fact(START_FACT, lambda: _start_commands(context, package.value)),
        ci=_fact("ci", lambda: read_ci(context, package.value)),
        certificate=_fact(
            "certificate", lambda: _certificate(context, environment.certified_in, package.value)
        ),
        migrations=_fact(
            "migrations", lambda: _migrations(context, action, package.value, applied, observed)
        ),
        revision=revision,
        history=Fact("history", history),
        observed=Fact("observed", observed),
        drift=Fact("drift", drifts),
        blockers=_fact("blockers", lambda: _blockers(context)),
        back=back,
        baseline=_fact(
            "baseline", lambda: _baseline(context, request, action, package.value, history, observed)
        ),
        eligible=_fact("eligible", lambda: _eligible(context, request, package.value, standing.value)),
        credentials=Fact("credentials", missing="they are read for an acceptance only"),
        config=_fact("config", lambda: _config(context, request, action)),
        older=_fact("older", lambda: _older(context, package.value, history)),
        policy=policy,
        standing=standing,
    )


def read_acceptance(context: World, request: Request, package: Package) -> Facts:
    """The facts for an acceptance: no platform is asked for what runs, so none has to let us in."""
    no_platform = "an acceptance asks no platform"
    return Facts(
        now=context.now(),
        name=request.environment,
        environment=context.config.environment(request.environment),
        target=context.target,
        tree=_fact("tree", lambda: git.read_tree(context.paths.root)),
        package=Fact("package", package),
        start_commands=_fact(START_FACT, lambda: _start_commands(context, package)),
        ci=_fact("ci", lambda: read_ci(context, package, with_run=True)),
        certificate=Fact("certificate", missing=no_platform),
        migrations=Fact("migrations", missing=no_platform),
        revision=Fact("revision", missing=no_platform),
        history=Fact("history", missing=no_platform),
        observed=Fact("observed", missing=no_platform),
        drift=Fact("drift", missing=no_platform),
        blockers=_fact("blockers", lambda: _blockers(context)),
        back=Fact("back", missing=no_platform),
        eligible=Fact("eligible", missing="that is what is being decided"),
        credentials=_fact("credentials", lambda: read_credentials(context)),
        config=Fact("config", missing=no_platform),
        older=Fact("older", missing=no_platform),
    )


def _eligible(context: World, request: Request, package: Package, standing: Standing) -> Eligibility:
    """The package's own journal, and what the change against the running package requires."""
    scope = scope_of(context, request.environment, package.commit)
    return Eligibility(standing, required_checks(scope, context.config.acceptance))


def _config(context: World, request: Request, action: Action) -> Mapping[str, str]:
    """The config vars of the app that is about to get others; nobody else needs to see them."""
    if not action.reads_vars:
        raise MissingFact("config vars are read for a change of them only")
    apps = context.config.apps(request.environment)
    return context.platform.config(
        apps[request.component] if request.component else next(iter(apps.values()))
    )


def _older(context: World, package: Package, history: History) -> bool:
    """Whether what runs was made on top of the package's commit."""
    running = history.running.package.commit if history.running else ""
    if running in ("", package.commit):
        return False
    return git.is_ancestor(context.paths.root, package.commit, running)


def _fact(name: str, read: Callable[[], T]) -> Fact[T]:
    try:
        return Fact(name, read())
    except RoadworthyError as error:
        return Fact(name, missing=str(error))


def _back_fact(
    context: World, request: Request, action: Action, app: str, history: History, observed: Observed
) -> Fact[RollbackTarget | None]:
    """A rollback whose target is not there cannot be planned; for anything else it is one fact of many."""
    if action.takes is Takes.TARGET:
        return Fact("back", _asked_back(context, request, app, history, observed))
    return _fact("back", lambda: _back(context, request, history.running, observed))


def _running(request: Request, history: History) -> Package:
    if history.running is None:
        raise NoPackage(
            f"nothing was ever deployed to {request.environment}: "
            f"run `invoke deploy --env {request.environment}`"
        )
    if history.given_up:  # an entry about the rest would speak of a package that was never deployed
        raise NoPackage(
            f"{request.environment} runs {history.running.package.commit[:12]} with {', '.join(history.given_up)}, "
            "which release.toml declares no more: deploy a package without it first, or say it from that commit"
        )
    return history.running.package


def _package(
    context: World, request: Request, action: Action, history: History, back: Fact[RollbackTarget | None]
) -> Package:
    """Deploy acts on the package of its commit, a rollback on its target's, anything else on what runs."""
    if action.takes is Takes.COMMIT:
        package = known(context, request.commit)
        for part, app in apps_of(context.config, request.environment, package):
            releasable(context, app, part)
        return package
    if action.takes is Takes.TARGET:
        target = back.value
        if target is None:
            raise NoPackage(f"{request.environment} has no verified package to roll back to")
        return target.deployed.package
    return _running(request, history)


def _asked_back(
    context: World, request: Request, app: str, history: History, observed: Observed
) -> RollbackTarget | None:
    """A rollback goes back to what was asked for, or the last verified.

    Where a deploy failed and was left behind, the last verified is what ran before it, unless that is incomplete.
    """
    deployed = history.running
    if request.to:
        deployed = _asked(context, request.to, app, history)
    else:
        good = deployed is not None and deployed.package.digest not in history.incomplete
        deployed = deployed if good and _left_behind(history, observed) else history.previous
    return _back(context, request, deployed, observed)


def _back(
    context: World, request: Request, deployed: Deployed | None, observed: Observed
) -> RollbackTarget | None:
    """Where a deployed package can still be had; anything but a rollback would go back to what runs now."""
    if deployed is None:
        return None
    apps = apps_of(context.config, request.environment, deployed.package)
    targets = [_still(context, app, deployed.of(part.component), observed) for part, app in apps]
    if not deployed.parts:
        return targets[0]
    whole = replace(deployed.package, parts=tuple(target.deployed.package for target in targets))
    return RollbackTarget(
        replace(deployed, package=whole),
        all(target.available for target in targets),
        "; ".join(
            f"{target.deployed.package.component}: {target.why_not}" for target in targets if target.why_not
        ),
        frozenset[str]().union(*(target.on_platform for target in targets)),
    )


def _still(context: World, app: str, deployed: Deployed, observed: Observed) -> RollbackTarget:
    """Where the package of one app can still be had."""
    package = deployed.package
    if package.kind == "image":
        return image_target(context, app, deployed)
    releases = observed.of(package.component).releases
    release = next((r for r in releases if r.artifact == deployed.artifact), None)
    still_there = release is not None and context.platform.package_of(app, release)[0] == package.digest
    gone = (
        ""
        if still_there or bring(context, package, keep=False)
        else "the platform has destroyed it, and it is neither on this machine nor in the store"
    )
    deployed = replace(deployed, package=here(context, package))
    return RollbackTarget(deployed, not gone, gone, frozenset({package.digest} if still_there else ()))


def _left_behind(history: History, observed: Observed) -> bool:
    """Does the platform run, of any component, a release of ours that failed, and not what was verified last?"""
    if observed.parts:
        ours = history.running.package.each if history.running else ()
        return any(_left_behind(history.of(one.component), observed.of(one.component)) for one in ours)
    current, running = observed.current, history.running
    failed = [release for release in history.known if running is None or release[0] != running.release]
    return current is not None and (current.order, current.artifact) in failed


def _asked(context: World, to: str, app: str, history: History) -> Deployed:
    """The verified package that a person named: by release, commit or digest."""
    digest = to
    if release := context.platform.named(app, to):
        digest = context.platform.package_of(app, release)[0]
        if not digest:
            raise UsageError(f"{to} of {app} has no package (any more): see `invoke history`")
    elif not _HEX.fullmatch(to):
        raise UsageError(
            f"{to[:60]!r} is not a package: give {RELEASE_EXAMPLE}, a 40-character commit or a 64-character digest"
        )
    for deployed in history.deployed:
        if digest in (deployed.package.digest, deployed.package.each[0].digest, deployed.package.commit):
            return deployed
    raise UsageError(f"{to} was never verified in {_name(context, app)}: see `invoke history`")


def _name(context: World, app: str) -> str:
    """The environment that an app belongs to, for messages."""
    return next((n for n, e in context.config.environments.items() if app in e.names), app)


def _start_commands(context: World, package: Package) -> tuple[Processes, ...]:
    """The start commands of each component. Raises UsageError where one is not there or cannot be read."""
    if package.kind == "image":
        return ()  # its one process is what its Dockerfile says; it has no release phase
    found: list[Processes] = []
    for part in package.each:
        rules = context.config.component(part.component)
        where = f"{rules.path}/{start_commands.NAME}"
        text = git.show(context.paths.root, package.commit, where)
        if text is None:
            raise UsageError(
                f"the package of {package.commit[:12]} has no {start_commands.NAME} in {rules.path}/"
            )
        found.append(Processes(start_commands.processes(text, where), rules.release_phase, part.component))
    return tuple(found)


def read_ci(context: World, package: Package, *, with_run: bool = False) -> CiState:
    """The commit stage of the package's commit; `with_run` also asks which workflow run it was."""
    if github := context.config.github:
        from .. import http
        from .github import ci_state, with_workflow

        token = context.environ.get("GITHUB_TOKEN", "")
        session = http.session(context.config.limits.http)
        state = ci_state(github, package.commit, token, session)
        return with_workflow(github, state, token, session) if with_run else state
    return test_run(context.log(place_of(package.commit)).settled(), package.digest)


def _certificate(context: World, place: str, package: Package) -> Certified | None:
    """The certificate of this very package where there is one, else the newest, so a guard can say which."""
    if not place:
        return None
    log = context.log(place)
    certified = read_history(log.settled(), context.paths.state).certified
    fitting = (c for c in certified if c.package_digest == package.digest)
    found = next(fitting, certified[0] if certified else None)
    if found and not found.file_found and context.shares_journal:
        log.evidence(found.file_sha256)  # it was certified on another machine: the store has the file
        return replace(found, file_found=found.file_sha256)
    return found


def _migrations(
    context: World, action: Action, package: Package, history: History, observed: Observed
) -> Migrations:
    """The migrations of the package, with later ones that are applied where it may run behind them.

    For a rollback those of one that knows the revision that is applied. Who is certified runs its own twice.
    """
    if action.own_migrations:
        return own_migrations(context, package.commit)

    def commits() -> Iterator[str]:
        yield observed.commit
        yield from (deployed.package.commit for deployed in history.deployed)

    at, back = history.revision, action.takes is Takes.TARGET
    ran = migrations_that_ran(context, at, commits()) if back else None
    return ran or migrations_of(context, package.commit, at, commits())


def _baseline(
    context: World,
    request: Request,
    action: Action,
    package: Package,
    history: History,
    observed: Observed,
) -> Mapping[str, Usual]:
    """What the checks are like before a deploy that will be watched; empty when nothing will be."""
    watched = context.config.environment(request.environment).watch
    if action.takes is not Takes.COMMIT or not watched or runs(package, history, observed):
        return {}
    from .baseline import read_baseline

    return read_baseline(context, history, observed)


def _blockers(context: World) -> tuple[Blocker, ...]:
    if context.config.github:
        from .. import http
        from .github import blockers

        token = context.environ.get("GITHUB_TOKEN", "")
        return blockers(context.config.github, token, http.session(context.config.limits.http))
    from .blockers import read_blockers

    return read_blockers(context.paths.root / context.config.blockers.file)
