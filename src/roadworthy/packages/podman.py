"""Running an image on this machine, with podman.

An image runs only after each of its bytes was fetched and had its digest. Its processes share this machine's
network, so `$PORT` is what it is for any process; they see the variables that they are given and one folder, and
of the machine nothing else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import UsageError

if TYPE_CHECKING:
    from .settings import Settings

PULL: Final = 120.0  # seconds
# runc needs no control groups of systemd, and on small machines the usual limits are more than one may set.
PODMAN: Final = ("podman", "--runtime", "runc", "--cgroup-manager=cgroupfs")
# Passed through, output is one stream; podman would carry stdout and stderr apart, and mix up their lines.
RUN: Final = (
    *("run", "--rm", "--network=host", "--pull=never", "--log-driver=passthrough"),
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"),
)
OURS: Final = frozenset({"PATH", "HOME", "LANG"})  # of this machine; an image brings its own
STORAGE: Final = (
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_CONF",
    "XDG_RUNTIME_DIR",
)  # where podman keeps things


@dataclass(frozen=True, slots=True)
class Container:
    """How a process of an image is started; `shared` is a folder that it sees at its own path.

    `entrypoint` are the image's own words before those of a command.
    """

    image: str
    shared: Path
    entrypoint: tuple[str, ...] = ()

    def line(self, command: str, env: Mapping[str, str]) -> str:
        """A line for the shell that becomes this process."""
        return shlex.join(("exec", *self.words(command, env)))

    def words(self, command: str, env: Mapping[str, str], *more: str) -> tuple[str, ...]:
        """The process. `command` is split into words and runs in the container; "" is the image's own.

        `more` are further words for podman.

        Variables are named and not said, so that no value is on a command line.
        """
        storage = [f"{name}={os.environ[name]}" for name in STORAGE if name in os.environ]
        seen = [word for name in sorted(env) if name not in OURS for word in ("--env", name)]
        volume = ("--volume", f"{self.shared}:{self.shared}")
        return ("env", *storage, *PODMAN, *RUN, *more, *seen, *volume, self.image, *shlex.split(command))


def pull(ref: str, environ: Mapping[str, str]) -> Settings:
    """Read every byte of the image, then bring it into podman's store; what it says of itself.

    Raises UsageError, CheckFailed when any byte is not what its digest says, Unreachable.
    """
    from . import registry  # it takes long to import, and few commands need it

    registry.verify(ref, environ=environ)
    return take(ref, environ)


def take(ref: str, environ: Mapping[str, str]) -> Settings:
    """Bring the image into podman's store. It compares what it fetches with the digests, and fetches nothing twice.

    Raises CheckFailed with podman's own words, UsageError for an image of a platform that cannot be run here.
    """
    # The sandbox's server needs none of them to start, and http takes long to import.
    from .. import http, references
    from . import engine, handover, registry, settings

    found = settings.settings_of(registry.read(ref, environ=environ), environ)
    if why := settings.foreign(found):
        raise UsageError(why)
    plain = "--tls-verify=false" if http.is_loopback(f"http://{ref}") else "--tls-verify=true"
    words = ("podman", "pull", "--cgroup-manager=cgroupfs", "--quiet", plain, ref)
    with tempfile.TemporaryDirectory(prefix="roadworthy-") as work:
        at = references.reference(ref).repository
        engine.run(words, handover.handed("podman", environ, Path(work), at), PULL)
    return found


def open_to_all(folder: Path, files: str = "*") -> None:
    """Let an image that does not run as root, but as a user that nobody here knows, write the databases there."""
    folder.chmod(0o777)
    for file in folder.glob(files):
        if file.is_file() and not file.is_symlink():
            file.chmod(0o666)


def lacking() -> str:
    """What has to be installed before an image can be run here; "" when nothing."""
    return ", ".join(tool for tool in ("podman", "runc") if not shutil.which(tool))


def remove(label: str) -> None:
    """End what runs under this label, and leave nothing of it."""
    asked = ("podman", "--cgroup-manager=cgroupfs", "ps", "--all", "--quiet", "--filter", f"label={label}")
    found = subprocess.run(asked, capture_output=True, text=True, timeout=PULL, check=False).stdout.split()
    if found:
        words = ("podman", "--cgroup-manager=cgroupfs", "rm", "--force", "--ignore", "--time", "0", *found)
        subprocess.run(words, capture_output=True, timeout=PULL, check=False, stdin=subprocess.DEVNULL)
