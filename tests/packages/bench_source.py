"""The bar of the source package: 2,000 files take at most 1.5 × `git archive` of the same commit, in the same run.

    PYTHONPATH=src python tests/packages/bench_source.py [--strict]

Prints one JSON object with medians in seconds and the factor; a missed bar ends it with 1 only with --strict,
for on a machine that others share one slow moment says nothing of the code. The
repository is packed, as a clone is. Ours also hashes the archive and makes it durable.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from packages.repository import PROCFILE, Repository
from roadworthy.packages import source

ROUNDS = 15
BAR = 1.5
FILES = 2000


def main() -> int:
    draw = random.Random(1)
    sizes = (200, 1600, 6000, 18000)
    files = {
        f"app/part{n % 20}/sub{n % 7}/file{n}.py": draw.randbytes(draw.choice(sizes) // 2).hex()
        for n in range(FILES)
    }
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder) / "project")
        commit = repository.commit({**PROCFILE, **files})
        repository.git("repack", "-adq")
        out = Path(folder) / "out.tar"

        def build() -> object:
            return source.build(repository.root, commit, "app", file=out)

        def archive() -> object:
            return repository.git("archive", "-o", str(out), f"{commit}:app")

        ours, theirs = [], []
        for _ in range(ROUNDS):  # in turn, so that a busy moment meets both
            ours.append(_seconds(build))
            theirs.append(_seconds(archive))
    mine, git = statistics.median(ours), statistics.median(theirs)
    found = {
        "files": FILES,
        "build": round(mine, 4),
        "git_archive": round(git, 4),
        "factor": round(mine / git, 2),
    }
    print(json.dumps({**found, "bar": BAR, "rounds": ROUNDS}))
    return int(mine > BAR * git and "--strict" in sys.argv)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
