"""The whole road, walked once with a secret in every credential; the tests look for the secrets afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey import Journey, walk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Other workers take over what one has not begun; of these tests each of them would walk the road again.
    items.sort(key=lambda item: not item.path.is_relative_to(Path(__file__).parent))


@pytest.fixture(scope="session")
def journey() -> Iterator[Journey]:
    """Everything that was said and left behind. The folder is one that the user `postgres` may enter."""
    place = Path(tempfile.mkdtemp(prefix="roadworthy-secrets-"))
    place.chmod(0o711)
    (place / "tmp").mkdir(mode=0o777)
    (place / "tmp").chmod(0o777)
    before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(place / "tmp")
    tempfile.tempdir = None
    try:
        with walk(place) as walked:
            yield walked
    finally:
        del os.environ["TMPDIR"]
        if before:
            os.environ["TMPDIR"] = before
        tempfile.tempdir = None
        shutil.rmtree(place)
