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
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from roadworthy.journal.audit_entry import (
    Bad,
    Said,
    Signed,
    attached,
    bytes_of,
    opened,
    quickly,
    understood,
    verified,
)
from roadworthy.journal.audit_road import Start, Walk, in_turn, linked, proofs, proves, together
from roadworthy.journal.audit_trust import (
    Anchor,
    Keys,
    named_policy,
    of_log,
    read_anchors,
    read_trust,
    rules_of,
)

__all__ = ["Anchor", "Finding", "audit", "read_anchors"]

_ALONE = 2000
"""Entries that one process judges sooner than another could be started."""
_PIECE, _LAST = 1000, 50
"""Entries that a process judges before it is asked for more, first and at the end, where others wait for it."""
_AT_ONCE = 8 << 20
"""Bytes of entries, about, that are opened before the first of them is verified."""
_is_entry = re.compile(r"(?!0{8})[0-9]{8}\.json").fullmatch
_is_leftover = re.compile(r"\.[0-9a-f]{16}\.part").fullmatch  # of a killed writer
_BACK = 500
"""Entries before a piece that are looked at for an open start."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with which file: `code` is one word that `audit.sh` says too, `why` is for people."""

    name: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"audit: {self.name}: {self.code}: {self.why}"


@dataclass(frozen=True, slots=True)
class _Log:
    """One log and what it is judged by: `rules` of each key, and `pins`, digests that entries must have."""

    folder: Path
    place: tuple[str, str]  # target and environment
    keys: Keys
    rules: Mapping[str, list[dict[str, Any]]]
    pins: Mapping[int, set[str]]


def audit(
    folder: Path,
    trust: Path | None = None,
    anchors: Sequence[Anchor] = (),
    *,
    processes: int | None = None,
) -> list[Finding]:
    """Everything that is wrong with the log in `folder`, the first bad entry first; empty when all is well.

    `trust` is the folder of public keys, by default `trust` beside the journal's root. Anchors of other logs
    say nothing about this one. `processes` is how many may work, by default one for each core.
    """
    # Not resolved: a folder that only links to another environment's log is itself a finding.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    try:
        keys = read_trust(trust or folder.parents[2] / "trust")
        place = folder.parent.name, folder.name
        log = _Log(folder, place, keys, rules_of(keys, place[0]), of_log(anchors, keys, "/".join(place)))
        _is_plain(folder)
        with _others(folder, processes or len(os.sched_getaffinity(0))) as others:
            if _all_well(log, _unbroken(folder), others):
                return []
        strays, numbers = _list(folder)
    except Bad as bad:
        return [Finding("trust" if bad.code == "policy" else folder.name, bad.code, bad.why)]
    return [*(Finding(name, "folder", "it is no entry") for name in strays), *_walk(log, numbers)]


def _walk(log: _Log, numbers: Iterable[int]) -> Iterator[Finding]:
    walk, last = Walk(), 0
    for seq in numbers:
        if seq != last + 1:
            yield Finding(f"{last + 1:08d}.json", "missing", f"there is no such entry, but {seq:08d}.json")
            walk.prev = None
        last, data = seq, b""
        try:
            data = bytes_of(f"{log.folder}/{seq:08d}.json")
            signed = opened(data, log.keys.raw)
            verified(signed, log.keys.raw)
            _examine(signed, hashlib.sha256(data).hexdigest(), seq, log, walk)
        except FileNotFoundError:
            yield Finding(f"{seq:08d}.json", "missing", "it went while it was audited")
        except Bad as bad:
            yield Finding(f"{seq:08d}.json", bad.code, bad.why)
        walk.prev = hashlib.sha256(data).hexdigest() if data else None
    if not last:
        yield Finding(log.folder.name, "folder", "there are no entries")
    if beyond := sorted(seq for seq in log.pins if seq > last):
        why = (
            f"the log ends at {last}, but this entry was anchored: its tail was cut off, or it is an old copy"
        )
        yield Finding(f"{beyond[0]:08d}.json", "anchor", why)


def _examine(signed: Signed, sha256: str, seq: int, log: _Log, walk: Walk) -> None:
    """Judge what is signed in one entry, and note what it establishes for the next."""
    said, name, digest = understood(signed.payload)
    if (said.target, said.environment) != log.place:
        raise Bad("place", f"it belongs to {said.target}/{said.environment}")
    if said.seq != seq:
        raise Bad("order", f"it says that it is entry {said.seq}")
    if walk.prev is not None and said.prev != walk.prev:
        raise Bad("chain", "prev is not the digest of the entry before it")
    if said.at < walk.at:
        raise Bad("time", f"its time {said.at} is before that of the entry before it")
    if name.startswith("environment:"):
        if name != f"environment:{said.target}/{said.environment}" or digest != said.prev:
            raise Bad("form", "its subject is another environment")
        digest = ""
    policy = _permitted(said, signed.keyid, log, walk)
    in_turn(said, digest, walk)
    pinned = log.pins.get(seq)
    if pinned and pinned != {sha256}:
        raise Bad("anchor", "another entry of this number was anchored")
    walk.at, walk.policy = said.at, policy
    for item in said.evidence:
        attached(item, log.folder.parents[1] / "evidence" / item.sha256)
    for proof in proofs(said) if said.kind == "start" else ():
        linked(proof, digest, log.folder.parent)
    together(said, digest)


