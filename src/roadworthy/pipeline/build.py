"""Build once: the package of a commit, found or made, and never made twice with other bytes.

`build` makes the bytes; they depend on the commit's tree alone, for they are read from git and nothing runs.
The stage (`report`) writes them down: digest, manifest, provenance, and the bytes themselves in the store, so
that any machine can deploy or replay them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from ..errors import NoPackage, Refused, UsageError
from ..facts.standing import Done, Standing, read_standing, standing_of
from ..journal.entry import place_of
from ..model import MissingFact, Outcome, Package, Plan, ReleasePackage, Request, Result, Step
from . import built_images
from .on_package import begin

if TYPE_CHECKING:
    from ..config import Packaged
    from ..context import Context

NAME = "build"
MANIFEST: Final = "manifest.json"  # the release package's, as evidence of the build
DESCRIBED: Final = "package.json"  # the slug's own description


def build(context: Context, commit: str) -> Package:
    """The package of a full commit SHA. Raises UsageError when it cannot be built or was altered."""
    parts = tuple(_build(context, commit, rules) for rules in context.config.packaged)
    if len(parts) == 1:
        return replace(parts[0], component="")
    return Package.together(parts)


def _build(context: Context, commit: str, rules: Packaged) -> Package:
    """The package of one component."""
    root, store, name = context.paths.root, store_of(context, rules.component), rules.component
    if rules.kind == "image":
        from ..packages import image, settings

        if rules.platforms[1:]:
            raise UsageError(f"package.platforms names {len(rules.platforms)}, and {settings.SEVERAL}")
        with context.screen.step(f"building the image of {commit[:12]}, or finding it"):
            built = image.find_or_build(root, commit, rules=rules, store=store, environ=context.environ)
        package = built_images.package_of(built, name)
        live = context.target != "sandbox"
        settings.check_releasable(built.ref, rules.platforms, context.environ, live=live)
        if built.found:
            context.screen.line(f"  {built_images.said_of_found(package)}")
        return package
    from ..packages import slug

    made = slug.find_or_build(root, commit, path=rules.path, store=store)
    return Package(made.commit, made.digest, made.size, str(made.file), component=name)


def store_of(context: Context, component: str) -> Path:
    """The folder of a component's packages on this machine; "" is the first component."""
    first = component in ("", context.config.package.component)
    return context.paths.packages if first else context.paths.packages / component


def here(context: Context, package: Package) -> Package:
    """The package with the files of its bytes, where they are on this machine."""
    if package.parts:
        return replace(package, parts=tuple(here(context, part) for part in package.parts))
    file = store_of(context, package.component) / f"{package.commit}.tgz"
    return replace(package, file=str(file) if file.is_file() else "")


def unpack(context: Context, package: Package, folder: Path) -> None:
    """Write the files of one component's package into an empty folder; of an image what it was built from."""
    if package.kind == "image":
        from ..packages import image

        rules = context.config.component(package.component)
        return image.export(context.paths.root, package.commit, rules, folder)
    from ..packages import slug

    return slug.unpack(Path(package.file), folder)


def recorded(context: Context, commit: str, done: Done, *, keep: bool = True) -> Package:
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
    context: Context, commit: str, done: Done, digest: str, ref: str, component: str, keep: bool
) -> Package:
    if ref:
        there = built_images.still(context, commit, done, digest, ref, component)
        if there.digest != f"sha256:{digest}":
            raise UsageError(f"RELEASE_PACKAGE_DIGEST_MISMATCH: {ref} is not {digest[:12]}, which was built")
        config = there.config.digest if there.config else ""
        return Package(
            commit, digest, there.size, kind="image", ref=there.ref, config=config, component=component
        )
    from ..packages import slug

    store = store_of(context, component)
    found = slug.find(commit, store=store)
    if found is None:
        data = context.store.get(_kept(digest), slug.MAX_SIZE)
        if data is None:
            raise UsageError(f"the package of {commit[:12]} is neither here nor in the store: it is lost")
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"the package of {commit[:12]} has other bytes in the store than were built")
        if not keep or context.planning:
            return Package(commit, digest, len(data), component=component)
        described = context.log(place_of(commit)).evidence(done.evidence[_named(DESCRIBED, component)])
        found = slug.keep(described, data, store=store)
    if found.digest != digest:
        raise UsageError(
            f"RELEASE_PACKAGE_DIGEST_MISMATCH: the package of {commit[:12]} here is {found.digest[:12]}, but "
            f"{digest[:12]} was built (journal #{done.seq}): remove {found.file.name} and its .json"
        )
    return Package(commit, found.digest, found.size, str(found.file), component=component)


