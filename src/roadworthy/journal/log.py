"""The log of one environment of one target: verified when read, appended one entry at a time.

Nothing that a reader would refuse is ever written: a record is judged by the chain's rules, sealed, read
back and checked against the trust policy before it is put. The first reading goes on where this machine's
last one ended (`index.py`), later ones look only at what came after; `entries()` always reads and verifies
the whole log. Entries are not kept: what is asked for is read again, and must have the digest that was verified.

A `Log` belongs to one thread. Any number of processes may append to one log.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from ..errors import RoadworthyError, UsageError
from .chain import State, admit, follow
from .drafting import draft
from .entry import (
    ENTRY_LIMIT,
    EVIDENCE_LIMIT,
    SETTLING,
    Entry,
    Evidence,
    JournalError,
    Record,
    is_place,
    read,
    seal,
)
from .index import WORTH, Index, Rows, Settled, settled_by
from .known import Head, JournalLost, Known
from .packs import Packs
from .proofs import AT_ONCE, Proofs
from .sign import Signer, Trust
from .store import Store


class Log:
    """Entries `<target>/<environment>/NNNNNNNN.json` of a store, and the evidence that they name."""

    def __init__(
        self,
        store: Store,
        *,
        environment: str,
        target: str,
        signer: Signer | None,
        trust: Trust,
        clock: Callable[[], datetime],
        index: Index | None = None,
        known: Known | None = None,
        on_written: Callable[[Log, Entry], None] = lambda log, entry: None,
    ) -> None:
        """Without a signer the log can only be read; without an index its first reading is of every entry.

        `clock` gives aware times; `known` is what a first reading is held to; `on_written` hears of each entry.
        """
        for name in (environment, target):
            if not is_place(name):
                raise UsageError(f"{name[:100]!r} cannot name a journal: small letters, digits, . _ -")
        self._store, self._signer, self._trust, self._clock = store, signer, trust, clock
        self._environment, self._target = environment, target
        self._folder = f"{target}/{environment}"
        self._index, self._on_written = index, on_written
        self._packs = Packs(store, self._folder)
        self._proofs = Proofs(store, target, trust, self._packs.beside)
        self._known, self._compared = known or Known(), False
        self._state = State()
        self._head: Entry | None = None
        self._before = Rows([])
        self._settled: list[Settled] = []

    @property
    def environment(self) -> str:
        """The environment, or the package, that this is the log of."""
        return self._environment

    def entries(self) -> list[Entry]:
        """Every entry, in order, verified now. Raises JournalError that names the first bad one and why."""
        known = self._known.heads()
        self._forget()
        found = list[Entry]()
        self._rest(found)
        self._compare(known)
        return found

    def head(self) -> Entry | None:
        """The last entry."""
        self._catch_up()
        return self._head

    def open_start(self) -> Entry | None:
        """The start that nothing has settled yet: it holds the environment, and its outcome is unknown."""
        self._catch_up()
        return self._state.open

    def settled(self) -> Sequence[Settled]:
        """What every `end`, `failed` and `abandon` says by now, in order."""
        self._catch_up()
        return self._before.followed_by(self._settled)

    def backwards(self, since: Settled | None = None) -> Iterator[Entry]:
        """Entries, newest first, from the head or from `since`: each is the one that the entry after it names."""
        self._catch_up()
        seq, sha256 = (since.seq, since.sha256) if since else (self._state.seq, self._state.sha256)
        with _distrust():
            found = self._store.get_all(map(self._name, self._state.down_from(seq)), ENTRY_LIMIT)
            for number, data in zip(self._state.down_from(seq), found, strict=True):
                entry = self._named(self._name(number), data, sha256, "the entry after it names")
                yield entry
                sha256 = entry.prev

    def named(self, seq: int, sha256: str) -> Entry:
        """The entry of that number and digest. Raises JournalError when it is not there or another one."""
        name = self._name(seq)
        with _distrust():
            return self._named(name, self._store.get(name, ENTRY_LIMIT), sha256, "a later entry names")

    def append(self, record: Record, *, attach: Mapping[str, bytes] | None = None) -> Entry:
        """Write `record` as the next entry, after the files in `attach` (name → bytes) as its evidence.

        Raises HeldBy (a Held) for a start while another is open, OutcomeUnknown for a settling record whose
        start was settled by somebody else, UsageError without a signing key, JournalError otherwise. When
        the place at the head is lost to another writer, everything is judged again on the new head.
        """
        if self._signer is None:
            raise UsageError(f"there is no signing key, so {self._folder} can only be read")
        if (record.environment, record.target) != (self._environment, self._target):
            raise JournalError(f"a record of {record.target}/{record.environment} is not of {self._folder}")
        self._catch_up()
        admit(self._state, record)
        self._known.before_writing()
        details = {**record.details, **self._trust.policy.said()}
        record = replace(record, details=details, evidence=(*record.evidence, *self._attach(attach or {})))
        for item in record.evidence:
            if len(self.evidence(item.sha256)) != item.size:
                raise JournalError(f"evidence {item.name!r} has another size than the record says")
        while True:
            seq = self._state.next
            drafted = draft(record, self._folder, self._state, self._signer.keyid, self._clock())
            entry, data = seal(drafted, self._signer.sign)
            self._trust.check(entry)
            self._proofs.check([entry])
            after = follow(self._state, entry)
            if self._store.put(self._name(seq), data):
                self._advance(entry, after)
                self._known.remember(after.seq, after.sha256)
                self._on_written(self, entry)
                return entry
            self._catch_up()
            if self._state.seq < seq:
                raise JournalError(f"the store refuses {self._name(seq)} and does not show what is there")
            admit(self._state, record)

    def pack(self, go_on: Callable[[], bool]) -> int:
        """Put older entries into packs, as long as one may `go_on`; how many packs. Raises RoadworthyError."""
        return self._packs.write(self._state.seq, go_on)

    def evidence(self, sha256: str) -> bytes:
        """The attached file of that digest. Raises JournalError when it is missing or has other bytes."""
        data = self._store.get(f"evidence/{sha256}", EVIDENCE_LIMIT)
        if data is None:
            raise JournalError(f"evidence {sha256} is missing")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise JournalError(f"evidence {sha256} has other bytes than its name says")
        return data

    def evidence_json(self, sha256: str) -> dict[str, Any]:
        """The JSON object in an attached file. Raises JournalError also when there is none, or it is too deep."""
        try:
            value = json.loads(self.evidence(sha256))
        except (ValueError, RecursionError) as error:
            raise JournalError(f"evidence {sha256} is no JSON that can be read") from error
        if not isinstance(value, dict):
            raise JournalError(f"evidence {sha256} is no JSON object")
        return value

    def _name(self, seq: int) -> str:
        return f"{self._folder}/{seq:08d}.json"

    def _last(self, after: int) -> int:
        """The number of the last entry, which the store lists; only what comes after `after` is looked at."""
        stamp = self._store.stamp(self._folder) if self._index and after else ""
        if self._index and (known := self._index.listed(stamp, after)):
            return known
        listed = set[int]()
        for name in self._store.names(self._folder, self._name(after) if after else ""):
            number = name.removeprefix(f"{self._folder}/").removesuffix(".json")
            if not (number.isascii() and number.isdigit() and name == self._name(int(number) or -1)):
                raise JournalError(f"{name} is no entry; move it away")
            listed.add(int(number))
        last = max(listed, default=after)
        self._packs.look(listed)
        if self._index:
            self._index.note_listed(stamp, after, last)
        return last

    def _catch_up(self) -> None:
        # What is known is asked before the store, which only grows.
        known: list[Head] = [] if self._compared else self._known.heads()
        before, read_beside = None, 0
        # The first reading lists the folder and so finds gaps; after it, only the next name can be news.
        if not self._state.seq:
            known += self._resume()
            before, read_beside = self._state.seq, self._proofs.read
            self._rest()
        self._read_on()
        if known or not self._compared:
            self._compare(known)
        new = 0 if before is None else self._state.seq - before + self._proofs.read - read_beside
        if self._index and new >= WORTH:
            self._index.save(self._state, self.settled())

    def _read_on(self) -> None:
        with _distrust():
            while (data := self._store.get(self._name(self._state.next), ENTRY_LIMIT)) is not None:
                entry, after = self._next(data)
                self._proofs.check([entry])
                self._advance(entry, after)

    def _compare(self, known: Sequence[Head]) -> None:
        """Hold what was read against what is known of the log elsewhere. Raises JournalLost."""
        lost = [head for head in known if not self._state.gave_up(head.seq) and not self._holds(head)]
        # An open start may be one whose end is lost; each other log's loss shows where the platform is looked at.
        asked = not lost and (not self._state.seq or self._state.open)
        if asked and (released := self._known.released()):
            self._read_on()  # somebody may have begun meanwhile
            lost = [] if self._state.gave_up(released.seq) or self._holds(released) else [released]
        if lost:
            newest, ends = max(lost, key=lambda head: head.seq), self._state.seq
            self._forget()
            raise JournalLost(self._folder, self._store.place, newest, ends, another=newest.seq <= ends)
        self._compared = True
        self._known.remember(self._state.seq, self._state.sha256)

    def _holds(self, head: Head) -> bool:
        """Is that very entry in the log that was read?"""
        if head.seq >= self._state.seq:
            return head.seq == self._state.seq and self._state.sha256.startswith(head.sha256)
        data = self._store.get(self._name(head.seq), ENTRY_LIMIT)
        return data is not None and hashlib.sha256(data).hexdigest().startswith(head.sha256)

    def holds(self, head: Head) -> bool:
        """Has the log this entry, or accepted that it was lost?"""
        self._catch_up()
        return self._state.gave_up(head.seq) or self._holds(head)

    def _resume(self) -> list[Head]:
        """Go on where this machine's last reading ended; its head when that entry is not there now."""
        found = self._index.load(self._again) if self._index else None
        if found is None or self._index is None:
            return []
        known, rows = found
        (seq, sha256), (start, start_sha256) = (known.seq, known.sha256), known.open
        data = self._store.get(self._name(seq), ENTRY_LIMIT)
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            return [Head(seq, sha256, "this machine has verified it")]
        with _distrust():
            head = self._opened(self._name(seq), data)
            still_open = head if start == seq else self._verified(start, start_sha256) if start else None
        self._head, self._before = head, rows
        self._state = State(seq, sha256, still_open, known.at, known.policy, known.clock, known.lost)
        return []

    def _again(self, seq: int) -> list[Settled]:
        """What was settled up to an entry, from the entries: for a part of the index that was spoiled."""
        log = Log(
            self._store,
            environment=self._environment,
            target=self._target,
            signer=None,
            trust=self._trust,
            clock=self._clock,
        )
        return [one for one in log.settled() if one.seq <= seq]

    def _rest(self, found: list[Entry] | None = None) -> None:
        """Verify and remember what comes after the state, and put it into `found`; half a reading is none."""
        head, state = self._head, self._state
        try:
            with _distrust():
                # The listing gives only the end: a folder that changes meanwhile may show N+1 and not yet N.
                last = self._last(self._state.seq)
                while True:
                    try:
                        self._read_to(last, found)
                        break
                    except RoadworthyError:
                        if not self._packs.doubt(self._state.next):
                            raise
                    # Nothing that a pack holds makes a log worse than its entries are.
                    self._head, self._state, self._settled = head, state, []
                    if found is not None:
                        found.clear()
                self._trust.policy.check_end(self._folder, self._state.next - 1)
        except RoadworthyError:
            # From the end of half a reading a new entry could be put into a gap.
            self._forget()
            raise

    def _read_to(self, last: int, found: list[Entry] | None) -> None:
        starts = list[Entry]()
        while self._state.seq < last:
            for entry in self._in_a_row(last):
                if found is not None:
                    found.append(entry)
                if entry.record.kind == "start":
                    starts.append(entry)
                if len(starts) == AT_ONCE:
                    self._proofs.check(starts)
                    starts.clear()
        self._proofs.check(starts)

    def _in_a_row(self, last: int) -> Iterator[Entry]:
        """The entries up to `last`, or to one after which the log goes on at a higher number."""
        seqs = range(self._state.next, last + 1)
        if not seqs:
            raise JournalError(f"{self._name(last)} was accepted as lost, and is there; move it away")
        for seq, data in zip(seqs, self._packs.read(seqs), strict=True):
            if data is None:
                raise JournalError(f"{self._name(seq)} is missing")
            entry, after = self._next(data)
            self._advance(entry, after)
            yield entry
            if self._state.next != seq + 1:
                return

    def _next(self, data: bytes) -> tuple[Entry, State]:
        """`data` as the next entry, and the state after it. Raises JournalError when it is not."""
        name = self._name(self._state.next)
        entry = self._opened(name, data)
        try:
            after = follow(self._state, entry)
        except JournalError as error:
            raise JournalError(f"{name}: {error}") from error
        return entry, after

    def _advance(self, entry: Entry, after: State) -> None:
        start = self._state.open
        self._head, self._state = entry, after
        if start and entry.record.kind in SETTLING:
            self._settled.append(settled_by(entry, start))

    def _forget(self) -> None:
        self._state, self._head, self._before, self._settled = State(), None, Rows([]), []

    def _verified(self, seq: int, sha256: str) -> Entry:
        name = self._name(seq)
        return self._named(
            name, self._store.get(name, ENTRY_LIMIT), sha256, "this machine has verified there"
        )

    def _named(self, name: str, data: bytes | None, sha256: str, who: str) -> Entry:
        """The entry in `data`, when it is the one of that digest."""
        if data is None:
            raise JournalError(f"{name}, which {who}, is missing: the journal was cut off or put back")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise JournalError(f"{name} is not the entry that {who}")
        return self._opened(name, data)

    def _opened(self, name: str, data: bytes) -> Entry:
        """The entry in `data`, when a key signed it that may, for this log."""
        try:
            envelope = read(data)
            self._trust.verify(envelope)
            entry = envelope.entry()
            if (entry.record.environment, entry.record.target) != (self._environment, self._target):
                raise JournalError(f"it belongs to {entry.record.target}/{entry.record.environment}")
            self._trust.check(entry)
        except JournalError as error:
            raise JournalError(f"{name}: {error}") from error
        return entry

    def _attach(self, files: Mapping[str, bytes]) -> list[Evidence]:
        named = []
        for name, data in files.items():
            if len(data) > EVIDENCE_LIMIT:
                raise JournalError(f"evidence {name!r} has {len(data)} bytes, more than {EVIDENCE_LIMIT}")
            digest = hashlib.sha256(data).hexdigest()
            if not self._store.put(f"evidence/{digest}", data):
                raise JournalError(f"evidence {digest} is in the store with other bytes")
            named.append(Evidence(name, digest, len(data)))
        return named


@contextlib.contextmanager
def _distrust(advice: str = "") -> Iterator[None]:
    """Turn an error in one entry into an error of the log."""
    try:
        yield
    except JournalError as error:
        raise JournalError(f"the journal cannot be trusted: {error}{advice}") from error
