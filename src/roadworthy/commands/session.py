"""What every command shares: where the project is, what it says first, and how it ends.

`session` is the one place where an error becomes a line and an exit code.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from ..compatibility import RELEASE_EXAMPLE
from ..errors import Planned, RoadworthyError, UsageError
from ..model import Outcome, Request, Result, outcome_of

if TYPE_CHECKING:
    from ..context import Context
    from ..model import Plan
    from ..report.terminal import Screen

_PROJECT: Final[dict[str, Path]] = {}
_RUNNING: Final[dict[str, Any]] = {}  # the command that runs in this process, and what it was given
DEBUG: Final = "ROADWORTHY_DEBUG"  # set: an internal error shows its traceback on stderr
OF_A_COMMIT: Final = {
    "deploy": "to",
    "intake": "for",
    "build": "for",
    "accept": "for",
    "release": "for",
    "decide": "for",
    "ship": "to",
    "replay": "to",
}  # actions that a person names a commit for, and the word between it and the app
ENDS_IN: Final = {"ship": "deploy", "replay": "deploy"}  # the action that a command of several is judged by
LOOK: Final = ("invoke status",)  # what to say after an end that tells nothing of what is so
PACKING: Final = 5.0  # seconds in which a command begins new packs of its journals, after its last line
TEXT_LIMIT: Final = 500  # characters of a reason, change or approval that a person may say


def use(root: Path) -> None:
    """The project that the commands of this process act on."""
    _PROJECT["root"] = root


def running(command: str, environment: str = "", *, verbose: bool = False) -> None:
    """From now on this command runs; `environment` is the one that was named, in whatever form."""
    _RUNNING.update(command=command, environment=environment, verbose=verbose)


@contextmanager
def session(as_json: bool, plan: bool = False) -> Iterator[Context]:
    """A context for one command; with `plan` it changes nothing, and ends before the first change.

    Errors of this package become one line on stderr and their exit code.
    """
    from invoke.exceptions import Exit

    from ..context import Context
    from ..report.terminal import Screen

    screen = Screen(json=as_json, verbose=_RUNNING.get("verbose", False))
    os.umask(os.umask(0o077) | 0o002)  # nothing that a command makes is writable by every user of the machine
    context = None
    try:
        context = Context(_PROJECT["root"], screen, planning=plan)
        yield context
    except Planned as would:
        stop(screen, Result(Outcome.SUCCEEDED, f"would {would}; nothing was changed"), context)
    except RoadworthyError as error:
        ended = Result(outcome_of(error), str(error), code=error.code, next=error.next)
        stop(screen, replace(ended, next=_next(context, ended)), context)
        raise Exit(code=error.code) from error
    except OSError as error:
        where = f"{Path(error.filename).name}: " if isinstance(error.filename, str) else ""
        stop(screen, _failed(f"{where}{error.strerror or type(error).__name__}"), context)
        raise Exit(code=1) from error
    except Exit:
        raise  # a command that has said its last line
    except Exception as error:
        stop(screen, _failed(_internal(error)), context)
        if os.environ.get(DEBUG):
            traceback.print_exc()
        raise Exit(code=1) from error
    except KeyboardInterrupt as error:
        line = "interrupted between two steps: run `invoke status` to see the current state"
        stop(screen, _failed(line, 130), context)
        raise Exit(code=130) from error
    finally:
        if context:
            with suppress(KeyboardInterrupt):  # the command has said how it ended
                context.pack(PACKING)


def _internal(error: Exception) -> str:
    """What went wrong in this package, without the error's own text: it may hold anything, a secret too."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"internal error: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    return f"{what}; run `invoke status` to see the current state; {DEBUG}=1 with the command prints the traceback"


def _failed(line: str, code: int = 1) -> Result:
    return Result(Outcome.FAILED, line, code=code, next=LOOK)


def stop(screen: Screen, result: Result, context: Context | None = None) -> None:
    """The next commands, the last line and the JSON object of a command, which is over."""
    screen.commands(result.next, result.outcome)
    screen.final(result.outcome, result.line + (f" · evidence {result.evidence}" if result.evidence else ""))
    if screen.json:
        screen.emit(answer(result, context))


def _next(context: Context | None, result: Result) -> tuple[str, ...]:
    from ..pipeline.what_next import after

    return after(context, context.asked, result) if context else ()


