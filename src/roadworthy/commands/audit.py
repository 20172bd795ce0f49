"""Audit: verify every journal of the target with code that shares nothing with the writer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..context import STATE
from ..journal.anchor import AnchorError
from ..journal.audit import Anchor, Loss, audited, read_anchors, read_beside
from ..journal.audit_entry import Bad
from ..journal.known import JournalLost
from ..journal.packs import Packs
from ..lost import newest_on_platform
from ..model import Outcome, Result
from ..words import count
from .journal_copies import journals

if TYPE_CHECKING:
    from ..context import Context


def audit(context: Context, anchors: Sequence[str] = (), tsa: str = "", only: str = "") -> Result:
    """Check every journal of the target without the code that wrote it, and its heads with `anchors`.

    An anchor is a file or `git:REPOSITORY`; `tsa` is the file with an RFC 3161 authority's certificates. This
    repository's tags, what this machine has read and, where it answers, the platform's releases are asked as well.
    With `only`, the name of one journal, that one alone is judged, with what its starts name in others.
    """
    with journals(context) as folder:
        return _audited(context, folder / context.target, anchors, Path(tsa) if tsa else None, only)


def _audited(
    context: Context, folder: Path, anchors: Sequence[str], authority: Path | None, only: str
) -> Result:
    places = sorted(path for path in folder.glob(only or "*") if path.is_dir()) if folder.is_dir() else []
    problems: list[str] = []
    whose = f"{context.target}/{only}" if only else context.target
    if not places:
        problems.append(
            f"no journal of {whose} found: either nothing was released yet, or the journal was deleted"
        )
    known, own, wrong = _anchors(context, whose, anchors, authority)
    accepted: dict[str, Sequence[Loss]] = {}
    for place in places:
        its_own = [anchor for anchor in (*known, *own) if anchor.place == f"{context.target}/{place.name}"]
        of_one = audited(place, _trust(context), [*known, *its_own] if only else its_own)
        accepted[place.name] = of_one.losses
        wrong += [f"{place.name}: {finding}" for finding in of_one.findings]
        word = "NOT TRUSTED" if of_one.findings else "intact"
        context.screen.line(f"  {word}  {place.name}{', matches its anchors' * bool(its_own)}")
        for loss in of_one.losses:
            said = f"entries up to #{loss.last}, known from {loss.source}: {loss.why!r}"
            context.screen.line(f"    #{loss.seq} accepts the loss of {said}")
        for line in read_beside(of_one) if only else ():
            context.screen.line(f"  {line}")
        for pack in _wrong_packs(context, folder, place.name):
            context.screen.line(f"    {pack} differs from the entries: no reader uses it, you may delete it")
    there = {f"{context.target}/{place.name}" for place in places}
    names = [name for name in context.config.environments if only in ("", name)]
    lost = {name: _lost(context, folder, name, accepted.get(name, ())) for name in names}
    gone = {anchor.place: "an anchor of it exists" for anchor in (*known, *own)} | dict(_left_behind(context))
    problems = [*filter(None, lost.values()), *problems, *wrong]
    problems += [
        f"folder: no journal of {place} found, but {why}"
        for place, why in sorted(gone.items())
        if place not in there and (not only or place == whose) and not lost.get(place.partition("/")[2])
    ]
    context.say_who_can_write(sorted(there))
    if problems:
        line = f"{'the journal' if only else 'the journals'} of {whose} cannot be trusted"
        return Result(Outcome.FAILED, line, reasons=tuple(problems), code=1)
    anchored = len({*known, *own})
    seen = f"compared with {count(anchored, 'anchor')}" if anchored else "not compared with any anchor"
    losses = sum(map(len, accepted.values()))
    seen += f"; accepted losses of entries: {losses}" if losses else ""
    which = f"the journal of {whose} is" if only else f"{count(len(places), 'journal')} of {whose}"
    which += "" if only else " is" if len(places) == 1 else " are"
    return Result(Outcome.SUCCEEDED, f"{which} intact: signatures, chain and evidence; {seen}")


def _anchors(
    context: Context, whose: str, sources: Sequence[str], authority: Path | None
) -> tuple[list[Anchor], list[Anchor], list[str]]:
    """The anchors from `sources`, those from this repository's own tags, and the problems with either."""
    known: list[Anchor] = []
    problems: list[str] = []
    for source in sources:
        try:
            found = list(read_anchors(source, whose, authority))
        except Bad as bad:
            problems.append(f"anchor: {bad.why}")
            continue
        problems += [] if found else [f"anchor: {source} holds no anchor of {whose}"]
        known += found
    own: list[Anchor] = []
    root = context.paths.root
    if not context.process_environ.get(STATE) and (root / ".git").exists() and f"git:{root}" not in sources:
        try:
            own = list(read_anchors(f"git:{root}", whose))
        except Bad as bad:
            problems.append(f"anchor: {bad.why}")
    return known, own, problems


def _lost(context: Context, folder: Path, name: str, accepted: Sequence[Loss]) -> str:
    """The message that this environment's journal lost entries; "" if it did not."""
    heads = list(filter(None, (newest_on_platform(context, name),)))
    with suppress(AnchorError):  # a tag that is no anchor was named before
        heads += context.known(name).heads()
    for head in sorted(heads, key=lambda one: one.seq, reverse=True):
        path = folder / name / f"{head.seq:08d}.json"
        if any(loss.seq <= head.seq < loss.goes_on_at for loss in accepted):
            continue
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest().startswith(head.sha256):
            continue
        ends = max((int(one.stem) for one in path.parent.glob("[0-9]*.json")), default=0)
        place = f"{context.target}/{name}"
        return str(JournalLost(place, context.store.place, head, ends, another=head.seq <= ends))
    return ""


def _wrong_packs(context: Context, folder: Path, place: str) -> Iterator[str]:
    """Packs that differ from their entries. Packs are no evidence, so they are no finding about the journal."""

    def entry(name: str) -> bytes | None:
        path = folder.parent / name
        return path.read_bytes() if path.is_file() else None

    yield from Packs(context.store, f"{context.target}/{place}").wrong(entry)


def _left_behind(context: Context) -> Iterator[tuple[str, str]]:
    """Environments of release.toml that once had a journal, as their heartbeats show."""
    held = context.store.names(f"beats/{context.target}")
    for name in context.config.environments:
        place = f"{context.target}/{name}"
        if f"beats/{place}" in held:
            yield place, f"its heartbeats are in beats/{place}"


def _trust(context: Context) -> Path:
    if context.target == "sandbox":
        return context.paths.state / "keys"
    return context.paths.root / ".release" / "trust"
