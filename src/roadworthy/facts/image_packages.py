"""Images as the journal tells of them: who built them, and where they still are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import CheckFailed, Unreachable, UsageError
from ..model import Package

if TYPE_CHECKING:
    from ..facts.standing import Done
    from ..journal.entry import Entry
    from ..packages.registry import Manifest
    from ..world import World


def attributed(entries: Iterable[Entry], package: Package) -> Package:
    """The package, of which an image that was found counts as built when a signed test run says that it built it.

    Tests run before the build on some roads, on another machine: what they built is the image that is found now.
    """
    tests = (e.record for e in entries if (e.record.action, e.record.digest) == ("test", package.digest))
    if not any(record.details.get("built") is True for record in tests):
        return package
    parts = tuple(replace(part, found=False) for part in package.parts)
    return replace(package, found=False, parts=parts)


def still(context: World, commit: str, done: Done, digest: str, ref: str, component: str) -> Manifest:
    """The image, in the repository that release.toml names now or in the one that it was built into.

    A digest is the same image wherever it lies, so a registry may move. Raises UsageError when it is in neither.
    """
    from .. import references
    from ..packages import registry

    names = [c.repository for c in context.config.packaged if component in ("", c.component) and c.repository]
    now = f"{references.repository(names[0])}@sha256:{digest}" if names else ref
    for place in dict.fromkeys((now, ref)):
        try:
            return registry.read(place, environ=context.environ)
        except Unreachable:
            if place == ref:
                raise
        except CheckFailed:
            continue
    raise UsageError(
        f"the image of {commit[:12]} that was built (journal #{done.seq}) is no longer in {ref.partition('@')[0]}, "
        f"and nothing is built twice: copy it back from an app's repository (skopeo copy --all --preserve-digests "
        f"docker://…@sha256:{digest[:12]}… docker://{now.partition('@')[0]}:{commit}), or commit again"
    )
