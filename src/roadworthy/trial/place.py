"""A place apart for the processes of a package: a folder of their own, and nothing of them is left afterwards.

- A command's whole process group ends with it. What left the group (a daemon) becomes a child of ours, whatever
  it did to its environment, and is ended with the place.
- When we are killed ourselves, the next place that is made sweeps: it ends what carries the dead one's name in
  its environment, and removes the folder. A folder is dead when nobody holds its lock, which the kernel keeps.
- They run as the same user: what this user may read and write, they may, too.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from ..processes import children, end_carriers, group_is_alive
from ..wait import until

MARKER: Final = "ROADWORTHY_TRIAL"  # names the place in the environment of its processes
PREFIX: Final = "roadworthy-trial-"
WELL: Final = "exited with 0"
GRACE: Final = 5.0  # seconds to end after SIGTERM
POLL: Final = 0.02  # seconds between two looks whether a group has ended
OUTPUT_LIMIT: Final = 1 << 20  # bytes of what a command says that are kept
LOOKED_AT: Final = 1 << 16  # bytes of it in which secrets are looked for; far more than is told
LAST_LINES: Final = 8  # of it that are told beside how it ended
LONGEST_LINE: Final = 200  # characters of each, its last
_SUBREAPER: Final = 36  # prctl(2): PR_SET_CHILD_SUBREAPER


class Ran(msgspec.Struct, frozen=True):
    """How one command ended, in words, and the end of what it said."""

    how: str
    output: bytes

    @property
    def well(self) -> bool:
        """Did it exit with 0?"""
        return self.how == WELL

    def told(self, hide: Callable[[str], str] = str) -> str:
        """How it ended, with the last lines of what it said; `hide` hides its secrets, before anything is cut."""
        said = hide(self.output[-LOOKED_AT:].decode("utf-8", "replace"))
        lines = [line for line in said.splitlines() if line.strip()]
        shown = ("".join(c for c in line if c.isprintable())[-LONGEST_LINE:] for line in lines[-LAST_LINES:])
        return "\n  ".join((self.how, *shown))


@contextmanager
def place_apart() -> Iterator[Path]:
    """A new folder; afterwards neither it nor any process that was started meanwhile is there."""
    _sweep()
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        stack.enter_context(_nothing_left())
        yield folder


def run(words: Sequence[str], folder: Path, environ: Mapping[str, str], within: float) -> Ran:
    """Run a command to its end, at most `within` seconds. Ended by signal n it counts as 128 + n, as in a shell."""
    try:
        process = start(words, folder, environ, subprocess.PIPE)
    except OSError as error:
        return Ran(f"could not be started: {words[0]}: {error.strerror}", b"")
    with ending(process, grace=0.0):
        output, ended = _last_words(process, time.monotonic() + within)
    return Ran(f"exited with {status(process)}" if ended else f"did not end within {within:g} s", output)


def status(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process that has ended: 128 + n when signal n ended it."""
    code = int(process.returncode)
    return code if code >= 0 else 128 - code


def start(
    words: Sequence[str], folder: Path, environ: Mapping[str, str], out: int
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own. Raises OSError when it cannot be."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


@contextmanager
def ending(process: subprocess.Popen[bytes], grace: float = GRACE) -> Iterator[None]:
    """Whatever happens, nothing of its process group is left. It has `grace` seconds to end by itself.

    All of the group has: a shell that stands in front of the app ends at once, and the app behind it may not.
    """
    try:
        yield
    finally:
        if grace:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            until(lambda: not group_is_alive(process.pid) or None, within=grace, every=POLL)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _last_words(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """The last OUTPUT_LIMIT bytes that it said, and whether it had ended by the deadline.

    A daemon that still holds its output is not waited for.
    """
    output = b""
    if process.stdout is None:
        raise ValueError("its output is a pipe")
    out = process.stdout.fileno()
    os.set_blocking(out, False)
    with ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        alive = os.pidfd_open(process.pid)
        stack.callback(os.close, alive)
        waiting.register(out, selectors.EVENT_READ)
        waiting.register(alive, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            said = {key.fd for key, _ in waiting.select(left)}
            while out in said and time.monotonic() < deadline:
                try:
                    part = os.read(out, 1 << 16)
                except BlockingIOError:
                    break
                if not part:
                    waiting.unregister(out)
                    break
                output = (output + part)[-OUTPUT_LIMIT:]
            if alive in said and process.poll() is not None:
                return output, True
    return output, False


@contextmanager
def _folder() -> Iterator[Path]:
    while True:
        made = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            held = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(held, fcntl.LOCK_EX)
            if made.exists():  # else a sweep came before the lock, and took it for a dead one
                break
            os.close(held)
    try:
        yield made
    finally:
        _remove(made)
        os.close(held)


@contextmanager
def _nothing_left() -> Iterator[None]:
    before = children()
    _adopt_orphans(True)
    try:
        yield
    finally:
        # What a killed one had started comes to us in turn. Nobody else waits for them, so no pid is used again.
        while left := children() - before:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        _adopt_orphans(False)


def _adopt_orphans(wanted: bool) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_SUBREAPER, int(wanted), 0, 0, 0)


def _sweep() -> None:
    """End and remove what runs that were killed left behind."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), ExitStack() as stack:
            held = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, held)
            if os.fstat(held).st_uid != os.getuid():
                continue
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while end_carriers(f"{MARKER}={left.name}", wait=GRACE):
                continue
            _remove(left)


def _remove(folder: Path) -> None:
    """Remove it, also what was made unreadable; what belongs to somebody else stays."""
    for inside, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(inside, name)
            with suppress(OSError):
                if stat.S_ISDIR(path.lstat().st_mode):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
