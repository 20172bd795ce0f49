"""What an image says of itself: its platform, its user and its commands; and whether it can be released and run.

A release needs an image of one platform, with a CMD. Here it can be run when it is for this machine, or when this
machine emulates what it is for.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ..drivers import Traits
from ..errors import CheckFailed, UsageError
from . import registry

if TYPE_CHECKING:
    from .registry import Manifest

MOST: Final = 4 << 20  # bytes of a config
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_EMULATED: Final = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}  # as qemu calls them
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")


class _Config(msgspec.Struct):
    user: str | None = msgspec.field(name="User", default=None)
    entrypoint: list[str] | None = msgspec.field(name="Entrypoint", default=None)
    cmd: list[str] | None = msgspec.field(name="Cmd", default=None)


class Settings(msgspec.Struct):
    """The config of an image (OCI image spec, "Image Configuration"; Docker's has the same names)."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    config: _Config | None = None

    @property
    def platform(self) -> str:
        """`os/architecture`, with the variant where there is one."""
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def user(self) -> str:
        """Whom it runs as; "" is root."""
        said = (self.config.user if self.config else "") or ""
        return "" if said.partition(":")[0] in ("", "0", "root") else said

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The words that come before those of every command."""
        return tuple((self.config.entrypoint if self.config else None) or ())

    @property
    def cmd(self) -> tuple[str, ...]:
        """Its own command."""
        return tuple((self.config.cmd if self.config else None) or ())


def settings_of(image: Manifest, environ: Mapping[str, str]) -> Settings:
    """What the config of an image of one platform says. Raises CheckFailed when it is none."""
    if image.config is None:
        raise CheckFailed(f"{image.ref} is for several platforms")
    data = registry.content(image.ref, image.config, MOST, environ=environ)
    try:
        return msgspec.json.decode(data, type=Settings)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CheckFailed(f"the config of {image.ref} is none of an image: {error}") from error


def several(traits: Traits) -> str:
    """Why an image of several platforms cannot be released, and what to do."""
    return f"{traits.title} runs an image of one: name one in package.platforms and commit again"


def check_releasable(
    ref: str, asked: tuple[str, ...], environ: Mapping[str, str], traits: Traits, *, live: bool
) -> None:
    """Raises UsageError when the platform, or its sandbox, cannot run this image, or another was asked for."""
    image = registry.read(ref, environ=environ)
    if image.config is None:
        raise UsageError(f"the image is for several platforms, and {several(traits)}")
    found = settings_of(image, environ)
    if asked and not _same(asked[0], found.platform):
        raise UsageError(
            f"the image is for {found.platform or 'no platform'} and not for {asked[0]}, which was asked for: "
            "look at the FROM lines of its Dockerfile, and commit again"
        )
    if live and not _same(traits.image_platform, found.platform):
        raise UsageError(
            f"the image is for {found.platform or 'no platform'}, and {traits.title} runs {traits.image_platform}: "
            f'say platforms = ["{traits.image_platform}"] in release.toml and commit again'
        )
    if not found.cmd:
        raise UsageError(
            f"the image has no CMD, and {traits.title} takes none without: add one to its Dockerfile, "
            "below an ENTRYPOINT too, and commit again"
        )
    if not live and (why := foreign(found)):
        raise UsageError(why)


def foreign(found: Settings) -> str:
    """Why this machine cannot run an image of that platform; "" when it can, also where it emulates it."""
    machine = platform.machine()
    here = f"linux/{_MACHINES.get(machine, machine)}"
    if _same(here, found.platform) or (found.platform, here) == ("linux/386", "linux/amd64"):
        return ""
    if (_BINFMT / f"qemu-{_EMULATED.get(found.architecture, found.architecture)}").exists():
        return ""
    return (
        f"the image is for {found.platform or 'no platform'}, and this machine is {here} and does not emulate it: "
        f'say platforms = ["{here}"] in release.toml and commit again, or install qemu-user-static'
    )


def _same(asked: str, found: str) -> bool:
    """Whether two platforms are one; a variant counts where both have one."""
    pairs = zip(asked.split("/"), found.split("/"), strict=False)
    return "/" in found and all(one == other for one, other in pairs)
