"""What all tests share: the marks they may carry."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks; an unknown one is an error."""
    config.addinivalue_line("markers", "slow: proves a bar and takes longer; `-m 'not slow'` leaves it out")
