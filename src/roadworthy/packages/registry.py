"""Images in registries, by digest: read, promote, verify.

    promote("reg/build/web@sha256:…", "reg/staging/web")  →  "reg/staging/web@sha256:…", the same digest

- A manifest is believed when its bytes have the digest that was asked for, and it is copied as these bytes:
  an index with everything that it lists, in the order that leaves no manifest pointing at nothing.
- Blobs are taken over (mounted) within one registry and streamed between two. What was copied is read back.
- A tag is never a source. `named` gives a version its tag once; the same tag for another digest is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from .. import references
from ..errors import CheckFailed, Unreachable, UsageError
from ..references import Reference
from .wire import KINDS, Wire, opened

MOST_DEPTH: Final = 3  # an index of indices of images
MOST_MANIFESTS: Final = 256  # in one index, all levels counted
MOST_TAGS: Final = 1000  # of a repository that is searched
MOST_BLOBS: Final = 1024  # of one image


class Blob(msgspec.Struct, frozen=True):
    """A config or a layer; `size` in bytes."""

    digest: str
    size: int


class Manifest(msgspec.Struct, frozen=True):
    """An image, or an index of images (`children`; then `config` is None and there are no layers).

    `data` are the very bytes whose sha256 is the digest; `ref` is where they were read.
    """

    ref: str
    digest: str
    media_type: str
    data: bytes
    config: Blob | None
    layers: tuple[Blob, ...]
    children: tuple[Manifest, ...] = ()

    @property
    def all(self) -> tuple[Manifest, ...]:
        """This manifest and those below it, each after what it lists."""
        return (*(below for child in self.children for below in child.all), self)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Every config and layer, each once."""
        every = (blob for m in self.all for blob in (*((m.config,) if m.config else ()), *m.layers))
        return tuple(dict.fromkeys(every))

    @property
    def size(self) -> int:
        """Bytes of all blobs, as the registry stores them."""
        return sum(blob.size for blob in self.blobs)


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    urls: tuple[str, ...] = ()


class _Document(msgspec.Struct, rename="camel"):
    """An image manifest or an index (OCI image spec 1.1; Docker's image manifest, schema 2)."""

    schema_version: int
    media_type: str = ""
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] | None = None
    manifests: tuple[_Descriptor, ...] | None = None


def read(ref: str, *, environ: Mapping[str, str]) -> Manifest:
    """The manifest of `registry/name@sha256:…` and, of an index, all that it lists.

    Raises UsageError for a tag, CheckFailed when it is not there or is not what its digest says, Unreachable.
    """
    asked = references.reference(ref)
    with opened(asked.repository, environ) as wire:
        return _read(wire, asked)


def tagged(repository: str, tag: str, *, environ: Mapping[str, str]) -> Manifest | None:
    """What a tag names now, None when nothing: to find a build again, never to deploy."""
    at = references.repository(repository)
    with opened(at, environ) as wire:
        found = wire.manifest(_tag(tag))
        return _read(wire, Reference(at, _digest(found[1]))) if found else None


def listed(repository: str, *, environ: Mapping[str, str]) -> Iterator[Manifest]:
    """What each tag of a repository names, one by one: to look for an image, never to choose one by its tag."""
    at = references.repository(repository)
    with opened(at, environ) as wire:
        for tag in wire.tags(MOST_TAGS):
            if found := wire.manifest(_tag(tag)):
                yield _read(wire, Reference(at, _digest(found[1])))


def content(ref: str, blob: Blob, most: int, *, environ: Mapping[str, str]) -> bytes:
    """The bytes of a small blob of the image `ref`, an image's config for example."""
    if blob.size > most:
        raise CheckFailed(f"blob {blob.digest} has {blob.size} bytes: more than {most} is not read")
    with opened(references.reference(ref).repository, environ) as wire:
        return wire.content(blob.digest, blob.size)


def verify(ref: str, *, environ: Mapping[str, str]) -> Manifest:
    """Read every byte of the image. Raises CheckFailed for the first that is not what its digest says."""
    asked = references.reference(ref)
    with opened(asked.repository, environ) as wire:
        found = _read(wire, asked)
        for blob in found.blobs:
            wire.check(blob.digest, blob.size)
    return found


def lacks(ref: str, *, environ: Mapping[str, str]) -> str:
    """Why the image cannot be pulled from where it is, as far as can be seen without reading it; "" when it can."""
    asked = references.reference(ref)
    with opened(asked.repository, environ) as wire:
        try:
            for blob in _read(wire, asked).blobs:
                if not wire.has(blob.digest, blob.size):
                    return f"{asked} has lost blob {blob.digest}"
        except Unreachable:
            raise
        except CheckFailed as error:
            return str(error)
    return ""


