"""What is known of a log outside of its store: its newest head, as somebody saw it.

Nothing inside a store can show that its newest entries went, or all of them. Three things outside of it can: what
this machine read there before, the anchors among the repository's own tags, and the token in a release of the
platform. Each first reading of an environment's log is held against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from .entry import JournalError
from .kept import Kept

_FORM: Final = "1"
PAGE: Final = "docs/runbooks/lost-journal.md"


class Head(msgspec.Struct, frozen=True):
    """An entry that a log had: its number, its digest (all of it, or the first 12 digits), and who says so."""

    seq: int
    sha256: str
    told: str  # half a sentence: "this machine has read it"


class JournalLost(JournalError):
    """A log lacks an entry that it had; `head` is the newest that is known, `ends` the last that is there.

    `another` when the entry of that number is there, but another one: then it is not the same log.
    """

    def __init__(self, log: str, place: str, head: Head, ends: int, *, another: bool) -> None:
        has = f"holds another #{head.seq}" if another else f"ends at #{ends}" if ends else "holds none of it"
        super().__init__(
            f"the journal {log} lost entries up to #{head.seq}: {head.told}, and {place} {has}; "
            f"nothing is written there until that is settled, see {PAGE}"
        )
        self.head, self.ends, self.another = head, ends, another
        self.then("invoke evidence.audit")


class _Seen(msgspec.Struct, frozen=True, array_like=True):
    form: str
    log: str
    seq: int
    sha256: str


_SEEN = msgspec.msgpack.Decoder(_Seen)


class Memory(Kept):
    """The newest head of one log that this machine read or wrote, under every name that the log has."""

    def __init__(self, folder: Path, names: Sequence[str], *, keep: bool = True) -> None:
        super().__init__(folder, keep=keep)
        self._files = {
            name: folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.head" for name in names
        }

    def heads(self) -> list[Head]:
        """What was remembered; nothing where the file is not this user's own."""
        found = []
        for name, path in self._files.items():
            believed = self.believed(path, _SEEN)
            if believed and (believed[0].form, believed[0].log) == (_FORM, name):
                found.append(Head(believed[0].seq, believed[0].sha256, "this machine has read it"))
        return found

    def remember(self, seq: int, sha256: str) -> None:
        """Keep a head. Where that is not possible (no space, no right) it goes on without."""
        for name, path in self._files.items():
            self.keep(path, _Seen(_FORM, name, seq, sha256))


class Known:
    """All that is known of one log outside of its store."""

    def __init__(
        self,
        memory: Memory | None = None,
        anchored: Callable[[], Head | None] = lambda: None,
        released: Callable[[], Head | None] = lambda: None,
        before_writing: Callable[[], None] = lambda: None,
    ) -> None:
        """`anchored` reads tags, `released` asks the platform: of a log that is empty or has an open start.

        `before_writing` may refuse, before the first entry that one process writes.
        """
        self._memory, self._anchored = memory, anchored
        self.released, self.before_writing = released, before_writing
        self._kept: list[Head] = []

    def heads(self) -> list[Head]:
        """What this machine remembers, and the newest anchor. Ask before the store is read: it only grows."""
        self._kept = self._memory.heads() if self._memory else []
        return [*self._kept, *filter(None, (self._anchored(),))]

    def remember(self, seq: int, sha256: str) -> None:
        """The log ends there now."""
        same = [head for head in self._kept if (head.seq, head.sha256) == (seq, sha256)]
        if self._memory and seq and (not self._kept or len(same) < len(self._kept)):
            self._memory.remember(seq, sha256)