def asking(
    context: Context,
    command: str,
    env: str,
    commit: str | None,
    why: str,
    change: str,
    *,
    to: str | None = None,
    approval: str = "",
    maintenance: bool = False,
    wait: str | None = None,
    component: str = "",
) -> Request:
    """The request of one command, and its first line: what is about to touch which app on which target."""
    from .. import git
    from ..keys import read_keys

    root = context.paths.root
    name = context.config.name_of(env)
    if to is not None and not to:
        raise UsageError(
            f"--to (REL) is empty: give {RELEASE_EXAMPLE}, a commit or a package digest; see `invoke history`"
        )
    full = git.resolve(root, commit)
    request = Request(
        action=ENDS_IN.get(command, command),
        environment=name,
        commit=full,
        change=_said("change", change) or full[:12],
        why=_said("why", why)
        or (git.subject(root, full) if command in OF_A_COMMIT else _plainly(command, to)),
        to=to or "",
        approval=_said("approval", approval),
        maintenance=maintenance,
        wait=0.0 if wait is None else _seconds("wait", wait),
        replay=command == "replay",
        component=_component(context, component),
        keys=read_keys(root, context.process_environ),
    )
    given = {
        "to": to,
        "approval": approval,
        "why": why,
        "change": change,
        "wait": wait,
        "component": component,
    }
    if command in OF_A_COMMIT:
        given = {"sha" if command == "replay" else "commit": full, **given}
    options = [word for option, value in given.items() if value for word in (f"--{option}", value)]
    words = (command, "--env", name, *options, *(("--maintenance",) if maintenance else ()))
    request = replace(request, said=words)
    context.asked = request
    app = context.config.environment(name).app
    shown = full[:12] if commit in (None, "HEAD", full) else full  # what was said in short is shown in full
    what = f"{command} {shown} {OF_A_COMMIT[command]}" if command in OF_A_COMMIT else command
    context.screen.title(f"{what} {app} ({name}) on {context.target}")
    return request


def _component(context: Context, said: str) -> str:
    """The component that a person named. Raises UsageError that lists the ones there are."""
    known = [c.component for c in context.config.packaged]
    if said and said not in known:
        raise UsageError(f"unknown component {said[:40]!r}: release.toml declares {', '.join(known)}")
    return said if len(known) > 1 else ""


def _plainly(action: str, to: str | None) -> str:
    """Why, when nobody said: of a deploy its commit tells, of anything else only what was asked."""
    return f"{action} to {to[:64]}" if to else f"{action}, no reason given"


def require(name: str, text: str) -> None:
    """Raise UsageError when a person has not said what only they can say."""
    if not _said(name, text):
        raise UsageError(f"--{name} is missing: give it in one line; it is signed into the journal")


def look(context: Context, request: Request, only_plan: bool) -> Result:
    """Take the road, or only look down it."""
    from ..execution import run as release

    return release.run(context, request, only_plan=only_plan)


def finish(context: Context, result: Result) -> None:
    """The last lines of a command: every reason, the verdict, the evidence; then its exit code."""
    from invoke.exceptions import Exit

    screen = context.screen
    if result.outcome is not Outcome.REFUSED:  # the guards have said theirs
        for reason in result.reasons:
            screen.line(f"  {reason}", result.outcome)
    stop(screen, replace(result, next=_next(context, result)), context)
    if result.code:
        raise Exit(code=result.code)


def answer(result: Result, context: Context | None) -> dict[str, Any]:
    """The JSON object of a command, as `report/answer.py` describes it."""
    from ..report.answer import SCHEMA

    environment, target = _place(context) if context else (None, None)
    shown = {
        "schema": SCHEMA,
        "command": _RUNNING.get("command", ""),
        "environment": environment,
        "target": target,
        "outcome": result.outcome,
        "code": result.code,
        "line": result.line,
        "reasons": list(result.reasons),
        "next": list(result.next),
        "evidence": result.evidence,
        "details": result.details,
        "seq": result.seq or None,
        "verdicts": [msgspec.to_builtins(v) for v in result.verdicts],
        "plan": _planned(result.plan) if result.plan else None,
    }
    loaded: dict[str, Any] = json.loads(json.dumps(shown, default=str))
    return loaded


def _place(context: Context) -> tuple[str | None, str | None]:
    """The environment, by its name, and the target; None for what cannot be told."""
    try:
        config = context.config
    except UsageError:
        return None, None
    named = _RUNNING.get("environment", "")
    names = (name for name, one in config.environments.items() if named in (name, *one.names))
    return next(names, None), config.target


def _planned(plan: Plan) -> dict[str, Any]:
    from ..execution.signing import works

    return {
        "action": plan.request.action,
        "environment": plan.request.environment,
        "app": plan.app,
        "package": msgspec.to_builtins(plan.package) if plan.package else None,
        "from": plan.before,
        "to": plan.after,
        "pending": plan.pending,
        "migrations": [msgspec.to_builtins(one) for one in plan.migrations],
        "already": plan.already,
        "signs": [str(work) for work in works((plan.request.action,))],
        **({"watch": msgspec.to_builtins(plan.watch)} if plan.watch else {}),
    }


def _seconds(name: str, text: str) -> float:
    """A duration that a person wrote, as release.toml writes them."""
    from ..config import duration

    try:
        return duration(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}") from error


def _said(name: str, text: str) -> str:
    """What a person wrote, when it is one sane line."""
    if len(text) > TEXT_LIMIT or not text.isprintable():
        raise UsageError(f"--{name}: one line of at most {TEXT_LIMIT} printable characters")
    return text.strip()
