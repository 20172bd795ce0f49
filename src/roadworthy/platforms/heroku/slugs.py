"""Slugs on Heroku: uploaded once, then released by their id, with a token by which the release is recognised."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CheckFailed, OutcomeUnknown
from ...model import Claim, Package
from ..base import Progress
from .api import Api
from .releases import Releases

if TYPE_CHECKING:
    import requests


def package_of(api: Api, app: str, slug: str) -> tuple[str, str]:
    """(digest, commit) of a slug; ("", "") when the platform no longer has it."""
    found = api.get(f"/apps/{app}/slugs/{slug}", missing_ok=True)
    if found is None:
        return "", ""
    return str(found["checksum"] or "").removeprefix("SHA256:"), str(found["commit"] or "")


def upload(api: Api, app: str, package: Package, progress: Progress) -> str:
    """Give the platform the package's bytes. A slug does nothing until released: repeating is harmless."""
    from ...packages import source, start_commands

    if not package.file:
        raise CheckFailed(f"neither the platform nor this machine has the package {package.digest[:12]}")
    file = Path(package.file)
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != package.digest:
            raise CheckFailed(f"{file.name} is not the package {package.digest[:12]}: it was altered")
    progress(f"uploading {package.size:,} bytes")
    body = {
        "process_types": start_commands.processes(source.read(file, start_commands.NAME) or b""),
        "checksum": f"SHA256:{package.digest}",
        "commit": package.commit,
    }
    slug = api.write("POST", f"/apps/{app}/slugs", body, again=True)

    def send(session: requests.Session) -> requests.Response:
        with file.open("rb") as stream:
            return session.put(slug["blob"]["url"], data=stream)

    api.put(send, f"upload of {file.name}")
    return str(slug["id"])


def release(api: Api, releases: Releases, app: str, slug: str, description: str, claim: Claim) -> int:
    """Release a slug once. A lost or broken answer is looked up by the token, never simply repeated."""
    body = {"slug": slug, "description": f"{description} ({claim.token})"}
    try:
        return int(api.write("POST", f"/apps/{app}/releases", body)["version"])
    except OutcomeUnknown as error:
        found = releases.look(app, lambda: releases.find(app, claim))
        if found is None:
            raise OutcomeUnknown(f"{error}; no release of {app} carries {claim.token!r} so far") from error
        return found.order
