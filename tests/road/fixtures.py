"""One sandbox for all tests of the road; a project, with apps of its own, for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from road.project import Project
from roadworthy.sandbox import control


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sandbox that runs; it is ended afterwards."""
    path = tmp_path_factory.mktemp("platform")
    control.up(path, boot_timeout=5)
    yield path
    control.down(path)


@pytest.fixture
def project(tmp_path: Path, platform: Path) -> Iterator[Project]:
    """A project whose first commit is not yet tested or deployed."""
    made = Project(tmp_path / "project", platform)
    yield made
    control.clear_faults(platform)
    for name in (made.staging, made.prod):
        made.api("DELETE", f"/apps/{name}")
