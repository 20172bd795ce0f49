"""Logins for an engine: those of the places that it does not read itself, in a file that it does read.

docker knows nothing of podman's files, podman and buildah nothing of DOCKER_AUTH_CONFIG, and none of them of the
variables that give us a login. Where such a one is there, all of them are written together into a folder of this
build, which only its owner may read, and the engine is shown the file: no login is on a command line or in a
variable.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ..errors import UsageError
from ..references import HUB, Repository
from . import credentials

_HUB_SERVER: Final = "https://index.docker.io/v1/"


def handed(
    engine: str, environ: Mapping[str, str], folder: Path, to: Repository | None = None
) -> dict[str, str]:
    """The environment in which the engine finds every login; `to` is the repository that it is about.

    What it needs is written into `folder`, where it reads all itself nothing is. Raises OSError.
    """
    seen = {name: value for name, value in environ.items() if name != "DOCKER_AUTH_CONFIG"}
    more = _unread(engine, environ, to)
    if not more:
        return seen
    made = folder / "logins"
    made.mkdir(mode=0o700)
    if engine == "docker":
        _write(made / "config.json", _for_docker(environ, more, made))
        return {**seen, "DOCKER_CONFIG": str(made)}
    _write(made / "auth.json", _for_podman(environ, more))
    return {**seen, "REGISTRY_AUTH_FILE": str(made / "auth.json")}


def _unread(engine: str, environ: Mapping[str, str], to: Repository | None) -> dict[str, Any]:
    """The entries that the engine would not find, by what they are for."""
    found: dict[str, Any] = {}
    if to:
        try:
            known = credentials.find(to.registry, environ, to.name)
        except UsageError:
            known = None  # whoever needs it is told by the registry
        if known and engine not in known.by:
            found[_key(engine, str(to))] = _entry(known.login)
    for registry in credentials.REGISTRIES:
        if ours := credentials.given(registry, environ):
            found.setdefault(_key(engine, registry), _entry(ours))
    own = _own(engine, environ)
    for place in credentials.places(environ):
        if engine in place.by:
            continue
        for key, entry in _entries(place).items():
            host = credentials.host_of(key)
            if engine == "docker" and ("/" in host or (host in own and place.file)):
                continue  # docker knows registries only, and first what it was told itself
            found.setdefault(_key(engine, key), entry)
    return found


def _own(engine: str, environ: Mapping[str, str]) -> set[str]:
    """The registries of which the engine's own places say anything."""
    found: set[str] = set()
    for place in credentials.places(environ):
        if engine in place.by and (document := _read(place)):
            found |= {
                credentials.host_of(key) for key in (*(document.auths or ()), *(document.cred_helpers or ()))
            }
    return found


def _read(place: credentials.Place) -> credentials.Document | None:
    """What is there; None where nobody can read it."""
    try:
        return credentials.document_of(place)
    except UsageError:
        return None


def _entries(place: credentials.Place) -> dict[str, Any]:
    """The entries of a place with a login in them."""
    found: dict[str, Any] = {}
    document = _read(place)
    for key, raw in ((document.auths or {}) if document else {}).items():
        try:
            if known := credentials.login_of(credentials.entry_of(place, raw), place, key):
                found[key] = _entry(known)
        except UsageError:
            continue
    return found


def _for_podman(environ: Mapping[str, str], more: Mapping[str, Any]) -> dict[str, Any]:
    """All that podman and buildah read, after `more`: they may read nothing beside a file that is named."""
    auths, helpers = dict(more), dict[str, str]()
    for place in credentials.places(environ):
        if "podman" not in place.by:
            continue
        before = {credentials.host_of(key) for key in (*auths, *helpers)}
        for key, entry in _entries(place).items():
            auths.setdefault(key, entry)
        for key, helper in _helpers(place).items():
            if credentials.host_of(key) not in before:
                helpers.setdefault(key, helper)
    return {"auths": auths, "credHelpers": helpers}


def _helpers(place: credentials.Place) -> Mapping[str, str]:
    document = _read(place)
    return (document.cred_helpers or {}) if document else {}


def _for_docker(environ: Mapping[str, str], more: Mapping[str, Any], made: Path) -> dict[str, Any]:
    """docker's own configuration with `more` in it; what else lies beside it is linked into the new folder."""
    place = next((p for p in credentials.places(environ) if "docker" in p.by), None)
    if place is None or place.file is None:
        return {"auths": dict(more)}
    if place.file.parent.is_dir():
        for beside in place.file.parent.iterdir():
            if beside.name != place.file.name:
                (made / beside.name).symlink_to(beside.absolute())
    said: dict[str, Any] = msgspec.json.decode(place.file.read_bytes()) if _read(place) else {}
    # An empty helper says that a registry's login is in this very file, whatever the store for all others is.
    here = {key.removeprefix("https://").partition("/")[0]: "" for key in more}
    return {
        **said,
        "auths": {**(said.get("auths") or {}), **more},
        "credHelpers": {
            **(said.get("credHelpers") or {}),
            **here,
            **({_HUB_SERVER: ""} if _HUB_SERVER in more else {}),
        },
    }


def _key(engine: str, key: str) -> str:
    """What an entry is called in the engine's file: docker knows registries only, and Docker Hub by an address."""
    if engine != "docker":
        return credentials.host_of(key)
    host = credentials.host_of(key).partition("/")[0]
    return _HUB_SERVER if host == HUB else host


def _entry(login: credentials.Login) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{login.user}:{login.password}".encode()).decode()}


def _write(file: Path, document: Mapping[str, Any]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(document))
