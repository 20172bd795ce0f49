"""The sandbox's commands: start, end and look at the local platform."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..compatibility import release_name
from ..drivers import SANDBOX
from ..errors import UsageError
from ..model import Outcome, Result
from ..sandbox import control
from ..words import count
from .session import stop

if TYPE_CHECKING:
    from ..context import Context


def up(context: Context, port: int, database: str) -> Result:
    """Start the sandbox with the apps of release.toml; does nothing if it is already running."""
    if database not in ("sqlite", "postgres"):
        raise UsageError(f"unknown database {database!r}: expected sqlite or postgres")
    context.changes("start the sandbox unless it is running")
    config = context.config
    here = config.targets.get("sandbox")
    forwarded = {
        config.environment(name).app: environment.url if here and here.forward_urls else ""
        for name, environment in config.environments.items()
    }
    apps = [app for name in context.config.environments for app in context.config.apps(name).values()]
    address = control.up(
        context.paths.sandbox,
        apps=apps,
        database=database,
        port=port,
        boot_timeout=context.config.limits.boot,
        registry=here.registry if here else "",
        forwarded=forwarded,
    )
    return _shown(context, f"the sandbox is running at {address.url}")


def down(context: Context) -> Result:
    """Stop the sandbox and everything that it started."""
    context.changes("stop the sandbox and everything that it started")
    ended = control.down(context.paths.sandbox)
    return Result(Outcome.SUCCEEDED, "the sandbox is stopped" if ended else "the sandbox was not running")


def status(context: Context) -> Result:
    """Addresses, releases and processes; exit code 1 when the sandbox is not running."""
    return _shown(context, "the sandbox is running")


def logs(context: Context, app: str, num: int) -> None:
    """The last lines of an app's log, without the values of its config vars."""
    from ..platforms.base import open_platform

    config = replace(context.config, target="sandbox")
    platform = open_platform(config, context.paths, context.environ)
    mask = platform.mask(app)
    written = platform.logs(app, datetime.now(UTC))
    lines = (mask(line.decode("utf-8", "replace")) for line in written[max(0, len(written) - num) :])
    if context.screen.json:
        found = list(lines)
        said = f"{count(len(found), 'line')} of {app}"
        stop(context.screen, Result(Outcome.SUCCEEDED, said, details={"lines": found}), context)
        return
    for line in lines:
        context.screen.line(line)


def env(context: Context) -> None:
    """Shell lines to be read by `eval`; one of them is the sandbox's API key."""
    client = import_module(f"{control.__package__}.{SANDBOX}.client")
    exports: dict[str, str] = client.variables(context.paths.sandbox)
    if context.screen.json:
        said = count(len(exports), "variable")
        stop(context.screen, Result(Outcome.SUCCEEDED, said, details={"variables": exports}), context)
        return
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")


def faults(context: Context, said: str) -> Result:
    """Set the faults if `said` names any, and list the armed ones."""
    if said:
        try:
            wanted = [] if said == "none" else json.loads(said)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--set is not valid JSON: {error}") from error
        if not isinstance(wanted, list):
            raise UsageError("--set is not a JSON list: write [{…}, …], or none")
        context.changes(f"arm {count(len(wanted), 'fault')}")
        control.set_faults(context.paths.sandbox, wanted)
    armed = control.get_faults(context.paths.sandbox)
    for fault in armed:
        context.screen.line(f"  {json.dumps(fault)}")
    return Result(Outcome.SUCCEEDED, f"{count(len(armed), 'fault')} armed", details={"faults": armed})


def _shown(context: Context, line: str) -> Result:
    seen = control.status(context.paths.sandbox)
    if seen is None:
        return Result(
            Outcome.FAILED,
            "the sandbox is not running: run `invoke sandbox.up`",
            code=1,
            next=("invoke sandbox.up",),
        )
    for app in seen.apps:
        processes = ", ".join(f"{name} {state}" for name, state in app.processes.items()) or "no processes"
        release = release_name(app.release or 0) or "no release"
        context.screen.fact(app.name, f"{app.web_url} {release}, {processes}")
    return Result(Outcome.SUCCEEDED, line, details=msgspec.to_builtins(seen))
