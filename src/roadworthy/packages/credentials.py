"""Who we are to a registry: the places that docker, podman, buildah and skopeo look in, in their order.

1. the text of DOCKER_AUTH_CONFIG;
2. the file REGISTRY_AUTH_FILE; without it `${XDG_RUNTIME_DIR}/containers/auth.json`, and without that folder
   `/run/containers/<uid>/auth.json`;
3. `${XDG_CONFIG_HOME}/containers/auth.json`, which is `~/.config/containers/auth.json` mostly;
4. `config.json` in DOCKER_CONFIG or `~/.docker`, with its credential helpers;
5. `~/.dockercfg`.

The first that knows the repository, a folder of it or its registry wins (containers-auth.json(5)). What is wrong
with one entry or file spoils only that; it is said when no other place has a login. A platform's own registry
takes the platform's key, Docker Hub DOCKERHUB_USERNAME with DOCKERHUB_TOKEN. What is read here is never in a
message or on a command line.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ..drivers import TRAITS
from ..errors import UsageError
from ..files import read_file
from ..mask import Masked
from ..references import HUB
from . import helpers

MOST: Final = 1 << 20  # bytes of a file
REGISTRIES: Final = (*(traits.registry for traits in TRAITS.values()), HUB)
"""Those to which variables of ours give a login."""
WHERE: Final = "a login of docker or podman"
_HUB_SERVER: Final = "https://index.docker.io/v1/"
_HUB_HOSTS: Final = ("index.docker.io", "registry-1.docker.io", HUB)
_KEYCHAINS: Final = ("desktop", "osxkeychain", "wincred")
# What `az acr login` writes as the user; then the identity token is the password (Azure's documentation).
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


class Login(Masked, frozen=True):
    """A user and a password or token; neither is shown."""

    HIDES = ("user", "password")

    user: str
    password: str


class Place(Masked, frozen=True):
    """Where logins may be: `text`, or a file. `by` are the engines that look there themselves."""

    HIDES = ("text",)

    where: str
    by: tuple[str, ...]
    file: Path | None = None
    text: str = ""
    legacy: bool = False  # of ~/.dockercfg: entries without `auths` around them


class Entry(msgspec.Struct):
    """What `auths` says of one registry or repository."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class Document(msgspec.Struct, rename="camel"):
    """A file of logins. The entries stay as they are, so that one which nobody can read spoils no other."""

    auths: dict[str, msgspec.Raw] | None = None
    cred_helpers: dict[str, str] | None = None
    creds_store: str | None = None


class Found(Masked, frozen=True):
    """A login, and the engines that find it themselves."""

    HIDES = ("login",)

    login: Login
    by: tuple[str, ...]


CONTAINERS: Final = ("podman", "buildah")


def places(environ: Mapping[str, str]) -> tuple[Place, ...]:
    """Every place in which logins may be, the first that counts first."""
    home, docker = environ.get("HOME"), environ.get("DOCKER_CONFIG")
    runtime, config = environ.get("XDG_RUNTIME_DIR"), environ.get("XDG_CONFIG_HOME")
    found: list[Place] = []
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        found.append(Place("DOCKER_AUTH_CONFIG", (), text=text))
    if said := environ.get("REGISTRY_AUTH_FILE"):
        found.append(Place("REGISTRY_AUTH_FILE", CONTAINERS, Path(said)))
    else:
        folder = Path(runtime or f"/run/containers/{os.getuid()}")
        file = folder / "containers/auth.json" if runtime else folder / "auth.json"
        found.append(
            Place(f"{'${XDG_RUNTIME_DIR}/containers' if runtime else folder}/auth.json", CONTAINERS, file)
        )
    if config or home:
        file = Path(config or f"{home}/.config") / "containers/auth.json"
        found.append(Place("~/.config/containers/auth.json", CONTAINERS, file))
    if docker or home:
        file = Path(docker or f"{home}/.docker") / "config.json"
        found.append(Place("docker's config.json", ("docker", *CONTAINERS), file))
    if home:
        found.append(Place("~/.dockercfg", CONTAINERS, Path(home) / ".dockercfg", legacy=True))
    return tuple(found)


def login(registry: str, environ: Mapping[str, str], name: str = "") -> Login | None:
    """What to say to this registry, about its repository `name`; None when nothing is known.

    Raises UsageError when no place has a login and one of them cannot be read.
    """
    found = find(registry, environ, name)
    return found.login if found else None


def find(registry: str, environ: Mapping[str, str], name: str = "") -> Found | None:
    """As `login`, and who else finds it."""
    if own := given(registry, environ):
        return Found(own, ())
    wrong: list[UsageError] = []
    for place in places(environ):
        try:
            if found := _found(place, registry, name, environ, wrong):
                return found
        except UsageError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0]
    return None


