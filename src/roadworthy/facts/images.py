"""Images as packages: what the platform takes, and where an image can still be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import RoadworthyError, UsageError
from ..model import Deployed, Observed, Package, RollbackTarget

if TYPE_CHECKING:
    from ..world import World


def releasable(context: World, app: str, package: Package) -> None:
    """Raise UsageError, before anything is done, when the platform cannot run this package."""
    if why := context.platform.accepts(app, package):
        raise UsageError(why)


def lost(context: World, app: str, seen: Observed) -> str:
    """Why what runs could not be started again, where it is an image; "" when it could, and of anything else."""
    current = seen.current
    if not seen.digest or current is None or not current.image:
        return ""
    from ..packages import registry

    ref = f"{context.platform.repository(app)}@sha256:{seen.digest}"
    return registry.lacks(ref, environ=context.environ)


def image_target(context: World, app: str, deployed: Deployed) -> RollbackTarget:
    """The image with the place where it still is: its component's own repository, or else the app's."""
    from ..packages import registry

    why: list[str] = []
    rules = context.config.component(deployed.package.component)
    for repository in (rules.repository, context.platform.repository(app)):
        ref = f"{repository}@sha256:{deployed.package.digest}"
        try:
            found = registry.read(ref, environ=context.environ)
        except RoadworthyError as error:
            why.append(str(error))
            continue
        package = replace(deployed.package, ref=ref, config=found.config.digest if found.config else "")
        return RollbackTarget(replace(deployed, package=package), True)
    return RollbackTarget(deployed, False, "; ".join(why))
