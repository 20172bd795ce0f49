"""What the platform shows of several apps: all are looked at side by side."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

import pytest

from roadworthy.context import Context
from roadworthy.errors import Unreachable
from roadworthy.facts.observe import observe
from roadworthy.model import Observed, digest_of

APPS = {"web": "shop-web", "api": "shop-api", "worker": "shop-worker"}


def context(look) -> Context:
    config = SimpleNamespace(apps=lambda environment: APPS)
    return cast(Context, SimpleNamespace(config=config, platform=SimpleNamespace(observe=look)))


def test_every_component_is_looked_at_at_once():
    together = threading.Barrier(len(APPS), timeout=10)

    def look(app: str) -> Observed:
        together.wait()
        return Observed(f"https://{app}", app == "shop-api", (), (), digest=app)

    seen = observe(context(look), "staging")
    assert [(name, one.digest) for name, one in seen.parts.items()] == list(APPS.items())
    assert (seen.url, seen.maintenance, seen.digest) == ("https://shop-web", True, digest_of(APPS))


def test_what_cannot_be_seen_of_one_is_not_seen_at_all():
    def look(app: str) -> Observed:
        if app == "shop-api":
            raise Unreachable("no answer in time")
        return Observed(f"https://{app}", False, (), ())

    with pytest.raises(Unreachable, match="no answer in time"):
        observe(context(look), "staging")
