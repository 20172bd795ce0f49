"""`invoke` that is killed (kill -9) at one exact point between two effects, and notes what it has done.

The effects are every put into the journal's store, every HTTP call and every file that is put in its place
(os.replace). CRASH_AT names the point, for example
`store:3:after` or `http:7:before`; without it the process runs to its end. `late:/dynos:2` is the second changing
request to a path that ends like that. It reaches the platform only LATE seconds after this process has died or,
where LATE_GO names a file, once that says `deliver` or `deliver twice`; `drop` loses it. CRASH_NOTES
is a file to which a line is added before each effect, and one for each put that returned: it must never be lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from invoke.program import Program

from roadworthy.journal.objects import Bucket
from roadworthy.journal.store import Folder
from roadworthy.tasks import mount

LATE = 0.5
_DELIVER = """
import json, pathlib, sys, time, urllib.error, urllib.request
method, url, data, headers, seconds, go = json.load(sys.stdin)
words = ["deliver"]
if go:
    go, until = pathlib.Path(go), time.monotonic() + 60
    while not (words := go.read_text().split() if go.exists() else []) and time.monotonic() < until:
        time.sleep(0.005)
else:
    time.sleep(seconds)
for _ in range({"deliver": len(words)}.get("".join(words[:1]), 0)):
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data.encode(), headers, method=method), timeout=10
        ) as answer:
            said = answer.status
    except urllib.error.HTTPError as error:
        with error:
            said = error.code
    if go:
        go.with_name(go.name + ".answers").open("a").write(f"{said}\\n")
"""
_counted: Counter[str] = Counter()
_one_at_a_time = threading.Lock()  # checks ask side by side


def _note(line: str) -> None:
    file = os.open(os.environ["CRASH_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def _die_at(point: str) -> None:
    if os.environ.get("CRASH_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_late(asked: requests.PreparedRequest) -> None:
    kind, path, number = [*os.environ.get("CRASH_AT", "").split(":"), "", "", ""][:3]
    changes = asked.method in ("POST", "PUT", "PATCH", "DELETE")
    if kind != "late" or not changes or not urlsplit(str(asked.url)).path.endswith(path):
        return
    _counted[path] += 1
    if _counted[path] == int(number):
        body = asked.body.decode() if isinstance(asked.body, bytes) else asked.body
        postman = subprocess.Popen(
            (sys.executable, "-c", _DELIVER),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert postman.stdin
        with postman.stdin as told:
            go = os.environ.get("LATE_GO", "")
            json.dump([asked.method, asked.url, body, dict(asked.headers), LATE, go], told)
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(owner: Any, name: str, kind: str, said: Callable[..., str]) -> None:
    true = getattr(owner, name)

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _one_at_a_time:
            _counted[kind] += 1
            number = _counted[kind]
            _note(f"{kind} {number} {said(*args)}")
        _die_at(f"{kind}:{number}:before")
        if kind == "http":
            _die_late(args[0])
        answer = true(self, *args, **kwargs)
        if kind == "store" and answer:
            _note(f"kept {args[0]} {hashlib.sha256(args[1]).hexdigest()}")
        _die_at(f"{kind}:{number}:after")
        return answer

    setattr(owner, name, watched)


def main() -> None:
    _watch(Folder, "put", "store", lambda name, data: name)
    _watch(Bucket, "put", "store", lambda name, data: name)
    _watch(os, "replace", "file", lambda there: there)
    _watch(requests.Session, "send", "http", lambda asked: f"{asked.method} {urlsplit(asked.url).path}")
    Program(namespace=mount(Path.cwd())).run(["invoke", *sys.argv[1:]])


if __name__ == "__main__":
    main()
