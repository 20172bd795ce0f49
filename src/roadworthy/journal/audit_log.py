"""One log that is audited, and what makes an entry a good one in it: its place, its turn, its signer's right.

Shares no code with the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from roadworthy.journal.audit_entry import Bad, Said, Signed, attached, is_time, understood
from roadworthy.journal.audit_road import Walk, as_built, clock_of, in_turn, linked, proofs, proves, together
from roadworthy.journal.audit_trust import Keys, named_policy

_DIFFER = timedelta(seconds=600)
"""By how much two machines' clocks may differ."""


class Log(Struct, frozen=True):
    """One log and what it is judged by: `rules` of each key, and `pins`, digests that entries must have."""

    folder: Path
    place: tuple[str, str]  # target and environment
    keys: Keys
    rules: Mapping[str, list[dict[str, Any]]]
    pins: Mapping[int, set[str]]


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
    pinned = log.pins.get(seq)
    if pinned and pinned != {sha256}:
        raise Bad("anchor", "another entry of this number was anchored")
    walk.at, walk.clock, walk.policy = said.at, clock, policy
    for item in said.evidence:
        attached(item, log.folder.parents[1] / "evidence" / item.sha256)
    for proof in proofs(said) if said.kind == "start" else ():
        linked(proof, digest, log.folder.parent)
    if apart:
        together(apart, digest)
    if said.action == "deploy" and digest and said.kind in ("start", "end"):
        as_built(name, digest, began.at if began else clock, log.folder)


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
        in_time = rule.get("from", "")[:-1] <= clock < until[:-1] + ".000000Z"
        proven = said.kind != "start" or proves(said, rule.get("needs", []))
        stands = "good" not in rule or said.seq <= rule["good"].get("/".join(log.place), (0, ""))[0]
        if in_time and stands and proven and all({"*", word} & set(rule[many]) for many, word in asked):
            return policy
    raise Bad("policy", f"{keyid} may not sign {said.stage}/{said.action} at {clock}")
