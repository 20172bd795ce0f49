"""What a journal says happened, as the values that plans and guards look at."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..model import (
    Certified,
    CiState,
    Claim,
    Deployed,
    History,
    Newest,
    Observed,
    Package,
    Proof,
    StageRun,
)
from ..record import claim, components_of

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.index import Settled
    from ..journal.log import Log

RUNS = ("deploy", "rollback", "adopt")  # actions that change which package counts as running
RELEASES = (
    *RUNS,
    "config",
)  # those that make or accept a release; a change of config vars is one of what runs


def history_of(context: Context, log: Log) -> History:
    """What the journal of an environment says by now, of each of its components, too, where it has several."""
    state, start = context.paths.state, log.open_start()
    settled: Sequence[Settled] = log.settled()
    first, *others = (c.component for c in context.config.packaged)
    if not others:
        return read_history(_of(first, settled, first), state, start)
    if any(one.parts for one in settled):  # a component that is declared no more is nobody's any more
        settled = [one.only((first, *others)) for one in settled]
    parts = {}
    for name in (first, *others):
        told = components_of(start) if start else ()
        begun = start if name in (told or (first,)) else None
        parts[name] = read_history(_of(name, settled, first), state, begun, name)
    return replace(read_history(settled, state, start), parts=parts)


def _of(component: str, settled: Sequence[Settled], first: str) -> Sequence[Settled]:
    """What was settled of one component; what was released before there were several was the first."""
    if component == first and not any(one.parts for one in settled):
        return settled
    views = (one.of(component) if one.parts else one if component == first else None for one in settled)
    return [view for view in views if view]


def read_history(
    settled: Sequence[Settled], state: Path, start: Entry | None = None, component: str = ""
) -> History:
    """The verified packages of an environment, newest first, its schema revision and its certificates.

    A package counts from the `end` of its deploy, rollback or adoption, which is written only after
    verification. An action that went through a migration names the resulting `revision`, also when it failed
    half-way. An adoption that names no package only tells which release is known. `start` is the one that is open.
    That a package is incomplete stands, whatever releases it again, until a completion of it says YES.
    With `component`, all of `settled` is about this one.
    """
    verified: list[tuple[Settled, str | None]] = []
    certified: list[Settled] = []
    completed: set[int] = set()
    incomplete: dict[str, int] = {}
    revision: str | None = None
    for one in settled:
        ended, ran = one.kind == "end", one.action in RUNS
        if ended and ran and one.digest:
            verified.append((one, revision))
        if ended and one.action == "config" and verified:
            released = {"release": one.release, "slug": one.slug, "parts": one.parts}
            verified[-1] = (msgspec.structs.replace(verified[-1][0], **released), verified[-1][1])
        if one.revised and one.kind != "abandon":
            revision = one.revision
            # A deploy that failed says nothing of the package before it, which was verified at its own revision.
            if verified and (ended or not ran):
                verified[-1] = (verified[-1][0], revision)
        if ended and one.action == "certify":
            certified.append(one)
        if one.action == "complete" and one.deployment and one.kind != "abandon":
            incomplete.pop(one.digest, None)
            if ended:
                completed.add(one.deployment)
            else:
                incomplete[one.digest] = one.seq

    @functools.cache
    def found(name: str) -> str:
        file = state / name
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    known, claims, closed = _left(settled)
    return History(
        Newest(verified, lambda run: _deployed(run[0], run[1], component)),
        revision,
        Newest(certified, lambda one: _certified(one, found(one.certificate))),
        completed=frozenset(completed),
        incomplete=incomplete,
        known=known,
        claims=(*claims, *([claim(start, component)] if start else ())),
        maintenance=closed or (start is not None and bool(start.record.details.get("maintenance"))),
    )


def _left(settled: Sequence[Settled]) -> tuple[tuple[tuple[int, str], ...], tuple[Claim, ...], bool]:
    """How the journal left the platform: `known`, `claims` and `maintenance` of a History, newest first."""
    known: list[tuple[int, str]] = []
    claims: list[Claim] = []
    closed = False
    for one in reversed(settled):
        if one.kind == "end" and one.action in RELEASES:
            known.append((one.release, one.slug))
            break
        closed = closed or one.closed
        if one.claim:
            claims.append(one.claim)
        if one.kind == "failed" and one.action != "adopt" and one.release:
            known.append((one.release, one.slug))
    return tuple(known), tuple(claims), closed


def runs(package: Package, history: History, observed: Observed) -> bool:
    """Whether this package runs, verified: as the very release that was, for a change of config makes another.

    Of several components, whether each does.
    """
    if set(observed.parts) != {part.component for part in package.parts}:
        return False
    return all(runs_part(part, history, observed) for part in package.each)


def runs_part(part: Package, of_all: History, seen: Observed) -> bool:
    """Whether one component runs this package, verified, as the very release that was."""
    running, current = of_all.of(part.component).running, seen.of(part.component).current
    return (
        running is not None
        and current is not None
        and (running.package.digest, running.release) == (part.digest, current.version)
    )


def _deployed(end: Settled, revision: str | None, component: str) -> Deployed:
    parts = {
        part.component: Deployed(
            Package(end.commit, part.digest, part.size, kind=end.package, component=part.component),
            part.release,
            part.slug,
            end.seq,
            end.at,
            revision,
        )
        for part in end.parts
        if not component
    }
    package = Package(
        end.commit,
        end.digest,
        end.size,
        kind=end.package,
        component=component,
        parts=tuple(part.package for part in parts.values()),
    )
    return Deployed(package, end.release, end.slug, end.seq, end.at, revision, parts)


def _certified(end: Settled, found: str) -> Certified:
    return Certified(
        package_digest=end.digest,
        commit=end.commit,
        seq=end.seq,
        expires=end.expires,
        file_sha256=end.certificate_sha256,
        file_found=found,
        path=end.certificate,
        proof=_proof(end),
    )


def test_run(settled: Sequence[Settled], digest: str) -> CiState:
    """The newest test run of exactly this package in its journal; outcome `missing` when there is none."""
    of_it = (s for s in reversed(settled) if (s.action, s.digest) == ("test", digest))
    newest = next((s for s in of_it if s.kind in ("end", "failed")), None)
    if newest is None:
        return CiState("missing", "no test run of this commit is in the journal")
    outcome = "success" if newest.kind == "end" else "failure"
    source, where = f"this repository's own test run, {newest.at}", f"journal #{newest.seq}"
    run = StageRun(
        commit=newest.environment.removeprefix("package-"),
        id=f"{newest.environment}#{newest.seq}",
        status="completed",
        conclusion=outcome,
        updated=newest.at,
        number=newest.seq,
        event="invoke test",
    )
    return CiState(outcome, source, where, _proof(newest), run)


def _proof(one: Settled) -> Proof:
    return Proof(one.action, one.environment, one.seq, one.sha256)
