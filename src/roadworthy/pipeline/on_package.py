"""An action on a package: a start and an outcome in the package's own journal. It changes no environment.

Two of them never run at once on one package. What ends by an error or Ctrl-C is given up at once, and what a
killed one left open by whoever comes next and sees that it is dead: nothing has to be looked for, because the
action can simply be done again. Where nobody can see that, a person gives it up (`invoke lock.unlock --commit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Refused, RoadworthyError
from ..execution.holding import fate
from ..execution.signing import require, require_settling
from ..facts.standing import STAGES, read_standing
from ..journal.entry import place_of
from ..model import Package
from ..policy_files import FIELD, digests
from ..record import evidence_of

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry, Record


class Turn(msgspec.Struct, frozen=True):
    """One action that has begun; end it with `done` or `failed`, once."""

    context: Context
    commit: str
    stage: str
    action: str
    start: Entry

    def done(
        self, package: Package | None, details: Mapping[str, Any], attach: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Write that it ended well."""
        return self._write("end", package, details, attach)

    def failed(
        self, package: Package | None, details: Mapping[str, Any], attach: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Write that it did not."""
        return self._write("failed", package, details, attach)

    def evidence(self, entry: Entry) -> str:
        """Where an entry of this action lies, for people."""
        return evidence_of(self.context, place_of(self.commit), entry)

    def _write(
        self,
        kind: str,
        package: Package | None,
        details: Mapping[str, Any],
        attach: Mapping[str, bytes] | None,
    ) -> Entry:
        said = {"settles": self.start.seq, "outcome": "succeeded" if kind == "end" else "failed", **details}
        record = _record(self.context, kind, self.commit, self.stage, self.action, package, said)
        return self.context.log(place_of(self.commit)).append(record, attach=attach)


@contextmanager
def begin(
    context: Context,
    commit: str,
    stage: str,
    action: str,
    package: Package | None = None,
    **details: Any,
) -> Iterator[Turn]:
    """Claim a package for one action.

    Raises Held while another one that may still live works on it, Refused when it is not its turn (any more) or
    this command's key may not sign it.
    """
    from ..journal import lock

    require(context, place_of(commit), (action,))
    context.changes(f"{action} {commit[:12]} and write it into the journal {place_of(commit)}")
    log = context.log(place_of(commit))
    if left := log.open_start():
        holder = lock.holder(left)
        seen = fate(context, holder)
        if not seen.dead:
            raise lock.HeldBy(holder, seen)
        require_settling(context, left)
        context.screen.line(
            f"{holder.place}: {holder} did not finish: {seen.said}; abandoning it and starting {action}"
        )
        _give_up(context, commit, left, f"its process is gone; {action} begins")
    said = {"actor": lock.this_process(), FIELD: digests(context.policy_files), **details}
    start = log.append(_record(context, "start", commit, stage, action, package, said))
    try:
        # What was read before the claim may be over: another machine's NO, for example. Now nobody else writes.
        if action in STAGES and (lacks := read_standing(log.entries()).lacks(action)):
            raise Refused(f"{commit[:12]}: {lacks}")
        yield Turn(context, commit, stage, action, start)
    except (KeyboardInterrupt, Exception) as error:
        # When this cannot be written either, the start stays open, and whoever comes next decides by what is seen.
        with suppress(RoadworthyError, OSError):
            if log.open_start() == start:
                _give_up(context, commit, start, f"it ended early: {type(error).__name__}")
        raise


def _give_up(context: Context, commit: str, start: Entry, reason: str) -> None:
    of = start.record
    package = Package(commit, of.digest, 0, kind=of.subject.partition(":")[0]) if of.digest else None
    said = {"settles": start.seq, "reason": reason}
    record = _record(context, "abandon", commit, of.stage, of.action, package, said)
    context.log(place_of(commit)).append(record)


def _record(
    context: Context,
    kind: str,
    commit: str,
    stage: str,
    action: str,
    package: Package | None,
    details: Mapping[str, Any],
) -> Record:
    from ..journal.entry import Record

    subject, digest = (package.name, package.digest) if package else ("none", "")
    return Record(kind, stage, action, place_of(commit), context.target, subject, digest, dict(details))
