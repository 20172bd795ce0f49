"""What runs in an environment by its journal, and whether anything leaves a doubt about it. Pure.

The rules of an environment's journal, whose newest entries count:

- A package runs from the `end` of its deploy, rollback or adoption, until another's.
- That `end` is written after the checks, so it is the verification, too. A migration after it asks for another
  look; the `end` of a completion, which asks every criterion again, is that look.
- What failed or was given up after it leaves a doubt. The `end` of the same kind of action with the same package
  takes the doubt away, and so does the `end` of a completion.
- Where something is in doubt, nothing is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Reversible, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ..journal.index import Settled

RUNS: Final = ("deploy", "rollback", "adopt")  # actions that change which package counts as running
RELEASES: Final = (
    *RUNS,
    "config",
)  # those that make or accept a release; new config vars are one of what runs
CHANGES: Final = (*RELEASES, "migrate")  # what changes the app or its database


class Running(msgspec.Struct, frozen=True):
    """The package that runs by the journal, its newest completion, and what has left a doubt since.

    `end` is the `end` that released it, `checked` the newest that was written after its checks, `migrated` the
    migration since then. `doubts` are newest first.
    """

    end: Settled
    checked: Settled
    completed: Settled | None
    migrated: Settled | None
    doubts: tuple[Settled, ...]

    @property
    def complete(self) -> bool:
        """Whether a completion of it ended well, and nothing since then leaves a doubt."""
        return self.completed is not None and self.completed.kind == "end" and not self.doubts


def running(settled: Reversible[Settled]) -> Running | None:
    """What runs in an environment by its journal; None where nothing was ever verified."""
    since: list[Settled] = []
    for one in reversed(settled):
        if one.kind == "end" and one.action in RUNS and one.digest:
            return _since(one, since)
        since.append(one)
    return None


def ran(settled: Reversible[Settled]) -> Iterator[str]:
    """The commits of the verified packages of an environment, newest first."""
    return (o.commit for o in reversed(settled) if o.kind == "end" and o.action in RUNS and o.digest)


def _since(end: Settled, since: Sequence[Settled]) -> Running:
    """`since` is what was settled after `end`, newest first."""
    completed = next((o for o in since if o.action == "complete" and o.deployment == end.seq), None)
    ours = [o for o in since if o.kind == "end" and o.digest == end.digest]
    checked = next((o for o in ours if o.action in RELEASES), end)
    migrated = next((o for o in ours if o.action == "migrate" and o.seq > checked.seq), None)
    return Running(end, checked, completed, migrated, tuple(_doubts(end, since)))


def _doubts(end: Settled, since: Sequence[Settled]) -> Iterator[Settled]:
    cleared: set[str] = set()
    for one in since:
        ours = one.kind == "end" and one.digest == end.digest
        if ours and one.action == "complete" and one.deployment == end.seq:
            return
        if one.action not in CHANGES:
            continue
        kind = "release" if one.action in RELEASES else one.action
        if ours:
            cleared.add(kind)
        elif kind not in cleared:
            yield one
