"""How far a package has come: the contract's stages before deployment, as the package's own journal tells.

The stages are intake, build, verification and release, in this order (deployment contract, section 4). An
entry counts only where it stands after the one that it builds on, about the same digest. What somebody with a
key wrote out of order counts for nothing, and is named in `invalid`. A NO takes an earlier YES and the release
that rested on it away; an intake that was refused takes the earlier intake away, until the change is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from ..journal.entry import place_of
from ..journal.lock import holder

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..world import World

STAGES: Final = {"intake": "intake", "build": "build", "accept": "verification", "release": "release"}
"""The contract's stage of each action on a package."""


class Done(msgspec.Struct, frozen=True):
    """One action on a package that ended well: its entries' numbers, its times (UTC), and what it said.

    `rerun` says that a CI run did it which somebody had started again.
    """

    action: str
    start: int
    seq: int
    began: str
    ended: str
    digest: str
    sha256: str  # of its last entry
    details: Mapping[str, Any]
    evidence: Mapping[str, str]  # sha256 of each file, by its name
    rerun: bool = False

    def lacks_checks(self, required: Iterable[str]) -> tuple[str, ...]:
        """Which of these checks an acceptance does not show as passed."""
        checks = self.details.get("checks", {})
        return tuple(name for name in required if checks.get(name) != "success")


class Standing(msgspec.Struct, frozen=True):
    """The stages that a package has passed. `refused` is the newest acceptance, when its decision was NO.

    `turn` is when its turn came: the end of its newest intake. A CI run that is started again goes on with the turn
    that it had, so its intake is none; "" where there is no other.
    """

    intake: Done | None = None
    build: Done | None = None
    accepted: Done | None = None
    released: Done | None = None
    refused: Done | None = None
    invalid: tuple[str, ...] = ()
    turn: str = ""

    @property
    def digest(self) -> str:
        """The package that was built, "" before that."""
        return self.build.digest if self.build else ""

    def lacks(self, action: str) -> str:
        """The reason why `action` is not this package's turn yet, with what to do first; "" when it is."""
        if action != "intake" and self.intake is None:
            return "INTAKE_MISSING: it has no intake: run `invoke intake`"
        if action in ("accept", "release", "deploy") and self.build is None:
            return "BUILD_MISSING: it has no recorded build: run `invoke build`"
        if action in ("release", "deploy") and self.accepted is None:
            if self.refused:
                return f"ACCEPTANCE_DECISION_NOT_YES: acceptance said NO (journal #{self.refused.seq})"
            return "ACCEPTANCE_MISSING: it was not accepted: run `invoke accept`"
        if action == "deploy" and self.released is None:
            return "RELEASE_MISSING: it was accepted and not released: run `invoke release`"
        return ""


def standing_of(context: World, commit: str) -> Standing:
    """How far the package of a commit has come by now."""
    return read_standing(context.log(place_of(commit)).entries())


def read_standing(entries: Iterable[Entry]) -> Standing:
    """The standing of a package from the entries of its journal, in order. Other actions are passed over."""
    standing = Standing()
    begun: dict[int, Entry] = {}
    for entry in entries:
        record = entry.record
        if record.action not in STAGES:
            continue
        if record.kind == "start":
            begun[entry.seq] = entry
        elif record.kind in ("end", "failed"):
            start = begun.pop(record.details["settles"])
            standing = after(standing, _done(start, entry), well=record.kind == "end")
    return standing


def after(standing: Standing, done: Done, *, well: bool) -> Standing:
    """The standing after one more action has ended, `well` or not. Pure: the whole order is here."""
    if done.action == "accept" and not well:
        return replace(standing, accepted=None, released=None, refused=done)
    if done.action == "intake" and not well:
        return replace(standing, intake=None)
    if not well:
        return standing
    lacks = standing.lacks(done.action)
    if not lacks and done.action != "intake" and standing.build and done.digest != standing.digest:
        lacks = "RELEASE_PACKAGE_DIGEST_MISMATCH: it is about other bytes than were built"
    if lacks:
        return replace(standing, invalid=(*standing.invalid, f"{done.action} #{done.seq}: {lacks}"))
    match done.action:
        case "intake":
            return replace(standing, intake=done, turn=standing.turn if done.rerun else done.ended)
        case "build":
            return replace(standing, build=done)
        case "accept":
            return replace(standing, accepted=done, refused=None)
        case _:
            return replace(standing, released=done)


def _done(start: Entry, entry: Entry) -> Done:
    record = entry.record
    return Done(
        action=record.action,
        start=start.seq,
        seq=entry.seq,
        began=start.at,
        ended=entry.at,
        digest=record.digest,
        sha256=entry.sha256,
        details=record.details,
        evidence={item.name: item.sha256 for item in record.evidence},
        rerun=holder(start).rerun,
    )
