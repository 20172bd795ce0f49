"""Build once: the package of a commit, found or made, and never made twice with other bytes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import Outcome, Package, Result

if TYPE_CHECKING:
    from ..context import Context

NAME = "build"


def build(context: Context, commit: str) -> Package:
    """The package of a full commit SHA. Raises UsageError when it cannot be built or was altered."""
    root, rules, store = context.paths.root, context.config.package, context.paths.packages
    if rules.kind == "image":
        from ..packages import image

        with context.screen.step(f"building the image of {commit[:12]}, or finding it"):
            built = image.find_or_build(root, commit, rules=rules, store=store, environ=context.environ)
        return Package(commit, built.digest.removeprefix("sha256:"), built.size, kind="image", ref=built.ref)
    from ..packages import slug

    made = slug.find_or_build(root, commit, path=rules.path, store=store)
    return Package(made.commit, made.digest, made.size, str(made.file))


def unpack(context: Context, package: Package, folder: Path) -> None:
    """Write the package's files into an empty folder; of an image what it was built from."""
    if package.kind == "image":
        from ..packages import image

        return image.export(context.paths.root, package.commit, context.config.package, folder)
    from ..packages import slug

    return slug.unpack(Path(package.file), folder)


def report(context: Context, said: str | None) -> Result:
    """Build or find the package of the commit that a person named."""
    from ..facts import git

    package = build(context, git.resolve(context.paths.root, said))
    line = f"package {package.digest} of {package.commit[:12]}, {package.size:,} bytes"
    return Result(Outcome.SUCCEEDED, line, evidence=package.file, details=asdict(package))
