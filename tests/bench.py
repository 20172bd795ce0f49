"""Measure start-up and the hot paths beside something public, in one run; print ratios and medians.

    python tests/bench.py [--rounds N]

Each pair runs in turn (ours, theirs, ours, …), so that noise on the machine meets both. Nothing is asserted: a
bar that is missed is printed as MISSED and makes the exit code 1 only with --strict.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadworthy.journal.entry import Record
    from roadworthy.journal.log import Log

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


def clone(folder: Path) -> tuple[Path, dict[str, str]]:
    """A clone of HEAD in `folder`, and the environment of its commands."""
    here = folder / "project"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(here)], check=True)
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    # A person's Python keeps what it compiles of ours, as it does of Invoke.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return here, environ


def prepare(here: Path, environ: dict[str, str]) -> None:
    """A sandbox that is up, with production deployed by the commands people type."""
    keys = {**environ, "ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
    for words in (["sandbox.up"], ["ship"], ["certify"]):
        subprocess.run([INVOKE, *words], cwd=here, env=environ, check=True, capture_output=True)
    for words in (["deploy", "--env=prod"], ["migrate", "--env=prod", "--approval=bench"]):
        subprocess.run([INVOKE, *words], cwd=here, env=keys, check=True, capture_output=True)


def main() -> int:
    """Run all measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--strict", action="store_true")
    said = parser.parse_args()
    # As installed: where Python may not keep what it compiles, every command would compile everything anew.
    for place in (sysconfig.get_path("purelib"), ROOT / "src"):
        compileall.compile_dir(place, quiet=2)
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as name:
        folder = Path(name)
        bare = folder / "bare"
        bare.mkdir()
        (bare / "tasks.py").write_text("")
        here, environ = clone(folder)
        try:
            prepare(here, environ)
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
        [INVOKE, "sandbox.status", "--json"],
        cwd=here,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
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
    show(
        "invoke smoke --env prod (s)",
        smoke,
        bar,
        f"bare {empty:.3f} s + 0.2 s + slowest curl {slowest:.3f} s",
    )

    again, _ = medians(rounds, lambda: seconds([INVOKE, "ship"], here, environ), signed)
    show("ship, all seven stages, nothing to do (s)", again, 2.0, "everything is asked again")

    for commit in commits(here):
        seconds([INVOKE, "test", "--commit", commit], here, environ)
    turn = iter(commits(here)[::-1] * rounds)  # HEAD runs already, so its parent is first
    deploy, boot = medians(
        rounds, lambda: deployed(here, environ, next(turn)), lambda: booted(folder_of(here))
    )
    show("deploy, start to verified (s)", deploy, boot + 0.5, f"the app boots in {boot:.3f} s, + 0.5 s")

    broken = break_health(here)
    seconds([INVOKE, "test", "--commit", broken], here, environ)
    back, boot = medians(
        min(rounds, 5), lambda: rolled_back(here, environ, broken), lambda: booted(folder_of(here))
    )
    show("rollback, detection to verified (s)", back, boot + 2.0, f"the app boots in {boot:.3f} s, + 2 s")

    journal, _ = medians(rounds, lambda: journalled(here), signed)
    show(
        "a deploy's part of the journal (ms)",
        1000 * journal,
        50.0,
        "reading it, a start, an end with evidence",
    )

    resume, look = medians(
        min(rounds, 5),
        lambda: resumed(here, environ),
        lambda: seconds([INVOKE, "lock.status", "--env", "prod"], here, environ),
    )
    from roadworthy.config import read

    drain = read(here).limits.http  # what a late request is given to arrive, behind the revoked key
    bar = look + drain + 1.0
    why = f"lock.status {look:.3f} s + {drain:g} s of drain + 1 s"
    show("reconcile after a kill, never released (s)", resume, bar, why)
    resume, checks = medians(
        min(rounds, 5),
        lambda: resumed(here, environ, released=True),
        lambda: seconds([INVOKE, "smoke", "--env", "staging"], here, environ),
    )
    bar = checks + drain + 1.0
    why = f"the checks, with smoke, {checks:.3f} s + {drain:g} s of drain + 1 s"
    show("reconcile after a kill, released (s)", resume, bar, why)

    append, bare_sign = medians(rounds, lambda: appended(here), signed)
    show(
        "append of a journal entry (ms)",
        1000 * append,
        5.0,
        f"bare Ed25519 signature {1000 * bare_sign:.3f} ms",
    )


def commits(here: Path) -> list[str]:
    """Two commits with the app in them: HEAD and its parent."""
    said = subprocess.run(
        ["git", "log", "-2", "--format=%H"], cwd=here, check=True, capture_output=True, text=True
    )
    return said.stdout.split()


def deployed(here: Path, environ: dict[str, str], commit: str) -> float:
    """Seconds from the journal's start to the verified end of one deploy to staging."""
    said = subprocess.run(
        [INVOKE, "deploy", "--commit", commit, "--json"],
        cwd=here,
        env=environ,
        check=True,
        capture_output=True,
    )
    result = json.loads(said.stdout)
    if result["plan"]["already"]:
        raise RuntimeError("nothing was deployed, so nothing was measured")
    return float(result["details"]["millis"]) / 1000


