"""What progress is asked with and what it answers: values alone. `progress.py` has the rules."""

from __future__ import annotations

from collections.abc import Reversible, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from ..facts.history import revised
from ..facts.migrations import Migration, Migrations
from ..facts.standing import Standing
from ..journal.index import Settled
from ..model import Fact

MIGRATIONS: Final = "migrations"
LINES: Final = (
    "intake",
    "build",
    "verification",
    "release",
    "deploy",
    MIGRATIONS,
    "post-deploy verification",
    "completion",
)
"""The contract's seven stages, in order; the migrations of a deploy are a line of their own."""


class State(StrEnum):
    """How far one stage is. Only `done` and `not needed` let the next one begin."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    OPEN = "open"
    NOT_REACHED = "not reached"
    NOT_NEEDED = "not needed"


class Line(msgspec.Struct, frozen=True):
    """One stage: the journal and the number of the entry that says so ("" and 0 for none), and why in words."""

    stage: str
    state: State
    place: str = ""
    seq: int = 0
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether the next stage may begin: this one is done or not needed."""
        return self.state in (State.DONE, State.NOT_NEEDED)

    @property
    def entry(self) -> str:
        """The entry for people: `prod #12`."""
        return f"{self.place} #{self.seq}" if self.seq else ""

    def __str__(self) -> str:
        why = f", {self.why}" if self.why else ""
        return f"{self.stage}: {self.state}{why}{f' ({self.entry})' if self.entry else ''}"


class Progress(msgspec.Struct, frozen=True):
    """Where a commit stands. `next` are the commands that are left, in order, as a person types them.

    `pending` are the migrations that the package has and the database has not, each with its kind, or why that
    cannot be told. `ran` is the end of the deployment that still stands, when it is of this very package;
    `completed` the newest completion of it. `no_deploy` is the contract's code of why the commit need not run here,
    "" where it has to.
    """

    commit: str
    environment: str
    lines: tuple[Line, ...]
    next: tuple[str, ...]
    no_deploy: str
    pending: tuple[str, ...] = ()
    ran: Settled | None = None
    completed: Settled | None = None

    @property
    def complete(self) -> bool:
        """Whether every needed stage is done."""
        return all(line.passed for line in self.lines)

    @property
    def first(self) -> Line | None:
        """The first stage that has no valid end; None when all have."""
        return next((line for line in self.lines if not line.passed), None)

    @property
    def deployment(self) -> tuple[Line, ...]:
        """The stages that the environment's journal tells of."""
        return self.lines[LINES.index("deploy") :]

    def of(self, stage: str) -> Line:
        """The line of a stage."""
        return self.lines[LINES.index(stage)]


class Mark(msgspec.Struct, frozen=True):
    """An entry that settles nothing: a start that is open, or a refusal.

    `dead` says of a start that whoever wrote it is proven dead; else it may go on, and is waited for.
    """

    seq: int
    action: str
    digest: str = ""
    dead: bool = True


class Journal(msgspec.Struct, frozen=True):
    """What one journal says by now. `refused` are its refusals since what runs was released, newest first."""

    place: str
    settled: Reversible[Settled] = ()
    refused: Sequence[Mark] = ()
    open: Mark | None = None


class Asked(msgspec.Struct, frozen=True):
    """What progress is computed from.

    `required` are the acceptance checks that the change needs here, and `no_deploy` is the contract's code of why
    it does not have to run here, "" where it has to: what its scope says. `migrations` are the package's own.
    `own_tests` says that this repository's own test run is the commit stage, so that `invoke test` is a step.
    """

    commit: str
    environment: str
    production: bool
    standing: Standing
    package: Journal
    there: Journal
    no_deploy: str
    migrations: Fact[Migrations]
    required: tuple[str, ...] = ()
    own_tests: bool = True

    @property
    def revised(self) -> Settled | None:
        """The newest outcome that says where the database is; None when none does."""
        return revised(self.there.settled)

    @property
    def revision(self) -> str | None:
        """Where the database is, by the journal."""
        return self.revised.revision if self.revised else None

    def pending(self) -> tuple[Migration, ...]:
        """The migrations that are pending by the journal. Raises what makes that impossible to tell."""
        return self.migrations.value.pending(self.revision)
