"""Build once: the package of a commit, found or made, and never made twice with other bytes.

`build` makes the bytes; they depend on the commit's tree alone, for they are read from git and nothing runs.
The stage (`report`) writes them down: digest, manifest, provenance, and the bytes themselves in the store, so
that any machine can deploy or replay them.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import Refused, UsageError
from ..facts.history import test_run
from ..facts.standing import Done, Standing, read_standing
from ..model import Outcome, Package, Request, Result
from .on_package import begin, place_of

if TYPE_CHECKING:
    from ..context import Context

NAME = "build"
MANIFEST: Final = "manifest.json"  # the release package's, as evidence of the build
DESCRIBED: Final = "package.json"  # the slug's own description


def build(context: Context, commit: str) -> Package:
    """The package of a full commit SHA. Raises UsageError when it cannot be built or was altered."""
    root, rules, store = context.paths.root, context.config.package, context.paths.packages
    if rules.kind == "image":
        from ..packages import image

        with context.screen.step(f"building the image of {commit[:12]}, or finding it"):
            built = image.find_or_build(root, commit, rules=rules, store=store, environ=context.environ)
        digest = built.digest.removeprefix("sha256:")
        return Package(commit, digest, built.size, kind="image", ref=built.ref, config=built.config)
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


def recorded(context: Context, commit: str, done: Done) -> Package:
    """The very package that a build recorded, from this machine or from the store; never built again.

    Raises UsageError when it is nowhere, or has other bytes than were recorded.
    """
    if done.details.get("ref"):
        from ..packages import registry

        ref = str(done.details["ref"])
        there = registry.read(ref, environ=context.environ)
        if there.digest != f"sha256:{done.digest}":
            raise UsageError(
                f"RELEASE_PACKAGE_DIGEST_MISMATCH: {ref} is not {done.digest[:12]}, which was built"
            )
        config = there.config.digest if there.config else ""
        return Package(commit, done.digest, there.size, kind="image", ref=ref, config=config)
    from ..packages import slug

    found = slug.find(commit, store=context.paths.packages)
    if found is None:
        data = context.store.get(_kept(done.digest), slug.MAX_SIZE)
        if data is None:
            raise UsageError(f"the package of {commit[:12]} is neither here nor in the store: it is lost")
        if hashlib.sha256(data).hexdigest() != done.digest:
            raise UsageError(f"the package of {commit[:12]} has other bytes in the store than were built")
        described = context.log(place_of(commit)).evidence(done.evidence[DESCRIBED])
        found = slug.keep(described, data, store=context.paths.packages)
    if found.digest != done.digest:
        raise UsageError(
            f"RELEASE_PACKAGE_DIGEST_MISMATCH: the package of {commit[:12]} here is {found.digest[:12]}, but "
            f"{done.digest[:12]} was built (journal #{done.seq}): remove {found.file.name} and its .json"
        )
    return Package(commit, found.digest, found.size, str(found.file))


def bring(context: Context, package: Package) -> bool:
    """Whether a package's bytes are on this machine, brought from the store where that is needed."""
    if (context.paths.packages / f"{package.commit}.tgz").is_file():
        return True
    built = read_standing(context.log(place_of(package.commit)).entries()).build
    if built is None or built.digest != package.digest:
        return False
    try:
        recorded(context, package.commit, built)
    except UsageError:
        return False
    return True


def package_of(context: Context, commit: str) -> Package:
    """The package that a deploy means: the recorded one, or, where none is recorded, a build of the commit."""
    standing = read_standing(context.log(place_of(commit)).entries())
    return recorded(context, commit, standing.build) if standing.build else build(context, commit)


