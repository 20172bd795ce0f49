"""The sandbox and the projects of tests/road, and machines that share one journal."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest
from road.fixtures import pair, platform, project
from road.project import Project

__all__ = ["machine", "pair", "platform", "project"]

SHARED = ("journal", "keys", "sandbox")  # of .release: what every machine of a team reaches, and nothing else


@pytest.fixture
def machine(project: Project, tmp_path: Path) -> Callable[[], Project]:
    """Another machine each time: a clone of its own, with neither packages nor files, and the same journal."""
    made = 0

    def one() -> Project:
        nonlocal made
        made += 1
        other = copy(project)
        other.root = tmp_path / f"machine-{made}"
        project.git("clone", "-q", str(project.root), str(other.root))
        (other.root / ".release").mkdir(exist_ok=True)
        for name in SHARED:
            there = project.root / ".release" / name
            there.mkdir(exist_ok=True)
            (other.root / ".release" / name).symlink_to(there.resolve())
        return other

    return one
