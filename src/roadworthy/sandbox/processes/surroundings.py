"""What a process of an app gets from the platform: its environment, and a port of its own."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...processes import MARKER

DYNO_ID = "HEROKU_DYNO_ID"
"""Heroku's name (dyno metadata) for the id of one life of a dyno; everything it starts inherits it."""

_recent_ports: list[int] = []


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


def free_port() -> int:
    """A loopback port that is free now and was not handed out lately.

    It lies below the range from which the kernel takes the local ports of outgoing connections; else a
    connection of our own could sit on it before the process binds.
    """
    for _ in range(1000):
        port = random.randrange(10_000, 32_000)
        if port in _recent_ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _recent_ports.append(port)
            del _recent_ports[:-500]
            return port
    raise OSError("no free port between 10000 and 32000 on 127.0.0.1")
