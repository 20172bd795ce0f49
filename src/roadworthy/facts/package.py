"""The package of a commit as it was recorded: here, in the store or in its registry. Nothing here builds one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..compatibility import SOURCE
from ..errors import NoPackage, UsageError
from ..journal.entry import place_of
from ..model import Package, Plan, ReleasePackage, Step
from ..packages.build import of_image, store_of
from . import image_packages
from .standing import Done, standing_of

if TYPE_CHECKING:
    from ..config import Packaged
    from ..world import World

MANIFEST: Final = "manifest.json"
"""The evidence of a build that is the release package's manifest."""
DESCRIBED: Final = "package.json"
"""The evidence of a build that holds the package's own description."""


def here(context: World, package: Package) -> Package:
    """The package with the files of its bytes, where they are on this machine."""
    if package.parts:
        return replace(package, parts=tuple(here(context, part) for part in package.parts))
    file = store_of(context.config, context.paths, package.component) / f"{package.commit}.tgz"
    return replace(package, file=str(file) if file.is_file() else "")


def unpack(context: World, package: Package, folder: Path) -> None:
    """Write the files of one component's package into an empty folder; of an image what it was built from."""
    if package.kind == "image":
        from ..packages import image

        rules = context.config.component(package.component)
        return image.export(context.paths.root, package.commit, rules, folder)
    from ..packages import source

    return source.unpack(Path(package.file), folder)


def recorded(context: World, commit: str, done: Done, *, keep: bool = True) -> Package:
    """The very package that a build recorded, from this machine or from the store; never built again.

    What the store has is brought to this machine, unless it is not to be kept here.
    Raises UsageError when it is nowhere, or has other bytes than were recorded.
    """
    told = done.details.get("components")
    if not told:
        found = _recorded(context, commit, done, done.digest, str(done.details.get("ref", "")), "", keep)
        return replace(found, found=bool(done.details.get("found")))
    parts = [
        _recorded(context, commit, done, str(one["digest"]), str(one.get("ref", "")), str(one["name"]), keep)
        for one in told
    ]
    found_too = [bool(one.get("found")) for one in told]
    package = Package.together(
        tuple(replace(part, found=found) for part, found in zip(parts, found_too, strict=True))
    )
    if package.digest != done.digest:
        raise UsageError(
            f"RELEASE_PACKAGE_DIGEST_MISMATCH: the components of {commit[:12]} are {package.digest[:12]} together, "
            f"but {done.digest[:12]} was built (journal #{done.seq})"
        )
    return package


def _recorded(
    context: World, commit: str, done: Done, digest: str, ref: str, component: str, keep: bool
) -> Package:
    if ref:
        there = image_packages.still(context, commit, done, digest, ref, component)
        if there.digest != f"sha256:{digest}":
            raise UsageError(f"RELEASE_PACKAGE_DIGEST_MISMATCH: {ref} is not {digest[:12]}, which was built")
        config = there.config.digest if there.config else ""
        return Package(
            commit, digest, there.size, kind="image", ref=there.ref, config=config, component=component
        )
    from ..packages import source

    store = store_of(context.config, context.paths, component)
    found = source.find(commit, store=store)
    if found is None:
        data = context.store.get(stored_as(digest), source.MAX_SIZE)
        if data is None:
            raise UsageError(f"the package of {commit[:12]} is neither here nor in the store: it is lost")
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"the package of {commit[:12]} has other bytes in the store than were built")
        if not keep or context.planning:
            return Package(commit, digest, len(data), component=component)
        described = context.log(place_of(commit)).evidence(done.evidence[named(DESCRIBED, component)])
        found = source.keep(described, data, store=store)
    if found.digest != digest:
        raise UsageError(
            f"RELEASE_PACKAGE_DIGEST_MISMATCH: the package of {commit[:12]} here is {found.digest[:12]}, but "
            f"{digest[:12]} was built (journal #{done.seq}): remove {found.file.name} and its .json"
        )
    return Package(commit, found.digest, found.size, str(found.file), component=component)


def bring(context: World, package: Package, *, keep: bool = True) -> bool:
    """Whether the bytes of one component's package can be had: here, or from the store, which brings them here.

    With `keep` off they stay where they are.
    """
    if here(context, package).file:
        return True
    built = standing_of(context, package.commit).build
    if built is None:
        return False
    try:
        found = recorded(context, package.commit, built, keep=keep)
    except UsageError:
        return False
    return package.digest in [part.digest for part in found.each]


def known(context: World, commit: str) -> Package:
    """The package that a deploy means, as it is now. Nothing is built, fetched or written.

    Raises NoPackage when none is recorded and none is here, UsageError as `package_of` does.
    """
    standing = standing_of(context, commit)
    if standing.build:
        return recorded(context, commit, standing.build, keep=False)
    found = [_found(context, commit, rules) for rules in context.config.packaged]
    parts = tuple(part for part in found if part)
    if len(parts) < len(found):
        raise NoPackage(
            f"{commit[:12]} is not built, so nothing about its package is known: run `invoke intake` and "
            "`invoke build`; a deploy without --plan builds it"
        )
    return replace(parts[0], component="") if len(parts) == 1 else Package.together(parts)


def _found(context: World, commit: str, rules: Packaged) -> Package | None:
    """The package of one component that was built before, here or in its registry; None when there is none."""
    store, name = store_of(context.config, context.paths, rules.component), rules.component
    if rules.kind == "image":
        from ..packages import image

        built = image.find(commit, rules=rules, store=store, environ=context.environ)
        if built is None:
            return None
        return of_image(built, name)
    from ..packages import source

    made = source.find(commit, store=store, path=rules.path)
    return Package(made.commit, made.digest, made.size, str(made.file), component=name) if made else None


def fetched(context: World, plan: Plan) -> Plan:
    """The plan, with the bytes of all that is to be uploaded on this machine: before anything is changed.

    Raises UsageError when they are nowhere.
    """
    return replace(plan, steps=tuple(_with_bytes(context, step) for step in plan.steps))


def _with_bytes(context: World, step: Step) -> Step:
    if (
        not isinstance(step, ReleasePackage)
        or step.artifact
        or step.package.file
        or step.package.kind != SOURCE
    ):
        return step
    if not bring(context, step.package):
        raise UsageError(
            f"the package {step.package.digest[:12]} is neither here nor in the store: it is lost"
        )
    return replace(step, package=here(context, step.package))


def named(file: str, component: str) -> str:
    """The name of a file of evidence; of one component, where there are several."""
    name, dot, kind = file.partition(".")
    return f"{name}-{component}{dot}{kind}" if component else file


def stored_as(digest: str) -> str:
    """The name of a package's bytes in the store; `digest` is their SHA-256 in hex."""
    return f"packages/{digest}"
