"""A project with cases, a dataset, a suite and a baseline, and a candidate that answers as it is told to."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from invoke.program import Program

from roadworthy.parity import stamp
from roadworthy.tasks import mount

REPOSITORY = Path(__file__).resolve().parents[2]
ADAPTER = 'path = "/documents/{id}"\nmethod = "POST"\n[types]\n"doc-001" = "standard"\n'
SUITE = (
    '[[suites]]\nname = "unit"\nreport = "jsonl"\nfiles = ["suite.py"]\nwithin = 5\nseverity = "S2"\n'
    f'command = "{sys.executable} -S suite.py {{report}}"\n'
)
REPORTS = (
    "import json, os, sys\nassert os.environ['PARITY_URL'].startswith('http://')\n"
    "with open(sys.argv[1], 'w') as out:\n"
    "    for name in ('one', 'two'):\n        print(json.dumps({'id': name, 'status': 'passed'}), file=out)\n"
)


def field(rule: str, name: str, value: Any, severity: str = "S0", **more: Any) -> dict[str, Any]:
    said = {"ruleId": rule, "field": name, "value": value, "severity": severity, "status": "passed"}
    return {**said, "confidence": 0.95, "pageNumber": 1, **more}


def dataset() -> dict[str, Any]:
    failed = field("R3", "signature", False, status="failed", reasonCode="MISSING_FIELD")
    document = {
        "id": "doc-001",
        "name": "Complete",
        "description": "",
        "expectedResult": "pass",
        "extractedFields": {"jobNumber": "JS-1"},
        "validatedFields": [field("R1", "jobNumber", "JS-1"), field("R2", "total", 450.1, "S1")],
        "findings": [],
    }
    negative = {
        **document,
        "id": "doc-002",
        "name": "Unsigned",
        "expectedResult": "fail",
        "validatedFields": [field("R1", "jobNumber", "JS-1"), failed],
        "findings": [{"ruleId": "R3", "field": "signature"}],
        "expectedFailures": [
            {"ruleId": "R3", "field": "signature", "reasonCode": "MISSING_FIELD", "severity": "S0"}
        ],
    }
    return {
        "version": "1.0.0",
        "schemaVersion": "1.0.0",
        "documents": [document, negative],
        "rules": [{"ruleId": "R1"}],
        "reasonCodes": {"MISSING_FIELD": "m"},
        "severityLevels": {"S0": "Critical"},
    }


def thresholds() -> dict[str, Any]:
    most = {"minPassRate": 1.0, "maxWorseCount": 0}
    return {
        "version": "1.0.0",
        "thresholds": {
            "overall": {**most, "maxNewFailures": 0},
            "bySeverity": {"S0": most, "S1": most, "S2": most},
            "byDocumentType": {"standard": {"minPassRate": 1.0}},
        },
        "alerts": {"failOnRegression": True},
        "ci": {},
    }


CASE = {
    "id": "sum-1",
    "name": "a sum",
    "type": "api",
    "request": {"path": "/api/sum?a=1&b=2"},
    "expected": {"sum": {"value": 3, "severity": "S0"}, "unit": {"value": "h", "severity": "S1"}},
}


class Ran(NamedTuple):
    code: int
    said: dict[str, Any]
    text: str


class Candidate:
    """`answers` is what it says to each path; a function is called with the handler and says it itself."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                outer.bodies.append(self.rfile.read(length))
                outer.cookies.append(self.headers.get("Cookie"))
                said = outer.answers.get(self.path, (404, {}))
                said(self) if callable(said) else outer.say(self, *said)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.cookies: list[str | None] = []
        self.answers: dict[str, Any] = {"/api/sum?a=1&b=2": (200, {"sum": 3, "unit": "h"})}
        for one in dataset()["documents"]:
            self.answers[f"/documents/{one['id']}"] = (
                200,
                {
                    "result": one["expectedResult"],
                    "validatedFields": one["validatedFields"],
                    "findings": one["findings"],
                },
            )
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def say(handler: BaseHTTPRequestHandler, status: int, value: Any, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, word in headers.items():
            handler.send_header(name.replace("_", "-"), word)
        handler.end_headers()
        handler.wfile.write(data)

    def change(self, path: str, change: Callable[[Any], Any]) -> None:
        """Let the answer to `path` differ in what `change` does to it."""
        status, value = self.answers[path]
        value = deepcopy(value)
        new = change(value)
        self.answers[path] = (status, value if new is None else new)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)
    handler.close_connection = True


def cuts(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"sum": 3')
    handler.close_connection = True


class Project:
    """Commands run in this process, as a person would type them."""

    def __init__(self, root: Path, candidate: Candidate) -> None:
        self.root, self.candidate = root, candidate
        root.mkdir()
        shutil.copy(REPOSITORY / "tasks.py", root)
        text = (REPOSITORY / "release.toml").read_text().replace('http = "10s"', 'http = "500ms"')
        (root / "release.toml").write_text(text)
        self.write("config/adapter.toml", ADAPTER)
        self.write("config/suites.toml", SUITE)
        self.json("config/thresholds.json", thresholds())
        self.write("cases/api.jsonl", json.dumps(CASE) + "\n")
        self.dataset(dataset())
        (root / "suite.py").write_text(REPORTS)
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "A project with parity")):
            self.git(*words)

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ("git", *who, *words), cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def path(self, name: str) -> Path:
        return self.root / "parity" / name

    def write(self, name: str, text: str) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def json(self, name: str, value: Any) -> None:
        self.write(name, json.dumps(value))

    def dataset(self, value: Any, *, stamped: bool = True) -> None:
        text = json.dumps(value)
        self.write("fixtures/golden-dataset.json", stamp.stamped(text) if stamped else text)

    def edit(self, name: str, change: Callable[[Any], Any], *, stamped: bool = False) -> None:
        value = json.loads(self.path(name).read_text())
        change(value)
        text = json.dumps(value)
        self.write(name, stamp.stamped(text) if stamped else text)

    def invoke(self, *words: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                Program(namespace=mount(self.root)).run(["invoke", *words, "--json"])
            except SystemExit as end:
                code = end.code
        assert "internal error" not in err.getvalue(), err.getvalue()
        return Ran(int(code or 0), json.loads(out.getvalue()), err.getvalue())  # type: ignore[call-overload]

    def run(self) -> Ran:
        return self.invoke("parity.run", "--url", self.candidate.url)

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path("reports/latest.json").read_text())
        return found


@contextmanager
def project(place: Path) -> Iterator[Project]:
    candidate = Candidate()
    try:
        yield Project(place / "project", candidate)
    finally:
        candidate.close()
