"""How an image is named: `registry/repository@sha256:…`. A tag is for people, and is no name to deploy by."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from .errors import UsageError

HUB: Final = "docker.io"
# OCI Distribution Specification 1.1, "Pulling manifests": repository names and tags; a host with a port.
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = rf"({_HOST})/({_PART}(?:/{_PART})*)"
TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
DIGEST: Final = r"sha256:[0-9a-f]{64}"
MOST: Final = 512  # characters of a reference


class Repository(msgspec.Struct, frozen=True):
    """A repository of a registry; `registry` is its host and perhaps its port."""

    registry: str
    name: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"


class Reference(msgspec.Struct, frozen=True):
    """An image by its digest, `sha256:` and 64 lower-case hex characters."""

    repository: Repository
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


def repository(text: str) -> Repository:
    """Read `registry/name`; without a registry it is Docker Hub's. Raises UsageError, also for tag or digest."""
    first, slash, _ = text.partition("/")
    whole = text if slash and (set(".:") & set(first) or first == "localhost") else f"{HUB}/{text}"
    found = re.fullmatch(_NAME, whole) if len(text) <= MOST else None
    if not found:
        raise UsageError(
            f"{text[:200]!r} is no repository of a registry: expected registry/name, no tag, lower case"
        )
    return Repository(found[1].lower(), found[2])


def reference(text: str) -> Reference:
    """Read `registry/name@sha256:…`. Raises UsageError; a tag is refused, since it may move."""
    name, at, digest = text.rpartition("@")
    digest = digest.lower()
    if not at or not re.fullmatch(DIGEST, digest):
        raise UsageError(
            f"{text[:200]!r} names no digest: say registry/name@sha256:… (a tag may move, so none is deployed)"
        )
    return Reference(repository(name), digest)
