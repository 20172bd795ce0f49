"""A sandbox, and one project on it that the tests of bad input share: they must leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from road.fixtures import platform, project
from road.project import Project

__all__ = ["platform", "project"]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Project]:
    """A project whose first commit runs in staging and is certified; its second commit is tested only."""
    made = Project(tmp_path_factory.mktemp("living") / "project", platform)
    made.deployed()
    made.json("migrate")
    made.json("certify")
    made.commit("Say it again", {"app/more.txt": "more"})
    made.json("test")
    yield made
    for name in (made.staging, made.prod):
        made.api("DELETE", f"/apps/{name}")
