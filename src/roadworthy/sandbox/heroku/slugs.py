"""Slug blobs: taken in as a stream, checked against their checksum, unpacked without trust.

Invariants:
- A blob appears under its name only when it is whole, on disk, and equals the checksum it was announced with.
- A stored blob that has changed since is not unpacked.
- Unpacking writes inside its folder only (tarfile's data filter), within limits on members and bytes.
- An unpacked slug appears under its name only when it is whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ...errors import UsageError
from ...packages import start_commands

BLOB_LIMIT = 500 * 1024 * 1024
"""Heroku's limit of a compressed slug, in bytes."""
UNPACKED_LIMIT = 2 * 1024 * 1024 * 1024
MEMBER_LIMIT = 200_000
PART = ".part"
"""How the name of what is not whole yet ends."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An uploaded file: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


async def receive(chunks: AsyncIterator[bytes], target: Path, checksum: str | None) -> Blob:
    """Write a blob to `target`; a blob that was there is replaced only by a whole and right one.

    Raises UsageError when it is larger than BLOB_LIMIT or is not what `checksum` (`SHA256:<hex>`) says.
    """
    part = target.with_name(f"{target.name}.{uuid4().hex}{PART}")
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > BLOB_LIMIT:
                    raise UsageError(f"the slug is larger than {BLOB_LIMIT} bytes")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        found = f"SHA256:{digest.hexdigest()}"
        if checksum is not None and found.lower() != checksum.lower():
            raise UsageError(f"the blob is {found}, but the slug was announced as {checksum}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return Blob(size, digest.hexdigest())


def remove_parts(folder: Path) -> None:
    """Remove what a killed server left half done in this folder and the folders in it."""
    for part in [*folder.glob(f"*{PART}"), *folder.glob(f"*/*{PART}")]:
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def sha256(blob: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with blob.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(blob: Path, target: Path, checksum: str | None = None) -> Path:
    """Unpack a tar (gzip or plain) to `target` unless that was done before; returns the app's root.

    Heroku's slugs hold everything under `./app/`; then that folder is the root.

    Raises UsageError for what is not what `checksum` says any more, is no tar, names a place outside its folder,
    holds devices, or is too large.
    """
    if not target.exists():
        if checksum is not None and (found := f"SHA256:{sha256(blob)}").lower() != checksum.lower():
            raise UsageError(f"the stored blob is {found}, but the slug was announced as {checksum}")
        part = target.with_name(f"{target.name}.{uuid4().hex}{PART}")
        try:
            part.mkdir(parents=True)
            with blob.open("rb") as file:
                compressed = file.read(2) == b"\x1f\x8b"
            with tarfile.open(blob, "r:gz" if compressed else "r:") as archive:
                archive.extractall(part, members=_within_limits(archive), filter="data")
            part.rename(target)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise UsageError(f"the slug cannot be unpacked: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    entries = [entry.name for entry in target.iterdir()]
    return target / "app" if entries == ["app"] and (target / "app").is_dir() else target


def processes(root: Path) -> dict[str, str]:
    """The process types that the slug's Procfile declares, in its order; none where it has none."""
    path = root / start_commands.NAME
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return start_commands.processes(file.read(start_commands.MAX_SIZE + 1))


def _within_limits(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members, size = [], 0
    for member in archive:
        members.append(member)
        size += member.size
        if len(members) > MEMBER_LIMIT or size > UNPACKED_LIMIT:
            raise UsageError(f"the slug unpacks to more than {MEMBER_LIMIT} files or {UNPACKED_LIMIT} bytes")
    return members
