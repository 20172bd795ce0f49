"""The platforms that roadworthy deploys to: each is a package beside this table, and does what `base` says."""

from __future__ import annotations

from typing import Final

DRIVERS: Final = {"heroku": "heroku.opening"}
"""The module that opens the driver of each platform which `release.toml` may name."""
