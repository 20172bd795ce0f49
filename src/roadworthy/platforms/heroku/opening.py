"""Where Heroku's API and registry are, and what opens them: those of this machine's sandbox, or the real ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from ...config import Config
from ...drivers import TRAITS
from ...errors import CheckFailed, RoadworthyError, UsageError
from ...model import Paths
from .driver import Heroku

OWN: Final = TRAITS["heroku"]


def opened(config: Config, paths: Paths, environ: Mapping[str, str]) -> Heroku:
    """The driver of the configured target.

    The sandbox's address and key are read from its own folder; the live ones are `targets.<name>.api` and
    HEROKU_API_KEY. Raises UsageError where the sandbox is down or no key is set.
    """
    target = config.targets[config.target]
    if config.target == "sandbox":
        from ...sandbox import control  # a live target needs none of it

        here = control.find(paths.sandbox)
        if here is None:
            raise UsageError("the sandbox is not up: run `invoke sandbox.up`").then("invoke sandbox.up")
        api, key, registry = here.url, here.api_key, target.registry
    else:
        api, key, registry = target.api, environ.get(OWN.key, ""), OWN.registry
        if not key:
            raise UsageError(f"{OWN.key} is not set: target {config.target!r} needs it")
    urls = {e.app: e.url for e in config.environments.values() if e.url and config.target != "sandbox"}
    return Heroku(
        api, key, limits=config.limits, poll=target.poll, urls=urls, registry=registry, environ=environ
    )


def apps_opened(config: Config, paths: Paths, credential: str, apps: Sequence[str]) -> tuple[str, ...]:
    """Those of these apps that the API shows to whoever holds `credential`; none where the sandbox is not up."""
    from requests.auth import HTTPBasicAuth

    from ... import http

    api = config.targets[config.target].api
    if config.target == "sandbox":
        from ...sandbox import control

        try:
            here = control.find(paths.sandbox)
        except RoadworthyError:
            here = None
        if here is None:
            return ()
        api = here.url
    session = http.session(config.limits.http)
    session.headers["Accept"] = "application/vnd.heroku+json; version=3"
    session.auth = HTTPBasicAuth("", os.fsencode(credential))  # a variable may hold bytes that are no text
    shown = []
    for app in apps:
        try:
            status = session.get(f"{api}/apps/{app}").status_code
        except OSError as error:
            raise CheckFailed(f"whether it opens {app} cannot be told: {http.reason(error)}") from error
        if status not in (401, 403, 404):
            shown.append(app)
    return tuple(shown)
