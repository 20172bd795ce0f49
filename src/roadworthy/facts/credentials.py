"""What acceptance would be given, and whether any of it could change production."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import CheckFailed, RoadworthyError, UsageError
from ..files import read_file
from ..keys import MOST
from ..model import Credential

if TYPE_CHECKING:
    from ..context import Context

PRODUCTION: Final = (
    "HEROKU_API_KEY",
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


def read_credentials(context: Context) -> tuple[Credential, ...]:
    """Each variable that `acceptance.credentials` names and that is set.

    Raises CheckFailed when the platform does not tell whether one opens a production app.
    """
    found = []
    for name in context.config.acceptance.credentials:
        if value := context.environ.get(name, ""):
            found.append(Credential(name, _same_as(context, name, value), _opens(context, value)))
    return tuple(found)


def _same_as(context: Context, name: str, value: str) -> tuple[str, ...]:
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


def _opens(context: Context, value: str) -> tuple[str, ...]:
    """The production apps that a platform's API shows to whoever holds this value."""
    from requests.auth import HTTPBasicAuth

    from .. import http

    api = _api(context)
    production = [e for e in context.config.environments.values() if e.production] if api else []
    apps = [app for e in production for app in (e.app, *e.apps.values())]
    session = http.session(context.config.limits.http)
    session.headers["Accept"] = "application/vnd.heroku+json; version=3"
    session.auth = HTTPBasicAuth("", os.fsencode(value))  # a variable may hold bytes that are no text
    opened = []
    for app in apps:
        try:
            status = session.get(f"{api}/apps/{app}").status_code
        except OSError as error:
            raise CheckFailed(f"whether it opens {app} cannot be told: {http.reason(error)}") from error
        if status not in (401, 403, 404):
            opened.append(app)
    return tuple(opened)


def _api(context: Context) -> str:
    """The platform's address, "" when there is none: no sandbox is up."""
    if context.target != "sandbox":
        return context.config.targets[context.target].api
    from ..sandbox import control

    try:
        here = control.find(context.paths.sandbox)
    except RoadworthyError:
        return ""
    return here.url if here else ""
