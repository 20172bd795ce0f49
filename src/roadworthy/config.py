"""`release.toml`, read strictly into frozen values.

An unknown key, a wrong type or an environment that does not exist is a `UsageError` that names the file, the
line and what is expected. Nothing here reads a secret, the process environment or `.env`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from . import config_rules as rules
from . import toml
from .compatibility import SOURCE
from .config_rules import APP_NAME as APP_NAME
from .config_rules import HARMLESS as HARMLESS
from .errors import UsageError
from .toml import FILE as FILE

LONGEST: Final = 365 * 24 * 3600.0  # seconds: what is longer is a slip, and overflows the system's timers
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """Seconds, written in the file as "250ms", "10s", "5m" or "72h"."""


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is released."""

    name: str


class Packaged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of a commit becomes a package, and what that is.

    `release_phase` is the one command that the release phase of the start commands may be; empty: it may have none.

    `component` is its name in the release package's manifest; `type` is one of the kinds of component that
    the deployment contract lets through this pipeline (section 3).

    The other keys are for `kind = "image"`: the `repository` (registry/name) it is pushed to, the `dockerfile`
    inside of `path`, the `engine` that builds it (empty: the first that is there), `platforms` (empty: the
    engine's own) and `build_args`, which stand in the image for everybody to read.
    """

    kind: str = SOURCE
    path: str = "."
    release_phase: str = ""
    component: str = "web"
    type: Literal["storefront", "backend service", "shop agent", "control plane"] = "backend service"
    repository: str = ""
    dockerfile: str = "Dockerfile"
    engine: str = ""
    platforms: tuple[str, ...] = ()
    build_args: dict[str, str] = {}


class PackageRules(Packaged, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first component, and where in its package the migrations of the project's database are: a folder, or
    "none" for a project that has no migrations.
    """

    migrations: str = "migrations/versions"

    @property
    def migrates(self) -> bool:
        """Whether the project has migrations."""
        return self.migrations != rules.NONE


class Component(Packaged, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Another component, with an app of its own in each environment; `test` is the command of its tests."""

    component: str
    path: str
    test: str


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands of the app, each a line for bash: its tests, its migration and its revision query.

    `{revision}` in `migrate` stands for the revision to migrate to, the package's head. In acceptance `heads` and
    `history` ask the migration tool what it would run, as `alembic heads` and `alembic history --verbose` print it.
    """

    test: str
    migrate: str = ""
    revision: str = ""
    heads: str = "python -m alembic heads"
    history: str = "python -m alembic history --verbose"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where environments live. `api` empty means the sandbox's own address; `poll` is seconds between looks.

    `watch` bounds every degradation window here (seconds, 0: no bound), `watch_every` is between two rounds of it.
    `registry`: where the sandbox finds images.
    `forward_urls`: the sandbox's router tells apps the scheme and the host of their environment's `url`.
    `approved_policy`: production is judged only by files that the holder of another key has approved.
    """

    platform: str
    api: str = ""
    poll: Duration = Duration(1.0)
    watch: Duration = Duration(0.0)
    watch_every: Duration = Duration(2.0)
    registry: str = ""
    forward_urls: bool = False
    approved_policy: bool = False


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One app on the platform, or one for each component: `app` is the first's, `apps` those of the others.

    `certified_in` names the environment a package must be certified in first. `watch` is the degradation window
    after a deploy, in seconds; 0 means none.
    """

    app: str
    apps: dict[str, str] = {}
    url: str = ""
    aliases: tuple[str, ...] = ()
    production: bool = False
    certified_in: str = ""
    watch: Duration = Duration(0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of every app of it."""
        return (self.app, *self.apps.values(), *self.aliases)


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

    `json` maps a path in the body, dotted keys or a JSON Pointer, to the value that must be there, whole and equal;
    `{commit}` stands for the 40-character commit that should run. `headers` maps a header name to a word its value
    must contain. `cookies` must be set by the answer. `within` is the latency budget in seconds. `component` is the
    one of `[[components]]` that is asked; empty means the first, which is `[package]`. `send` are headers of the
    request; `send_from` are those whose value is a secret: header name to the environment variable that has it.
    """

    name: str
    path: str
    component: str = ""
    method: str = "GET"
    status: int = 200
    json: dict[str, str | int | bool | None] = {}
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()
    within: Duration = Duration(5.0)
    send: dict[str, str] = {}
    send_from: dict[str, str] = {}


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a degradation window forgives, for each check, compared with the answers before the deploy.

    `errors` is by how many percentage points more of its answers may fail. Its median time may be `slower`
    times the old one, or the old one and `noise` (seconds), whichever is more.
    """

    errors: int = 5
    slower: int = 2
    noise: Duration = Duration(0.25)


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a package is proven before it is released, in a place of its own that can change nothing else.

    `config` are the app's config vars there; `{folder}` in a value stands for an empty folder that is removed
    afterwards. DATABASE_URL is a SQLite file in that folder unless it is said here. `browser`, `infra` and
    `identity` are commands of this project's own checks, run in the unpacked package's folder; empty means
    there is none. `credentials` names the variables of the process environment that they get; none of them
    may be able to change production. The checks ask as if behind a router at `forward_url`.
    """

    config: dict[str, str] = {}
    browser: str = ""
    infra: str = ""
    identity: str = ""
    credentials: tuple[str, ...] = ()
    forward_url: str = ""


Criterion = Literal["stages_in_order", "package_runs", "checks_pass", "schema_is_current", "evidence_is_kept"]


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Definition of Done: what must hold before a deployment is complete (deployment contract, section 11)."""

    criteria: tuple[Criterion, ...] = get_args(Criterion)


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the stages may take. With mode `enforce` a stage that took longer makes the decision NO."""

    mode: Literal["observe", "enforce"] = "observe"
    commit: Duration = Duration(300.0)
    acceptance: Duration = Duration(900.0)
    production: Duration = Duration(1200.0)


class LogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A regular expression that no log line since the release may match; with `on` false it is not asked."""

    name: str
    pattern: str
    on: bool = True


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of the log scan."""

    rules: tuple[LogRule, ...] = ()


class Blockers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that lists open P0 and P1 issues when no issue tracker is configured."""

    file: str = "docs/blockers.toml"


class GitHub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the commit's CI result and the open blockers are read.

    `gate` says whose check it is: the released commit's own, or that of the head of the pull request that was
    merged as it, for a queue that squashes.
    """

    repository: str
    check: str
    gate: Literal["commit", "pull-request"] = "commit"
    app_id: int = 15368  # GitHub Actions
    api: str = "https://api.github.com"
    blocker_labels: tuple[str, ...] = ("P0", "P1")


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the journal is: `store` empty means a folder, else `s3://`, `gs://` or `az://` bucket and prefix.

    `endpoint` is the server's address where it is not the provider's usual one; for `az://` it names the
    account. `region` is S3's. `sandbox` lets the sandbox journal there too, below a folder of its own.
    """

    store: str = ""
    endpoint: str = ""
    region: str = ""
    sandbox: bool = False


class ScopeRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the product a path belongs to: globs for each part. Without rules, all needs a deploy.

    `infra_rollout` is the part of the infrastructure that rolls out the runtime anew; without it all of it does.
    """

    runtime: tuple[str, ...] = ()
    infra: tuple[str, ...] = ()
    infra_rollout: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    migration: tuple[str, ...] = ()
    desktop: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    toolkit: tuple[str, ...] = ()


class DocsDriftRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which paths may not change unless one of `targets` does, too: `critical` blocks, `blocking` advises."""

    critical: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `release.toml`."""

    schema: int
    target: str
    project: Project
    package: PackageRules
    commands: Commands
    targets: dict[str, Target]
    environments: dict[str, Environment]
    components: tuple[Component, ...] = ()
    limits: Limits = Limits()
    watch: Watch = Watch()
    checks: tuple[HttpCheck, ...] = ()
    logs: Logs = Logs()
    acceptance: Acceptance = Acceptance()
    done: Done = Done()
    slo: Slo = Slo()
    blockers: Blockers = Blockers()
    journal: Journal = Journal()
    scope: ScopeRules = ScopeRules()
    docs_drift: DocsDriftRules = DocsDriftRules()
    github: GitHub | None = None

    def environment(self, name: str) -> Environment:
        """The environment of that name; raises UsageError that lists the ones there are."""
        return self.environments[self.name_of(name)]

    @property
    def packaged(self) -> tuple[Packaged, ...]:
        """Every component, in the order in which they are deployed."""
        return (self.package, *self.components)

    def component(self, name: str) -> Packaged:
        """The component of that name; "" is the only one of a project that has one."""
        return next((c for c in self.packaged if c.component == name), self.package)

    def apps(self, environment: str) -> dict[str, str]:
        """The app of each component in an environment, in the order in which they are deployed."""
        there = self.environment(environment)
        return {c.component: there.apps.get(c.component, there.app) for c in self.packaged}

    def app(self, said: str) -> str:
        """The app that a person named: by its own name, else the first of the environment."""
        environment = self.environment(said)
        return said if said in (environment.app, *environment.apps.values()) else environment.app

    def name_of(self, said: str) -> str:
        """The environment's name, for its name, that of an app of it or one of the aliases."""
        for name, environment in self.environments.items():
            if said in (name, *environment.names):
                return name
        known = ", ".join(f"{name} ({e.app})" for name, e in self.environments.items())
        raise UsageError(f"unknown environment {said[:60]!r}: {FILE} declares {known}")


_T = TypeVar("_T")


def read(root: Path) -> Config:
    """Read `root/release.toml`. Raises UsageError naming the line of what is wrong."""
    return decode(toml.read_bytes(root))


def decode(data: bytes) -> Config:
    """The values in the bytes of a `release.toml`. Raises UsageError naming the line of what is wrong."""
    return parse(toml.text_of(data))


def parse(text: str) -> Config:
    """Parse the text of a `release.toml`; raises UsageError as `read` does."""
    data = toml.load(text)
    # Tables and lists whose keys are names are read one by one, so that an error can name the very one.
    for table, kind in (("targets", Target), ("environments", Environment)):
        if isinstance(data.get(table), dict):
            for name, value in data[table].items():
                _convert(value, kind, text, (table, name))
    config = _convert(data, Config, text, ())
    for at, problem in rules.broken(config):
        raise toml.mistake(text, at, problem)
    return config


def _convert(value: Any, kind: type[_T], text: str, at: toml.Keys) -> _T:
    try:
        return msgspec.convert(value, kind, dec_hook=_duration)
    except msgspec.ValidationError as error:
        said, _, path = str(error).rpartition(" - at `$")
        steps = re.findall(r"\.([A-Za-z_]+)|\[([0-9]+)\]", path if said else "")
        problem = said or str(error)
        keys = (*at, *(name or int(index) for name, index in steps))
        if unknown := re.search(r"unknown field `(.*)`$", problem, re.DOTALL):
            keys, problem = (*keys, unknown[1]), f"unknown key{_known(kind, keys[len(at) :])}"
        elif missing := re.search(r"missing required field `(.*)`$", problem):
            problem = f"the key {missing[1]!r} is missing"
        raise toml.mistake(text, keys, problem[:1].lower() + problem[1:].replace("`", "")) from error


def _known(kind: Any, steps: toml.Keys) -> str:
    """The keys that may stand where `steps` lead to from a table of `kind`, as the end of a sentence."""
    for step in steps:
        if isinstance(step, str):
            kind = next((f.type for f in msgspec.structs.fields(kind) if f.name == step), None)
        kind = next((k for k in get_args(kind) if isinstance(k, type)), kind)
    names = (
        [field.name for field in msgspec.structs.fields(kind)] if msgspec.inspect.is_struct_type(kind) else []
    )
    return f": expected {', '.join(names)}" if names else ""


def _duration(kind: type, value: Any) -> Any:
    if kind is not Duration:
        raise NotImplementedError(kind)
    return duration(value)


def duration(value: Any) -> Duration:
    """Seconds of a text like "10m". Raises ValueError that says how a duration is written."""
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h)", value) if isinstance(value, str) else None
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST:
        raise ValueError(
            f'{str(value)[:40]!r} is not a duration: write "250ms", "10s", "5m" or "72h", at most a year'
        )
    return Duration(seconds)
