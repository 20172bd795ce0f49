"""Marks of the contract tests."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "heroku_cli: runs the real Heroku CLI (ROADWORTHY_HEROKU_CLI)")
