"""What opened a start's way: entries of other logs, each followed to its bytes, its signer and what it says.

A start names them in `details.proofs`. Whoever holds a key that may deploy, and can write the store, can make up
entries of any log; so a proof counts only when its own key might sign that very entry there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from .entry import ENTRY_LIMIT, SEQ_LIMIT, Entry, JournalError, clock_of, is_place, read
from .sign import Trust
from .store import Store

STAGE_OF: Final = {
    "test": "verification",
    "accept": "verification",
    "release": "release",
    "certify": "verification",
}
"""What can prove something of a package, and the stage that it belongs to."""
AT_ONCE: Final = 200
"""Starts whose proofs a reader of a log has read together."""
_KEPT: Final = 10_000
"""Proofs that are remembered: many deploys name the same."""
_PACKAGE: Final = re.compile("package-[0-9a-f]{40}").fullmatch
_SHA: Final = re.compile("[0-9a-f]{64}").fullmatch


class Named(msgspec.Struct, frozen=True):
    """An entry that a start names: number and digest in the log `environment`, and what it is to prove."""

    action: str
    environment: str
    seq: int
    sha256: str


class Proofs:
    """Follows the proofs that starts of one target name. What was followed once is not read again."""

    def __init__(
        self,
        store: Store,
        target: str,
        trust: Trust,
        packed: Callable[[str], bytes | None] = lambda sha256: None,
    ) -> None:
        """`packed` may know the bytes of a digest, so that the store is not asked for them."""
        self._store, self._target, self._trust, self._packed = store, target, trust, packed
        self._said: dict[Named, tuple[str, ...]] = {}
        self._chains: dict[tuple[str, int, str], dict[int, str]] = {}
        self.read = 0
        """Entries of other logs that were read so far."""

    def check(self, starts: Iterable[Entry]) -> None:
        """Raises JournalError that names start and proof when one of the starts names what proves nothing."""
        if len(self._said) > _KEPT:
            self._said.clear()
        named = [(start, proof) for start in starts for proof in proofs_named(start)]
        new = dict.fromkeys(proof for _, proof in named if proof not in self._said)
        data = {proof: self._packed(proof.sha256) for proof in new}
        unread = [proof for proof in new if data[proof] is None]
        found = self._store.get_all([self._file(proof, proof.seq) for proof in unread], ENTRY_LIMIT)
        data |= zip(unread, found, strict=True)
        for start, proof in named:
            where = f"{_place(start)}: {proof.environment}/{proof.seq:08d}.json"
            if proof not in self._said:
                try:
                    self._said[proof] = self._follow(proof, data[proof])
                except JournalError as error:
                    raise JournalError(
                        f"{where}, which opened the way, cannot be believed: {error}"
                    ) from error
            if self._said[proof] != _wanted(start, proof):
                raise JournalError(f"{where} is no {proof.action} of this package that succeeded")

    def _file(self, proof: Named, seq: int) -> str:
        return f"{self._target}/{proof.environment}/{seq:08d}.json"

    def _follow(self, proof: Named, data: bytes | None) -> tuple[str, ...]:
        """What the entry says, when its key may sign it there."""
        self.read += 1
        if data is None:
            raise JournalError("it is not there")
        if hashlib.sha256(data).hexdigest() != proof.sha256:
            raise JournalError("it is another entry")
        envelope = read(data)
        self._trust.verify(envelope)
        entry = envelope.entry()
        said = entry.record
        if (said.target, said.environment, entry.seq) != (self._target, proof.environment, proof.seq):
            raise JournalError(f"it says that it is entry {entry.seq} of {said.target}/{said.environment}")
        clock_of(entry)
        self._trust.check(entry)
        self._leads_to_a_head(entry, proof)
        return said.kind, said.stage, said.action, said.environment, said.digest

    def _leads_to_a_head(self, entry: Entry, proof: Named) -> None:
        """What a key signed that was good up to a head is good only when a chain leads from it to that head."""
        heads = self._trust.policy.heads_of(entry.keyid, f"{self._target}/{proof.environment}")
        for head, sha256 in sorted(one for one in heads if one[0] >= entry.seq)[:1]:
            known = self._chains.setdefault((proof.environment, head, sha256), {head: sha256})
            numbers = range(min(known), entry.seq, -1)
            files = [self._file(proof, number) for number in numbers]
            for number, data in zip(numbers, self._store.get_all(files, ENTRY_LIMIT), strict=True):
                if data is None or hashlib.sha256(data).hexdigest() != known[number]:
                    raise JournalError(f"entry {number} after it is not the one that leads to entry {head}")
                self.read, known[number - 1] = self.read + 1, read(data).entry().prev
            if known[entry.seq] != entry.sha256:
                raise JournalError(f"it does not lead to entry {head}, which trust.toml names")


def proofs_named(start: Entry) -> list[Named]:
    """The proofs that an entry names, if it is a start. Raises JournalError for one that is malformed."""
    said = start.record.details.get("proofs")
    if start.record.kind != "start" or not isinstance(said, (list, tuple)):
        return []
    return [_named(start, one) for one in said]


def _named(start: Entry, said: Any) -> Named:
    if isinstance(said, Mapping) and said.keys() == {"action", "environment", "seq", "sha256"}:
        action, place, seq, sha256 = said["action"], said["environment"], said["seq"], said["sha256"]
        texts = isinstance(action, str) and isinstance(place, str) and isinstance(sha256, str)
        if texts and type(seq) is int and 1 <= seq <= SEQ_LIMIT and is_place(place) and _SHA(sha256):
            return Named(action, place, seq, sha256)
    raise JournalError(f"{_place(start)}: the proofs that it names are malformed")


def _wanted(start: Entry, proof: Named) -> tuple[str, ...]:
    """What a proof has to say: that its action succeeded with the package of the start, in the package's own log.

    A certificate stands in the log of an environment.
    """
    of_package = f"package-{start.record.subject.rpartition(':')[2]}"
    place = proof.environment
    if (_PACKAGE(place) is not None) == (proof.action == "certify") or (
        proof.action != "certify" and place != of_package
    ):
        place = ""
    return "end", STAGE_OF.get(proof.action, ""), proof.action, place, start.record.digest


def _place(start: Entry) -> str:
    return f"{start.record.target}/{start.record.environment}/{start.seq:08d}.json"


def places_named(details: Mapping[str, object]) -> Iterator[str]:
    """The logs that the proofs of an entry are in, also of one that nobody has verified yet."""
    proofs = details.get("proofs")
    for proof in proofs if isinstance(proofs, list | tuple) else ():
        name = proof.get("environment") if isinstance(proof, Mapping) else None
        if isinstance(name, str) and is_place(name):
            yield name