def _permitted(said: Said[Any], keyid: str, log: _Log, walk: Walk) -> tuple[int, str]:
    """The policy that the entry names, when it and the auditor's let the key sign."""
    keys, policy = log.keys, named_policy(said.details)
    if policy[0] >= keys.policy[0] and policy != keys.policy:
        raise Bad("policy", f"it was written under policy {policy[0]}, and trust.toml is {keys.policy[0]}")
    if policy[0] <= walk.policy[0] and policy != walk.policy:
        raise Bad("policy", f"it was written under policy {policy[0]}, after {walk.policy[0]} was in force")
    if keyid in keys.revoked and said.seq > keys.revoked[keyid].get("/".join(log.place), (0, ""))[0]:
        raise Bad("policy", f"{keyid} was revoked before it signed this entry")
    mine = log.rules[keyid]
    if not mine and said.target == "sandbox":
        return policy
    asked = (("environments", said.environment), ("stages", said.stage), ("actions", said.action))
    for rule in mine:
        until = rule.get("until") or "9999-99-99T99:99:99Z"
        in_time = rule.get("from", "")[:-1] <= said.at < until[:-1] + ".000000Z"
        proven = said.kind != "start" or proves(said, rule.get("needs", []))
        if in_time and proven and all({"*", word} & set(rule[many]) for many, word in asked):
            return policy
    raise Bad("policy", f"{keyid} may not sign {said.stage}/{said.action} at {said.at}")


class _Others(NamedTuple):
    """The processes that judge with this one."""

    number: int = 0
    pool: Executor | None = None


@contextmanager
def _others(folder: Path, crew: int) -> Iterator[_Others]:
    """Others of a crew, already on their way while the folder is listed: one more for each _ALONE entries."""
    count = sum(os.path.lexists(folder / f"{n * _ALONE + 1:08d}.json") for n in range(1, crew))
    if not count:
        yield _Others()
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Spawned, never forked: the process that asks may have threads, and stores that do not survive a fork.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        for _ in range(count):
            pool.submit(os.getpid)  # the first questions are what starts them
        yield _Others(count, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _all_well(log: _Log, last: int, others: _Others) -> bool:
    """Is every piece of a log of `last` entries well, and does each begin as the one before it ends?"""
    if not last or max(log.pins, default=0) > last:
        return False
    state = Walk()
    for found in _judged(log, _pieces(last, 1 + others.number), others):
        if found is None or found[0] != replace(state, package=None):
            return False
        after = found[1]
        if after.wants not in (None, state.package):
            return False
        package = state.package if after.package is None else after.package
        state = replace(after, package=package, wants=None)
    return True


def _pieces(last: int, crew: int) -> Iterator[tuple[int, int]]:
    """The first and the last entry of each piece; they become small when few entries are left to share."""
    first = 1
    while first <= last:
        size = min(_PIECE, max(_LAST, (last - first) // (8 * crew)))
        yield first, min(first + size - 1, last)
        first += size


def _judged(
    log: _Log, pieces: Iterable[tuple[int, int]], others: _Others
) -> Iterator[tuple[Walk, Walk] | None]:
    """What `_piece` says of each piece, in order; this process judges what would have to wait for others."""
    found: deque[Future[tuple[Walk, Walk] | None]] = deque()
    for piece in pieces:
        if others.pool and sum(not one.done() for one in found) < 2 * others.number:
            found.append(others.pool.submit(_piece, log, piece))
        else:
            ours: Future[tuple[Walk, Walk] | None] = Future()
            ours.set_result(_piece(log, piece))
            found.append(ours)
        while found and found[0].done():
            yield found.popleft().result()
    yield from (one.result() for one in found)


def _piece(log: _Log, piece: tuple[int, int]) -> tuple[Walk, Walk] | None:
    """The state that entries `piece` assume and the one that they leave; None unless all of them are well."""
    first, last = piece
    folder = os.open(log.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        walk = _assumed(folder, first)
        begin = replace(walk)
        seqs = iter(range(first, last + 1))
        # Question by question, not entry by entry: what the processor does again at once it does faster.
        while batch := _next(seqs, folder):
            digests = [hashlib.sha256(data).hexdigest() for data in batch]
            signed = [opened(data, log.keys.raw) for data in batch]
            for one in signed:
                verified(one, log.keys.raw)
            for sha256, one in zip(digests, signed, strict=True):
                _examine(one, sha256, first, log, walk)
                walk.prev, first = sha256, first + 1
    except (Bad, OSError):
        return None
    finally:
        os.close(folder)
    return begin, walk


def _next(seqs: Iterator[int], folder: int) -> list[bytes]:
    """The next entries, until they have _AT_ONCE bytes."""
    batch, size = list[bytes](), 0
    for seq in seqs:
        batch.append(quickly(f"{seq:08d}.json", folder))
        size += len(batch[-1])
        if size > _AT_ONCE:
            break
    return batch


def _assumed(folder: int, first: int) -> Walk:
    """What the entries before `first` say that they establish, unverified: whoever judges them will tell."""
    import base64
    import json

    walk = Walk(package=None)
    for seq in range(first - 1, max(0, first - 1 - _BACK), -1):
        data = bytes_of(f"{seq:08d}.json", folder=folder)
        try:
            said, name, digest = understood(base64.b64decode(json.loads(data)["payload"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Bad("form", "it is not an entry") from error
        if seq == first - 1:
            prev = hashlib.sha256(data).hexdigest()
            walk = Walk(prev, at=said.at, policy=named_policy(said.details), package=None)
        if said.kind == "start":
            digest = "" if name.startswith("environment:") else digest
            walk.open = Start(seq, digest, said.stage, said.action)
        if said.kind not in ("note", "refused"):
            return walk
    if first - 1 > _BACK:
        raise Bad("lock", "too many entries since the last start")
    return walk


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
