"""A running sandbox for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.sandbox import control
from sandbox.client import Client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sandbox that runs; it is ended afterwards."""
    path = tmp_path_factory.mktemp("sandbox")
    control.up(path, boot_timeout=10)
    yield path
    control.down(path)


@pytest.fixture(scope="module")
def heroku(folder: Path) -> Client:
    return Client(control.up(folder))
