"""One sandbox for the tests of a module; a project, with apps of its own, for each.

Not one for all modules: it counts calls against Heroku's hourly limit, as the real one does.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from road.project import Project
from roadworthy.sandbox import control

ENOUGH: Final = 2500
"""Calls to the platform that the longest walk may need."""
_alive: list[Project] = []


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sandbox that runs; it is ended afterwards."""
    path = tmp_path_factory.mktemp("platform")
    control.up(path, boot_timeout=5)
    yield path
    control.down(path)


@pytest.fixture
def project(tmp_path: Path, platform: Path) -> Iterator[Project]:
    """A project whose first commit is not yet tested or deployed."""
    yield from living(tmp_path / "project", platform)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Project]:
    """A project whose second commit runs, for all tests of a module that may change nothing of it."""
    for made in living(tmp_path_factory.mktemp("untouched") / "project", platform):
        made.deployed()
        made.commit("Second")
        made.deployed()
        before = made.entries(), made.releases()
        yield made
        assert (made.entries(), made.releases()) == before


@pytest.fixture
def pair(tmp_path: Path, platform: Path) -> Iterator[Project]:
    """A project of two components, `web` and `worker`, whose first commit is not yet tested or deployed."""
    yield from living(tmp_path / "project", platform, ("worker",))


def living(root: Path, platform: Path, others: Sequence[str] = ()) -> Iterator[Project]:
    """A project, and its end."""
    if not _alive:
        _replenish(platform)
    made = Project(root, platform, others)
    _alive.append(made)
    yield made
    _alive.remove(made)
    control.clear_faults(platform)
    for name in made.apps:
        made.api("DELETE", f"/apps/{name}")


def _replenish(platform: Path) -> None:
    """Long walks of one module may use up the calls of an hour; a sandbox that is started anew has them all."""
    here = control.find(platform)
    assert here is not None
    request = urllib.request.Request(
        f"{here.url}/account/rate-limits", headers={"Authorization": f"Bearer {here.api_key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        if json.load(response)["remaining"] >= ENOUGH:
            return
    control.down(platform)
    control.up(platform, boot_timeout=5)
