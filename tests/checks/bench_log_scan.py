"""The bar of the log scan: 100 MB within twice the time of `grep -E` with the same patterns, in the same run.

    PYTHONPATH=src python tests/checks/bench_log_scan.py [MEGABYTES]

Prints one JSON object with seconds and factors, and ends with 1 when the bar is missed. The log looks like a
busy app's: two thirds router lines, one line in a hundred thousand an error.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from roadworthy import config
from roadworthy.checks import logs

ROUNDS = 5
BAR = 2.0


def write_log(path: Path, size: int) -> None:
    """A log of `size` bytes or a little more, the same on every run."""
    source = random.Random(1)
    number = 0
    with path.open("wb") as out:
        while out.tell() < size:
            number += 1
            stamp = (
                f"2030-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000000+00:00"
            )
            kind, n = source.random(), source.getrandbits(64)
            if kind < 1e-5:
                text = "heroku[router]: at=error code=H10 method=GET path=/ status=503 bytes= protocol=https"
            elif kind < 0.65:
                text = (
                    f'heroku[router]: at=info method=GET path="/api/items/{n % 9999}" host=dev.example.com '
                    f"request_id={n:032x} dyno=web.1 connect=0ms service={n % 300}ms status=200 bytes=512"
                )
            elif kind < 0.97:
                text = f'app[web.1]: INFO: 10.0.0.{n % 256}:0 - "GET /api/items/{n % 999} HTTP/1.1" 200 512'
            else:
                text = "heroku[web.1]: State changed from starting to up"
            out.write(f"{stamp} {text}\n".encode())


def median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> int:
    size = int(sys.argv[1] if len(sys.argv) > 1 else "100") * 1_000_000
    rules = config.read(Path(__file__).resolve().parents[2]).logs.rules
    patterns = [word for rule in rules for word in ("-e", rule.pattern)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        write_log(log, size)

        def grep(locale: str) -> Callable[[], object]:
            environment = {**os.environ, "LC_ALL": locale}
            # A pipe, since grep stops at the first match when its output goes to /dev/null.
            return lambda: subprocess.run(
                ["grep", "-cE", *patterns, str(log)], stdout=subprocess.PIPE, env=environment, check=False
            )

        ours = median(lambda: logs.scan(log, rules))
        theirs = {locale: median(grep(locale)) for locale in ("C", "C.UTF-8")}
    worst = ours / min(theirs.values())
    print(json.dumps({"bytes": size, "scan": ours, "grep": theirs, "factor": worst, "bar": BAR}))
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
