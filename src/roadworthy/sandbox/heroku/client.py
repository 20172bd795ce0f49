"""What points Heroku's own tools at a sandbox."""

from __future__ import annotations

from pathlib import Path

from ..control import address


def variables(folder: Path) -> dict[str, str]:
    """The variables that point heroku3 and the Heroku CLI at the sandbox on `folder`. One of them is the API key.

    The CLI gets a home of its own, because it edits the caller's git configuration otherwise.

    Raises UsageError when no server runs.
    """
    folder = folder.resolve()
    here, home = address(folder), folder / "cli"
    home.mkdir(exist_ok=True)
    return {
        "HEROKU_HOST": here.url,
        "HEROKU_API_KEY": here.api_key,
        "HEROKU_PARTICLEBOARD_URL": f"{here.url}/pb",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "HEROKU_DISABLE_AUTOUPDATE": "true",
        "DISABLE_TELEMETRY": "true",
        "NODE_EXTRA_CA_CERTS": str(folder / "rendezvous-cert.pem"),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
    }
