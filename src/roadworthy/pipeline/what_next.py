"""What to say next: every stop of a command names the commands that lead on, in order and exact enough to copy.

This is the only place that makes them. Who stops may name its own (`next` of a Result or an error); where it does
not, they follow from how the command ended, and from how far its commit is (`decision/progress.py`). What only a
person can say is a word in capitals: `--approval REF`. A command that changes production has both keys before it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ..action import Action, Takes
from ..actions import NAMES, named
from ..errors import RoadworthyError
from ..guard import DOUBT
from ..model import Drift, Outcome, Request, Result, Verdict

if TYPE_CHECKING:
    from ..context import Context

KEYS: Final = ("ALLOW_PROD=1", "ALLOW_PROD_DEPLOY=YES")
KEYED: Final = (
    "deploy",
    "migrate",
    "rollback",
    "config",
    "adopt",
    "complete",
    "ship",
    "replay",
)  # in production
WAITS: Final = (*NAMES, "ship", "replay")
OF_NEWEST: Final = ("deploy", "ship", "accept")  # these take the newest commit where none is named
# Of a guard that refused: what mends it first. A command of which a word is not known here is left out.
FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "ci_is_green": ("invoke test --commit {commit}",),
    "staging_is_certified": (
        "invoke ship --env {before} --commit {commit}",
        "invoke certify --env {before}",
    ),
    "certifies_no_production": ("invoke certify --env {before}",),
    "platform_is_as_recorded": ("invoke rollback --env {env} --to {runs}",),
    "database_is_as_recorded": ("invoke migrate --env {env}",),
    "package_is_running": ("invoke rollback --env {env} --to {runs}",),
    "package_is_pinned": ("invoke build --env {env} --commit {commit}",),
    "package_is_not_older": ("invoke replay --env {env} --sha {commit}",),
    "components_are_whole": ("invoke build --env {env} --commit {commit}",),
    "migrations_can_be_rolled_back": ("invoke history --env {env}",),
    "rollback_is_possible": ("invoke build --env {env} --commit {runs}",),
    "rollback_target_is_available": ("invoke history --env {env}",),
    "rollback_target_was_verified": ("invoke history --env {env}",),
    "adopted_package_is_proven": ("invoke rollback --env {env} --to {runs}",),
    "platform_has_drifted": ("invoke status",),
    "policy_is_committed": ("git status --short",),
    "tree_is_clean": ("git status --short",),
}
# Where nothing was ever verified, so that there is nothing to put back.
AT_FIRST: Final[Mapping[str, str]] = {
    "platform_is_as_recorded": "invoke adopt --env {env} --why WHY",
    "package_is_running": "invoke deploy --env {env}",
}
UNTOLD: Final[Mapping[str, str]] = {"database_is_as_recorded": "invoke rollback --env {env}"}
"""The next command where a guard refuses because it cannot see the current state."""
AS_WELL: Final[Mapping[str, Mapping[str, str]]] = {"migration_is_approved": {"approval": "REF"}}
NOT_AGAIN: Final = (
    "adopted_package_is_proven",
    "certifies_no_production",
    "migrations_can_be_rolled_back",
    "package_is_not_older",
    "platform_has_drifted",
)
"""Guards whose refusal the same command cannot get past."""
ANOTHER_COMMIT: Final = (
    "migrations_are_safe",
    "one_head",
    "package_is_built_here",
    "release_phase_is_disabled",
)
"""Guards of what a commit holds: it is mended in another one, and without --commit the newest is taken."""
_NAMED: Final = re.compile(r"`(invoke [^`]+)`")


def typed(context: Context, command: str) -> str:
    """A command as a person has to type it: with both keys when it changes production."""
    words = shlex.split(command)
    if words[:1] != ["invoke"] or words[1:2] == [] or words[1] not in KEYED or "--env" not in words:
        return command
    production = context.config.environment(words[words.index("--env") + 1]).production
    return f"{' '.join(KEYS)} {command}" if production else command


def again(context: Context, request: Request, **more: str) -> str:
    """What a person said, said again; `more` are options with their values that were missing, or were others."""
    words = [*request.said]
    for name, value in more.items():
        option = f"--{name}"
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
        words += [option, value] if value else [option]
    return typed(context, shlex.join(("invoke", *words)))


def after(context: Context, request: Request | None, result: Result) -> tuple[str, ...]:
    """The next commands of a command that ended like that; what it names itself comes first."""
    try:
        named = result.next or _after(context, request, result)
        return tuple(dict.fromkeys(typed(context, one) for one in named))
    except RoadworthyError:  # then the journal or the configuration is what is wrong, and the line says so
        return ()


def _after(context: Context, request: Request | None, result: Result) -> Iterable[str]:
    if request is None or not request.said:
        return ()
    env, same = request.environment, again(context, request)
    action = request.said[0]
    if result.outcome is Outcome.UNKNOWN:
        return (f"invoke reconcile --env {env}", same)
    if result.outcome is Outcome.SUPERSEDED:
        return ("invoke status", f"invoke replay --env {env} --sha {request.commit}")
    if result.code == 5:
        from ..decision.progress import WAIT

        waiting = again(context, request, wait=WAIT) if action in WAITS else same
        where = f"--env {env}" if action in WAITS else f"--commit {request.commit}"
        return (waiting, f"invoke lock.status {where}")
    if result.verdicts and result.outcome is Outcome.REFUSED:
        return _past(context, request, result.verdicts)
    if result.plan and result.outcome is Outcome.SUCCEEDED and not (result.seq or result.plan.already):
        return (same,)  # it was the plan alone
    about = _about(request)
    if about and result.outcome is Outcome.SUCCEEDED and not about.of_ship:
        return _into_production(context, env) if about.opens_production else (f"invoke verify --env {env}",)
    if about and about.takes is Takes.COMMIT and result.plan and result.outcome is Outcome.FAILED:
        # What failed has to be mended in a commit; without --commit the newest is taken.
        return (f"invoke verify --env {env}", same if request.replay else f"invoke {action} --env {env}")
    if about and about.takes is Takes.TARGET and result.code == 2:
        return (f"invoke history --env {env}",)
    return _left(context, request) or ((same,) if result.code and result.code != 2 else ())


def _about(request: Request) -> Action | None:
    """The action that a command takes in its environment; None of one about a package or a question."""
    return named(request.action) if request.action in NAMES else None


def _left(context: Context, request: Request) -> tuple[str, ...]:
    """The commands of every stage that the commit has still to pass."""
    from ..decision.reading import progress_of

    commit, about = request.commit, _about(request)
    if about and not (about.of_ship or about.opens_production):
        return ()
    if about and about.takes is Takes.RUNNING:
        commit = _runs(context, request.environment)
    if not commit:
        return ()
    left = progress_of(context, request.environment, commit).next
    if left or context.config.environment(request.environment).production:
        return left
    return (f"invoke certify --env {request.environment}",)


def _runs(context: Context, env: str) -> str:
    from ..facts.running import running

    runs = running(context.log(env).settled())
    return runs.end.commit if runs else ""


def _past(context: Context, request: Request, verdicts: Iterable[Verdict]) -> list[str]:
    """What leads past the guards that refused, in their order, and then the same command again."""
    from ..decision.reading import progress_of

    env = request.environment
    words = {
        "env": env,
        "commit": request.commit,
        "runs": _runs(context, env),
        "before": context.config.environment(env).certified_in,
    }
    commands: list[str] = []
    more: dict[str, str] = {}
    refused = {verdict.guard: verdict.reason for verdict in verdicts if verdict.outcome == "refuse"}
    for name, reason in refused.items():
        if name == "package_is_released":
            of_package = ("intake", "build", "test", "accept", "release")
            left = progress_of(context, env, request.commit).next
            commands += [one for one in left if one.split()[1] in of_package]
        commands += _mends(name, reason, words)
        more |= AS_WELL.get(name, {})
    wrapped = [name for name, reason in refused.items() if "--maintenance" in reason]
    more |= {"maintenance": ""} if wrapped else {}
    told = {name for name, reason in refused.items() if not reason.startswith(DOUBT)}
    if told & {*ANOTHER_COMMIT} - {*wrapped}:
        commands.append(f"invoke {request.said[0] if request.said[0] in OF_NEWEST else 'ship'} --env {env}")
    elif not refused.keys() & {*NOT_AGAIN}:
        commands.append(again(context, request, **more))
    return commands


def _mends(guard: str, reason: str, words: Mapping[str, str]) -> list[str]:
    """What mends a refusal: what is known of this guard, else what its reason names between backquotes."""

    def known(command: str) -> bool:
        return all(value for name, value in words.items() if f"{{{name}}}" in command)

    if guard in UNTOLD and "revision is unknown: " in reason:
        return [UNTOLD[guard].format(**words)]
    named = [] if guard in FIRST and guard != "policy_is_committed" else _NAMED.findall(reason)
    if named:
        return [re.sub('"?…"?', "WHY", one) for one in named]
    fitting = [one for one in FIRST.get(guard, ()) if known(one)]
    return [one.format(**words) for one in fitting or filter(None, (AT_FIRST.get(guard),))]


def _into_production(context: Context, env: str) -> list[str]:
    """Where a package goes that was certified in `env`."""
    commit = _runs(context, env)
    named = context.config.environments.items()
    return [f"invoke ship --env {name} --commit {commit}" for name, one in named if one.certified_in == env]


def of_drift(context: Context, env: str, drifts: Iterable[Drift]) -> tuple[str, ...]:
    """What ends a drift: putting back what the journal says, or accepting what is there."""
    runs = _runs(context, env)
    back = [f"invoke rollback --env {env} --to {runs}"] if runs else []
    adopted = [f"invoke adopt --env {env} --why WHY" for one in drifts if "invoke adopt" in one.do]
    return tuple(dict.fromkeys((*back, *adopted)))
