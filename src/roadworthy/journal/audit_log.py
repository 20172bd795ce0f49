"""One log that is audited, and what makes an entry a good one in it: its place, its turn, its signer's right.

Shares no code with the writer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from .audit_entry import (
    Bad,
    Said,
    Signed,
    attached,
    bytes_of,
    is_time,
    opened,
    understood,
    verified,
)
from .audit_road import (
    Walk,
    as_built,
    clock_of,
    commit_of,
    in_turn,
    loss,
    of_a_package,
    proofs,
    proves,
    together,
    unverified,
)
from .audit_trust import Keys, heads_of, named_policy, of_log

_DIFFER = timedelta(seconds=600)
"""By how much two machines' clocks may differ."""
_PROVE = {"test": "verification", "accept": "verification", "release": "release", "certify": "verification"}
"""What proves something of a package, and its stage."""
_KEPT = 1000
"""Proofs that are remembered: many starts name the same."""


class Log(Struct, frozen=True):
    """One log and what it is judged by: `rules` of each key, and `pins`, digests that entries must have.

    `followed` is what entries of other logs say, by log, number and digest, whose signers were judged already;
    `chains` are digests by number, of those before a head that trust.toml names.
    """

    folder: Path
    place: tuple[str, str]  # target and environment
    keys: Keys
    rules: Mapping[str, list[dict[str, Any]]]
    pins: Mapping[int, set[str]]
    followed: dict[tuple[str, int, str], tuple[str, ...]] = {}
    chains: dict[tuple[str, int, str], dict[int, str]] = {}


def examine(signed: Signed, sha256: str, seq: int, log: Log, walk: Walk) -> None:
    """Judge what is signed in one entry, and note what it establishes for the next."""
    entry = understood(signed.payload)
    said, name, digest = entry.said, entry.name, entry.digest
    if (said.target, said.environment) != log.place:
        raise Bad("place", f"it belongs to {said.target}/{said.environment}")
    if said.seq != seq:
        raise Bad("order", f"it says that it is entry {said.seq}")
    if walk.prev is not None and said.prev != walk.prev:
        raise Bad("chain", "prev is not the digest of the entry before it")
    if said.at < walk.at:
        raise Bad("time", f"its time {said.at} is before that of the entry before it")
    clock = _clock(said, walk)
    if name.startswith("environment:"):
        if name != f"environment:{said.target}/{said.environment}" or digest != said.prev:
            raise Bad("form", "its subject is another environment")
        digest = ""
    policy = _permitted(said, signed.keyid, log, walk, clock)
    began = walk.open
    apart = in_turn(said, digest, walk)
    lost = loss(said)
    walk.lost += (lost,) if lost else ()
    pinned = log.pins.get(seq)
    if pinned and pinned != {sha256} and not lost:
        raise Bad("anchor", "another entry of this number was anchored")
    walk.at, walk.clock, walk.policy = said.at, clock, policy
    for item in said.evidence:
        attached(item, log.folder.parents[1] / "evidence" / item.sha256)
    for proof in proofs(said) if said.kind == "start" else ():
        _proven(proof, name, digest, log)
        walk.beside.add((proof["environment"], proof["seq"]))
    if apart:
        together(apart, digest)
    if said.action == "deploy" and digest and said.kind in ("start", "end"):
        as_built(name, digest, began.at if began else clock, log.folder, walk)


def _proven(proof: dict[str, Any], name: str, digest: str, log: Log) -> None:
    """The entry that a start names is there, of a key that might sign it, and says that its action succeeded with
    this package, in the log where that belongs: of a certificate an environment's, else the package's own.
    """
    action, place, seq, sha256 = proof["action"], proof["environment"], proof["seq"], proof["sha256"]
    shown, known = f"{place}/{seq:08d}.json", (place, seq, sha256)
    if known not in log.followed:
        if len(log.followed) >= _KEPT:
            log.followed.clear()
        try:
            log.followed[known] = _followed(place, seq, sha256, log)
        except (Bad, OSError) as error:
            why = error.why if isinstance(error, Bad) else "it is not there"
            raise Bad("proof", f"{shown}, which opened the way, cannot be believed: {why}") from error
    of_package = place == f"package-{commit_of(name)}"
    belongs = not of_a_package(place) if action == "certify" else of_package
    if not belongs or log.followed[known] != ("end", _PROVE.get(action), action, digest):
        raise Bad("proof", f"{shown} is no {action} of this package that succeeded")


