"""What a process of an app gets from the platform: its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .leftovers import MARKER

DYNO_ID = "HEROKU_DYNO_ID"
"""Heroku's name (dyno metadata) for the id of one life of a dyno; everything it starts inherits it."""


def environment(
    config: Mapping[str, str], *, folder: Path, dyno: str, dyno_id: str, port: int, marker: str
) -> dict[str, str]:
    """What a process sees: the app's config vars, the platform's own variables, and nothing of ours.

    The platform's win, except that the app's PATH is searched after this interpreter's folder.
    """
    search = config.get("PATH") or os.environ.get("PATH") or os.defpath
    kept = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **kept,
        **config,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{search}",
        "HOME": str(folder),
        "DYNO": dyno,
        DYNO_ID: dyno_id,
        "PORT": str(port),
        MARKER: marker,
    }
