"""What `release.toml` may say, beyond the types of its values: rules, each broken at one place.

The most important one: no app belongs to two environments. Otherwise an environment that is not production
could name the production app, and its commands would ask for no key.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from . import globs, references
from .compatibility import SOURCE, START_FILE
from .drivers import DRIVERS
from .errors import UsageError
from .toml import Keys

if TYPE_CHECKING:
    from .config import Config, Environment, HttpCheck, Journal, Packaged

# Patterns are compiled when first used: few projects need them all. Guards of projects use this one.
APP_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")  # what platforms take as an app's name
ENVIRONMENT_NAME: Final = r"[a-z][a-z0-9-]{0,30}"
REPOSITORY: Final = r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+"
ENGINES: Final = ("docker", "podman", "buildah")  # in the order in which they are looked for
PLATFORM: Final = r"[a-z0-9]{1,20}/[a-z0-9]{1,20}(/[a-z0-9]{1,20})?"
BUILD_ARG: Final = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
COMPONENT: Final = r"[a-z][a-z0-9]{0,30}"
METHOD: Final = r"[A-Z]{3,10}"
HARMLESS: Final = ("GET", "HEAD", "OPTIONS")  # methods that change nothing, so they may be asked again
TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110, 5.6.2: a header's or cookie's name
OFTENEST: Final = 1.0  # seconds between two rounds of a degradation window, but on the sandbox
VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
POINTER: Final = r"(/([^~/]|~[01])*)+"  # RFC 6901
# What frames a request, or chooses whom it reaches, is no header of a check.
NOT_SENT: Final = (
    *("connection", "content-length", "expect", "host", "keep-alive"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
)
_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
URL: Final = rf"https?://{_HOST}(/[^\s?#@\\]*)?"
ORIGIN: Final = rf"https?://{_HOST}"
# A bucket's name may be part of a host name, a prefix's parts are names of the journal's store.
STORE: Final = r"(s3|gs|az)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,8}"
REGION: Final = r"[a-z0-9-]{1,40}"
LOOPBACK: Final = r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/[^\s?#@\\]*)?"
Broken = Iterator[tuple[Keys, str]]


def broken(config: Config) -> Broken:
    """Each rule that `config` breaks: where, and what is expected."""
    if config.schema != 1:
        yield ("schema",), f"{config.schema} is not known: expected 1"
    yield from _package(config)
    yield from _targets(config)
    yield from _environments(config)
    yield from _watch(config)
    for number, check in enumerate(config.checks):
        for key, problem in _check(check):
            yield ("checks", number, key), problem
        if check.component not in ("", *(c.component for c in config.components)):
            problem = f"unknown component {check.component!r}: expected one of [[components]]"
            yield ("checks", number, "component"), problem
        if check.name in [earlier.name for earlier in config.checks[:number]]:
            yield ("checks", number, "name"), f"a check named {check.name!r} is there already"
    for number, rule in enumerate(config.logs.rules):
        try:
            re.compile(rule.pattern.encode())
        except (re.error, OverflowError, RecursionError) as error:
            at = ("logs", "rules", number, "pattern")
            yield at, f"log rule {rule.name!r} is not a regular expression: {error}"
    if not inside(config.blockers.file):
        yield ("blockers", "file"), f"{config.blockers.file!r}: expected a path inside the project"
    yield from _journal(config.journal)
    yield from _globs(config)
    forwarded = config.acceptance.forward_url
    if forwarded and not re.fullmatch(ORIGIN, forwarded):
        yield ("acceptance", "forward_url"), "expected scheme and host, such as https://app.example.com"
    if config.github:
        if not re.fullmatch(REPOSITORY, config.github.repository):
            yield ("github", "repository"), f"{config.github.repository!r}: expected owner/name"
        if not _https(config.github.api) and not re.fullmatch(LOOPBACK, config.github.api):
            yield (
                ("github", "api"),
                "expected an address that begins with https://; http:// only for this machine",
            )


NONE: Final = "none"
"""In place of the folder of migrations: the project has none."""


def inside(path: str) -> bool:
    """Whether this relative path cannot leave the folder it is relative to."""
    return bool(path) and not path.startswith(("/", "-", "~")) and ".." not in PurePosixPath(path).parts


def _package(config: Config) -> Broken:
    yield from _packaged(config.package, ("package",))
    if not inside(config.package.migrations):
        yield ("package", "migrations"), f"{config.package.migrations!r}: expected a folder below the project"
    for number, component in enumerate(config.components):
        at: Keys = ("components", number)
        yield from _packaged(component, at)
        if not component.test.strip():
            yield (*at, "test"), "the command is empty"
        yield from _words((*at, "test"), component.test)
        if component.component in [c.component for c in config.packaged[: number + 1]]:
            yield (*at, "component"), f"a component named {component.component!r} is there already"
        if component.repository and component.repository in [
            c.repository for c in config.packaged[: number + 1]
        ]:
            yield (*at, "repository"), "another component's images are there already: each has its own"
        if component.kind != config.package.kind:
            yield (*at, "kind"), f"all components are of one kind: [package] says {config.package.kind!r}"
    migrates = config.package.migrates
    for key in ("test", "migrate", "revision", "heads", "history"):
        said = getattr(config.commands, key).strip()
        if not said and (migrates or key not in ("migrate", "revision")):
            yield ("commands", key), "the command is empty"
        if said and not migrates and key in ("migrate", "revision"):
            yield ("commands", key), 'package.migrations is "none", so remove this key'
        yield from _words(("commands", key), getattr(config.commands, key))
    for key in ("browser", "infra", "identity"):
        yield from _words(("acceptance", key), getattr(config.acceptance, key))


def _packaged(package: Packaged, at: Keys) -> Broken:
    if package.kind not in (SOURCE, "image"):
        yield (*at, "kind"), f"unknown package kind {package.kind!r}: expected {SOURCE!r} or 'image'"
    for key, problem in _image(package):
        yield (*at, key), problem
    if not inside(package.path):
        yield (*at, "path"), f"{package.path!r}: expected a folder below the project"
    if PurePosixPath(package.path).parts[:1] == ("instances",):
        yield (*at, "path"), "what lies under /instances is runtime state, and is never deployed"
    if problem := _phase(package):
        yield (*at, "release_phase"), problem
    if not re.fullmatch(COMPONENT, package.component):
        yield (*at, "component"), f"{package.component!r}: expected small letters and digits"


def _phase(package: Packaged) -> str:
    """What is wrong with the declared release phase; "" when nothing is."""
    said = package.release_phase
    if said and package.kind == "image":
        return "an image has no release phase: remove this key"
    if said and (not said.isprintable() or said != said.strip()):
        return f"expected the command as the {START_FILE} has it, without spaces around it"
    return ""


def _words(at: Keys, said: str) -> Broken:
    try:
        shlex.split(said, comments=True)
    except ValueError as error:
        yield at, f"not valid shell words: {str(error).lower()}"


def _image(package: Packaged) -> Iterator[tuple[str, str]]:
    if package.kind != "image":
        for key in ("repository", "engine", "platforms", "build_args"):
            if getattr(package, key):
                yield key, 'this is for kind = "image": set that kind, or remove this key'
        return
    try:
        references.repository(package.repository)
    except UsageError as error:
        yield "repository", str(error)
    if not inside(package.dockerfile):
        yield "dockerfile", f"{package.dockerfile!r}: expected a file inside its path"
    if package.engine not in ("", *ENGINES):
        yield "engine", f"unknown engine {package.engine!r}: expected {', '.join(ENGINES)}"
    for platform in package.platforms:
        if not re.fullmatch(PLATFORM, platform):
            yield "platforms", f"{platform!r}: expected a platform such as linux/amd64"
    for name, value in package.build_args.items():
        if not re.fullmatch(BUILD_ARG, name) or name == "GIT_SHA" or not value.isprintable():
            yield "build_args", f"{name[:40]!r}: expected a name and one line; GIT_SHA is ours"


def _targets(config: Config) -> Broken:
    if config.target not in config.targets:
        yield ("target",), f"unknown target {config.target!r}: expected one of {', '.join(config.targets)}"
    for name, target in config.targets.items():
        if target.platform not in DRIVERS:
            at = ("targets", name, "platform")
            expected = " or ".join(map(repr, DRIVERS))
            yield at, f"unknown platform {target.platform!r}: expected {expected}"
        if target.registry and not (
            name == "sandbox" and re.fullmatch(LOOPBACK, f"http://{target.registry}")
        ):
            at = ("targets", name, "registry")
            yield at, "this is for the sandbox, and a host of this machine such as 127.0.0.1:5000"
        if name != "sandbox" and target.watch_every < OFTENEST:
            yield (
                ("targets", name, "watch_every"),
                f"expected at least {OFTENEST:g} s: so that the window adds little load",
            )
        if name != "sandbox" and target.forward_urls:
            yield (
                ("targets", name, "forward_urls"),
                "this is for the sandbox: a live router says what is true",
            )
        if name == "sandbox" and target.approved_policy:
            yield ("targets", name, "approved_policy"), "the sandbox has one key, so nobody else can approve"
        if name == "sandbox" and target.api:
            yield ("targets", name, "api"), "the sandbox knows its own address: remove this key"
        if name != "sandbox" and not _https(target.api):
            yield ("targets", name, "api"), f"target {name!r} needs an api that begins with https://"


def _environments(config: Config) -> Broken:
    owner: dict[str, str] = {}
    if not config.environments:
        yield ("environments",), "at least one environment is needed"
    for name, environment in config.environments.items():
        at = ("environments", name)
        if not re.fullmatch(ENVIRONMENT_NAME, name):
            yield at, f"environment name {name!r}: expected lower-case letters, digits and dashes"
        named: list[tuple[Keys, str]] = [(("app",), environment.app)]
        named += [(("apps", component), app) for component, app in environment.apps.items()]
        named += [(("aliases",), alias) for alias in environment.aliases]
        for keys, app in named:
            if not APP_NAME.fullmatch(app):
                yield (
                    (*at, *keys),
                    f"app name {app!r}: expected 3 to 30 lower-case letters, digits and dashes",
                )
        yield from _apps(config, environment, at)
        for said in (name, *environment.names):
            if owner.setdefault(said, name) != name:
                yield (
                    (*at, "app"),
                    f"{said!r} names the environment {owner[said]!r} already: names must be unique",
                )
        if environment.url and not re.fullmatch(URL, environment.url):
            yield (*at, "url"), "expected an address such as https://app.example.com"
        if environment.certified_in and environment.certified_in not in config.environments:
            yield (*at, "certified_in"), f"unknown environment {environment.certified_in!r}"
        if environment.certified_in == name:
            yield (*at, "certified_in"), "an environment cannot certify for itself: name the one before it"


def _apps(config: Config, environment: Environment, at: Keys) -> Broken:
    """Each component has an app of its own, so that none is released over another."""
    wanted = [component.component for component in config.components]
    if missing := [component for component in wanted if component not in environment.apps]:
        yield at, f'component {missing[0]!r} has no app here: add apps = {{ {missing[0]} = "…" }}'
    for component, app in environment.apps.items():
        if component not in wanted:
            known = ", ".join(wanted) or "none"
            yield (*at, "apps", component), f"unknown component: [[components]] declares {known}"
        elif [environment.app, *environment.apps.values()].count(app) > 1:
            yield (*at, "apps", component), f"{app!r} is the app of another component already"


def _watch(config: Config) -> Broken:
    rules = config.watch
    if not 0 <= rules.errors <= 100:
        yield ("watch", "errors"), f"{rules.errors} is not a number of percentage points: expected 0 to 100"
    if not 1 <= rules.slower <= 1000:
        yield ("watch", "slower"), f"{rules.slower} is not a factor: expected 1 to 1000"
    if any(check.method in HARMLESS for check in config.checks):
        return
    for name, environment in config.environments.items():
        if environment.watch:
            at = ("environments", name, "watch")
            yield at, f"there is no check to repeat: declare one of {', '.join(HARMLESS)}"


def _check(check: HttpCheck) -> Iterator[tuple[str, str]]:
    if not check.path.startswith("/") or not re.fullmatch(r"[!-~]+", check.path):
        yield "path", f"{check.path!r}: expected a path that begins with /, without spaces"
    if not re.fullmatch(METHOD, check.method):
        yield "method", f"{check.method!r} is not an HTTP method: expected GET, POST, …"
    if not 100 <= check.status <= 599:
        yield "status", f"{check.status} is not an HTTP status: expected 100 to 599"
    named = ("headers", check.headers), ("cookies", check.cookies), ("send", check.send)
    for key, names in (*named, ("send_from", check.send_from)):
        for name in names:
            if not re.fullmatch(TOKEN, name):
                yield key, f"{name!r} is no name of one"
    for path in check.json:
        if path.startswith("/") and not re.fullmatch(POINTER, path):
            yield "json", f"{path!r} is not a JSON Pointer: ~ must be followed by 0 or 1"
    yield from _request(check)


def _request(check: HttpCheck) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for key, headers in (("send", check.send), ("send_from", check.send_from)):
        for name, value in headers.items():
            if name.lower() in NOT_SENT:
                yield key, f"{name} must not be set by a check"
            if name.lower() in seen:
                yield key, f"{name} is there already"
            seen.add(name.lower())
            if key == "send_from" and not re.fullmatch(VARIABLE, value):
                yield key, f"{name} needs the name of a variable, never its value"
            if key == "send" and not (value.isascii() and value.isprintable() and value == value.strip()):
                yield key, f"{name} is not a header value: expected one line of ASCII"


def _journal(journal: Journal) -> Broken:
    store, endpoint = journal.store, journal.endpoint
    if not store:
        for key in ("endpoint", "region", "sandbox"):
            if getattr(journal, key):
                yield ("journal", key), "the journal is a folder: name a store, or remove this key"
        return
    if not re.fullmatch(STORE, store):
        yield (
            ("journal", "store"),
            f"{store!r}: expected s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        )
    if endpoint and not _https(endpoint) and not re.fullmatch(LOOPBACK, endpoint):
        yield (
            ("journal", "endpoint"),
            "expected an address that begins with https://; http:// only for this machine",
        )
    if store.startswith("az://") and not endpoint:
        yield ("journal", "store"), "az:// needs an endpoint: https://ACCOUNT.blob.core.windows.net"
    if journal.region and not (store.startswith("s3://") and re.fullmatch(REGION, journal.region)):
        yield ("journal", "region"), f"{journal.region!r}: expected a region of S3, such as eu-central-1"


def _globs(config: Config) -> Broken:
    for table, rules in (("scope", config.scope), ("docs_drift", config.docs_drift)):
        for key in rules.__struct_fields__:
            for glob in getattr(rules, key):
                if problem := globs.problem(glob):
                    yield (table, key), problem
    if (config.docs_drift.critical or config.docs_drift.blocking) and not config.docs_drift.targets:
        yield ("docs_drift",), "these paths require documentation: name its place in targets"


def _https(address: str) -> bool:
    return address.startswith("https://") and bool(re.fullmatch(URL, address))
