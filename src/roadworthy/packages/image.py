"""An image: built once per commit by the user's engine, pushed once, and named by digest from then on.

- It is built from the commit's tree, exported from git's objects, never from somebody's working folder. The
  commit goes in as the build argument GIT_SHA, the label `org.opencontainers.image.revision` and a file COMMIT.
- The registry's tag `<commit>` finds it again, `<store>/images/<commit>.json` says which digest it must have.
  When the two differ nothing is handed out. It is never rebuilt to see whether it comes out the same.
- The image counts when the registry gives it back by the digest that the engine noted, with the commit's label.
  What a killed build leaves has no record: a finished push is found by its tag, all else is swept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from .. import references
from ..errors import CheckFailed, UsageError
from ..files import read_file
from ..git_objects import full
from . import archive, engine, handover, registry, source
from .kept import BUILDING, alone, appearing, disk

if TYPE_CHECKING:
    from ..config import Packaged
    from .registry import Manifest

REVISION: Final = "org.opencontainers.image.revision"  # OCI image spec, "Pre-Defined Annotation Keys"
MOST_CONFIG: Final = 4 << 20  # bytes
LOCK_WITHIN: Final = 3 * engine.WITHIN  # seconds: a build is two commands of an engine
MAX_RECORD: Final = 1 << 16  # bytes


class Image(msgspec.Struct, frozen=True):
    """A built image: `ref` is `registry/name@sha256:…`, `digest` and `config` begin with `sha256:`.

    `config` is the digest of its config, by which it may be released; "" of an index of several platforms.
    `size` is the bytes of all its blobs. `file` is the record of it on this machine. `found` says that it was in
    the registry, under its tag, before anything was built here: whoever can push there may have made it.
    """

    commit: str
    ref: str
    digest: str
    config: str
    size: int
    file: Path
    found: bool = False


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What `<commit>.json` says; `path` and `dockerfile` are where it was built from, unless it was found."""

    schema_version: Literal["1"]
    kind: Literal["image"]
    commit: str
    ref: str
    digest: str
    config: str
    size: int
    path: str
    dockerfile: str
    found: bool = False


