"""Every command line that exists on this machine while something runs, seen from a process of its own.

    with CommandLines() as seen: …
    seen.all    # bytes of each distinct /proc/*/cmdline

Processes that live for a few milliseconds only may be missed; what this process itself starts is seen without
fail, by an audit hook.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

_started: set[bytes] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _started is not None and event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
        _started.add(repr(arguments[:2]).encode())


sys.addaudithook(_hook)

# Young processes are read in each round, for exec changes what they say; old ones now and then.
_LOOK = """
import os, sys, time
seen, born, rounds, parent = set(), {}, 0, os.getppid()
sys.stdout.write("ready\\n"); sys.stdout.flush()
while not os.path.exists(sys.argv[1]) and os.getppid() == parent:
    rounds, now = rounds + 1, time.monotonic()
    pids = {name for name in os.listdir("/proc") if name[0] in "123456789"}
    born = {pid: born.get(pid, now) for pid in pids}
    for pid in pids:
        if now - born[pid] < 0.5 or rounds % 50 == 0:
            try:
                with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
                    seen.add(file.read())
            except OSError:
                pass
    time.sleep(0.001)
with open(sys.argv[1] + ".seen", "wb") as file:
    file.write(b"\\n\\n".join(sorted(seen)))
"""


class CommandLines:
    """`folder` is where it notes what it saw."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / "stop-watching"
        self.all = b""
        self.rounds = 0

    def __enter__(self) -> CommandLines:
        global _started
        _started = set()
        self._watcher = subprocess.Popen(
            (sys.executable, "-S", "-c", _LOOK, str(self._stop)), stdout=subprocess.PIPE
        )
        assert self._watcher.stdout is not None
        assert self._watcher.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _started
        self._stop.touch()
        try:
            self._watcher.communicate(timeout=10)
        finally:
            self._watcher.kill()
            self._watcher.wait()
        told = self._stop.with_name(f"{self._stop.name}.seen")
        self.all = told.read_bytes() + b"\n\n".join(sorted(_started or ()))
        _started = None
        told.unlink()
        self._stop.unlink()
