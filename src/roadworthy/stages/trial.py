"""A package in a place of its own: unpacked, with an empty database, on loopback, and gone afterwards.

It runs as it would on the platform (the Procfile's `web`, PORT, config vars) and is handed no credential of
anybody. Nothing of it is left afterwards (apart.py).
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..wait import until
from . import apart

if TYPE_CHECKING:
    from ..context import Context
    from ..model import Package

POLL: Final = 0.02  # seconds between two looks whether the app listens
PASSED_ON: Final = ("LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class Trial:
    """An unpacked package: `folder` is its root, `environ` what its processes see, `within` the longest run."""

    folder: Path
    environ: Mapping[str, str]
    within: float

    def run(self, command: str, more: Mapping[str, str] | None = None) -> apart.Ran:
        """Run shell words to their end, with `more` variables."""
        return apart.run(shlex.split(command), self.folder, {**self.environ, **(more or {})}, self.within)

    @contextmanager
    def serving(self, command: str, log: Path, within: float) -> Iterator[str]:
        """The address of the app, once it listens. Raises UsageError when it does not start in time."""
        from ..sandbox.surroundings import free_port

        port = free_port()
        with log.open("wb") as out:
            try:
                environ = {**self.environ, "PORT": str(port)}
                process = apart.start(shlex.split(command), self.folder, environ, out.fileno())
            except OSError as error:
                raise UsageError(f"{command!r} could not be started: {error.strerror}") from error
        with apart.ending(process):

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


@contextmanager
def unpacked(context: Context, package: Package) -> Iterator[Trial]:
    """The package's files in a new folder. Raises UsageError when they are not what the digest says."""
    from ..packages import slug

    with apart.place_apart() as made:
        place, data = made / "app", made / "data"
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
            apart.MARKER: made.name,
        }
        yield Trial(place, environ, context.config.limits.oneoff)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last(log: Path) -> str:
    lines = tail(log, 4000).decode("utf-8", "replace").splitlines()[-12:]
    return "\n".join(f"  {line}" for line in lines)


def tail(log: Path, limit: int = apart.OUTPUT_LIMIT) -> bytes:
    """The last bytes of a file that may be long."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - limit))
        return file.read(limit)
