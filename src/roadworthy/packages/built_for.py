"""What an image was built for, as its own config says it; of an index, each image that it lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ..errors import CheckFailed
from . import registry
from .image import MOST_CONFIG
from .registry import Blob, Manifest

# How containerd's `platforms.Normalize` reads the words that mean the same.
_SAME: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm/v7",
    "armel": "arm/v6",
}
_USUAL: Final = {"amd64/v1": "amd64", "arm64/v8": "arm64", "arm": "arm/v7"}


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return normal("/".join(filter(None, (self.os, self.architecture, self.variant))))


class _Entry(msgspec.Struct):
    digest: str
    platform: _Platform | None = None


class _Index(msgspec.Struct):
    manifests: tuple[_Entry, ...] = ()


def normal(platform: str) -> str:
    """`os/architecture[/variant]` in the words that everybody means: linux/arm64 without its usual variant."""
    system, _, machine = platform.lower().partition("/")
    name, slash, variant = machine.partition("/")
    machine = f"{_SAME.get(name, name)}{slash}{variant}"
    return f"{system}/{_USUAL.get(machine, machine)}"


def platforms(image: Manifest, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The platforms of an image or an index, sorted, by the config of each.

    Raises CheckFailed when an index lists an image as of another platform than its config says, or two of one.
    """
    found = sorted(_each(image, "", environ))
    if twice := next((one for one in found if found.count(one) > 1), ""):
        raise CheckFailed(f"{image.ref} lists two images of {twice}: nobody knows which is pulled")
    return tuple(found)


def lacking(wanted: Iterable[str], there: Iterable[str]) -> list[str]:
    """The platforms that were asked for and are not there."""
    have = set(there)
    return [one for one in wanted if normal(one) not in have]


def _each(image: Manifest, listed: str, environ: Mapping[str, str]) -> Iterator[str]:
    if image.config is not None:
        yield _of_config(image, image.config, listed, environ)
        return
    entries = {one.digest: one.platform for one in msgspec.json.decode(image.data, type=_Index).manifests}
    for child in image.children:
        platform = entries.get(child.digest)
        if platform is None and child.config is not None:
            raise CheckFailed(f"{image.ref} does not say what its image {child.digest} is for")
        yield from _each(child, str(platform) if platform else "", environ)


def _of_config(image: Manifest, config_of: Blob, listed: str, environ: Mapping[str, str]) -> str:
    data = registry.content(image.ref, config_of, MOST_CONFIG, environ=environ)
    try:
        config = msgspec.json.decode(data, type=_Platform)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"{image.ref} has a config that cannot be read: {error}") from error
    if not config.os or not config.architecture:
        raise CheckFailed(f"{image.ref} does not say what it was built for")
    said = str(config)
    if listed and said != listed:
        raise CheckFailed(f"{image.ref} is listed as {listed}, and its config says {said}: build it anew")
    return said
