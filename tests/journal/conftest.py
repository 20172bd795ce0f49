from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy.journal.log import Log

from .making import log_of


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return log_of(tmp_path)
