"""Heroku's driver against the sandbox, which speaks Heroku's API and runs real processes."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from sandbox.client import Client, tar

from roadworthy.config import Limits
from roadworthy.model import Package
from roadworthy.platforms.heroku.driver import Heroku
from roadworthy.sandbox import control

from .site import LIMITS, App, Call, Site, Trouble

SERVES = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
DIES = "import sys\nprint('no database: giving up', flush=True)\nsys.exit(3)\n"
CALLS: Final[dict[Call, tuple[str, str]]] = {
    "release": ("POST", "/apps/{}/releases"),
    "command": ("POST", "/apps/{}/dynos"),
    "settings": ("PATCH", "/apps/{}/config-vars"),
    "close": ("PATCH", "/apps/{}"),
    "observe": ("GET", "/apps/{}*"),
}
TROUBLES: Final[dict[Trouble, dict[str, Any]]] = {
    "lost before": {"kind": "reset"},
    "lost after": {"kind": "reset", "after": True},
    "cut short": {"kind": "truncate"},
    "throttled": {"kind": "rate_limit", "seconds": 0},
    "refused": {"kind": "status", "status": 422},
    "hangs": {"kind": "hang"},
    "never settles": {"kind": "release_pending"},
    "fails": {"kind": "release_failed"},
}


class OnHeroku(Site):
    """A sandbox in a folder of its own."""

    absent_release = "v999999"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="roadworthy-contract-"))
        self._address = control.up(self._folder, boot_timeout=10)
        self._client = Client(self._address)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        control.down(self._folder)
        shutil.rmtree(self._folder)

    def app(self) -> str:
        return self._client.app()

    def driver(self, *, limits: Limits = LIMITS, credential: str = "", reachable: bool = True) -> Heroku:
        url = self._address.url if reachable else "http://127.0.0.1:9"  # discard: nothing listens there
        return Heroku(url, credential or self._address.api_key, limits=limits, poll=0.02, urls={})

    def package(self, folder: Path, does: App = "serves") -> Package:
        number = next(self._numbers)
        text = DIES if does == "dies at boot" else SERVES
        files = {"web.py": f"{text}# {number}\n", "Procfile": "web: exec python -I -S web.py\n"}
        data = tar(files, mode="w:gz")
        file = folder / f"{number}.tar"
        file.write_bytes(data)
        return Package(f"{number:040x}", hashlib.sha256(data).hexdigest(), len(data), str(file))

    def trouble(self, app: str, call: Call, trouble: Trouble, *, count: int = 1) -> None:
        method, path = CALLS[call]
        fault = {"method": method, "path": path.format(app), "count": count, **TROUBLES[trouble]}
        control.set_faults(self._folder, [fault])

    def calm(self) -> None:
        control.clear_faults(self._folder)

    def others_change(self, app: str, count: int = 1) -> None:
        for _ in range(count):  # the same value again would be no release
            self._client.patch(f"/apps/{app}/config-vars", {"OTHERS": f"{next(self._numbers)}"})

    def many_lines(self, app: str) -> None:
        self.driver().query(app, "seq 1600")
