"""What a journal says happened, as the values that plans and guards look at."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Reversible, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..journal.claims import claim, components_of
from ..model import (
    Certified,
    CiState,
    Claim,
    Deployed,
    History,
    Later,
    Newest,
    Observed,
    Package,
    PlatformRelease,
    Proof,
    StageRun,
)
from ..platforms.mark import made_by
from .running import RELEASES, RUNS, running

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.index import Settled
    from ..journal.log import Log
    from ..world import World


def history_of(context: World, log: Log) -> History:
    """What the journal of an environment says by now, of each of its components, too, where it has several.

    What was released before there were several was the first; one that is declared no more is nobody's any more.
    """
    from .late import late_effect

    state, settled, start = context.paths.state, log.settled(), log.open_start()
    apps = context.config.apps(log.environment)
    names = tuple(c.component for c in context.config.packaged)

    def seen(component: str) -> _Seen:
        whole = component == names[0]
        return _Seen(settled, lambda one: one.of(component) if one.parts else one if whole else None)

    def late(component: str) -> Callable[[PlatformRelease], str]:
        app = apps.get(component) or next(iter(apps.values()))
        return lambda release: late_effect(context, log, app, release)

    runs = running(settled)
    given_up = tuple(p.component for p in runs.end.parts if p.component not in names) if runs else ()
    if len(names) == 1:
        found = read_history(seen(names[0]), state, start)
        return replace(found, given_up=given_up, late=late(names[0]))
    parts = {}
    for name in names:
        told = components_of(start) if start else ()
        begun = start if name in (told or names[:1]) else None
        parts[name] = replace(read_history(seen(name), state, begun, name), late=late(name))
    whole = read_history(_Seen(settled, lambda one: one.only(names)), state, start)
    return replace(whole, parts=parts, given_up=given_up)


class _Seen:
    """What was settled, each as `view` shows it; what it shows as None is left out."""

    def __init__(self, settled: Reversible[Settled], view: Callable[[Settled], Settled | None]) -> None:
        self._settled, self._view = settled, view

    def __iter__(self) -> Iterator[Settled]:
        return reversed([*reversed(self)])

    def __reversed__(self) -> Iterator[Settled]:
        return (shown for one in reversed(self._settled) if (shown := self._view(one)))


def as_of(settled: Reversible[Settled], moment: str) -> Reversible[Settled]:
    """What had been settled by a moment, which is written as in entries."""
    return _Seen(settled, lambda one: one if one.at <= moment else None)


def read_history(
    settled: Reversible[Settled], state: Path, start: Entry | None = None, component: str = ""
) -> History:
    """The verified packages of an environment, newest first, its schema revision and its certificates.

    A package counts from the `end` of its deploy, rollback or adoption, which is written only after
    verification. An action that went through a migration names the resulting `revision`, also when it failed
    half-way. An adoption that names no package only tells which release is known. `start` is the one that is open.
    That a package is incomplete stands, whatever releases it again, until a completion of it says YES.
    With `component`, all of `settled` is about this one.

    Of a long journal only what is looked at is read, from its end.
    """

    @functools.cache
    def found(name: str) -> str:
        file = state / name
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    known, claims, closed = _left(settled)
    certified = (one for one in reversed(settled) if (one.kind, one.action) == ("end", "certify"))
    return History(
        Newest(_deployed(end, revision, component) for end, revision in _verified(settled)),
        known_at.revision if (known_at := revised(settled)) else None,
        Newest(_certified(one, found(one.certificate)) for one in certified),
        complete=_complete(settled),
        incomplete=Later(lambda: _incomplete(settled)),
        known=known,
        claims=(*claims, *([claim(start, component)] if start else ())),
        maintenance=closed or (start is not None and bool(start.record.details.get("maintenance"))),
        unnamed=functools.partial(_unnamed, settled, [claim(start, component)] if start else []),
    )


def _verified(settled: Reversible[Settled]) -> Iterator[tuple[Settled, str | None]]:
    """The ends of verified packages, newest first, each with the newest revision that the database had under it.

    A change of config vars made another release of its package. A deploy that failed says nothing of the package
    before it, which was verified at its own revision.
    """
    waiting: list[Settled] = []  # ends that nothing revised: theirs is the revision before them
    since: list[str | None] = []  # the newest revision after the package that is still to come
    changed: Settled | None = None  # its newest change of config vars
    for one in reversed(settled):
        ended, ran = one.kind == "end", one.action in RUNS
        if _revises(one):
            yield from ((end, one.revision) for end in waiting)
            waiting.clear()
            if not since and (ended or not ran):
                since.append(one.revision)
        if ended and one.action == "config":
            changed = changed or one
        if ended and ran and one.digest:
            released = (
                {"release": changed.release, "artifact": changed.artifact, "parts": changed.parts}
                if changed
                else {}
            )
            end, changed = replace(one, **released), None
            if since:
                yield end, since.pop()
            else:
                waiting.append(end)
    yield from ((end, None) for end in waiting)


def _revises(one: Settled) -> bool:
    return one.revised and one.kind != "abandon"


def revised(settled: Reversible[Settled]) -> Settled | None:
    """The newest outcome that says where the database is; None when none does."""
    return next(filter(_revises, reversed(settled)), None)


def _judged(settled: Reversible[Settled]) -> Iterator[Settled]:
    """The completions that said YES or NO, newest first."""
    judged = ("end", "failed")
    return (o for o in reversed(settled) if o.action == "complete" and o.deployment and o.kind in judged)


def _complete(settled: Reversible[Settled]) -> int:
    runs = running(settled)
    return runs.completed.seq if runs and runs.completed and runs.complete else 0


def _incomplete(settled: Reversible[Settled]) -> dict[str, int]:
    newest: dict[str, Settled] = {}
    for one in _judged(settled):
        newest.setdefault(one.digest, one)
    return {digest: one.seq for digest, one in newest.items() if one.kind == "failed"}


def _unnamed(
    settled: Reversible[Settled], under_way: Sequence[Claim], releases: Sequence[PlatformRelease]
) -> tuple[PlatformRelease, ...]:
    """The releases with a mark of ours that no outcome names, newest first: late effects, also of long ago.

    An adoption accepts all that was there. A deploy or a rollback that saw one releases over it, which undoes it
    unless it changed settings. What a start that was given up may have made is its own.
    """
    marked = [one for one in releases if (one.mark or one.sets_mark) and one.status != "failed"]
    oldest = min((one.order for one in marked), default=0)
    told, claims, over, adopted = set[int](), list(under_way), 0, 0
    for one in reversed(settled) if marked else ():
        told.add(one.release)
        claims += [one.claim] if one.claim else []
        if one.kind == "end" and one.action in ("deploy", "rollback"):
            over = max(over, one.saw)
        if (one.kind, one.action) == ("end", "adopt"):
            adopted = one.release
        if adopted or 0 < one.release < oldest:
            break
    return tuple(
        one
        for one in marked
        if one.order > (adopted if one.sets_mark else max(adopted, over))
        and one.order not in told
        and not any(made_by(its, one) for its in claims)
    )


def _left(settled: Reversible[Settled]) -> tuple[tuple[tuple[int, str], ...], tuple[Claim, ...], bool]:
    """How the journal left the platform: `known`, `claims` and `maintenance` of a History, newest first."""
    known: list[tuple[int, str]] = []
    claims: list[Claim] = []
    closed = False
    for one in reversed(settled):
        if one.kind == "end" and one.action in RELEASES:
            known.append((one.release, one.artifact))
            break
        closed = closed or one.closed
        if one.claim:
            claims.append(one.claim)
        if one.kind == "failed" and one.action != "adopt" and one.release:
            known.append((one.release, one.artifact))
    return tuple(known), tuple(claims), closed


def runs(package: Package, history: History, observed: Observed) -> bool:
    """Whether this package runs, verified: as the very release that was, for a change of config makes another.

    Of several components, whether each of its own does; what the others run is no part of it.
    """
    if history.running is None or history.running.package.digest != package.digest:
        return False
    if not {part.component for part in package.parts} <= set(observed.parts):
        return False
    return all(runs_part(part, history, observed) for part in package.each)


def runs_part(part: Package, of_all: History, seen: Observed) -> bool:
    """Whether one component runs this package, verified, as the very release that was.

    An image that its registry lost does not run for long: at the next restart there is nothing to start.
    """
    running, shown = of_all.of(part.component).running, seen.of(part.component)
    if running is None or shown.current is None or (part.kind == "image" and shown.digest != part.digest):
        return False
    return (running.package.digest, running.release) == (part.digest, shown.current.order)


def _deployed(end: Settled, revision: str | None, component: str) -> Deployed:
    parts = {
        part.component: Deployed(
            Package(end.commit, part.digest, part.size, kind=end.package, component=part.component),
            part.release,
            part.artifact,
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
    return Deployed(package, end.release, end.artifact, end.seq, end.at, revision, parts)


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
