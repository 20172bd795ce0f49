"""Git's object store, read through plumbing commands: the one place that starts git.

- Nothing here writes, runs a shell, asks a terminal or believes `GIT_DIR` and its like: the repository is the
  one that holds `root`. Replace refs and grafts are off, so a commit is what its SHA says.
- Paths are relative to `root`, so a project in a subfolder of its repository works too.
- Every failure is a `UsageError`: one line, what to do.
- What a whole SHA stands for never changes, so a small answer about one is kept and git is not started again.
  That there is no such object is not kept: somebody may fetch it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Final, NamedTuple

from .errors import UsageError

SHA: Final = re.compile(r"[0-9a-f]{40}")
TIMEOUT: Final = 120.0  # seconds for one git process
MAX_OUTPUT: Final = 64 << 20  # bytes of one listing
MAX_KEPT: Final = 64 << 10  # bytes of one answer that is kept
ROOM: Final = 16 << 20  # bytes of all that are kept; when they are used up, it begins anew
_KEPT: Final = frozenset(
    {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES"}
)
_FIXED: Final = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # else reading asks a partial clone's remote, its address on a command line
}


class Entry(NamedTuple):
    """One line of a folder: `mode` and `kind` in git's words, `name` relative to the folder asked for."""

    mode: str
    kind: str
    oid: str
    name: bytes


class Found(NamedTuple):
    """What an object name stands for; `size` in bytes."""

    oid: str
    kind: str
    size: int


class _Answers:
    """Answers by what was asked; several threads may ask."""

    def __init__(self) -> None:
        self._said: dict[tuple[object, ...], object] = {}
        self._room = ROOM

    def get(self, *asked: object) -> object | None:
        return self._said.get(asked)

    def keep(self, answer: object, size: int, *asked: object) -> None:
        """Keep an answer of that many bytes, unless it is a big one."""
        if size > MAX_KEPT:
            return
        cost = size + 500  # and what it costs to keep anything
        if cost > self._room:
            self._said, self._room = {}, ROOM
        self._room -= cost
        self._said[asked] = answer


_answers: Final = _Answers()


def full(sha: str) -> str:
    """`sha` itself when it is 40 lower-case hex characters, else UsageError."""
    if not SHA.fullmatch(sha):
        raise UsageError(f"{sha[:80]!r} is no SHA-1 of 40 hex characters: other repositories are not read")
    return sha


def at(commit: str, path: str) -> str:
    """The object name of `path` (relative to `root`, "." for itself) at a commit; UsageError for a path that
    is absolute, leaves `root`, or holds a control character.
    """
    parts = [part for part in path.split("/") if part != "."]
    if len(path) > 4096 or any(part in ("", "..") or not part.isprintable() for part in parts):
        raise UsageError(f"path {path[:200]!r}: expected a relative path inside the project, like app/web")
    return f"{full(commit)}:./{'/'.join(parts)}"


def look(root: Path, *names: str) -> list[Found | None]:
    """What each object name stands for, None where nothing (or more than one thing) does."""
    known: dict[str, Found | None] = {name: _kept(root, name) for name in names}
    unknown = [name for name, found in known.items() if not found]
    if unknown or not names:
        with _git(root, "cat-file", "--batch-check", "--buffer", asked=unknown) as out:
            known |= {name: _found(out) for name in unknown}
    for name in unknown:
        if known[name] and SHA.match(name):
            _answers.keep(known[name], len(name), root, name)
    return [known[name] for name in names]


def _kept(root: Path, name: str) -> Found | None:
    found = _answers.get(root, name)
    return found if isinstance(found, Found) else None


def folder(root: Path, oid: str, *, recursive: bool) -> Iterator[Entry]:
    """The entries of a tree object, in git's order; with `recursive`, all files below it and no folders."""
    listed = ask_once(root, "ls-tree", "-z", "--full-tree", *(("-r",) if recursive else ()), full(oid))
    for line in listed.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        mode, kind, sha = head.decode().split()
        yield Entry(mode, kind, sha, name)


