"""Build once: the package of a commit, found or made, and never made twice with other bytes.

Its bytes depend on the commit's tree alone, for they are read from git and nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from .. import git
from ..compatibility import IGNORE_FILE
from ..drivers import TRAITS
from ..errors import UsageError
from ..model import Package

if TYPE_CHECKING:
    from ..config import Config, Packaged
    from ..model import Paths
    from ..world import Reporter
    from .image import Image


class Site(Protocol):
    """What a build uses of a command's context."""

    @property
    def config(self) -> Config:
        """The configuration of the project."""

    @property
    def paths(self) -> Paths:
        """The project's folders."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment, with `.env` below it."""

    @property
    def screen(self) -> Reporter:
        """Where progress is shown."""


def build(site: Site, commit: str) -> Package:
    """The package of a full commit SHA. Raises UsageError when it cannot be built or was altered."""
    parts = tuple(_build(site, commit, rules) for rules in site.config.packaged)
    return replace(parts[0], component="") if len(parts) == 1 else Package.together(parts)


def _build(site: Site, commit: str, rules: Packaged) -> Package:
    """The package of one component."""
    root, store = site.paths.root, store_of(site.config, site.paths, rules.component)
    if rules.kind == "image":
        from . import image, settings

        traits = TRAITS[site.config.targets[site.config.target].platform]
        if rules.platforms[1:]:
            raise UsageError(
                f"package.platforms names {len(rules.platforms)}, and {settings.several(traits)}"
            )
        with site.screen.step(f"building the image of {commit[:12]} unless it is built"):
            built = image.find_or_build(root, commit, rules=rules, store=store, environ=site.environ)
        package = of_image(built, rules.component)
        live = site.config.target != "sandbox"
        settings.check_releasable(built.ref, rules.platforms, site.environ, traits, live=live)
        if built.found:
            site.screen.line(f"  {said_of_found(package)}")
        return package
    from . import source

    made = source.find_or_build(root, commit, path=rules.path, store=store)
    if git.show(root, commit, f"{rules.path}/{IGNORE_FILE}") is not None:
        site.screen.line(f"  {IGNORE_FILE} is not applied: the package holds every file of the commit")
    return Package(made.commit, made.digest, made.size, str(made.file), component=rules.component)


def store_of(config: Config, paths: Paths, component: str) -> Path:
    """The folder of a component's packages on this machine; "" is the first component."""
    first = component in ("", config.package.component)
    return paths.packages if first else paths.packages / component


def of_image(built: Image, component: str) -> Package:
    """The package of one component, which is this image."""
    return Package(
        built.commit,
        built.digest.removeprefix("sha256:"),
        built.size,
        kind="image",
        ref=built.ref,
        config=built.config,
        component=component,
        found=built.found,
    )


def said_of_found(package: Package) -> str:
    """What a person has to know of an image that was found rather than built."""
    where = package.ref.partition("@")[0]
    return (
        f"the image was found in {where} under its tag, and was not built here: "
        "whoever can push there may have put it there"
    )
