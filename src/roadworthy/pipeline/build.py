"""Build: write down the package of a commit, which `packages/build.py` makes.

Digest, manifest and provenance go into the journal, and the bytes themselves into the store, so that any machine
can deploy or replay them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Refused, UsageError
from ..facts import image_packages
from ..facts.package import DESCRIBED, MANIFEST, named, recorded, stored_as
from ..facts.standing import Done, Standing, read_standing
from ..journal.entry import place_of
from ..model import MissingFact, Outcome, Package, Request, Result
from ..packages.build import build, said_of_found
from .on_package import begin

if TYPE_CHECKING:
    from ..context import Context

NAME = "build"


def stage(context: Context, commit: str) -> tuple[Package, bool]:
    """Build and record the package of a commit that was taken in; and whether that had been done before.

    Raises Refused before its turn, or when other bytes were recorded under this commit.
    """
    from ..decision import artifacts

    log = context.log(place_of(commit))
    standing = read_standing(log.entries())
    if lacks := standing.lacks("build"):
        raise Refused(f"{commit[:12]} cannot be built: {lacks}")
    if standing.build:
        package = recorded(context, commit, standing.build)
        _show_manifest(context, standing.build, commit)
        return package, True
    with begin(context, commit, NAME, "build") as turn:
        package = image_packages.attributed(log.entries(), build(context, commit))
        files = {name: data for part in package.each for name, data in _keep(context, part).items()}
        manifest = artifacts.as_bytes(
            _manifest(context, standing, package, f"{place_of(commit)}#{turn.start.seq}")
        )
        for part in package.each:
            told = _provenance(context, part, turn.start.at)
            files[named("provenance.json", part.component)] = artifacts.as_bytes(told)
        turn.done(package, _said(package), {MANIFEST: manifest, **files})
    artifacts.write(context, artifacts.MANIFEST, commit, manifest)
    return package, False


def _said(package: Package) -> dict[str, Any]:
    """What the build's entry says beside the digest."""
    said: dict[str, Any] = {"size": package.size, **({"ref": package.ref} if package.ref else {})}
    if package.found:
        said["found"] = True
    if package.parts:
        said["components"] = [
            {"name": part.component, "digest": part.digest, **_said(part)} for part in package.parts
        ]
    return said


def _keep(context: Context, package: Package) -> dict[str, bytes]:
    """Put a source package's bytes into the store, so that every machine has them; its description, as evidence."""
    if package.kind == "image":
        return {}  # the registry has it
    file = Path(package.file)
    if not context.store.put(stored_as(package.digest), file.read_bytes()):
        raise UsageError(f"the store has different bytes under the name of package {package.digest[:12]}")
    return {named(DESCRIBED, package.component): file.with_suffix(".json").read_bytes()}


def manifest_of(context: Context, done: Done, commit: str) -> dict[str, Any]:
    """The manifest. Raises Refused when it is not, byte for byte, the one that the build recorded.

    That of the store is always looked at, for what follows is computed from it; that of `.artifacts` where it is.
    """
    from ..decision import artifacts
    from ..journal.entry import JournalError
    from ..packages.manifest import problem

    try:
        manifest: dict[str, Any] = context.log(place_of(commit)).evidence_json(done.evidence[MANIFEST])
    except JournalError as error:
        raise Refused(
            f"RELEASE_PACKAGE_MANIFEST_ALTERED: the manifest of {commit[:12]} (journal #{done.seq}): {error}"
        ) from error
    if wrong := problem(manifest, commit):
        raise Refused(
            f"RELEASE_PACKAGE_MANIFEST_INVALID: the manifest of {commit[:12]} (journal #{done.seq}): {wrong}"
        )
    path = artifacts.path_of(context, artifacts.MANIFEST, commit)
    if path.is_file() and _digest_of(path) != done.evidence[MANIFEST]:
        raise Refused(
            f"RELEASE_PACKAGE_MANIFEST_ALTERED: {context.shown(path)} is not what the build of {commit[:12]} "
            f"wrote (journal #{done.seq}): delete it, and run `invoke build` to restore it"
        )
    return manifest


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _show_manifest(context: Context, done: Done, commit: str) -> None:
    from ..decision import artifacts

    manifest_of(context, done, commit)
    views = {MANIFEST: artifacts.MANIFEST}
    artifacts.restore(context, context.log(place_of(commit)), done.evidence, views, commit)


def _manifest(context: Context, standing: Standing, package: Package, run: str) -> dict[str, Any]:
    """The contract's fields (contracts, B.1); one digest ref for each component."""
    log = context.log(place_of(package.commit))
    intake = standing.intake
    if intake is None:
        raise ValueError("a package that was not taken in is not built")
    scope = log.evidence_json(intake.evidence["scope.json"])
    first, project = context.config.package.component, context.config.project.name
    refs = {
        f"{part.component or first}Ref": part.ref
        or f"{part.kind}/{'-'.join(filter(None, (project, part.component)))}@sha256:{part.digest}"
        for part in package.each
    }
    named = ("runtime", "desktop", "infra", "identity", "docsOnly")
    return {
        "schemaVersion": "1",
        "generatedAt": f"{context.now():%Y-%m-%dT%H:%M:%SZ}",
        "headSha": package.commit,
        "testedSha": package.commit,
        "changeClass": scope["changeClass"],
        "commitStageRunId": _tested_by(context, package),
        "buildRunId": os.environ.get("GITHUB_RUN_ID") or run,
        "scope": {name: scope["scope"][name] for name in named},
        "requiresInfraConvergence": scope["requiresInfraConvergence"],
        "requiresMigrations": scope["requiresMigrations"],
        "releasePackage": refs,
    }


def _tested_by(context: Context, package: Package) -> str:
    """The id of the run that has tested the commit, as `evidence.json` names it; "" while none is known.

    With `[github]` it is the merge gate's, which came before. A GitHub that cannot tell fails no build: acceptance
    asks again, and there it is a NO. Without, it is the repository's own test run: in the order of the stages that
    comes after the build, so there is one only where somebody ran `invoke test` first.
    """
    from ..facts.read import read_ci

    try:
        run = read_ci(context, package, with_run=True).run
    except MissingFact as error:
        context.screen.line(f"  the manifest names no run of the commit stage: {error}")
        return ""
    return str(run.id) if run else ""


def _provenance(context: Context, package: Package, began: str) -> dict[str, Any]:
    from ..journal.predicates import provenance_of

    path = context.config.component(package.component).path
    return provenance_of(package, path, began, f"{context.now():%Y-%m-%dT%H:%M:%SZ}")


def report(context: Context, request: Request) -> Result:
    """Build, for the command."""
    package, known = stage(context, request.commit)
    line = f"package {package.digest} of {package.commit[:12]}, {package.size:,} bytes"
    line += "; ".join(("", *dict.fromkeys(said_of_found(part) for part in package.each if part.found)))
    return Result(
        Outcome.SUCCEEDED,
        f"{line} (already)" if known else line,
        evidence=package.file,
        details=msgspec.to_builtins(package),
    )