def contents(root: Path, oids: Iterable[str], limit: int) -> Iterator[bytes]:
    """The bytes of each object, in order, from one process. UsageError for a missing one or above `limit`."""
    oids = list(oids)
    kept = [_answers.get(root, "bytes", oid) for oid in oids]
    if oids and all(isinstance(content, bytes) and len(content) <= limit for content in kept):
        yield from (content for content in kept if isinstance(content, bytes))
        return
    with batch(root, oids) as out:
        for oid in oids:
            size = next_size(out, oid)
            if size > limit:
                raise UsageError(f"git object {oid} has {size} bytes: more than {limit} is not read")
            content = out.read(size + 1)
            if len(content) <= size:
                raise EOFError
            _answers.keep(content[:-1], size, root, "bytes", oid)
            yield content[:-1]


@contextmanager
def batch(root: Path, oids: Iterable[str]) -> Iterator[IO[bytes]]:
    """`git cat-file --batch` for these objects: for each call `next_size`, then read size + 1 bytes.

    A reader that meets the end raises EOFError, and the caller gets git's own complaint.
    """
    with _git(root, "cat-file", "--batch", "--buffer", asked=oids) as out:
        yield out


def next_size(out: IO[bytes], oid: str) -> int:
    """The size in bytes of the next object of a `batch`."""
    found = _found(out)
    if found is None:
        raise UsageError(
            f"git object {oid} is missing: the clone is damaged or partial (git fsck, git fetch)"
        )
    return found.size


def ask(root: Path, *words: str) -> bytes:
    """What one git command says, whole; UsageError above 64 MiB."""
    with _git(root, *words) as out:
        return out.read(MAX_OUTPUT)


def ask_once(root: Path, *words: str) -> bytes:
    """The same for words that name every object by its whole SHA, so that the answer never changes."""
    said = _answers.get(root, words)
    if not isinstance(said, bytes):
        said = ask(root, *words)
        _answers.keep(said, len(said), root, words)
    return said


@contextmanager
def _git(root: Path, *words: str, asked: Iterable[str] = ()) -> Iterator[IO[bytes]]:
    """Run git on the repository of `root`, `asked` as lines of its input; yields its output.

    Input and errors are files, so no pipe but the output can fill up: no deadlock, no thread that copies.
    """
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as errors:
        lines.write("".join(f"{name}\n" for name in asked).encode())
        lines.seek(0)
        # A configured fsmonitor is a program of the repository's choice; reading status must not run it.
        command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *words]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
        try:
            process = subprocess.Popen(
                command,
                stdin=lines,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=kept | _FIXED,
                bufsize=1 << 18,
            )
        except OSError as error:
            raise UsageError(
                f"git cannot be started ({error.strerror}): is it installed, and on PATH?"
            ) from error
        watchdog = Timer(TIMEOUT, process.kill)
        watchdog.daemon = True
        watchdog.start()
        out = process.stdout
        assert out is not None
        early = False  # git stopped talking; why is known when its status and its complaint are read
        try:
            yield out
            if out.read(1):
                raise UsageError(
                    f"git {words[0]} said more than expected in {root}: is the repository sound?"
                )
            process.wait()
        except EOFError:
            early = True
            process.wait()
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            out.close()
        if early or process.returncode:
            errors.seek(0)
            complaint = errors.read(4096).decode(errors="replace")
            raise UsageError(_problem(root, words[0], process.returncode, complaint))


def _problem(root: Path, verb: str, code: int, errors: str) -> str:
    """Git's complaint as one line that says what to do."""
    if "dubious ownership" in errors:
        return f"{root} belongs to another user: git config --global --add safe.directory {root}"
    if "not a git repository" in errors:
        return f"no git repository at {root}: run this inside the project's clone"
    if "cannot change to" in errors:
        return f"no folder {root}: run this inside the project's clone"
    if "must be run in a work tree" in errors:
        return f"{root} is a bare repository: run this inside a clone with files"
    if code < 0:
        return f"git {verb} was ended after at most {TIMEOUT:.0f} s in {root}: try again, then git fsck"
    first = next((line for line in errors.splitlines() if line.startswith(("fatal:", "error:"))), errors)
    return f"git {verb} failed in {root} with status {code}: {' '.join(first.split())[:300]}"


def _found(out: IO[bytes]) -> Found | None:
    line = out.readline(8192)
    if not line:
        raise EOFError
    words = line.split()
    if words[-1] in (b"missing", b"ambiguous") or len(words) != 3:
        return None
    return Found(words[0].decode(), words[1].decode(), int(words[2]))