def stage(context: Context, commit: str) -> tuple[Package, bool]:
    """Build and record the package of a commit that was taken in; and whether that had been done before.

    Raises Refused before its turn, or when other bytes were recorded under this commit.
    """
    from ..report import artifacts

    log = context.log(place_of(commit))
    standing = read_standing(log.entries())
    if lacks := standing.lacks("build"):
        raise Refused(f"{commit[:12]} cannot be built: {lacks}")
    if standing.build:
        package = recorded(context, commit, standing.build)
        _show_manifest(context, standing.build, commit)
        return package, True
    with begin(context, commit, NAME, "build") as turn:
        package = build(context, commit)
        files = _keep(context, package)
        manifest = artifacts.as_bytes(
            _manifest(context, standing, package, f"{place_of(commit)}#{turn.start.seq}")
        )
        provenance = artifacts.as_bytes(_provenance(context, package, turn.start.at))
        said = {"size": package.size, **({"ref": package.ref} if package.ref else {})}
        turn.done(package, said, {MANIFEST: manifest, "provenance.json": provenance, **files})
    artifacts.write(context, artifacts.MANIFEST, commit, manifest)
    return package, False


def _keep(context: Context, package: Package) -> dict[str, bytes]:
    """Put a slug's bytes into the store, so that every machine has them; its description, as evidence."""
    if package.kind == "image":
        return {}  # the registry has it
    file = Path(package.file)
    if not context.store.put(_kept(package.digest), file.read_bytes()):
        raise UsageError(f"the store holds other bytes under the name of package {package.digest[:12]}")
    return {DESCRIBED: file.with_suffix(".json").read_bytes()}


def check_manifest(context: Context, done: Done, commit: str) -> None:
    """Raise Refused when the manifest in `.artifacts` is not, byte for byte, the one that the build recorded."""
    from ..report import artifacts

    path = artifacts.path_of(context, artifacts.MANIFEST, commit)
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != done.evidence[MANIFEST]:
        raise Refused(
            f"RELEASE_PACKAGE_MANIFEST_ALTERED: {context.shown(path)} is not what the build of {commit[:12]} "
            f"wrote (journal #{done.seq}): remove it, and `invoke build` brings it back"
        )


def _show_manifest(context: Context, done: Done, commit: str) -> None:
    from ..report import artifacts

    check_manifest(context, done, commit)
    views = {MANIFEST: artifacts.MANIFEST}
    artifacts.restore(context, context.log(place_of(commit)), done.evidence, views, commit)


def _kept(digest: str) -> str:
    return f"packages/{digest}"


def _manifest(context: Context, standing: Standing, package: Package, run: str) -> dict[str, Any]:
    """The contract's fields (contracts, B.1); one digest ref for each component."""
    log = context.log(place_of(package.commit))
    intake = standing.intake
    if intake is None:
        raise ValueError("a package that was not taken in is not built")
    scope = json.loads(log.evidence(intake.evidence["scope.json"]))
    rules = context.config.package
    ref = package.ref or f"{rules.kind}/{context.config.project.name}@sha256:{package.digest}"
    named = ("runtime", "desktop", "infra", "identity", "docsOnly")
    return {
        "schemaVersion": "1",
        "generatedAt": f"{context.now():%Y-%m-%dT%H:%M:%SZ}",
        "headSha": package.commit,
        "testedSha": package.commit,
        "changeClass": scope["changeClass"],
        "commitStageRunId": test_run(log.settled(), package.digest).url,
        "buildRunId": os.environ.get("GITHUB_RUN_ID") or run,
        "scope": {name: scope["scope"][name] for name in named},
        "requiresInfraConvergence": scope["requiresInfraConvergence"],
        "requiresMigrations": scope["requiresMigrations"],
        "releasePackage": {f"{rules.component}Ref": ref},
    }


def _provenance(context: Context, package: Package, began: str) -> dict[str, Any]:
    from ..journal.predicates import provenance_of

    path = context.config.package.path
    return provenance_of(package, path, began, f"{context.now():%Y-%m-%dT%H:%M:%SZ}")


def report(context: Context, request: Request) -> Result:
    """Build, for the command."""
    package, known = stage(context, request.commit)
    line = f"package {package.digest} of {package.commit[:12]}, {package.size:,} bytes"
    return Result(
        Outcome.SUCCEEDED,
        f"{line} (already)" if known else line,
        evidence=package.file,
        details=asdict(package),
    )