def _followed(place: str, seq: int, sha256: str, log: Log) -> tuple[str, ...]:
    """What an entry of another log says, when its key might sign it there. Raises Bad or OSError."""
    target, keys = log.folder.parent, log.keys
    where = f"{target.name}/{place}"
    if (target / place).is_symlink():
        raise Bad("folder", "its log is a link")
    data = bytes_of(f"{target}/{place}/{seq:08d}.json")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Bad("chain", "it is another entry")
    signed = opened(data, keys.raw)
    verified(signed, keys.raw)
    entry = understood(signed.payload)
    said, clock = entry.said, clock_of(entry.said)
    if (said.target, said.environment, said.seq) != (target.name, place, seq):
        raise Bad("place", f"it says that it is entry {said.seq} of {said.target}/{said.environment}")
    if not is_time(clock) or clock > said.at:
        raise Bad("time", "its clock is malformed")
    _may_sign(said, signed.keyid, log, clock)
    pinned = of_log((), keys, where).get(seq)
    if pinned and pinned != {sha256}:
        raise Bad("anchor", "trust.toml names another entry of this number")
    for head in sorted(head for head in heads_of(keys, signed.keyid, where) if head[0] >= seq)[:1]:
        if _below(head, seq, f"{target}/{place}", log.chains.setdefault((place, *head), {})) != sha256:
            raise Bad("chain", f"it does not lead to entry {head[0]}, which trust.toml names")
    return said.kind, said.stage, said.action, entry.digest


def _below(head: tuple[int, str], seq: int, folder: str, chain: dict[int, str]) -> str:
    """The digest of the entry `seq` from which a chain leads to this head; `chain` has those that are known."""
    chain.setdefault(*head)
    for number in range(min(chain), seq, -1):
        data = bytes_of(f"{folder}/{number:08d}.json")
        if hashlib.sha256(data).hexdigest() != chain[number]:
            raise Bad("chain", f"entry {number} after it is not the one that leads to entry {head[0]}")
        chain[number - 1] = unverified(data).said.prev
    return chain[seq]


def _clock(said: Said[Any], walk: Walk) -> str:
    """The writer's clock: never later than the entry's time, and set back far only with a reason."""
    clock = clock_of(said)
    if not is_time(clock):
        raise Bad("time", "its clock is malformed")
    if clock > said.at:
        raise Bad("time", f"its clock {clock} is later than its time")
    why = said.details.get("clock_why") if isinstance(said.details, dict) else None
    if walk.clock and not (isinstance(why, str) and why):
        before, now = (datetime.fromisoformat(one[:19]) for one in (walk.clock, clock))
        if before - now > _DIFFER:
            raise Bad("time", "its clock is far behind that of the entry before it, and it does not say why")
    return str(clock)


def _permitted(said: Said[Any], keyid: str, log: Log, walk: Walk, clock: str) -> tuple[int, str]:
    """The policy that the entry names, when it and the auditor's let the key sign."""
    policy = named_policy(said.details)
    if policy[0] <= walk.policy[0] and policy != walk.policy:
        raise Bad("policy", f"it was written under policy {policy[0]}, after {walk.policy[0]} was in force")
    return _may_sign(said, keyid, log, clock)


def _may_sign(said: Said[Any], keyid: str, log: Log, clock: str) -> tuple[int, str]:
    """The policy that an entry of any log of the target names, when the auditor's lets its key sign it there."""
    keys, policy = log.keys, named_policy(said.details)
    if policy[0] >= keys.policy[0] and policy != keys.policy:
        raise Bad("policy", f"it was written under policy {policy[0]}, and trust.toml is {keys.policy[0]}")
    place = f"{said.target}/{said.environment}"
    if keyid in keys.revoked and said.seq > keys.revoked[keyid].get(place, (0, ""))[0]:
        raise Bad("policy", f"{_whose(keyid, keys)} was revoked before it signed this entry")
    mine = log.rules[keyid]
    if not mine and said.target == "sandbox":
        return policy
    lacked = {_lacks(rule, said, clock, place) for rule in mine}
    if "" in lacked:
        return policy
    why = next((word for word in NEAREST if word in lacked), NEAREST[-1])
    raise Bad("policy", f"{_whose(keyid, keys)} may not sign {said.stage}/{said.action} at {clock}: {why}")


NEAREST = (
    "it names no proof that the rule needs",
    "its rule is over",
    "it was not valid yet",
    "it had expired",
    "no rule of trust.toml says so",
)
"""What an entry lacked of a rule, the rule that came nearest first."""


def _whose(keyid: str, keys: Keys) -> str:
    """A key for people: its file and its fingerprint."""
    return f"{keys.stems[keyid]}.pub ({keyid})"


def _lacks(rule: Mapping[str, Any], said: Said[Any], clock: str, place: str) -> str:
    """Why a rule does not cover an entry; "" when it does."""
    asked = (("environments", said.environment), ("stages", said.stage), ("actions", said.action))
    until = rule.get("until") or "9999-99-99T99:99:99Z"
    if not all({"*", word} & set(rule[many]) for many, word in asked):
        return NEAREST[4]
    if not rule.get("from", "")[:-1] <= clock:
        return NEAREST[2]
    if not clock < until[:-1] + ".000000Z":
        return NEAREST[3]
    if "good" in rule and said.seq > rule["good"].get(place, (0, ""))[0]:
        return NEAREST[1]
    proven = said.kind != "start" or proves(said, rule.get("needs", []))
    return "" if proven else NEAREST[0]
