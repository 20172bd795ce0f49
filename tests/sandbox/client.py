"""A client of the sandbox that holds every call against Heroku's schema, and small slugs to release."""

from __future__ import annotations

import hashlib
import io
import itertools
import tarfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from roadworthy.sandbox.control import Address
from sandbox.heroku import heroku_schema

WEB = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ.get(self.path.strip("/"), "").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
print("listening as", os.environ["DYNO"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
"""An app that answers each path with the environment variable of that name."""

_numbers = itertools.count(1)


def tar(files: Mapping[str, str | bytes], *, mode: str = "w", prefix: str = "./app/") -> bytes:
    """A slug's bytes; `mode` as tarfile's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def checksum(data: bytes) -> str:
    return f"SHA256:{hashlib.sha256(data).hexdigest()}"


def until(true: Callable[[], Any], *, within: float = 10.0) -> Any:
    """Poll until something is true, and return it."""
    deadline = time.monotonic() + within
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so within {within} s: {true}"
        time.sleep(0.02)


class Client:
    """`call` answers with the response; `get`, `post`, … with its JSON, after checking that it is a 2xx."""

    def __init__(self, address: Address) -> None:
        self.url = address.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {address.api_key}"
        self.session.headers["Accept"] = "application/vnd.heroku+json; version=3"

    def call(
        self, method: str, path: str, body: Any = None, *, checked: bool = True, **headers: str
    ) -> requests.Response:
        response = self.session.request(method, self.url + path, json=body, headers=headers, timeout=30)
        if checked and response.ok and heroku_schema.available():
            wrong = heroku_schema.problems(method, path, response=response.json(), request=body)
            assert not wrong, f"{method} {path}: {wrong}"
        return response

    def _ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.call(method, path, body, **headers)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def get(self, path: str, **headers: str) -> Any:
        return self._ok("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self._ok("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._ok("PATCH", path, body, **headers)

    def delete(self, path: str) -> Any:
        return self._ok("DELETE", path)

    def app(self) -> str:
        """A new app; its name."""
        name: str = self.post("/apps", {"name": f"app-{next(_numbers)}"})["name"]
        return name

    def slug(
        self, app: str, data: bytes | None = None, processes: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        """An uploaded slug that runs WEB, or holds `data`."""
        data = tar({"web.py": WEB}) if data is None else data
        processes = {"web": "python web.py"} if processes is None else dict(processes)
        slug = self.post(
            f"/apps/{app}/slugs", {"process_types": processes, "checksum": checksum(data), **more}
        )
        uploaded = requests.put(slug["blob"]["url"], data=data, timeout=30)
        assert uploaded.ok, uploaded.text
        return slug

    def release(self, app: str, slug: Any, **more: Any) -> Any:
        return self.post(f"/apps/{app}/releases", {"slug": slug["id"], **more})

    def seen(self, app: str, variable: str) -> str:
        """What the app that answers now has in an environment variable; "" while none answers."""
        response = requests.get(self.get(f"/apps/{app}")["web_url"] + variable, timeout=10)
        return response.text if response.ok else ""

    def running(self, app: str, version: int) -> None:
        """Wait until this version answers."""
        until(lambda: self.seen(app, "HEROKU_RELEASE_VERSION") == f"v{version}")

    def logs(self, app: str, **wanted: Any) -> str:
        session = self.post(f"/apps/{app}/log-sessions", {"lines": 1500, **wanted})
        return requests.get(session["logplex_url"], timeout=10).text
