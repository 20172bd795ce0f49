"""`release.toml`, read strictly into frozen values.

An unknown key, a wrong type or an environment that does not exist is a `UsageError` that names the file, the
line and what is expected. Nothing here reads a secret, the process environment or `.env`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from .errors import UsageError

FILE: Final = "release.toml"
APP_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")  # Heroku's own rule for app names
ENVIRONMENT_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """Seconds, written in the file as "250ms", "10s", "5m" or "72h"."""


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is released."""

    name: str
    branch: str = "main"


class PackageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a commit becomes the package, and where its migrations are inside it."""

    kind: str = "slug"
    path: str = "."
    migrations: str = "migrations/versions"


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shell words of the app: its tests here; its migration and its revision query as one-off processes."""

    test: str
    migrate: str
    revision: str


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where environments live. `api` empty means the sandbox's own address; `poll` is seconds between looks."""

    platform: str
    api: str = ""
    poll: Duration = Duration(1.0)


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One app on the platform. `certified_in` names the environment a package must be certified in first."""

    app: str
    url: str = ""
    aliases: tuple[str, ...] = ()
    production: bool = False
    certified_in: str = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of every wait, in seconds."""

    http: Duration = Duration(10.0)
    release: Duration = Duration(120.0)
    boot: Duration = Duration(60.0)
    oneoff: Duration = Duration(900.0)
    verify: Duration = Duration(30.0)
    rollback: Duration = Duration(120.0)
    certificate: Duration = Duration(259200.0)


class HttpCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question asked of a running release.

    `json` maps a dotted path in the body to the value that must be there, whole and equal; `{commit}` stands
    for the 40-character commit that should run. `headers` maps a header name to a word its value must
    contain. `cookies` must be set by the answer. `within` is the latency budget in seconds.
    """

    name: str
    path: str
    method: str = "GET"
    status: int = 200
    json: dict[str, str | int | bool | None] = {}
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()
    within: Duration = Duration(5.0)


class LogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A regular expression that no log line since the release may match."""

    name: str
    pattern: str


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of the log scan."""

    rules: tuple[LogRule, ...] = ()


class Blockers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that lists open P0 and P1 issues when no issue tracker is configured."""

    file: str = "docs/blockers.toml"


class GitHub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the commit's CI result and the open blockers are read."""

    repository: str
    check: str
    app_id: int = 15368  # GitHub Actions
    api: str = "https://api.github.com"
    blocker_labels: tuple[str, ...] = ("P0", "P1")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `release.toml`."""

    schema: int
    target: str
    project: Project
    package: PackageRules
    commands: Commands
    targets: dict[str, Target]
    environments: dict[str, Environment]
    limits: Limits = Limits()
    checks: tuple[HttpCheck, ...] = ()
    logs: Logs = Logs()
    blockers: Blockers = Blockers()
    github: GitHub | None = None

    def environment(self, name: str) -> Environment:
        """The environment of that name; raises UsageError that lists the ones there are."""
        return self.environments[self.name_of(name)]

    def name_of(self, said: str) -> str:
        """The environment's name, for its name, its app's or one of the app's aliases."""
        for name, environment in self.environments.items():
            if said in (name, environment.app, *environment.aliases):
                return name
        known = ", ".join(f"{name} ({e.app})" for name, e in self.environments.items())
        raise UsageError(f"unknown environment {said[:60]!r}: {FILE} declares {known}")


_T = TypeVar("_T")


def read(root: Path) -> Config:
    """Read `root/release.toml`. Raises UsageError naming the line of what is wrong."""
    path = root / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no {FILE} in {root.name}/: run this from the project, or write one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{FILE} cannot be read: {error}") from error
    return parse(text)


def parse(text: str) -> Config:
    """Parse the text of a `release.toml`; raises UsageError as `read` does."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{FILE}: {error}") from error
    # Tables and lists whose keys are names are read one by one, so that an error can name the very one.
    for table, kind in (("targets", Target), ("environments", Environment)):
        if isinstance(data.get(table), dict):
            for name, value in data[table].items():
                _convert(value, kind, text, (table, name))
    for index, value in enumerate(data["checks"]) if isinstance(data.get("checks"), list) else ():
        _convert(value, HttpCheck, text, ("checks",), index)
    config = _convert(data, Config, text, ())
    _check(config, text)
    return config


def _check(config: Config, text: str) -> None:
    """Rules that types cannot say."""

    def refuse(keys: tuple[str, ...], problem: str) -> None:
        raise UsageError(f"{FILE}:{_line(text, keys)}: {problem}")

    if config.schema != 1:
        refuse(("schema",), f"schema {config.schema} is not known: expected 1")
    if config.target not in config.targets:
        refuse(("target",), f"unknown target {config.target!r}: expected one of {', '.join(config.targets)}")
    if config.package.kind != "slug":
        refuse(("package", "kind"), f"unknown package kind {config.package.kind!r}: expected 'slug'")
    for name, target in config.targets.items():
        if target.platform != "heroku":
            refuse(("targets", name, "platform"), f"unknown platform {target.platform!r}: expected 'heroku'")
        if name != "sandbox" and not target.api.startswith("https://"):
            refuse(("targets", name), f"target {name!r} needs an api that begins with https://")
    for name, environment in config.environments.items():
        at = ("environments", name)
        if not ENVIRONMENT_NAME.fullmatch(name):
            refuse(at, f"environment name {name!r}: expected lower-case letters, digits and dashes")
        for app in (environment.app, *environment.aliases):
            if not APP_NAME.fullmatch(app):
                refuse(
                    (*at, "app"), f"app name {app!r}: expected 3 to 30 lower-case letters, digits and dashes"
                )
        if environment.certified_in and environment.certified_in not in config.environments:
            refuse((*at, "certified_in"), f"unknown environment {environment.certified_in!r}")
    for rule in config.logs.rules:
        try:
            re.compile(rule.pattern)
        except re.error as error:
            refuse(("logs", "rules"), f"log rule {rule.name!r} is no regular expression: {error}")


def _convert(value: Any, kind: type[_T], text: str, at: tuple[str, ...], index: int = 0) -> _T:
    try:
        return msgspec.convert(value, kind, dec_hook=_duration)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        unknown = re.search(r"unknown field `([^`]+)`", problem)
        keys = (*at, *re.findall(r"\.([A-Za-z_]+)", path), *([unknown[1]] if unknown else []))
        where = ".".join(keys) or "the file"
        raise UsageError(f"{FILE}:{_line(text, keys, index)}: {where}: {problem}") from error


def _duration(kind: type, value: Any) -> Any:
    if kind is not Duration:
        raise NotImplementedError(kind)
    match = re.fullmatch(r"([0-9]+)(ms|s|m|h)", value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{value!r} is no duration: write "250ms", "10s", "5m" or "72h"')
    return Duration(int(match[1]) * _UNITS[match[2]])


def _line(text: str, keys: tuple[str, ...], index: int = 0) -> int:
    """The line of the file where `keys` stands, as near as its tables tell; 1 when nowhere."""
    table: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            seen[table] = seen.get(table, -1) + 1
            here = table
        else:
            key = re.match(r"\s*([A-Za-z0-9_\"'-]+)\s*=", line)
            if not key:
                continue
            here = (*table, key[1].strip("\"'"))
        if (
            here == keys[: len(here)]
            and len(here) > depth
            and seen.get(table, 0) == (index if table == ("checks",) else 0)
        ):
            best, depth = number, len(here)
    return best