def bring(context: Context, package: Package, *, keep: bool = True) -> bool:
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


def package_of(context: Context, commit: str) -> Package:
    """The package that a deploy means: the recorded one, or, where none is recorded, a build of the commit."""
    if context.planning:
        return known(context, commit)
    standing = standing_of(context, commit)
    return recorded(context, commit, standing.build) if standing.build else build(context, commit)


def known(context: Context, commit: str) -> Package:
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


def _found(context: Context, commit: str, rules: Packaged) -> Package | None:
    """The package of one component that was built before, here or in its registry; None when there is none."""
    store, name = store_of(context, rules.component), rules.component
    if rules.kind == "image":
        from ..packages import image

        built = image.find(commit, rules=rules, store=store, environ=context.environ)
        if built is None:
            return None
        return built_images.package_of(built, name)
    from ..packages import slug

    made = slug.find(commit, store=store, path=rules.path)
    return Package(made.commit, made.digest, made.size, str(made.file), component=name) if made else None


def fetched(context: Context, plan: Plan) -> Plan:
    """The plan with the bytes of every slug that is to be uploaded on this machine: before anything is changed.

    Raises UsageError when they are nowhere.
    """
    return replace(plan, steps=tuple(_with_bytes(context, step) for step in plan.steps))


def _with_bytes(context: Context, step: Step) -> Step:
    if not isinstance(step, ReleasePackage) or step.slug or step.package.file or step.package.kind != "slug":
        return step
    if not bring(context, step.package):
        raise UsageError(
            f"the package {step.package.digest[:12]} is neither here nor in the store: it is lost"
        )
    return replace(step, package=here(context, step.package))


def _named(file: str, component: str) -> str:
    """The name of a file of evidence; of one component, where there are several."""
    name, dot, kind = file.partition(".")
    return f"{name}-{component}{dot}{kind}" if component else file


def stage(context: Context, commit: str) -> tuple[Package, bool]:
    """Build and record the package of a commit that was taken in; and whether that had been done before.

    Raises Refused before its turn, or when other bytes were recorded under this commit.
    """
    from . import artifacts

    log = context.log(place_of(commit))
    standing = read_standing(log.entries())
    if lacks := standing.lacks("build"):
        raise Refused(f"{commit[:12]} cannot be built: {lacks}")
    if standing.build:
        package = recorded(context, commit, standing.build)
        _show_manifest(context, standing.build, commit)
        return package, True
    with begin(context, commit, NAME, "build") as turn:
        package = built_images.attributed(log.entries(), build(context, commit))
        files = {name: data for part in package.each for name, data in _keep(context, part).items()}
        manifest = artifacts.as_bytes(
            _manifest(context, standing, package, f"{place_of(commit)}#{turn.start.seq}")
        )
        for part in package.each:
            told = _provenance(context, part, turn.start.at)
            files[_named("provenance.json", part.component)] = artifacts.as_bytes(told)
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
    """Put a slug's bytes into the store, so that every machine has them; its description, as evidence."""
    if package.kind == "image":
        return {}  # the registry has it
    file = Path(package.file)
    if not context.store.put(_kept(package.digest), file.read_bytes()):
        raise UsageError(f"the store holds other bytes under the name of package {package.digest[:12]}")
    return {_named(DESCRIBED, package.component): file.with_suffix(".json").read_bytes()}


def manifest_of(context: Context, done: Done, commit: str) -> dict[str, Any]:
    """The manifest. Raises Refused when it is not, byte for byte, the one that the build recorded.

    That of the store is always looked at, for what follows is computed from it; that of `.artifacts` where it is.
    """
    from ..journal.entry import JournalError
    from ..packages.manifest import problem
    from . import artifacts

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
            f"wrote (journal #{done.seq}): remove it, and `invoke build` brings it back"
        )
    return manifest


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _show_manifest(context: Context, done: Done, commit: str) -> None:
    from . import artifacts

    manifest_of(context, done, commit)
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
    line += "; ".join(
        ("", *dict.fromkeys(built_images.said_of_found(part) for part in package.each if part.found))
    )
    return Result(
        Outcome.SUCCEEDED,
        f"{line} (already)" if known else line,
        evidence=package.file,
        details=msgspec.to_builtins(package),
    )
