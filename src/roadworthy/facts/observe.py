"""What the platform shows of an environment: of its only app, or of the app of each of its components."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import NoPackage
from ..model import Observed, Package, digest_of
from ..wait import side_by_side

if TYPE_CHECKING:
    from ..config import Config
    from ..world import World


def observe(context: World, environment: str, *, whole: bool = False) -> Observed:
    """Look at every app of the environment, once each and side by side. Raises what the driver raises.

    With `whole`, an image of which the app's repository lost a part counts as no package, as one that it lost.
    """
    apps = context.config.apps(environment)
    look = partial(_startable, context) if whole else context.platform.observe
    looks = [partial(look, app) for app in apps.values()]
    seen = dict(zip(apps, side_by_side(looks), strict=True))
    first = next(iter(seen.values()))
    if len(seen) == 1:
        return first
    return replace(
        first,
        maintenance=any(one.maintenance for one in seen.values()),
        digest=digest_of({component: one.digest for component, one in seen.items()}),
        parts=seen,
    )


def _startable(context: World, app: str) -> Observed:
    from .images import lost

    seen = context.platform.observe(app)
    return replace(seen, digest="", commit="") if lost(context, app, seen) else seen


def apps_of(config: Config, environment: str, package: Package) -> list[tuple[Package, str]]:
    """Each part of a package with the app that runs it. Raises NoPackage where one has none (any more)."""
    apps = config.apps(environment)
    if not package.parts:
        return [(package, next(iter(apps.values())))]
    for part in package.parts:
        if part.component not in apps:
            raise NoPackage(
                f"the package of {package.commit[:12]} has a component {part.component!r}, "
                f"which release.toml declares no more: deploy a newer one"
            )
    return [(part, apps[part.component]) for part in package.parts]
