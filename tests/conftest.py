"""What every test starts from, wherever it is started, also beside another worker of the same run."""

import gc
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable

import hypothesis
import pytest

# A shell starts what it puts into the background with SIGINT ignored, and children inherit that. The commands
# under test are to be interrupted as in a person's terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup does the same with SIGHUP, with which the sandbox ends a process whose listener left.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What commands remember of journals is no business of the person who runs the tests, nor of another worker.
STATE = tempfile.mkdtemp(prefix="roadworthy-state-")
os.environ["XDG_STATE_HOME"] = STATE


def pytest_unconfigure() -> None:
    shutil.rmtree(STATE, ignore_errors=True)


# How long an example takes is the machine's business, not the test's.
hypothesis.settings.register_profile("default", deadline=None)
# `nox -s unit`, between two edits.
hypothesis.settings.register_profile("edit", deadline=None, max_examples=20)

# Thousands of tests stay in memory to the end: neither collecting nor running them should look through them again.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what `later` says to `nox -s slow`: `make test` has the first cases, CI has all."""
    seen: Counter[str] = Counter()
    for item in items:
        if mark := item.get_closest_marker("later"):
            name = item.nodeid.split("[")[0]
            seen[name] += 1
            if seen[name] > (mark.args[0] if mark.args else 0):
                item.add_marker("slow")


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def bar() -> Callable[[str, float, float], None]:
    """Compare what was measured with its bar: a miss is printed, and fails with BARS_ARE_STRICT=1 only.

    On a shared machine a slow moment says nothing of the code (`nox -s bench -- --strict`).
    """

    def compare(what: str, seconds: float, most: float) -> None:
        kept = seconds <= most
        print(f"\n{'ok    ' if kept else 'MISSED'} {what:60} {seconds:8.3f}  bar {most:8.3f}  seconds")
        assert kept or os.environ.get("BARS_ARE_STRICT") != "1"

    return compare
