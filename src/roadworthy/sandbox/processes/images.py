"""Images on the sandbox: found in a registry of this machine by the id that a release names.

An app's images lie in `<registry>/<app>/<process type>`, under any tag; a release names the digest of a config.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from ...errors import RoadworthyError, UsageError
from ...packages.podman import lacking, open_to_all, take


def why_not(host: str) -> str:
    """Why no image can be run here; "" when they can."""
    if not host:
        return (
            "this sandbox has no registry: name one in targets.sandbox.registry, or release a source archive"
        )
    missing = lacking()
    return f"not installed here: {missing}; release a source archive, or install it" if missing else ""


def fetch(host: str, app: str, images: Mapping[str, str], shared: Path) -> None:
    """Bring each image, an id by process type, from the registry into podman's store; they see the folder `shared`.

    Whoever releases an image has read it; here podman compares what it fetches. Raises UsageError when there is
    none of this id, or when any byte that is fetched is not what its digest says.
    """
    from ...packages import registry  # it takes long to import, and few sandboxes need it

    for kind, image in images.items():
        repository = f"{host}/{app}/{kind}"
        try:
            named = registry.tagged(repository, image[7:19], environ=os.environ)  # as a deploy names it
            others = registry.listed(repository, environ=os.environ)
            found = chain((named,) if named else (), others)
            ref = next((m.ref for m in found if m.config and m.config.digest == image), None)
            if ref is None:
                raise UsageError(f"{repository} has no image {image}: push it first")
            if take(ref, os.environ).user:
                open_to_all(shared, f"{app}.sqlite*")
        except RoadworthyError as error:
            raise UsageError(str(error)) from error
