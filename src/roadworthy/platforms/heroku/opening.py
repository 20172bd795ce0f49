"""Where Heroku's API and registry are, and what opens them: those of this machine's sandbox, or the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...config import Config
from ...errors import UsageError
from ...model import Paths
from .driver import Heroku

REGISTRY: Final = "registry.heroku.com"


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
        api, key, registry = target.api, environ.get("HEROKU_API_KEY", ""), REGISTRY
        if not key:
            raise UsageError(f"HEROKU_API_KEY is not set: target {config.target!r} needs it")
    urls = {e.app: e.url for e in config.environments.values() if e.url and config.target != "sandbox"}
    return Heroku(
        api, key, limits=config.limits, poll=target.poll, urls=urls, registry=registry, environ=environ
    )
