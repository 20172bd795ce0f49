"""A package in a place of its own: unpacked, with an empty database, on loopback, and gone afterwards.

Of a release of several components, each is in a folder of its own there, beside the same database.

It runs as it would on the platform (its start command `web`, PORT, config vars) and is handed no credential of
anybody. Nothing of it is left afterwards (apart.py). An image runs itself, in podman, after each of its bytes was
read; beside it lies the tree that it was built from, for the project's own checks.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from ..errors import CheckFailed, Unreachable, UsageError
from ..mask import Mask
from ..packages import podman, start_commands
from ..processes import free_port
from ..wait import until
from . import place as apart

if TYPE_CHECKING:
    from ..model import Package
    from ..packages.podman import Container
    from ..world import World

POLL: Final = 0.02  # seconds between two looks whether the app listens
PASSED_ON: Final = ("LANG", "LC_ALL", "TZ")


class Trial(msgspec.Struct, frozen=True):
    """One component's package: `folder` is its root, `environ` what its processes see, `within` the longest run.

    Of an image, `folder` is what it was built from, and `container` runs it, under `label`.
    """

    package: Package
    folder: Path
    environ: Mapping[str, str]
    within: float
    container: Container | None = None
    label: str = ""

    @property
    def hide(self) -> Mask:
        """Hides the config vars of an acceptance in what its processes say."""
        ours = (*PASSED_ON, "PATH", "HOME", apart.MARKER)
        return Mask(value for name, value in self.environ.items() if name not in ours)

    def run(self, command: str) -> apart.Ran:
        """Run a command to its end, in the image where the package is one."""
        ran = apart.run(self._words(command, self.environ), self.folder, self.environ, self.within)
        first = shlex.join(self.container.entrypoint) if self.container else ""
        if ran.well or not first:
            return ran
        return replace(
            ran, how=f"{ran.how}, after the image's ENTRYPOINT {first[:60]!r}, which must run its arguments"
        )

    def run_beside(self, command: str, more: Mapping[str, str]) -> apart.Ran:
        """Run a command of the project's own to its end, with `more` variables, on this machine."""
        words = start_commands.words(command, self.folder)
        return apart.run(words, self.folder, {**self.environ, **more}, self.within)

    def _words(self, command: str, environ: Mapping[str, str]) -> Sequence[str]:
        if self.container is None:
            return start_commands.words(command, self.folder)
        return self.container.words(command, environ, "--label", self.label)

    @contextmanager
    def serving(self, command: str, log: Path, within: float, more: Mapping[str, str]) -> Iterator[str]:
        """The address of the app, once it listens. Raises UsageError when it does not start in time.

        It sees the variables `more`, too.
        """
        port = free_port()
        with log.open("wb") as out:
            try:
                environ = {**self.environ, **more, "PORT": str(port)}
                process = apart.start(self._words(command, environ), self.folder, environ, out.fileno())
            except OSError as error:
                raise UsageError(f"{command!r} could not be started: {error.strerror}") from error
        with apart.ending(process):

            def answers() -> bool | None:
                return False if process.poll() is not None else _listens(port) or None

            up = until(answers, within=within, every=POLL)
            if not up:
                how = (
                    f"exited with {apart.status(process)}"
                    if up is False
                    else f"did not listen within {within:g} s"
                )
                raise UsageError(f"{command!r} {how}\n{_last(log, self.hide)}".rstrip())
            yield f"http://127.0.0.1:{port}"


@contextmanager
def unpacked(context: World, package: Package) -> Iterator[tuple[Trial, ...]]:
    """The files of each component's package in a new folder, all beside one database.

    Raises UsageError when they are not what the digest says.
    """
    with apart.place_apart() as made, ExitStack() as stack:
        data = made / "data"
        data.mkdir()
        environ = _environ(context, made, data)
        yield tuple(_place(context, part, made, environ, stack) for part in package.each)


def _environ(context: World, made: Path, data: Path) -> dict[str, str]:
    """What the processes see: the config vars of an acceptance, and nothing of anybody's shell."""
    said = {"DATABASE_URL": "sqlite:///{folder}/acceptance.db", **context.config.acceptance.config}
    config = {name: value.replace("{folder}", str(data)) for name, value in said.items()}
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **kept,
        **config,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        apart.MARKER: made.name,
    }


def _place(context: World, part: Package, made: Path, environ: Mapping[str, str], stack: ExitStack) -> Trial:
    from ..facts.package import unpack

    place = made / (part.component or "app")
    place.mkdir()
    unpack(context, part, place)
    within = context.config.limits.oneoff
    if part.kind != "image":
        return Trial(part, place, {**environ, "HOME": str(place)}, within)
    # podman's store is in the caller's home; a container does not see this
    own = {**environ, "HOME": os.environ.get("HOME", str(place))}
    container, label = _pulled(context, part, made / "data"), f"roadworthy.trial={made.name}"
    stack.callback(podman.remove, label)
    return Trial(part, place, own, within, container, label)


def _pulled(context: World, package: Package, shared: Path) -> Container:
    """The image, in podman's store. Raises UsageError when it cannot be run here or was altered."""
    if missing := podman.lacking():
        raise UsageError(f"an image is accepted by running it, and not installed here: {missing}")
    try:
        said = podman.pull(package.ref, context.environ)
    except (CheckFailed, Unreachable) as error:
        raise UsageError(str(error)) from error
    if said.user:
        podman.open_to_all(shared)
    return podman.Container(package.config, shared, said.entrypoint)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last(log: Path, hide: Mask) -> str:
    lines = hide(tail(log, apart.LOOKED_AT).decode("utf-8", "replace")).splitlines()[-12:]
    return "\n".join(f"  {line}" for line in lines)


def tail(log: Path, limit: int = apart.OUTPUT_LIMIT) -> bytes:
    """The last bytes of a file that may be long."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - limit))
        return file.read(limit)
