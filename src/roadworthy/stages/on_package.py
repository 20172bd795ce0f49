"""An action on a package: a start and an outcome in the package's own journal. It changes no environment.

Two of them never run at once on one package. What a killed one left open is given up: nothing has to be looked
for, because the action can simply be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..model import Package
from ..record import evidence_of
from .holding import fate

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry, Record


def place_of(commit: str) -> str:
    """The name of a package's journal."""
    return f"package-{commit}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One action that has begun; end it with `done` or `failed`."""

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


def begin(
    context: Context,
    commit: str,
    stage: str,
    action: str,
    package: Package | None = None,
    **details: Any,
) -> Turn:
    """Claim a package for one action. Raises Held while another one that may still live works on it."""
    from ..journal import lock

    log = context.log(place_of(commit))
    if left := log.open_start():
        holder = lock.holder(left)
        if not fate(context, holder).dead:
            raise lock.HeldBy(holder)
        said = {"settles": left.seq, "reason": f"its process is gone; {action} begins"}
        of = left.record
        kind = of.subject.partition(":")[0]
        given_up = Package(commit, of.digest, 0, kind=kind) if of.digest else None
        log.append(_record(context, "abandon", commit, of.stage, of.action, given_up, said))
    said = {"actor": lock.this_process(), **details}
    start = log.append(_record(context, "start", commit, stage, action, package, said))
    return Turn(context, commit, stage, action, start)


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