def given(registry: str, environ: Mapping[str, str]) -> Login | None:
    """The login that a variable of ours gives for a registry."""
    for traits in TRAITS.values():
        if registry == traits.registry and (key := environ.get(traits.key)):
            return Login(traits.registry_user, key)
    user, token = environ.get("DOCKERHUB_USERNAME"), environ.get("DOCKERHUB_TOKEN")
    return Login(user, token) if registry == HUB and user and token else None


def secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Every password that stands in one of the places, alone and as it goes over the wire: to be hidden."""
    logins = [given(registry, environ) for registry in REGISTRIES]
    for place in places(environ):
        try:
            document = document_of(place)
        except UsageError:
            continue
        for key, raw in ((document.auths or {}) if document else {}).items():
            try:
                logins.append(login_of(entry_of(place, raw), place, key))
            except UsageError:
                continue
    for one in logins:
        if one:
            yield from (one.password, f"{one.user}:{one.password}")


def document_of(place: Place) -> Document | None:
    """What is there; None when nothing is. Raises UsageError when it is no file of logins, or too long."""
    try:
        data = read_file(place.file, MOST, place.where) if place.file else place.text.encode()
    except FileNotFoundError:
        return None
    try:
        if place.legacy:
            return Document(auths=msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
        return msgspec.json.decode(data, type=Document)
    except (msgspec.DecodeError, RecursionError):
        raise _unfit(place) from None  # the text holds secrets, so the cause is not shown either


def entry_of(place: Place, raw: msgspec.Raw) -> Entry:
    """One entry of `auths`. Raises UsageError when it is none."""
    try:
        return msgspec.json.decode(raw, type=Entry)
    except (msgspec.DecodeError, RecursionError):
        raise _unfit(place) from None


def login_of(entry: Entry, place: Place, key: str) -> Login | None:
    """The login that an entry holds; None when it holds none. Raises UsageError when it cannot be used."""
    user, password = entry.username, entry.password
    if entry.auth:
        try:
            user, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _unfit(place) from None
    if entry.identitytoken:
        return _by_token(user, entry.identitytoken, place.where, key)
    password = password.strip("\0")
    return Login(user, password) if user and password else None


def host_of(key: str) -> str:
    """The registry of an entry that names one, perhaps by an address; a repository's name as it is."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host = bare.partition("/")[0] if bare != key else bare
    return HUB if host in _HUB_HOSTS else host


def _found(
    place: Place, registry: str, name: str, environ: Mapping[str, str], wrong: list[UsageError]
) -> Found | None:
    document = document_of(place)
    if document is None:
        return None
    try:
        if asked := _helped(document, place, registry, environ):
            return asked
    except UsageError as error:
        wrong.append(error)
    auths = document.auths or {}
    parts = f"{registry}/{name}".rstrip("/").split("/")
    exact = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    keys = [*(key for key in exact if key in auths), *(key for key in auths if host_of(key) == registry)]
    for key in dict.fromkeys(keys):
        try:
            if known := login_of(entry_of(place, auths[key]), place, key):
                return Found(known, place.by)
        except UsageError as error:
            wrong.append(error)
    return None


def _helped(document: Document, place: Place, registry: str, environ: Mapping[str, str]) -> Found | None:
    """What the credential helper of a registry says, or docker's own store.

    An engine asks it itself, but sees few variables: what it finds there is what a keychain holds that needs none.
    """
    if not place.file:
        return None
    hosts = {host_of(key): (key, helper) for key, helper in (document.cred_helpers or {}).items()}
    server, helper = hosts.get(registry, ("", ""))
    by = place.by if server else ("docker",)
    if not server and "docker" in place.by:  # only docker has one store for all
        server, helper = _HUB_SERVER if registry == HUB else registry, document.creds_store or ""
    if not helper:
        return None
    said = helpers.ask(helper, server, environ)
    if said is None:
        return None
    if said[0] == helpers.TOKEN:
        return Found(_by_token("", said[1], f"docker-credential-{helper}", server), ())
    return Found(Login(*said), by if helper in _KEYCHAINS else ())


def _by_token(user: str, token: str, where: str, key: str) -> Login:
    if user == _NOBODY:
        return Login(user, token)
    raise UsageError(
        f"{where} has only an identity token for {host_of(key)}, which docker alone can use: "
        "log in with a user and an access token"
    )


def _unfit(place: Place) -> UsageError:
    return UsageError(f"{place.where} is not what `docker login` or `podman login` writes: log in again")
