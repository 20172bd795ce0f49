"""What acceptance would be given, and whether any of it could change production."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..drivers import TRAITS
from ..errors import UsageError
from ..files import read_file
from ..keys import MOST
from ..model import Credential
from ..platforms.base import apps_opened

if TYPE_CHECKING:
    from ..world import World

PRODUCTION: Final = (
    *(traits.key for traits in TRAITS.values()),
    "ROADWORTHY_SIGNING_KEY",
    "ROADWORTHY_SIGNING_KEY_FILE",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
"""Variables with which an environment, its journal or its checks are changed."""


def read_credentials(context: World) -> tuple[Credential, ...]:
    """Each variable that `acceptance.credentials` names and that is set.

    Raises CheckFailed when the platform does not tell whether one opens a production app.
    """
    config, found = context.config, []
    apps = [app for e in config.environments.values() if e.production for app in (e.app, *e.apps.values())]
    for name in config.acceptance.credentials:
        if value := context.environ.get(name, ""):
            opens = apps_opened(config, context.paths, value, apps)
            found.append(Credential(name, _same_as(context, name, value), opens))
    return tuple(found)


def _same_as(context: World, name: str, value: str) -> tuple[str, ...]:
    known = {other: context.environ.get(other, "") for other in PRODUCTION}
    if path := known["ROADWORTHY_SIGNING_KEY_FILE"]:
        try:
            data = read_file(Path(path).expanduser(), MOST, "the file of ROADWORTHY_SIGNING_KEY_FILE")
        except FileNotFoundError as error:
            raise UsageError(f"ROADWORTHY_SIGNING_KEY_FILE cannot be read: {error.strerror}") from error
        known["the file of ROADWORTHY_SIGNING_KEY_FILE"] = data.decode("utf-8", "replace")
    return tuple(
        other
        for other, said in known.items()
        if other == name
        or (said.strip() and hmac.compare_digest(os.fsencode(said.strip()), os.fsencode(value.strip())))
    )
