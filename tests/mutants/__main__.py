"""Mutation testing of the modules that decide: `nox -s mutants`.

MUTANTS is how many are tried (200), MUTANTS_SEED which are drawn (1), MUTANTS_SINCE a commit whose difference
alone is mutated. Words: files to mutate, `tests/…` to try them with, or ids of mutants.
Exits with 1 when a mutant survives that accepted.toml does not name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from . import planning
from .copies import REPOSITORY, copy_to, listed
from .operators import Mutant
from .worker import adopt_orphans, end_descendants

KEPT = REPOSITORY / ".nox" / "mutants"  # what was learnt
MARKS = os.environ.get("MUTANTS_MARKS", "not slow")
# They are about other things, and take long.
IGNORED = ("sandbox", "docs", "images", "stores", "matrix", "workflows", "mutants")
EACH_CORE = ("-n", "auto", "--dist", "worksteal")
EACH = 20.0  # seconds that one test may take on a mutant
LIMIT = 90.0  # seconds for all of a mutant's tests


class Worker:
    """One copy of the tree and the process that tries mutants in it."""

    def __init__(self, folder: Path) -> None:
        self.copy = folder / "copy"
        for name in ("copy", "tmp", "home"):
            (folder / name).mkdir(parents=True)
        copy_to(self.copy)
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MUTANTS"))
        }
        self.environ = environ | {
            "PATH": f"{self.copy}/.venv/bin:{os.environ['PATH']}",
            "VIRTUAL_ENV": f"{self.copy}/.venv",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
        }
        self.process = subprocess.Popen(
            (str(self.copy / ".venv/bin/python"), "-m", "mutants.worker", str(folder)),
            cwd=self.copy,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def do(self, **order: Any) -> dict[str, Any]:
        """What came of an order. Raises EOFError when the worker died."""
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise EOFError("a worker died")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


def reached(worker: Worker, tests: list[str], files: list[str]) -> planning.Reached:
    """Which test reaches which line: from a run of all tests, or of `tests`, if anything changed since the last."""
    asked = hashlib.sha256("\0".join((*tests, MARKS, *files)).encode()).hexdigest()[:10]
    kept = KEPT / f"reached-{asked}"
    key = planning.digest(REPOSITORY, listed())
    if not (kept / "key").exists() or (kept / "key").read_text() != key:
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        say(f"running {' '.join(tests) or 'all quick tests'} once, to learn which lines each reaches")
        # The copy's interpreter has imported the plugin by then.
        told = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
        wanted = (
            "-q",
            *told,
            "-p",
            "mutants.reaching",
            "-p",
            "no:cacheprovider",
            "-n",
            "auto",
            "--dist",
            "worksteal",
        )
        ignored = () if tests else [f"--ignore=tests/{name}" for name in IGNORED]
        python = str(worker.copy / ".venv/bin/python")
        command = (python, "-m", "pytest", *wanted, *ignored, "-m", MARKS, *tests)
        env = {"MUTANTS_REACHED": str(kept), "MUTANTS_FILES": ":".join(files)}
        done = worker.do(command=command, env=env, limit=3600)
        say(done["tail"].strip().splitlines()[-1])
        (kept / "key").write_text(key)
    found = planning.Reached.read(kept)
    if not found.seconds:
        (kept / "key").unlink()
        raise SystemExit("mutants: no test passed on the unchanged tree")
    return found


def judge(workers: list[Worker], mutants: list[Mutant], reach: planning.Reached) -> list[tuple[Mutant, str]]:
    """Each mutant that survived, with what was tried."""
    todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    survivors: list[tuple[Mutant, str]] = []
    errors: list[BaseException] = []
    for mutant in mutants:
        todo.put(mutant)

    def work(worker: Worker) -> None:
        try:
            while not errors:
                mutant = todo.get_nowait()
                if told := _survived(worker, mutant, reach):
                    survivors.append((mutant, told))
                    say(f"survived: {mutant}  ({told})")
        except queue.Empty:
            pass
        except (EOFError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"mutants: {errors[0]}")
    return survivors


def _survived(worker: Worker, mutant: Mutant, reach: planning.Reached) -> str:
    """What was tried in vain; nothing when the mutant was killed."""
    if not (tests := reach.order(mutant)):
        return "no test reaches it"
    change = {"file": mutant.file, "begin": mutant.begin, "end": mutant.end, "new": mutant.new}
    done = worker.do(**change, tests=tests, each=EACH, limit=LIMIT)
    if os.environ.get("MUTANTS_VERBOSE"):
        say(f"{mutant}  [{done['code']}] {done['seconds']:.1f} s  {done['failed']}")
    if done["code"] in (0, 5):
        return f"{len(tests)} of {len(reach.of(mutant))} tests, {done['seconds']:.0f} s"
    # 1 is a failed test, 2 one that could not be read; anything else a crash, or the end of its time.
    return ""


def say(line: str) -> None:
    print(line, flush=True)


def main(words: list[str]) -> int:
    tests = [word for word in words if word.startswith("tests/")]
    ids = {word for word in words if re.fullmatch("[0-9a-f]{10}", word)}
    files = [word for word in words if word not in tests and word not in ids]
    deciding = planning.deciding(REPOSITORY)
    if unknown := [file for file in files if not any(Path(d).match(file) for d in deciding)]:
        raise SystemExit(f"mutants: {unknown[0]} is no file of those that are mutated")
    chosen = [d for d in deciding if not files or any(Path(d).match(file) for file in files)]
    since = os.environ.get("MUTANTS_SINCE")
    lines = planning.changed_lines(REPOSITORY, since) if since else None
    size = sys.maxsize if ids else int(os.environ.get("MUTANTS", "200"))
    drawn = planning.draw(REPOSITORY, chosen, size, os.environ.get("MUTANTS_SEED", "1"), lines)
    drawn = [mutant for mutant in drawn if not ids or mutant.id in ids]
    reasons = planning.accepted()
    asked = [mutant for mutant in drawn if mutant.id not in reasons]
    adopt_orphans()
    # SIGTERM ends as Ctrl-C does: what was started is ended, and the copies go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    place = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        workers = [
            Worker(place / str(n)) for n in range(min(len(os.sched_getaffinity(0)), max(1, len(asked))))
        ]
        began = time.monotonic()
        reach = reached(workers[0], tests, deciding)
        learnt = time.monotonic()
        survivors = judge(workers, asked, reach)
        took = time.monotonic() - learnt
    finally:
        end_descendants()
        shutil.rmtree(place, ignore_errors=True)
    killed = len(asked) - len(survivors)
    kinds = Counter(mutant.file for mutant, _ in survivors)
    for mutant, told in sorted(survivors, key=lambda s: (s[0].file, s[0].lines)):
        say(f"{mutant}  ({told})")
    say(f"by file: {dict(kinds.most_common())}")
    say(
        f"{killed} of {len(asked)} mutants killed ({100 * killed / max(1, len(asked)):.1f} %),"
        f" {len(drawn) - len(asked)} more accepted; {learnt - began:.0f} s to learn, {took:.0f} s to try them"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
