"""A package of source files: one archive of a commit's folder. The same commit gives the same bytes everywhere.

- The bytes depend on the commit's tree alone: not on the clone, git's version or configuration (attributes,
  line endings), umask, locale, time or the person who builds.
- The app's root is `./app/` in the archive; the file COMMIT in it holds the commit's SHA and a newline, so a
  running process can tell what it is, whatever its environment says.
- It is built once: `<store>/<commit>.tgz` beside its manifest `<commit>.json`. The manifest is written first
  and decides: bytes that do not have its digest are never handed out, and never replace it.
- Files appear whole, by rename, after fsync. What a killed build leaves, the next one sweeps.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal

import msgspec

from .. import git, git_objects
from ..compatibility import SOURCE, SourceKind
from ..errors import UsageError
from ..files import read_file
from . import contents, start_commands, stored, ustar
from .archive import read, unpack
from .kept import alone, appearing, disk

__all__ = ["Archive", "Manifest", "build", "find_or_build", "read", "unpack"]

MAX_SIZE: Final = 1 << 30  # bytes of a package; the platform takes less
MAX_MANIFEST: Final = 1 << 16  # bytes
MAX_TARGET: Final = 4096  # bytes of a symlink that are read at all
LOCK_WITHIN: Final = 150.0  # seconds; longer than the longest build


class Archive(msgspec.Struct, frozen=True):
    """A built package: the commit it is, the sha256 of its bytes in hex, its size in bytes, where it lies."""

    commit: str
    digest: str
    size: int
    file: Path


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What `<commit>.json` says: `path` is the folder that it was made from, `files` how many it holds."""

    schema_version: Literal["1"]
    kind: SourceKind
    commit: str
    digest: str
    size: int
    path: str
    files: int


def build(
    root: Path, commit: str, path: str = "app", *, file: Path, needs: str = start_commands.NAME
) -> Archive:
    """Write the archive of the folder `path` at `commit` (40 hex characters) to `file`, whole and durable.

    `needs` is the file without which the folder is no package: start commands, or an image's Dockerfile.

    Raises UsageError for an unknown commit or folder, a tree that cannot be a package, and a full disk.
    """
    with disk(file.parent), appearing(file) as out:
        made = _write(root, commit, path, out, needs)
    return Archive(commit, made.digest, made.size, file)


def find(commit: str, *, store: Path, path: str = "") -> Archive | None:
    """The archive of `commit` in `store`, None when it is not there. Nothing is written.

    Raises UsageError when it was altered, or is of another folder than `path`.
    """
    file = store / f"{git_objects.full(commit)}.tgz"
    with disk(store):
        known = _manifest(file, path) if path else _described(file)
        return _compared(file, known) if known and file.exists() else None


def keep(manifest: bytes, data: bytes, *, store: Path) -> Archive:
    """Put an archive that was built elsewhere into `store`, with the manifest of its build.

    Raises UsageError when the two do not fit, or another manifest of the same commit is there.
    """
    try:
        said = msgspec.json.decode(manifest, type=Manifest)
    except msgspec.DecodeError as error:
        raise UsageError("the manifest of the package makes no sense") from error
    if (hashlib.sha256(data).hexdigest(), len(data)) != (said.digest, said.size):
        raise UsageError(f"the package of {said.commit} is not what its manifest says")
    file = store / f"{git_objects.full(said.commit)}.tgz"
    with disk(store), alone(store, LOCK_WITHIN):
        known = _described(file)
        if known and known != said:
            raise _altered(file)
        if not known:
            with appearing(file.with_suffix(".json")) as out:
                out.write(manifest)
        with appearing(file) as out:
            out.write(data)
    return Archive(said.commit, said.digest, said.size, file)


