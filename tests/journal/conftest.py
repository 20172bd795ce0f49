from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from roadworthy.journal.log import Log
from roadworthy.journal.sign import create_key

from .auditing import TOOLS, write_log
from .making import log_of


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return log_of(tmp_path)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    create_key(root / "keys", "deployer")
    create_key(root / "keys", "stranger")
    (root / "trust").mkdir()
    shutil.copy(root / "keys" / "deployer.pub", root / "trust")
    for environment in ("prod", "staging"):
        write_log(root, environment)
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "root", symlinks=True))


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with what audit.sh may use and nothing else, so no Python, sed, awk or grep."""
    folder = tmp_path_factory.mktemp("bin")
    for tool in TOOLS.split():
        found = shutil.which(tool)
        assert found, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    return str(folder)