def break_health(here: Path) -> str:
    """A commit beside HEAD whose app is not healthy once a platform runs it."""
    api, asked = here / "app" / "capecontrol" / "api.py", "if answer.connected else"
    text = api.read_text()
    if asked not in text:
        raise RuntimeError("the app answers for its health otherwise now: break it otherwise")
    deployed = "'DYNO' in __import__('os').environ"
    broken = text.replace(asked, f"if answer.connected and not {deployed} else")
    # A 503 would be waited for.
    api.write_text(broken.replace("else 503", f"else 500 if {deployed} else 503"))
    committed = ["git", "-c", "user.name=b", "-c", "user.email=b@b.invalid", "commit", "-qam", "Break health"]
    subprocess.run(committed, cwd=here, check=True)
    commit = commits(here)[0]
    subprocess.run(["git", "reset", "-q", "--hard", "HEAD~1"], cwd=here, check=True)
    return commit


def rolled_back(here: Path, environ: dict[str, str], broken: str) -> float:
    """Seconds from the verdict on a broken release to its predecessor being verified healthy."""
    command = [INVOKE, "deploy", "--commit", broken, "--json"]
    said = subprocess.run(command, cwd=here, env=environ, check=False, capture_output=True)
    result = json.loads(said.stdout)
    if said.returncode != 1 or "rolled back" not in result["line"]:
        raise RuntimeError(f"nothing was rolled back, so nothing was measured: {result['line']}")
    return float(result["details"]["rollback"]["millis"]) / 1000


def folder_of(here: Path) -> Path:
    """The unpacked app of the clone, to be started by hand."""
    return here / "app"


def booted(app: Path) -> float:
    """Seconds from starting the app by hand until it answers `GET /`, as the platform asks before traffic."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        environ = {"PATH": os.environ["PATH"], "PORT": str(port), "DATABASE_URL": f"sqlite:///{data}/app.db"}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "capecontrol"], cwd=app, env=environ, stdout=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                        return time.perf_counter() - began
                except OSError:
                    if time.perf_counter() - began > 30:
                        raise
                    time.sleep(0.005)
        finally:
            process.terminate()
            process.wait(10)


def journalled(here: Path) -> float:
    """Seconds that the journal takes of one deploy: the verified reading, the start, and the end."""
    from roadworthy.journal.lock import this_process

    with tempfile.TemporaryDirectory(dir=here) as name:
        log, details = bench_log(Path(name)), {"change": {"id": "1", "why": "b"}, "actor": this_process()}
        for kind in ("start", "end") * 10:
            log.append(bench_record(kind, details | ({"settles": seq(log)} if kind == "end" else {})))
        began = time.perf_counter()
        log = bench_log(Path(name))
        log.settled()
        for _ in range(20):  # the fence, before each step and phrase
            log.open_start()
        log.append(bench_record("start", details))
        log.append(bench_record("end", details | {"settles": seq(log)}), attach={"checks.json": b"x" * 900})
        return time.perf_counter() - began


def resumed(here: Path, environ: dict[str, str], released: bool = False) -> float:
    """Seconds until a start of staging is settled whose process died just before its release, or just after."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from roadworthy.platforms.heroku import driver\n"
        "apply = driver.Heroku.apply\n"
        f"done = lambda *a, **k: {released} and apply(*a, **k)\n"
        "driver.Heroku.apply = lambda *a, **k: (done(*a, **k), os.kill(os.getpid(), signal.SIGKILL))\n"
        "from invoke.program import Program; sys.argv[0] = 'invoke'; Program().run()"
    )
    keys = {**environ, "ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
    words = [sys.executable, "-c", code, "deploy", "--env", "staging", "--commit", other(here, environ)]
    seconds(words, here, keys, ends=-9)
    return seconds([INVOKE, "reconcile", "--env", "staging"], here, environ)


def other(here: Path, environ: dict[str, str]) -> str:
    """The one of the two commits that staging does not run."""
    said = subprocess.run(
        [INVOKE, "status", "--json"], cwd=here, env=environ, check=False, capture_output=True
    )
    rows = json.loads(said.stdout)["details"]["environments"]
    runs = next(row["commit"] for row in rows if row["environment"] == "staging")
    return next(commit for commit in commits(here) if commit != runs)


def seq(log: Log) -> int:
    """The number of the open start."""
    start = log.open_start()
    return start.seq if start else 0


def appended(here: Path) -> float:
    """Median seconds of one signed and durable journal entry, in a log of its own."""
    with tempfile.TemporaryDirectory(dir=here) as name:
        log, record = bench_log(Path(name)), bench_record("note", {"change": {"id": "1", "why": "b"}})
        log.append(record)
        times = []
        for _ in range(100):
            began = time.perf_counter()
            log.append(record)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def bench_log(folder: Path) -> Log:
    """A journal in `folder`, with a key of its own."""
    from roadworthy.journal.log import Log
    from roadworthy.journal.sign import Trust, own_key
    from roadworthy.journal.store import Folder

    signer = own_key(folder / "keys", "bench")
    return Log(
        Folder(folder / "journal"),
        environment="bench",
        target="sandbox",
        signer=signer,
        trust=Trust.load(folder / "keys"),
        clock=lambda: datetime.now(UTC),
    )


def bench_record(kind: str, details: dict[str, Any]) -> Record:
    """A record about no package."""
    from roadworthy.journal.entry import Record

    return Record(kind, "completion", "bench", "bench", "sandbox", "none", "", details)


def signed() -> float:
    """Median seconds of one Ed25519 signature of 2,000 bytes, with the same library."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, data = Ed25519PrivateKey.generate(), b"x" * 2000
    times = []
    for _ in range(100):
        began = time.perf_counter()
        key.sign(data)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
