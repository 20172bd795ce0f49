"""Which lines each test reaches, also in the processes that it starts. A pytest plugin, and code for .pth files.

`MUTANTS_REACHED` is the folder that the findings go to, one file a process; `MUTANTS_TEST` the test that runs.
Nothing happens where the first is not set.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("MUTANTS_REACHED", "")
ONLY = os.environ.get("MUTANTS_FILES", "").split(":")


class Reaching:
    """Coverage of this process, told apart by test."""

    def __init__(self) -> None:
        import coverage

        include = [f"*/{name}" for name in ONLY]
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=include, messages=False, check_preimported=False
        )
        self.tests: dict[str, dict[str, Any]] = {}
        self.process = os.getpid()
        self.coverage.start()
        self.coverage.switch_context(os.environ.get("MUTANTS_TEST", ""))
        atexit.register(self.write)

    def write(self) -> None:
        if os.getpid() != self.process:
            return
        self.coverage.stop()
        data = self.coverage.get_data()
        found: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for measured in data.measured_files():
            # Projects of tests have copies of guards; "tests/guards" is none of them.
            name = next(n for n in ONLY if measured.endswith(f"/{n}"))
            for line, tests in data.contexts_by_lineno(measured).items():
                for test in tests:
                    found[test].setdefault(name, []).append(line)
        path = Path(FOLDER, f"{uuid.uuid4().hex}.json")
        path.with_suffix(".new").write_text(json.dumps({"lines": found, "tests": self.tests}))
        path.with_suffix(".new").rename(path)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        os.environ["MUTANTS_TEST"] = nodeid
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        told = self.tests.setdefault(report.nodeid, {"passed": False, "setup": 0.0, "call": 0.0})
        told["setup" if report.when == "setup" else "call"] += report.duration
        if report.when == "call":
            told["passed"] = report.passed
        elif report.failed:
            told["passed"] = False


def pytest_configure(config: Any) -> None:
    if FOLDER and (hasattr(config, "workerinput") or not config.getoption("numprocesses", None)):
        config.pluginmanager.register(_here or Reaching())


_here: Reaching | None = None
# The sandbox outlives the test that starts it, and is not what the tests are about.
if FOLDER and "MUTANTS_TEST" in os.environ and "roadworthy.sandbox" not in sys.orig_argv:
    _here = Reaching()
