"""Whether a commit was overtaken: a newer one was deployed, or decided on, since its own turn came.

A run that comes late (it waited, it was slow, somebody started it again) must not put an older commit over a newer
one. Going back is a decision of its own: `rollback`, or `replay`.

Its turn came when it was taken in last, or when the command began that has not been there before. A CI run that is
started again ("Re-run all jobs") has no new turn; a new run, a person's intake or a replay has. Production never
asks when: nothing older than what runs is deployed there. Elsewhere packages are proven, of several branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .. import git
from ..errors import RoadworthyError
from .history import history_of
from .standing import standing_of

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..model import Request
    from ..world import World


class Newer(msgspec.Struct, frozen=True):
    """The commit that overtook another, what became of it, and the journal's entry that says so."""

    commit: str
    how: str  # runs, or was decided on
    seq: int
    at: str

    def __str__(self) -> str:
        return f"{self.commit[:12]}, which {self.how} (journal #{self.seq})"


def newer_than(context: World, log: Log, request: Request, begun: Entry | None) -> Newer | None:
    """What overtook the commit of `request` in its environment; None when nothing did, or git cannot tell.

    That is the verified package that runs, or a decision YES since then on a change that needed no deployment,
    whose commit was made on top of this one. What was rolled back overtook nothing: it does not run any more.
    `begun` is the log's last entry when the command began.
    """
    commit = request.commit
    newer = overtaken(context, log, commit)
    if newer is None or newer.seq > (begun.seq if begun else 0):
        return newer
    if context.config.environment(request.environment).production:
        return newer
    standing = standing_of(context, commit)
    return newer if standing.intake and standing.turn < newer.at else None


def overtaken(context: World, log: Log, commit: str) -> Newer | None:
    """What runs, or was decided on since, on top of this commit; None where it runs itself, or git cannot tell."""
    running = history_of(context, log).running
    if running and running.package.commit == commit:
        return None
    found = [Newer(running.package.commit, "runs", running.seq, running.at)] if running else []
    if decided := _decided(log, running.seq if running else 0):
        newest = Newer(str(decided.record.details["commit"]), "was decided on", decided.seq, decided.at)
        found.insert(0, newest)
    return next((one for one in found if _is_on_top(context, one.commit, commit)), None)


def _decided(log: Log, since: int) -> Entry | None:
    """The newest decision on a change that needed no deployment, after the entry `since`, that was YES."""
    for entry in log.backwards():
        if entry.seq <= since:
            break
        record = entry.record
        if (record.kind, record.action, record.details.get("decision")) == ("note", "decide", "YES"):
            return entry
    return None


def _is_on_top(context: World, newer: str, commit: str) -> bool:
    try:
        return newer != commit and git.is_ancestor(context.paths.root, commit, newer)
    except RoadworthyError:
        return False  # it cannot be told here; in production a guard then refuses
