"""A package in a place of its own: unpacked, with an empty database, on loopback, and gone afterwards.

It runs as it would on the platform (the Procfile's `web`, PORT, config vars), with no credential of anybody, so
whatever it does changes no environment. Its whole process group ends with it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..wait import until

if TYPE_CHECKING:
    from ..context import Context
    from ..model import Package

POLL: Final = 0.02  # seconds between two looks whether the app listens
GRACE: Final = 5.0  # seconds to end after SIGTERM
OUTPUT_LIMIT: Final = 1 << 20  # bytes of a command's output that are kept
PASSED_ON: Final = ("LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command ended: `how` in words, "" when it exited with 0; and the end of what it said."""

    how: str
    output: bytes


@dataclass(frozen=True, slots=True)
class Trial:
    """An unpacked package: `folder` is its root, `environ` what its processes see, `within` the longest run."""

    folder: Path
    environ: Mapping[str, str]
    within: float

    def run(self, command: str, more: Mapping[str, str] | None = None) -> Ran:
        """Run shell words to their end, with `more` variables."""
        try:
            process = self._start(command, subprocess.PIPE, more or {})
        except OSError as error:
            return Ran(f"could not be started: {error.strerror}", b"")
        with _ending(process):
            try:
                output, _ = process.communicate(timeout=self.within)
            except subprocess.TimeoutExpired:
                return Ran(f"did not end within {self.within:g} s", b"")
        how = f"exited with {process.returncode}" if process.returncode else ""
        return Ran(how, output[-OUTPUT_LIMIT:])

    @contextmanager
    def serving(self, command: str, log: Path, within: float) -> Iterator[str]:
        """The address of the app, once it listens. Raises UsageError when it does not start in time."""
        from ..sandbox.surroundings import free_port

        port = free_port()
        with log.open("wb") as out:
            try:
                process = self._start(command, out.fileno(), {"PORT": str(port)})
            except OSError as error:
                raise UsageError(f"{command!r} could not be started: {error.strerror}") from error
        with _ending(process):

            def answers() -> bool | None:
                return False if process.poll() is not None else _listens(port) or None

            up = until(answers, within=within, every=POLL)
            if not up:
                how = (
                    f"exited with {process.returncode}"
                    if up is False
                    else f"did not listen within {within:g} s"
                )
                raise UsageError(f"{command!r} {how}\n{_last(log)}".rstrip())
            yield f"http://127.0.0.1:{port}"

    def _start(self, command: str, out: int, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env={**self.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


@contextmanager
def unpacked(context: Context, package: Package) -> Iterator[Trial]:
    """The package's files in a new folder. Raises UsageError when they are not what the digest says."""
    from ..packages import slug

    with tempfile.TemporaryDirectory(prefix="roadworthy-trial-", ignore_cleanup_errors=True) as made:
        place, data = Path(made) / "app", Path(made) / "data"
        place.mkdir()
        data.mkdir()
        slug.unpack(Path(package.file), place)
        said = {"DATABASE_URL": "sqlite:///{folder}/acceptance.db", **context.config.acceptance.config}
        config = {name: value.replace("{folder}", str(data)) for name, value in said.items()}
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environ = {
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **kept,
            **config,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(data),
        }
        yield Trial(place, environ, context.config.limits.oneoff)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, nothing of its process group is left."""
    try:
        yield
    finally:
        for sign, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=grace)
                break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout:
            process.stdout.close()


def _last(log: Path) -> str:
    lines = log.read_bytes()[-4000:].decode("utf-8", "replace").splitlines()[-12:]
    return "\n".join(f"  {line}" for line in lines)
