"""What a database and its migration tool say of themselves: the revision, the heads and the history, as Alembic
prints them.

A line that is not one of Alembic's forms tells nothing, and an answer in which nothing was recognised is no
answer: `CannotTell`, never "an empty database". Only an answer that says nothing at all is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ..action import Action, Takes
from ..errors import CheckFailed, RoadworthyError
from ..model import Fact

if TYPE_CHECKING:
    from ..model import History, Observed, Receipt
    from ..world import World

REVISION: Final = r"[A-Za-z0-9_.]{1,128}"
SHOWN: Final = 5  # lines that are quoted
_MARK: Final = r"(?: \((?:head|effective head|current|branchpoint|mergepoint)\))*"
_CURRENT: Final = re.compile(rf"({REVISION}){_MARK}")
_HEAD: Final = re.compile(rf"({REVISION})(?: \([^()]+\))*")  # branch labels stand in brackets, too
_VERBOSE: Final = re.compile(r"Current revision\(s\) for .*:")
_REV: Final = re.compile(rf"Rev: ({REVISION}){_MARK}")
_PARENTS: Final = re.compile(r"(?:Parent|Merges): (.+)")
_PATH: Final = re.compile(r"Path: (.+)")
_LOGGED: Final = re.compile(r"(?:DEBUG|INFO|WARN|WARNI|WARNING) +\[(?:alembic|sqlalchemy)[A-Za-z0-9_.]*\] .*")
# What is said of a database that another package's migrations have changed.
_UNKNOWN: Final = re.compile(rf"Can't locate revision identified by '({REVISION})'")


class CannotTell(CheckFailed):
    """A database, or its migration tool, was asked and its answer could not be read."""


class NoAnswer(CannotTell):
    """The code that runs could not ask the database, or gave no answer in time."""


class Listed(msgspec.Struct, frozen=True):
    """One migration as the tool lists it: its parents, sorted, and the file that it would run."""

    revision: str
    parents: tuple[str, ...]
    path: str


def revision_of(context: World, app: str) -> str | None:
    """The revision that the database of an app is at; None when it was never migrated, or nothing ever migrates it.

    Raises CannotTell when its answer cannot be read, NoAnswer when there is none.
    """
    asked = context.config.commands.revision
    if not context.config.package.migrates:
        return None
    try:
        return revision_in(context.platform.query(app, asked))
    except CannotTell:
        raise
    except RoadworthyError as error:
        raise NoAnswer(f"{asked!r} could not ask the database: {error}") from error


def read_revision(
    context: World, action: Action, app: str, history: History, observed: Observed
) -> Fact[str | None]:
    """The revision that the database itself says it is at, for what depends on it or changes it.

    Before anything runs there, nobody can be asked. Who goes back must get there: where the code that runs now
    cannot ask the database, what the journal says counts, and that is said. It counts for a plan, too: asking
    runs a process on the platform. What counts in the place of an answer is `assumed`.
    """
    name, current, recorded = "revision", observed.current, f"it counts as at {history.revision}, as recorded"
    there = current is not None and bool(current.artifact)

    def assumed(why: str) -> Fact[str | None]:
        return Fact(name, history.revision, assumed=f"{why}: {recorded}")

    if history.running is None and not there:
        return Fact(name, history.revision)  # nothing ever ran there, so that no baseline
    if not action.asks_database:
        return assumed(f"{action.name} does not ask the database")
    if not there:
        return assumed(f"nothing runs on {app} that could ask the database")
    if context.planning and context.config.package.migrates:
        context.screen.line(f"  for a plan the database is not asked: {recorded}")
        return assumed("for a plan the database is not asked")
    try:
        return Fact(name, revision_of(context, app))
    except NoAnswer as error:
        if history.running is None:
            return Fact(name, history.revision)  # code of somebody else's, which need not know the command
        if action.takes is not Takes.TARGET:
            return Fact(name, missing=str(error))
        context.screen.line(f"  {error}")
        context.screen.line(f"  so the database counts as at {history.revision}, which the journal says")
        return assumed("the code that runs could not ask the database")
    except RoadworthyError as error:
        return Fact(name, missing=str(error))


def revision_in(receipt: Receipt) -> str | None:
    """The revision that a query printed; None when the database has none. Raises CannotTell otherwise."""
    if receipt.exit_status != 0:
        named = next((m[1] for line in receipt.output if (m := _UNKNOWN.search(line))), None)
        if named:
            return named
        raise NoAnswer(f"{receipt.step!r} exited with {receipt.exit_status}\n{_quoted(receipt.output)}")
    lines = tuple(_said(receipt.output))
    verbose = any(_VERBOSE.fullmatch(line) for line in lines)
    form = _REV if verbose else _CURRENT
    found = [*dict.fromkeys(m[1] for line in lines if (m := form.fullmatch(line)))]
    if len(found) > 1:
        raise CannotTell(f"the database is at several revisions: {', '.join(sorted(found)[:SHOWN])}")
    if not found and lines and not (verbose and len(lines) == 1):
        raise CannotTell(f"no revision can be read in what {receipt.step!r} said\n{_quoted(lines)}")
    return found[0] if found else None


def heads_in(output: Iterable[str]) -> tuple[str, ...]:
    """The revisions that `alembic heads` printed, sorted."""
    found = (m[1] for line in _said(output) if (m := (_REV.match(line) or _HEAD.fullmatch(line))))
    return tuple(sorted(set(found)))


def history_in(output: Iterable[str]) -> tuple[Listed, ...]:
    """The migrations that `alembic history --verbose` printed, newest first as it does.

    A docstring is indented there, so nothing that somebody wrote into one can pass for a migration.
    """
    found: list[Listed] = []
    for line in _said(output):
        if m := re.match(rf"Rev: ({REVISION})(?: |$)", line):
            found.append(Listed(m[1], (), ""))
        elif found and (m := _PARENTS.fullmatch(line)):
            parents = (one.strip() for one in m[1].split(","))
            known = tuple(sorted(one for one in parents if one != "<base>"))
            found[-1] = msgspec.structs.replace(found[-1], parents=known)
        elif found and (m := _PATH.fullmatch(line)):
            found[-1] = msgspec.structs.replace(found[-1], path=m[1])
    return tuple(found)


def _said(output: Iterable[str]) -> Iterator[str]:
    """The lines that say something; Alembic's log is on the same stream where a platform merges both."""
    for line in output:
        if line.strip() and not _LOGGED.fullmatch(line.rstrip()):
            yield line.rstrip()


def _quoted(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line[:200]}" for line in lines[-SHOWN:])
