"""Packs: older entries of a log, many in one object, for a machine that never read it asks for each.

A pack is a copy that saves time, and no evidence: both auditors read the entries themselves. Its lines are the
bytes of the entries from one number to another, and after them those of the entries of other logs that their
starts name as proofs. What comes out of one is judged like what comes from the store, signature, chain and all. At
least the newest entry of a log is read itself, and its `prev` leads to the bytes of all before it. A pack that
cannot be read, or in which anything is wrong, is as if it were not there.

They lie in `packs/<target>/<environment>/<first>-<last>`, are written once as everything is, and only in stores
where each object takes a journey. Whoever has settled something puts those that are missing.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from .entry import ENTRY_LIMIT, Entry, JournalError, read
from .proofs import proofs_named

if TYPE_CHECKING:
    from .store import Store

SIZE: Final = 32
"""Entries of a pack. So many more, and their proofs, are read one by one at most."""
_UNPACKED: Final = 16 << 20
"""Bytes of a pack's lines, at most; packed they have at most those of an entry."""
_HELD: Final = 16
"""Packs whose proofs are held until the starts that name them are judged."""
_NAME: Final = re.compile(r"([0-9]{8})-([0-9]{8})").fullmatch


class Packs:
    """The packs of one log: to read through them, and to write those that are missing."""

    def __init__(self, store: Store, log: str) -> None:
        """`log` is `<target>/<environment>`."""
        self._store, self._log = store, log
        self._usable: dict[int, range] = {}
        self._beside = deque[dict[str, bytes]](maxlen=_HELD)
        self._doubted = False

    def look(self, listed: Collection[int]) -> None:
        """Find those of which the store lists every entry, and a later one: that one is read itself."""
        self._usable, self._doubted = {}, False
        if not self._store.far or len(listed) <= SIZE:
            return
        newest = max(listed)
        with suppress(RoadworthyError):
            for numbers in self._there():
                if numbers[-1] < newest and all(number in listed for number in numbers):
                    self._usable[numbers[0]] = numbers

    def read(self, seqs: range) -> Iterator[bytes | None]:
        """The bytes of these entries in order, out of packs where there are some; None of what is not there."""
        runs = [*self._runs(seqs)]
        names = (self._name(run) if len(run) > 1 else self._entry(run[0]) for run in runs)
        for run, data in zip(runs, self._store.get_all(names, ENTRY_LIMIT), strict=True):
            if len(run) == 1:
                yield data
            elif lines := _lines(data, len(run)):
                self._beside.append({hashlib.sha256(line).hexdigest(): line for line in lines[len(run) :]})
                yield from lines[: len(run)]
            else:
                self._usable.pop(run[0])
                yield from self._store.get_all(map(self._entry, run), ENTRY_LIMIT)

    def beside(self, sha256: str) -> bytes | None:
        """The proof of that digest, when it was in one of the last packs that were read."""
        return next((held[sha256] for held in self._beside if sha256 in held), None)

    def doubt(self, seq: int) -> bool:
        """Something is wrong with entry `seq`: leave out the pack that has it, or, the second time, all of them.

        False when none was used: then it is the log that is wrong.
        """
        if not self._usable:
            return False
        wrong = [first for first, numbers in self._usable.items() if seq in numbers]
        if wrong and not self._doubted:
            self._usable.pop(wrong[0])
        else:
            self._usable.clear()
        self._doubted = True
        self._beside.clear()
        return True

    def write(self, head: int, go_on: Callable[[], bool]) -> int:
        """Put the packs that are missing below entry `head`, as long as one may `go_on`. How many were put.

        Raises RoadworthyError when the store does not answer or refuses.
        """
        if not self._store.far or head <= SIZE:
            return 0
        there, put = {numbers[0] for numbers in self._there()}, 0
        newest = (head - 1) // SIZE * SIZE - SIZE + 1
        for first in range(newest, 0, -SIZE):
            if first not in there and go_on():
                put += self._put(range(first, first + SIZE))
        return put

    def wrong(self, entry: Callable[[str], bytes | None]) -> Iterator[str]:
        """The names of those that do not hold the entries, which `entry` knows by name. Nobody uses such a pack."""
        if not self._store.far:
            return
        for numbers in self._there():
            try:
                lines = _lines(self._store.get(self._name(numbers), ENTRY_LIMIT), len(numbers))
            except JournalError:
                lines = []
            if lines[: len(numbers)] != [entry(self._entry(number)) for number in numbers]:
                yield self._name(numbers)

    def _put(self, numbers: range) -> bool:
        found = [*self._store.get_all(map(self._entry, numbers), ENTRY_LIMIT)]
        entries = [data for data in found if data is not None]
        if len(entries) < len(numbers):
            return False  # some were accepted as lost
        said = [_said(data) for data in entries]
        digests = [hashlib.sha256(data).hexdigest() for data in entries]
        if any(one is None or one.prev != sha256 for one, sha256 in zip(said[1:], digests, strict=False)):
            return False  # no reader would take it
        for lines in ([*entries, *self._proofs(filter(None, said))], entries):
            packed = zlib.compress(b"\n".join(lines), 6)
            if len(packed) <= ENTRY_LIMIT and sum(map(len, lines)) + len(lines) <= _UNPACKED:
                return self._store.put(self._name(numbers), packed)
        return False

    def _proofs(self, entries: Iterable[Entry]) -> list[bytes]:
        named = dict[str, str]()
        target = self._log.partition("/")[0]
        for entry in entries:
            with suppress(JournalError):
                for proof in proofs_named(entry):
                    named[f"{target}/{proof.environment}/{proof.seq:08d}.json"] = proof.sha256
        found = zip(named.values(), self._store.get_all(named, ENTRY_LIMIT), strict=True)
        return [data for sha256, data in found if data and hashlib.sha256(data).hexdigest() == sha256]

    def _there(self) -> Iterator[range]:
        for name in self._store.names(f"packs/{self._log}"):
            if numbers := _NAME(name.rpartition("/")[2]):
                first, last = int(numbers[1]), int(numbers[2])
                if 0 < first < last < first + 10 * SIZE:
                    yield range(first, last + 1)

    def _runs(self, seqs: range) -> Iterator[range]:
        seq = seqs.start
        while seq < seqs.stop:
            run = self._usable.get(seq, range(seq, seq + 1))
            yield run if run.stop <= seqs.stop else range(seq, seq + 1)
            seq = run.stop if run.stop <= seqs.stop else seq + 1

    def _name(self, numbers: range) -> str:
        return f"packs/{self._log}/{numbers[0]:08d}-{numbers[-1]:08d}"

    def _entry(self, seq: int) -> str:
        return f"{self._log}/{seq:08d}.json"


def _lines(data: bytes | None, least: int) -> list[bytes]:
    """The lines of a pack that was written whole and has so many; else none."""
    unpacker = zlib.decompressobj()
    try:
        lines = unpacker.decompress(data or b"", _UNPACKED).split(b"\n")
    except zlib.error:
        return []
    return lines if unpacker.eof and len(lines) >= least else []


def _said(data: bytes) -> Entry | None:
    """What an entry says, unverified: only to know what stands before it, and what it names."""
    try:
        return read(data).entry()
    except JournalError:
        return None
