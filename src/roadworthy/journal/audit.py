"""An auditor that shares no code with the writer: own parsing, own PAE, own rules, other words.

It and `scripts/audit.sh` ask the same questions in the same order and answer with the same codes, so a
mistake in either shows as a difference. It reads one log, `<root>/<target>/<environment>`, the evidence in
`<root>/evidence`, the public keys and `trust.toml` of a trust folder, and anchors. It writes nothing.

What it cannot see without an anchor: that the newest entries were cut off, or that the whole folder is an
older copy of itself.

A log is first judged in pieces, a long one by one process a core. Each piece assumes what the entries before
it established, and the assumptions are compared; when all are well, so is the log. Only when something is not
is the log walked from its first entry, to name the first bad one. Both ask the same functions. Memory does not
grow with a log without gaps.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

from msgspec import Struct

from .audit_entry import Bad, bytes_of, opened, verified
from .audit_log import Log, examine
from .audit_pieces import all_well, crew
from .audit_road import Loss, Walk, forget_builds
from .audit_trust import Anchor, of_log, read_anchors, read_trust, rules_of

__all__ = ["Anchor", "Audited", "Finding", "Loss", "audit", "audited", "read_anchors", "read_beside"]

_is_entry = re.compile(r"(?!0{8})[0-9]{8}\.json").fullmatch
_is_leftover = re.compile(r"\.[0-9a-f]{16}\.part").fullmatch  # of a killed writer

_SHOWN = 12
"""Numbers and ranges of numbers, at most, that one line lists."""


class Finding(Struct, frozen=True):
    """What is wrong, with which file: `code` is one word that `audit.sh` says too, `why` is for people."""

    name: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"audit: {self.name}: {self.code}: {self.why}"


class Audited(Struct, frozen=True):
    """What an audit of one log found, the first bad entry first; nothing when all is well.

    `beside` are the entries of other logs of the target that were read, by log and number: those that its starts
    name as proofs, and the builds of what was deployed. Nothing else of these logs was judged.
    `losses` are those that an entry of the log accepts.
    """

    findings: list[Finding]
    beside: list[tuple[str, int]]
    losses: tuple[Loss, ...] = ()


def read_beside(audited: Audited) -> Iterator[str]:
    """A line for each other log that was read: which entries of it."""
    for place, found in groupby(audited.beside, key=itemgetter(0)):
        runs: list[list[int]] = []
        seqs = [seq for _, seq in found]
        for seq in seqs:
            if runs and runs[-1][1] == seq - 1:
                runs[-1][1] = seq
            else:
                runs.append([seq, seq])
        shown = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)
        if len(runs) > _SHOWN:
            shown = f"{len(seqs)} of {seqs[0]}-{seqs[-1]}"
        yield f"read beside it: {place}: entries {shown}"


def audit(
    folder: Path,
    trust: Path | None = None,
    anchors: Sequence[Anchor] = (),
    *,
    processes: int | None = None,
) -> list[Finding]:
    """The findings of `audited`."""
    return audited(folder, trust, anchors, processes=processes).findings


def audited(
    folder: Path,
    trust: Path | None = None,
    anchors: Sequence[Anchor] = (),
    *,
    processes: int | None = None,
) -> Audited:
    """Audit the log in `folder`.

    `trust` is the folder of public keys, by default `trust` beside the journal's root. `anchors` may be of several
    logs, and one has to be of this log. `processes` is how many may work, by default one for each core.
    """
    # Not resolved: a folder that only links to another environment's log is itself a finding.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    forget_builds()
    try:
        keys = read_trust(trust or folder.parents[2] / "trust")
        place = folder.parent.name, folder.name
        pins = of_log(anchors, keys, "/".join(place))
        log = Log(folder, place, keys, rules_of(keys, place[0]), pins)
        _is_plain(folder)
        with crew(folder, processes or len(os.sched_getaffinity(0))) as others:
            beside = all_well(log, _unbroken(folder), others)
        if beside is not None:
            return Audited([], sorted(beside))
        strays, numbers = _list(folder)
    except Bad as bad:
        return Audited([Finding("trust" if bad.code == "policy" else folder.name, bad.code, bad.why)], [])
    walk = Walk()
    findings = [*(Finding(name, "folder", "it is no entry") for name in strays), *_walk(log, numbers, walk)]
    return Audited(findings, sorted(walk.beside), walk.lost)


def _walk(log: Log, numbers: Iterable[int], walk: Walk) -> Iterator[Finding]:
    last = 0
    for seq in numbers:
        follows = walk.after(last)
        if seq != follows != last + 1:
            why = f"the log goes on at {follows}, says the entry before it"
            yield Finding(f"{seq:08d}.json", "order", why)
            walk.prev = None
        elif seq != follows:
            yield Finding(f"{follows:08d}.json", "missing", f"there is no such entry, but {seq:08d}.json")
            walk.prev = None
        last, data = seq, b""
        try:
            data = bytes_of(f"{log.folder}/{seq:08d}.json")
            signed = opened(data, log.keys.raw)
            verified(signed, log.keys.raw)
            examine(signed, hashlib.sha256(data).hexdigest(), seq, log, walk)
        except FileNotFoundError:
            yield Finding(f"{seq:08d}.json", "missing", "it went while it was audited")
        except Bad as bad:
            yield Finding(f"{seq:08d}.json", bad.code, bad.why)
        walk.prev = hashlib.sha256(data).hexdigest() if data else None
    if not last:
        yield Finding(log.folder.name, "folder", "there are no entries")
    if beyond := sorted(seq for seq in log.pins if seq >= walk.after(last)):
        why = (
            f"the log ends at {last}, but this entry was anchored: its tail was cut off, or it is an old copy"
        )
        yield Finding(f"{beyond[0]:08d}.json", "anchor", why)


def _is_plain(folder: Path) -> None:
    """Raises Bad when one log's folder only leads to another's."""
    for path in (folder, folder.parent):
        if path.is_symlink() or not path.is_dir():
            raise Bad("folder", f"{path} is not a folder")


def _unbroken(folder: Path) -> int:
    """How many entries are there, if they are regular files, numbered from 1 on, and all that is there; else 0."""
    count, last = 0, ""
    with suppress(OSError), os.scandir(folder) as found:
        while some := [*islice(found, 5000)]:
            names = [one.name for one in some]
            if not all(map(_is_entry, names)):
                names = [name for name in names if not _is_leftover(name)]
            if not all(map(_is_entry, names)) or not all(one.is_file(follow_symlinks=False) for one in some):
                return 0
            count, last = count + len(names), max([last, *names])
    return count if count == int(last[:8] or 0) else 0


def _list(folder: Path) -> tuple[list[str], range | list[int]]:
    """What lies in the folder and is no entry, and the numbers of the entries: a range when none is missing."""
    strays: list[str] = []
    count, last = 0, ""
    for name in _names(folder):
        if _is_entry(name):
            count, last = count + 1, max(last, name)
        elif not _is_leftover(name):
            strays.append(name)
    if count == int(last[:8] or 0):
        return sorted(strays), range(1, count + 1)
    return sorted(strays), sorted(int(name[:8]) for name in _names(folder) if _is_entry(name))


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            for one in found:
                yield one.name
    except OSError as error:
        raise Bad("folder", f"{folder} cannot be listed: {error.strerror}") from error