def find_or_build(
    root: Path, commit: str, *, rules: Packaged, store: Path, environ: Mapping[str, str], tag: str = ""
) -> Image:
    """The image of a full commit SHA in `rules.repository`, built and pushed when it is not there.

    `tag` is the tag that finds it again, unless it is the commit.
    Raises UsageError when the version has another digest than is on record, or cannot be built; CheckFailed
    when the build fails or the registry does not give back what was pushed; Unreachable.
    """
    folder = store / "images"
    file = folder / f"{full(commit)}.json"
    tag = tag or commit
    with disk(folder), alone(folder, LOCK_WITHIN):
        known, named = _looked(file, rules, tag, environ)
        if known:
            return Image(commit, known.ref, known.digest, known.config, known.size, file, known.found)
        found = named is not None
        if named is None:
            with tempfile.TemporaryDirectory(prefix=BUILDING, dir=folder) as work:
                named, found = _build(root, commit, rules, tag, Path(work), environ)
        check_commit(named, commit, environ)
        config = named.config.digest if named.config else ""
        where = (rules.path, rules.dockerfile)
        made = Record("1", "image", commit, named.ref, named.digest, config, named.size, *where, found)
        with appearing(file) as described:
            described.write(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    return Image(commit, made.ref, made.digest, made.config, made.size, file, found)


def find(commit: str, *, rules: Packaged, store: Path, environ: Mapping[str, str]) -> Image | None:
    """The image of a full commit SHA that is there already, None when none is. Nothing is written.

    Raises UsageError and Unreachable as `find_or_build` does.
    """
    file = store / "images" / f"{full(commit)}.json"
    known, named = _looked(file, rules, commit, environ)
    if known:
        return Image(commit, known.ref, known.digest, known.config, known.size, file, known.found)
    if named is None:
        return None
    check_commit(named, commit, environ)
    config = named.config.digest if named.config else ""
    return Image(commit, named.ref, named.digest, config, named.size, file, found=True)


def _looked(
    file: Path, rules: Packaged, tag: str, environ: Mapping[str, str]
) -> tuple[Record | None, Manifest | None]:
    """What is on record here and what the registry has under `tag`. Raises UsageError when the two differ."""
    known = _record(file, rules)
    named = registry.tagged(rules.repository, tag, environ=environ)
    if known and named and named.digest != known.digest:
        raise UsageError(
            f"version {tag} of {rules.repository} is {named.digest} now and {known.digest} on record: "
            "somebody gave it to another image, and none is used"
        )
    if known:
        registry.read(known.ref, environ=environ)  # is it still there?
    return known, named


def keep(
    root: Path,
    commit: str,
    *,
    rules: Packaged,
    store: Path,
    environ: Mapping[str, str],
    names: tuple[str, ...],
) -> str:
    """Build the commit's tree for this machine alone, under these names; the engine that did it."""
    folder = store / "images"
    with (
        disk(folder),
        alone(folder, LOCK_WITHIN),
        tempfile.TemporaryDirectory(prefix=BUILDING, dir=folder) as work,
    ):
        chosen = engine.find(rules.engine, environ)
        with_logins = handover.handed(chosen, environ, Path(work))
        engine.run(engine.keep(chosen, _job(root, commit, rules, "", Path(work)), names), with_logins)
    return chosen


def export(root: Path, commit: str, rules: Packaged, folder: Path) -> None:
    """Write what the image of a full commit SHA is built from into `folder`, which is made."""
    with tempfile.TemporaryDirectory(prefix="roadworthy-") as work:
        packed = Path(work) / "tree.tgz"
        source.build(root, commit, rules.path, file=packed, needs=rules.dockerfile)
        archive.unpack(packed, folder)


def _job(root: Path, commit: str, rules: Packaged, tag: str, work: Path) -> engine.Job:
    """Export the commit's tree into `work`, and say what is to be built from it."""
    tree = work / "tree"
    export(root, commit, rules, tree)
    to = references.repository(rules.repository)
    return engine.Job(commit, tree, rules.dockerfile, to, tag, rules.platforms, rules.build_args, work)


def _build(
    root: Path, commit: str, rules: Packaged, tag: str, work: Path, environ: Mapping[str, str]
) -> tuple[Manifest, bool]:
    """Build the commit's tree and push it; what the registry then has, and whether that is somebody else's."""
    chosen = engine.find(rules.engine, environ)
    job = _job(root, commit, rules, tag, work)
    with_logins = handover.handed(chosen, environ, work, job.to)
    engine.prepare(chosen, job, with_logins)
    for words in engine.build(chosen, job):
        engine.run(words, with_logins)
    if chosen != "docker" and (theirs := registry.tagged(rules.repository, tag, environ=environ)):
        return theirs, True  # another machine was faster: its image is the commit's, ours was never pushed
    for words in engine.push(chosen, job):
        engine.run(words, with_logins)
    digest = engine.digest(chosen, job)
    pushed = registry.read(f"{job.to}@{digest}", environ=environ)
    named = registry.tagged(rules.repository, tag, environ=environ)
    if named is None or named.digest != digest:
        raise CheckFailed(
            f"{job.name} is not the image that was just pushed: another build was at work, look at it"
        )
    return pushed, False


def check_commit(image: Manifest, commit: str, environ: Mapping[str, str]) -> None:
    """Raises UsageError when the image, or one of an index, is not labelled as being of this commit."""
    for one in image.all:
        if one.config and commit_of(one, environ) != commit:
            raise UsageError(f"{one.ref} is not labelled as built from {commit}: the name is taken")


def commit_of(image: Manifest, environ: Mapping[str, str]) -> str:
    """The commit that an image's label names; "" when it names none."""
    if image.config is None:
        return ""
    data = registry.content(image.ref, image.config, MOST_CONFIG, environ=environ)
    try:
        document: dict[str, Any] = msgspec.json.decode(data, type=dict)
        said = ((document.get("config") or {}).get("Labels") or {}).get(REVISION)
    except (msgspec.DecodeError, RecursionError, AttributeError):
        said = None
    return said if isinstance(said, str) else ""


def _record(file: Path, rules: Packaged) -> Record | None:
    try:
        known = msgspec.json.decode(read_file(file, MAX_RECORD), type=Record)
    except FileNotFoundError:
        return None
    except (UsageError, msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{file} was altered: delete it, the registry has the image") from error
    at = references.reference(known.ref)
    if known.commit != file.stem or at.digest != known.digest:
        raise UsageError(f"{file} was altered: delete it, the registry has the image")
    built = (str(at.repository), known.path, known.dockerfile)
    wanted = (str(references.repository(rules.repository)), rules.path, rules.dockerfile)
    if built != wanted:
        raise UsageError(f"image of {known.commit} was built from {built}, not from {wanted}: commit again")
    return known
