"""An auditor that shares no code with the writer: own parsing, own PAE, own rules, other words.

It and `scripts/audit.sh` ask the same questions in the same order and answer with the same codes, so a
mistake in either shows as a difference. It reads one log, `<root>/<target>/<environment>`, the evidence in
`<root>/evidence`, the public keys and `trust.toml` of a trust folder, and anchors. It writes nothing.

What it cannot see without an anchor: that the newest entries were cut off, or that the whole folder is an
older copy of itself.

A long log is first judged in pieces, by one process a core. Each piece assumes what the entries before it
established, and the assumptions are compared; when all are well, so is the log. Only when something is not is
the log walked from its first entry, to name the first bad one. Memory does not grow with a log without gaps.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from roadworthy.journal.audit_entry import Bad, attached, bytes_of, opened, understood
from roadworthy.journal.audit_road import Start, Walk, in_turn, linked, proofs, proves, together
from roadworthy.journal.audit_trust import Anchor, Keys, named_policy, of_log, read_anchors, read_trust

__all__ = ["Anchor", "Finding", "audit", "read_anchors"]

_ALONE = 2000
"""Entries that one process judges sooner than others could be started."""
_PIECE = 1000
_is_entry = re.compile(r"(?!0{8})[0-9]{8}\.json").fullmatch
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
    """One log and what it is judged by; `pins` are digests that entries must have."""

    folder: Path
    place: str
    keys: Keys
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
        place = f"{folder.parent.name}/{folder.name}"
        log = _Log(folder, place, keys, of_log(anchors, keys, place))
        strays, numbers = _list(folder)
    except Bad as bad:
        return [Finding("trust" if bad.code == "policy" else folder.name, bad.code, bad.why)]
    if not strays and isinstance(numbers, range) and numbers:
        crew = processes or len(os.sched_getaffinity(0))
        last = numbers[-1]
        if last > _ALONE and crew > 1 and max(log.pins, default=0) <= last and _all_well(log, last, crew):
            return []
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
            _examine(data, seq, log, walk)
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


def _examine(data: bytes, seq: int, log: _Log, walk: Walk) -> None:
    """Judge one entry, and note what it establishes for the next."""
    keyid, payload = opened(data, log.keys.raw)
    said, name, digest = understood(payload)
    place = f"{said['target']}/{said['environment']}"
    if place != log.place:
        raise Bad("place", f"it belongs to {place}")
    if said["seq"] != seq:
        raise Bad("order", f"it says that it is entry {said['seq']}")
    if walk.prev is not None and said["prev"] != walk.prev:
        raise Bad("chain", "prev is not the digest of the entry before it")
    if said["at"] < walk.at:
        raise Bad("time", f"its time {said['at']} is before that of the entry before it")
    if name.startswith("environment:"):
        if name != f"environment:{place}" or digest != said["prev"]:
            raise Bad("form", "its subject is another environment")
        digest = ""
    policy = _permitted(said, keyid, log, walk)
    in_turn(said, digest, walk)
    pinned = log.pins.get(seq)
    if pinned and pinned != {hashlib.sha256(data).hexdigest()}:
        raise Bad("anchor", "another entry of this number was anchored")
    walk.at, walk.policy = said["at"], policy
    for item in said["evidence"]:
        attached(item, log.folder.parents[1] / "evidence" / item["sha256"])
    for proof in proofs(said) if said["kind"] == "start" else ():
        linked(proof, digest, log.folder.parent)
    together(said, digest)


def _permitted(said: dict[str, Any], keyid: str, log: _Log, walk: Walk) -> tuple[int, str]:
    """The policy that the entry names, when it and the auditor's let the key sign."""
    keys, policy = log.keys, named_policy(said.get("details"))
    if policy[0] > keys.policy[0] or (policy[0] == keys.policy[0] and policy != keys.policy):
        raise Bad("policy", f"it was written under policy {policy[0]}, and trust.toml is {keys.policy[0]}")
    if policy[0] < walk.policy[0] or (policy[0] == walk.policy[0] and policy != walk.policy):
        raise Bad("policy", f"it was written under policy {policy[0]}, after {walk.policy[0]} was in force")
    if keyid in keys.revoked and said["seq"] > keys.revoked[keyid].get(log.place, (0, ""))[0]:
        raise Bad("policy", f"{keyid} was revoked before it signed this entry")
    mine = [r for r in keys.rules if r["key"] in (keyid, keys.stems[keyid]) and r["target"] == said["target"]]
    if not mine and said["target"] == "sandbox":
        return policy
    for rule in mine:
        until = rule.get("until") or "9999-99-99T99:99:99Z"
        in_time = rule.get("from", "")[:-1] <= said["at"] < until[:-1] + ".000000Z"
        asked = [("environments", "environment"), ("stages", "stage"), ("actions", "action")]
        proven = said["kind"] != "start" or proves(said, rule.get("needs", []))
        if in_time and proven and all({"*", said[one]} & set(rule[many]) for many, one in asked):
            return policy
    raise Bad("policy", f"{keyid} may not sign {said['stage']}/{said['action']} at {said['at']}")


def _all_well(log: _Log, last: int, crew: int) -> bool:
    """Is every piece well, and does each begin as the one before it ends?"""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pieces = [(first, min(first + _PIECE - 1, last)) for first in range(1, last + 1, _PIECE)]
    # Spawned, never forked: the process that asks may have threads, and stores that do not survive a fork.
    # What they make has no cycles, so the collector would only look at it in vain.
    context, crew = get_context("spawn"), min(crew, len(pieces))
    with ProcessPoolExecutor(crew, mp_context=context, initializer=gc.disable) as pool:
        state = Walk()
        try:
            for found in pool.map(functools.partial(_piece, log), pieces):
                if found is None or found[0] != replace(state, package=None):
                    return False
                after = found[1]
                if after.wants not in (None, state.package):
                    return False
                package = state.package if after.package is None else after.package
                state = replace(after, package=package, wants=None)
            return True
        finally:
            pool.shutdown(cancel_futures=True)


def _piece(log: _Log, piece: tuple[int, int]) -> tuple[Walk, Walk] | None:
    """The state that entries `piece` assume and the one that they leave; None unless all of them are well."""
    first, last = piece
    folder = os.open(log.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        walk = _assumed(folder, first)
        begin = replace(walk)
        for seq in range(first, last + 1):
            data = bytes_of(f"{seq:08d}.json", folder=folder)
            _examine(data, seq, log, walk)
            walk.prev = hashlib.sha256(data).hexdigest()
    except (Bad, FileNotFoundError):
        return None
    finally:
        os.close(folder)
    return begin, walk


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
            walk = Walk(prev, at=said["at"], policy=named_policy(said.get("details")), package=None)
        if said["kind"] == "start":
            digest = "" if name.startswith("environment:") else digest
            walk.open = Start(seq, digest, said["stage"], said["action"])
        if said["kind"] not in ("note", "refused"):
            return walk
    if first - 1 > _BACK:
        raise Bad("lock", "too many entries since the last start")
    return walk


def _list(folder: Path) -> tuple[list[str], range | list[int]]:
    """What lies in the folder and is no entry, and the numbers of the entries: a range when none is missing."""
    for path in (folder, folder.parent):
        if path.is_symlink() or not path.is_dir():
            raise Bad("folder", f"{path} is not a folder")
    strays: list[str] = []
    count, last = 0, ""
    for name in _names(folder):
        if _is_entry(name):
            count, last = count + 1, max(last, name)
        elif not re.fullmatch(r"\.[0-9a-f]{16}\.part", name):
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