def find_or_build(root: Path, commit: str, *, path: str, store: Path) -> Archive:
    """The archive of `commit` in `store`, built when it is not there.

    What is there is read again whole and compared with its manifest. Raises UsageError when they differ, when
    the manifest names another folder than `path`, when a new build differs from it, and as `build` does.
    """
    file = store / f"{git_objects.full(commit)}.tgz"
    with disk(store), alone(store, LOCK_WITHIN):
        known = _manifest(file, path)
        if known and file.exists():
            return _compared(file, known)
        with appearing(file) as out:
            made = _write(root, commit, path, out)
            if known and known != made:
                raise UsageError(
                    f"package of {commit} has digest {made.digest} now and {known.digest} on record: "
                    f"bring back {file.name}, or find out what changed"
                )
            if not known:
                with appearing(file.with_suffix(".json")) as described:
                    described.write(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    return Archive(commit, made.digest, made.size, file)


def _write(root: Path, commit: str, path: str, out: IO[bytes], needs: str = start_commands.NAME) -> Manifest:
    """Write the archive in one pass; no file is in memory as a whole."""
    entries = sorted(git.entries(root, commit, path, recursive=True), key=lambda entry: entry.name)
    sink = stored.Stored(out)
    archive = ustar.Writer(sink)
    archive.add(ustar.header(b"./app/", ustar.DIRECTORY, 0o755))
    links: dict[bytes, bytes] = {}
    needed = start_commands.NAME.encode() if needs == start_commands.NAME else None
    with git_objects.batch(root, (entry.oid for entry in entries)) as source:
        names = contents.checked(entries, needs)  # while git already reads
        for name, entry in names.items():
            inside = b"./app/" + name
            if entry is None:
                archive.add(ustar.header(inside + b"/", ustar.DIRECTORY, 0o755))
            elif entry is contents.STAMPED:
                archive.add(ustar.header(inside, ustar.FILE, 0o644, 41))
                archive.add(f"{commit}\n".encode().ljust(ustar.BLOCK, b"\0"))
            else:
                size = git_objects.next_size(source, entry.oid)
                if archive.size + size > MAX_SIZE:
                    raise UsageError(
                        f"the package is over {MAX_SIZE} bytes at {ustar.shown(name)}: make it smaller"
                    )
                if entry.mode != contents.SYMLINK:
                    archive.add(ustar.header(inside, ustar.FILE, contents.MODES[entry.mode], size))
                    archive.copy(_looked_at(source, size, path, name, needed), size)
                else:
                    links[name] = source.read(min(size, MAX_TARGET))
                    archive.add(ustar.header(inside, ustar.SYMLINK, 0o777, 0, links[name]))
                source.read(1)  # the newline that ends each object
    contents.check_links(links)
    archive.end()
    digest = sink.end()
    files = sum(entry is not None for entry in names.values())
    return Manifest("1", SOURCE, commit, digest, sink.size, path, files)


def _looked_at(source: IO[bytes], size: int, path: str, name: bytes, needed: bytes | None) -> IO[bytes]:
    """The file's bytes; what git holds in place of a file that is kept elsewhere is refused by name."""
    if name == needed:
        return _read(source, size, path)
    if size > contents.MAX_POINTER:
        return source
    data = source.read(size)
    if data.startswith(contents.LFS_POINTER):
        raise UsageError(
            f"{ustar.shown(name)} is a pointer of Git LFS, and its bytes are not in the commit: "
            "a package holds what git holds; commit the file itself, or have the app fetch it"
        )
    return io.BytesIO(data)


def _read(source: IO[bytes], size: int, path: str) -> IO[bytes]:
    """The start commands, read: one that no platform could start is refused before there is a package."""
    where = str(PurePosixPath(path, start_commands.NAME))
    if size > start_commands.MAX_SIZE:
        raise UsageError(f"{where} has {size} bytes: at most {start_commands.MAX_SIZE} are read")
    data = source.read(size)
    start_commands.processes(data, where)
    return io.BytesIO(data)


def _manifest(file: Path, path: str) -> Manifest | None:
    """The manifest beside `file`, None when there is none; it must be of the folder `path`."""
    known = _described(file)
    if known and known.path != path:
        raise UsageError(
            f"package of {known.commit} was built from {known.path!r}, not from {path!r}: commit again"
        )
    return known


def _described(file: Path) -> Manifest | None:
    try:
        known = msgspec.json.decode(read_file(file.with_suffix(".json"), MAX_MANIFEST), type=Manifest)
    except FileNotFoundError:
        return None
    except (UsageError, msgspec.DecodeError, RecursionError) as error:
        raise _altered(file) from error
    if known.commit != file.stem:
        raise _altered(file)
    return known


def _compared(file: Path, known: Manifest) -> Archive:
    with file.open("rb") as kept:
        digest = hashlib.file_digest(kept, "sha256").hexdigest()
        size = kept.tell()
    if (digest, size) != (known.digest, known.size):
        raise _altered(file)
    return Archive(known.commit, digest, size, file)


def _altered(file: Path) -> UsageError:
    return UsageError(
        f"package of {file.stem} was altered in {file.parent}: delete {file.stem}.* and build again"
    )
