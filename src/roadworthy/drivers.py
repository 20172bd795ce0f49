"""The table of drivers: each is a package in `platforms/` and does what `platforms/base.py` says."""

from __future__ import annotations

from typing import Final

DRIVERS: Final = {"heroku": "heroku.opening"}
"""The module that opens the driver of each platform which `release.toml` may name."""
SANDBOX: Final = "heroku"
"""The package in `sandbox/` that serves a platform's API on this machine, in modules `server` and `client`."""
