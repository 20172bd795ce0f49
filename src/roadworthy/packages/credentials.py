"""Who we are to a registry: the same places that docker, podman, buildah and skopeo look in.

The first that names the registry wins: the text of DOCKER_AUTH_CONFIG, the file REGISTRY_AUTH_FILE, then
`config.json` in DOCKER_CONFIG or `~/.docker`. Only `auths` entries are read; no credential helper is started.
Heroku's registry takes HEROKU_API_KEY, Docker Hub DOCKERHUB_USERNAME with DOCKERHUB_TOKEN. What is read here is
never in a message or on a command line.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ..errors import UsageError
from ..mask import Masked
from .references import HUB

MOST: Final = 1 << 20  # bytes of a file
HEROKU: Final = "registry.heroku.com"
WHERE: Final = "DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE or docker's config.json"
_HUB_KEYS: Final = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", HUB)


class Login(Masked, frozen=True):
    """A user and a password or token; neither is shown."""

    HIDES = ("user", "password")

    user: str
    password: str


class _Auth(msgspec.Struct):
    auth: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Auth] = {}


def login(registry: str, environ: Mapping[str, str]) -> Login | None:
    """What to say to this registry; None when nothing is known. Raises UsageError for a file nobody can read."""
    if registry == HEROKU and (key := environ.get("HEROKU_API_KEY")):
        return Login("_", key)
    user, token = environ.get("DOCKERHUB_USERNAME"), environ.get("DOCKERHUB_TOKEN")
    if registry == HUB and user and token:
        return Login(user, token)
    keys = _HUB_KEYS if registry == HUB else (registry, f"https://{registry}", f"https://{registry}/v2/")
    for where, text in _configs(environ):
        try:
            auths = msgspec.json.decode(text, type=_Config).auths
            said = next((auths[key].auth for key in keys if key in auths and auths[key].auth), "")
            user, colon, password = base64.b64decode(said, validate=True).decode().partition(":")
        except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError):
            # The text holds secrets, so the cause is not shown either.
            raise UsageError(f"{where} is not what `docker login` writes: log in again") from None
        if colon:
            return Login(user, password)
    return None


def _configs(environ: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        yield "DOCKER_AUTH_CONFIG", text.encode()
    files = []
    if said := environ.get("REGISTRY_AUTH_FILE"):
        files.append(("REGISTRY_AUTH_FILE", Path(said)))
    folder = environ.get("DOCKER_CONFIG") or (environ.get("HOME") and f"{environ['HOME']}/.docker")
    if folder:
        files.append(("docker's config.json", Path(folder) / "config.json"))
    for where, file in files:
        try:
            with file.open("rb") as opened:
                yield where, opened.read(MOST)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"{where} cannot be read: {error.strerror}") from error