def promote(source: str, repository: str, *, environ: Mapping[str, str], whole: bool = False) -> str:
    """Copy an image to another repository and read back what was sent; its name there, with the same digest.

    With `whole` every byte of it is read there, once, also of what was taken over.
    Raises UsageError for a tag as a source, CheckFailed when anything is not what its digest says.
    """
    asked, to = references.reference(source), references.repository(repository)
    with opened(asked.repository, environ) as here, opened(to, environ) as there:
        image = _read(here, asked)
        copied = [blob for blob in image.blobs if _copy(here, there, blob)]
        for manifest in image.all:
            there.put(manifest.digest, manifest.media_type, manifest.data)
        arrived = _read(there, Reference(to, asked.digest))
        if _documents(arrived) != _documents(image):
            raise CheckFailed(f"{to} gives other manifests than it was sent: nothing there is to be deployed")
        for blob in image.blobs if whole else copied:
            there.check(blob.digest, blob.size)
    return arrived.ref


def named(ref: str, tag: str, *, environ: Mapping[str, str], moving: bool = False) -> None:
    """Give the image a tag in its repository.

    Raises UsageError when the tag names another digest already, unless it is one that moves, like `latest`.
    """
    asked = references.reference(ref)
    with opened(asked.repository, environ) as wire:
        found = wire.manifest(_tag(tag))
        if found and not moving and _digest(found[1]) != asked.digest:
            raise UsageError(
                f"{asked.repository}:{tag} is {_digest(found[1])} already and not {asked.digest}: "
                "a version is never given to other bytes"
            )
        image = _read(wire, asked)
        wire.put(tag, image.media_type, image.data)


def _copy(here: Wire, there: Wire, blob: Blob) -> bool:
    """See that the blob is there; True when its bytes were sent."""
    if here.at.registry == there.at.registry and there.mount(here.at, blob.digest):
        return False
    if there.has(blob.digest, blob.size):
        return False
    there.upload(blob.digest, blob.size, lambda: here.blob(blob.digest, blob.size))
    return True


def _documents(image: Manifest) -> list[tuple[str, str, bytes]]:
    return [(m.digest, m.media_type, m.data) for m in image.all]


def _read(wire: Wire, asked: Reference, depth: int = MOST_DEPTH) -> Manifest:
    found = wire.manifest(asked.digest)
    if found is None:
        raise CheckFailed(f"{asked} is not there")
    kind, data = found
    if _digest(data) != asked.digest:
        raise CheckFailed(f"the registry gives other bytes than {asked}: do not trust it")
    document = _parsed(asked, kind, data)
    if document.manifests is not None:
        if depth <= 1 or len(document.manifests) > MOST_MANIFESTS:
            raise CheckFailed(f"{asked} lists more images, or deeper, than anybody deploys")
        listed = (Reference(wire.at, _whole(asked, one).digest) for one in document.manifests)
        children = tuple(_read(wire, one, depth - 1) for one in listed)
        made = Manifest(str(asked), asked.digest, kind, data, None, (), children)
        if len(made.all) > MOST_MANIFESTS:
            raise CheckFailed(f"{asked} lists more than {MOST_MANIFESTS} manifests")
        return made
    if document.config is None or document.layers is None or len(document.layers) > MOST_BLOBS:
        raise CheckFailed(f"{asked} has no config or no layers: it is no image")
    config, *layers = (_whole(asked, one) for one in (document.config, *document.layers))
    return Manifest(str(asked), asked.digest, kind, data, config, tuple(layers))


def _parsed(asked: Reference, kind: str, data: bytes) -> _Document:
    try:
        document = msgspec.json.decode(data, type=_Document)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"{asked} is no manifest of an image: {error}") from error
    # One document must not be an image to one reader and an index to another (OCI image spec, CVE-2021-41190).
    both = document.manifests is not None and (document.config or document.layers) is not None
    if kind not in KINDS or document.media_type not in ("", kind) or document.schema_version != 2 or both:
        raise CheckFailed(f"{asked} is of a kind that is not deployed: {kind[:80] or 'none said'}")
    return document


def _whole(asked: Reference, one: _Descriptor) -> Blob:
    if not re.fullmatch(references.DIGEST, one.digest) or one.size < 0:
        raise CheckFailed(f"{asked} lists {one.digest[:80]!r}, which is no sha256 digest with a size")
    if one.urls:
        raise CheckFailed(f"{asked} has a layer that is kept elsewhere ({one.digest}): it cannot be promoted")
    return Blob(one.digest, one.size)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tag(tag: str) -> str:
    if not re.fullmatch(references.TAG, tag):
        raise UsageError(
            f"{tag[:130]!r} is no tag: letters, digits, dots, dashes and underscores, at most 128"
        )
    return tag
