"""Is a whole log well? It is judged in pieces, a long one by one process a core; the answer is yes, or in doubt.

Each piece assumes what the entries before it say, and the assumptions are compared with what the pieces before
it leave. The processes take pieces from one open file until none is left, so each is busy to the end. Whatever
goes wrong with one of them leaves a piece without an answer, and so the log in doubt.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from .audit_entry import Bad, bytes_of, opened, verified
from .audit_log import Log, examine
from .audit_road import Start, Walk, clock_of, of_a_package, unverified
from .audit_trust import named_policy

if TYPE_CHECKING:
    from subprocess import Popen

ALONE = 2000
"""Entries that one process judges sooner than another could be started."""
_PIECE, _LAST = 1000, 50
"""Entries of a piece, first and at the end, where one process waits for the others."""
_PIECES = 10_000
"""About as many pieces has a log of any length."""
_AT_ONCE = 8 << 20
"""Bytes of entries, about, that are opened before the first of them is verified."""
_BACK = 500
"""Entries before a piece that are looked at for an open start."""

Piece = tuple[int, int]
"""Its first and its last entry."""
Found = dict[Piece, tuple[Walk, Walk]]
"""What each piece assumes and what it leaves; of a piece that is in doubt, nothing."""


class Crew(NamedTuple):
    """Processes that judge with this one, and the file from which each of them takes its next piece."""

    processes: list[Popen[bytes]]
    pieces: IO[bytes]


@contextmanager
def crew(folder: Path, size: int) -> Iterator[Crew | None]:
    """Up to `size` processes, this one too: one more for each ALONE entries. None when there is no other.

    They are on their way while the folder is listed.
    """
    count = sum(os.path.lexists(folder / f"{n * ALONE + 1:08d}.json") for n in range(1, size))
    with ExitStack() as ends:
        started = None
        if count:
            with suppress(OSError):  # what cannot be shared is judged alone
                started = _start(count, ends)
        yield started


def _start(count: int, ends: ExitStack) -> Crew:
    import subprocess
    import tempfile

    pieces = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - `ends` closes it
    ends.enter_context(pieces)
    command = [sys.executable, "-P", "-m", __name__, str(pieces.fileno()), str(os.getpid())]
    processes: list[Popen[bytes]] = []
    for _ in range(count):
        # Never forked: the process that asks may have threads, and stores that do not survive a fork.
        one = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[pieces.fileno()],
        )
        ends.enter_context(one)
        ends.callback(one.kill)
        processes.append(one)
    return Crew(processes, pieces)


def all_well(log: Log, last: int, others: Crew | None) -> set[tuple[str, int]] | None:
    """Is every piece of a log of `last` entries well, and does each begin as the one before it ends?

    Then the entries of other logs that were read, by log and number; None when something is in doubt.
    """
    if not last or any(pinned > last for pinned in log.pins):
        return None
    if of_a_package(log.place[1]):  # no piece can assume its stages, so it would be judged twice
        return None
    beside = set[tuple[str, int]]()
    pieces = list(_pieces(last, 1 + len(others.processes) if others else 1))
    found = _together(log, pieces, others) if others else _judged(log, pieces)
    state = Walk()
    for piece in pieces:
        if piece not in found or found[piece][0] != replace(state, package=None):
            return None
        after = found[piece][1]
        if (
            after.lost
        ):  # the log may go on at another number than the next: the walk sees to that, and tells of it
            return None
        if after.wants not in (None, state.package):
            return None
        beside |= after.beside
        package = state.package if after.package is None else after.package
        state = replace(after, package=package, wants=None, beside=set())
    return beside


def _pieces(last: int, size: int) -> Iterator[Piece]:
    """All pieces, in order; they become small when few entries are left to share."""
    first, most = 1, max(_PIECE, last // _PIECES)
    while first <= last:
        many = min(most, max(_LAST, (last - first) // (8 * size)))
        yield first, min(first + many - 1, last)
        first += many


def _together(log: Log, pieces: list[Piece], others: Crew) -> Found:
    """What this process and the others find, each in the pieces that it takes."""
    import pickle

    shared = others.pieces.fileno()
    with suppress(OSError):  # on a full disk some pieces get no answer
        others.pieces.write(b"".join(b"%8d%8d" % piece for piece in pieces))
    os.lseek(shared, 0, os.SEEK_SET)
    told = pickle.dumps(log)
    for ear in [one.stdin for one in others.processes if one.stdin]:
        with suppress(OSError), ear:  # who is no more takes no piece
            ear.write(told)
    found = _share(log, shared, _taken(shared))
    for mouth in [one.stdout for one in others.processes if one.stdout]:
        with suppress(EOFError, pickle.UnpicklingError):  # who died leaves its pieces without an answer
            found |= pickle.load(mouth)
    return found


def _share(log: Log, shared: int, pieces: Iterable[Piece]) -> Found:
    found = _judged(log, pieces)
    os.ftruncate(shared, 0)  # none is left, or what was found ends the work of all
    return found


def _taken(shared: int) -> Iterator[Piece]:
    """The pieces that no other process took: reads of one open file are atomic (POSIX.1-2017, XSH 2.9.7)."""
    while len(said := os.read(shared, 16)) == 16:
        yield int(said[:8]), int(said[8:])


def _judged(log: Log, pieces: Iterable[Piece]) -> Found:
    """What these pieces assume and leave, up to the first that is in doubt."""
    found: Found = {}
    with suppress(Bad, OSError):
        folder = os.open(log.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for piece in pieces:
                found[piece] = _piece(log, folder, *piece)
        finally:
            os.close(folder)
    return found


def _piece(log: Log, folder: int, first: int, last: int) -> tuple[Walk, Walk]:
    """The state that these entries assume and the one that they leave. Raises Bad or OSError if one is not well."""
    walk = _assumed(folder, first)
    begin = replace(walk, beside=set())
    seqs = iter(range(first, last + 1))
    # Question by question, not entry by entry: what the processor does again at once it does faster.
    while batch := _next(seqs, folder):
        digests = [hashlib.sha256(data).hexdigest() for data in batch]
        signed = [opened(data, log.keys.raw) for data in batch]
        for one in signed:
            verified(one, log.keys.raw)
        for sha256, one in zip(digests, signed, strict=True):
            examine(one, sha256, first, log, walk)
            walk.prev, first = sha256, first + 1
    return begin, walk


def _next(seqs: Iterator[int], folder: int) -> list[bytes]:
    """The next entries, until they have _AT_ONCE bytes."""
    batch, size = list[bytes](), 0
    for seq in seqs:
        batch.append(bytes_of(f"{seq:08d}.json", folder=folder))
        size += len(batch[-1])
        if size > _AT_ONCE:
            break
    return batch


def _assumed(folder: int, first: int) -> Walk:
    """What the entries before `first` say that they establish, unverified: whoever judges them will tell."""
    walk = Walk(package=None)
    for seq in range(first - 1, max(0, first - 1 - _BACK), -1):
        data = bytes_of(f"{seq:08d}.json", folder=folder)
        entry = unverified(data)
        said = entry.said
        if seq == first - 1:
            prev = hashlib.sha256(data).hexdigest()
            walk = Walk(
                prev, at=said.at, clock=clock_of(said), policy=named_policy(said.details), package=None
            )
        if said.kind == "start":
            digest = "" if entry.name.startswith("environment:") else entry.digest
            walk.open = Start(seq, digest, said.stage, said.action, str(clock_of(said)))
        if said.kind not in ("note", "refused"):
            return walk
    if first - 1 > _BACK:
        raise Bad("lock", "too many entries since the last start")
    return walk


def _help(shared: int, parent: int) -> None:
    """What another process of a crew does: hear which log, take pieces, tell what it found."""
    import pickle

    log = pickle.load(sys.stdin.buffer)
    wanted = takewhile(lambda _: os.getppid() == parent, _taken(shared))  # nobody hears what an orphan finds
    pickle.dump(_share(log, shared, wanted), sys.stdout.buffer)


if __name__ == "__main__":
    _help(*map(int, sys.argv[1:]))
