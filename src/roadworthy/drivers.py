"""The table of drivers: each is a package in `platforms/` and does what `platforms/base.py` says."""

from __future__ import annotations

from typing import Final, NamedTuple


class Traits(NamedTuple):
    """What is so of a platform before anybody asks it: known without its address and without its key."""

    title: str
    """Its name in messages."""
    image_platform: str
    """What an image must be for, as `os/architecture`: one such platform, and with a command of its own."""
    key: str
    """The variable that holds its credential, with which an environment is changed."""
    registry: str
    """The host of its registry of images, which takes the same credential."""
    registry_user: str
    """As whom its registry takes the credential."""
    settings: str
    """How the names of the settings begin that are its own."""


DRIVERS: Final = {"heroku": "heroku.opening"}
"""The module that opens the driver of each platform which `release.toml` may name."""
TRAITS: Final = {
    "heroku": Traits("Heroku", "linux/amd64", "HEROKU_API_KEY", "registry.heroku.com", "_", "HEROKU_"),
}
SANDBOX: Final = "heroku"
"""The package in `sandbox/` that serves a platform's API on this machine, in modules `server` and `client`."""
