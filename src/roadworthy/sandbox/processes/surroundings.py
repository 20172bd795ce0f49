"""What a process of an app gets from the platform: its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .leftovers import MARKER


def environment(
    config: Mapping[str, str], *, folder: Path, own: Mapping[str, str], port: int, marker: str
) -> dict[str, str]:
    """What a process sees: the app's config vars, the platform's (`own` and more), and nothing of ours.

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
        **own,
        "PORT": str(port),
        MARKER: marker,
    }
