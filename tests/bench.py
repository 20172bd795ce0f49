"""Measure start-up and the hot paths beside something public, in one run; print ratios and medians.

    python tests/bench.py [--rounds N]

Each pair runs in turn (ours, theirs, ours, …), so that noise on the machine meets both. Nothing is asserted: a
bar that is missed is printed as MISSED and makes the exit code 1 only with --strict.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
INVOKE = str(BIN / "invoke")
MISSED: list[str] = []


def seconds(command: Sequence[str], cwd: Path, environ: dict[str, str], ends: int = 0) -> float:
    """Wall time of one run, which must end with exit code `ends`."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environ, check=False, capture_output=True)
    if done.returncode != ends:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - began


def medians(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure, taken in turn."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for index, measure in enumerate(measures):
            taken[index].append(measure())
    return [statistics.median(times) for times in taken]


def show(name: str, ours: float, bar: float, how: str) -> None:
    """One line: what was measured, against its bar (seconds or a ratio, as `how` says)."""
    kept = ours <= bar
    print(f"{'ok    ' if kept else 'MISSED'} {name:44} {ours:8.3f}  bar {bar:8.3f}  {how}")
    if not kept:
        MISSED.append(name)


def project(folder: Path) -> tuple[Path, dict[str, str]]:
    """A clone of HEAD with a sandbox that is up and production deployed, by the commands people type."""
    here = folder / "project"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(here)], check=True)
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    keys = {**environ, "ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
    for words in (["sandbox.up"], ["ship"], ["certify"]):
        subprocess.run([INVOKE, *words], cwd=here, env=environ, check=True, capture_output=True)
    for words in (["deploy", "--env=prod"], ["migrate", "--env=prod", "--approval=bench"]):
        subprocess.run([INVOKE, *words], cwd=here, env=keys, check=True, capture_output=True)
    return here, environ


def main() -> int:
    """Run all measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--strict", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as name:
        folder = Path(name)
        bare = folder / "bare"
        bare.mkdir()
        (bare / "tasks.py").write_text("")
        here, environ = project(folder)
        try:
            measure(said.rounds, here, bare, environ)
        finally:
            subprocess.run([INVOKE, "sandbox.down"], cwd=here, env=environ, check=True, capture_output=True)
    print(f"{len(MISSED)} bars missed" if MISSED else "all bars kept")
    return int(bool(MISSED) and said.strict)


def measure(rounds: int, here: Path, bare: Path, environ: dict[str, str]) -> None:
    """Every bar of the commands, each beside its public measure."""
    listing, empty = medians(
        rounds,
        lambda: seconds([INVOKE, "--list"], here, environ),
        lambda: seconds([INVOKE, "--list"], bare, environ, ends=1),  # an empty tasks.py lists nothing
    )
    show("invoke --list / bare invoke --list", listing / empty, 1.5, f"{listing:.3f} s / {empty:.3f} s")

    urls = subprocess.run(
        [INVOKE, "sandbox.status", "--json"], cwd=here, env=environ, check=True, capture_output=True, text=True
    ).stdout
    import json

    apps = {app["name"]: app["web_url"].rstrip("/") for app in json.loads(urls)["details"]["apps"]}
    paths = ("/api/health", "/api/auth/csrf", "/api/auth/me", "/api/version")

    def slowest_curl() -> float:
        curl = [shutil.which("curl") or "curl", "-s", "-o", os.devnull]
        return max(seconds([*curl, apps["capecraft"] + path], here, environ) for path in paths)

    smoke, empty, slowest = medians(
        rounds,
        lambda: seconds([INVOKE, "smoke", "--env", "prod"], here, environ),
        lambda: seconds([INVOKE, "--list"], bare, environ, ends=1),
        slowest_curl,
    )
    bar = empty + 0.2 + slowest
    show("invoke smoke --env prod (s)", smoke, bar, f"bare {empty:.3f} s + 0.2 s + slowest curl {slowest:.3f} s")


if __name__ == "__main__":
    sys.exit(main())
