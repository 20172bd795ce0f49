"""The log of one environment of one target: verified when read, appended one entry at a time.

Nothing that a reader would refuse is ever written: a record is judged by the chain's rules, sealed, read
back and checked against the trust policy before it is put. Appending knows the head from its last reading
and looks only at what came after; `entries()` always reads and verifies the whole log.

A `Log` belongs to one thread. Any number of processes may append to one log.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from roadworthy.errors import UsageError
from roadworthy.journal.chain import State, admit, follow
from roadworthy.journal.entry import (
    ENTRY_LIMIT,
    EVIDENCE_LIMIT,
    Entry,
    Evidence,
    JournalError,
    Record,
    is_place,
    read,
    seal,
)
from roadworthy.journal.sign import Signer, Trust
from roadworthy.journal.store import Store


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
    ) -> None:
        """Without a signer the log can only be read. `clock` gives aware times. Raises UsageError."""
        for name in (environment, target):
            if not is_place(name):
                raise UsageError(f"{name[:100]!r} cannot name a journal: small letters, digits, . _ -")
        self._store, self._signer, self._trust, self._clock = store, signer, trust, clock
        self._environment, self._target = environment, target
        self._folder = f"{target}/{environment}"
        self._entries: list[Entry] = []
        self._state = State()

    def entries(self) -> list[Entry]:
        """Every entry, in order, verified. Raises JournalError that names the first bad one and why."""
        self._entries, self._state = [], State()
        try:
            # The listing gives only the end: a folder that changes meanwhile may show N+1 and not yet N.
            for seq in range(1, self._last() + 1):
                if not self._take(seq):
                    raise JournalError(f"the journal cannot be trusted: {self._name(seq)} is missing")
            self._trust.policy.check_end(self._folder, self._state.seq)
        except JournalError:
            # Half a reading is none: from its end a new entry could be put into a gap.
            self._entries, self._state = [], State()
            raise
        return list(self._entries)

    def head(self) -> Entry | None:
        """The last entry."""
        self._catch_up()
        return self._entries[-1] if self._entries else None

    def open_start(self) -> Entry | None:
        """The start that nothing has settled yet: it holds the environment, and its outcome is unknown."""
        self._catch_up()
        return self._state.open

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
        details = {**record.details, **self._trust.policy.said()}
        record = replace(record, details=details, evidence=(*record.evidence, *self._attach(attach or {})))
        for item in record.evidence:
            if len(self.evidence(item.sha256)) != item.size:
                raise JournalError(f"evidence {item.name!r} has another size than the record says")
        while True:
            seq = self._state.seq + 1
            entry, data = seal(self._draft(record, self._signer.keyid), self._signer.sign)
            self._trust.check(entry)
            after = follow(self._state, entry)
            if self._store.put(self._name(seq), data):
                self._entries.append(entry)
                self._state = after
                return entry
            self._catch_up()
            if self._state.seq < seq:
                raise JournalError(f"the store refuses {self._name(seq)} and does not show what is there")
            admit(self._state, record)

    def evidence(self, sha256: str) -> bytes:
        """The attached file of that digest. Raises JournalError when it is missing or has other bytes."""
        data = self._store.get(f"evidence/{sha256}", EVIDENCE_LIMIT)
        if data is None:
            raise JournalError(f"evidence {sha256} is missing")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise JournalError(f"evidence {sha256} has other bytes than its name says")
        return data

    def _name(self, seq: int) -> str:
        return f"{self._folder}/{seq:08d}.json"

    def _last(self) -> int:
        last = 0
        for name in self._store.names(self._folder):
            number = name.removeprefix(f"{self._folder}/").removesuffix(".json")
            if not (number.isascii() and number.isdigit() and name == self._name(int(number) or -1)):
                raise JournalError(f"the journal cannot be trusted: {name} is no entry; move it away")
            last = max(last, int(number))
        return last

    def _catch_up(self) -> None:
        # The first reading lists the folder and so finds gaps; after it, only the next name can be news.
        if not self._entries:
            self.entries()
        while self._take(self._state.seq + 1):
            pass

    def _take(self, seq: int) -> bool:
        """Read, verify and remember entry `seq`; False when there is none."""
        name = self._name(seq)
        try:
            data = self._store.get(name, ENTRY_LIMIT)
            if data is None:
                return False
            envelope = read(data)
            self._trust.verify(envelope)
            entry = envelope.entry()
            if (entry.record.environment, entry.record.target) != (self._environment, self._target):
                raise JournalError(f"it belongs to {entry.record.target}/{entry.record.environment}")
            self._trust.check(entry)
            self._state = follow(self._state, entry)
        except JournalError as error:
            raise JournalError(f"the journal cannot be trusted: {name}: {error}") from error
        self._entries.append(entry)
        return True

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

    def _draft(self, record: Record, keyid: str) -> Entry:
        now = self._clock()
        if now.tzinfo is None:
            raise JournalError("the clock gave a time without a zone")
        # Two machines' clocks differ. Readers hold that time never goes back, so ours waits for the head's.
        at = max(now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), self._state.at)
        nonce = os.urandom(16).hex()
        return Entry(record, self._state.seq + 1, self._state.sha256, at, nonce, keyid, sha256="")
