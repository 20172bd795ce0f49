"""Runs tests in forks of itself, one order a line on stdin, one answer a line on stdout.

The libraries are imported once, our own code by each fork. Whatever a test starts becomes a child of this process
when its parent dies (PR_SET_CHILD_SUBREAPER), and is ended before the answer. When stdin closes, whoever gave the
orders is gone: everything is ended, and the folder removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

PR_SET_CHILD_SUBREAPER = 36
LIBRARIES = (
    "_pytest.assertion.rewrite pytest_timeout hypothesis.extra requests msgspec tenacity invoke.program dotenv"
    " rich.console rich.live rich.table jinja2 jsonschema responses httpx yaml heroku3 obstore h11 dxf sqlite3"
    " cryptography.hazmat.primitives.asymmetric.ed25519 asyncio http.server urllib.request unittest.mock"
)


class Gone(Exception):
    """Nobody waits for the answer any more."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(but: tuple[int, ...] = ()) -> None:
    """End every process below this one, also what begins meanwhile. `but` are left, with what is below them."""
    while below := _descendants(but):
        for pid in below:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def _descendants(but: tuple[int, ...]) -> list[int]:
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(process.name))
    found, todo = [], [os.getpid()]
    while todo:
        below = [pid for pid in children.get(todo.pop(), ()) if pid not in but]
        found += below
        todo += below
    return found


class Chosen:
    """The pytest plugin that leaves these tests alone, in this order, and remembers the first that failed."""

    def __init__(self, tests: list[str], answer: Path) -> None:
        self.order = {test: i for i, test in enumerate(tests)}
        self.answer = answer

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.answer.write_text(f"{report.nodeid} ({report.when})")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.answer.write_text(f"{report.nodeid} (collection)")


def _fork(order: dict[str, Any], folder: Path) -> int:
    """Start what is ordered: `tests` in this process's own fork, or `command`; the pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.update(order.get("env", {}))
        if "command" in order:
            code = subprocess.run(order["command"], check=False).returncode
        else:
            code = _pytest(order["tests"], order["each"], folder / "failed")
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Whatever was raised is shown and ends here: the fork must not go on as a second worker.
        if code == 99:
            traceback.print_exc()
        os._exit(code)


def _pytest(tests: list[str], each: float, failed: Path) -> int:
    import hypothesis

    # A shorter counterexample would take seconds and tell nothing more.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutants", phases=phases, deadline=None, database=None, derandomize=True
    )
    hypothesis.settings.load_profile("mutants")
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    words = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--timeout={each}")
    return int(pytest.main([*words, *files], plugins=[Chosen(tests, failed)]))


def _run(order: dict[str, Any], folder: Path) -> dict[str, Any]:
    (folder / "failed").unlink(missing_ok=True)
    began = time.monotonic()
    pid = _fork(order, folder)
    code: int | None = None
    orders = select.poll()
    orders.register(0, 0)  # tells the end of whoever orders, and nothing else
    while time.monotonic() < began + order["limit"]:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            break
        if orders.poll(10):
            raise Gone
    end_descendants()
    failed = (folder / "failed").read_text() if (folder / "failed").exists() else ""
    tail = (folder / "output").read_text(errors="replace")[-4000:]
    return {"code": code, "seconds": time.monotonic() - began, "failed": failed, "tail": tail}


def _mutated(order: dict[str, Any], number: int) -> dict[str, Any]:
    """Run the tests on one mutant. Its file gets a time of its own, for Python keeps what it compiled by that."""
    folder = Path(os.environ["TMPDIR"])
    if "file" not in order:
        return _run(order, folder)
    path = Path(order["file"])
    kept, status = path.read_bytes(), path.stat()
    try:
        path.write_bytes(kept[: order["begin"]] + order["new"].encode() + kept[order["end"] :])
        os.utime(path, (1_000_000_000 + 2 * number,) * 2)
        return _run(order, folder)
    finally:
        path.write_bytes(kept)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def main() -> None:
    """`worker FOLDER`: the copy is the working directory; FOLDER is removed at the end."""
    folder = Path(sys.argv[1])
    adopt_orphans()
    for name in LIBRARIES.split():
        importlib.import_module(name)
    assert not any(name.partition(".")[0] in ("roadworthy", "guards") for name in sys.modules)
    hook = sys.modules["_pytest.assertion.rewrite"].AssertionRewritingHook
    hook._warn_already_imported = lambda *_: None
    answers = os.fdopen(os.dup(1), "w")
    number = 0
    try:
        while line := sys.stdin.buffer.readline():
            number += 1
            answers.write(json.dumps(_mutated(json.loads(line), number)) + "\n")
            answers.flush()
            for leftover in Path(os.environ["TMPDIR"]).iterdir():
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
    except (Gone, BrokenPipeError):
        pass
    finally:
        end_descendants()
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
