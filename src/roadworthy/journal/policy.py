"""The trust policy: who may sign what, and which heads are the last that a revoked key made good.

`trust.toml` lies beside the public keys. It holds a number that rises with every change, rules and revocations:

    version = 4

    [[rule]]
    key = "deploy-ci"                  # deploy-ci.pub, or its id "SHA256:…"
    target = "live"
    environments = ["prod"]            # "*" is every one, here and below
    stages = ["deploy"]
    actions = ["deploy"]
    needs = ["test", "certify"]        # a start names entries that prove these of its package; may be left out
    from = "2026-01-01T00:00:00Z"      # entries made earlier are refused
    until = "2027-01-01T00:00:00Z"     # entries made then or later are refused; earlier ones stay good
    good = ["live/prod 41 5d41…"]      # the rule is over, it covers entries up to these heads; may be left out

    [[revoked]]
    key = "laptop"
    good = ["live/prod 41 5d41…"]      # heads: what it signed up to these entries stays good, nothing else does

- A policy is whole or refused: a mistake never makes it weaker.
- Every entry names the number and digest of the policy that its writer used. A log that has named a number is
  never read or written under a lower one, nor under another policy of the same number, so an older policy
  cannot be put back.
- A revocation names heads, not a time: the thief of a key also chooses the time that an entry claims. So does a
  rule that is over because a narrower one took its place.
- `from` and `until` are compared with the writer's own clock (`clock`, else `at`): an entry that was dated two
  years ahead by accident lifts `at` for ever, and must not lock out every key with an end.
- Its text is the part of TOML that docs/journal-format.md allows: both audits read it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from ..errors import UsageError
from ..files import read_file
from .entry import MOMENT, SEQ_LIMIT, Entry, JournalError, Record, clock_of

POLICY_LIMIT = 1 << 20
_VERSION_LIMIT = 999_999_999
_PLACE = r"[a-z0-9][a-z0-9._-]{0,99}"
_HEAD = rf"({_PLACE}/{_PLACE}) ([1-9][0-9]{{0,7}}) ([0-9a-f]{{64}})"
_LISTS = ("environments", "stages", "actions")

Named = tuple[int, str]
"""The number and digest of a policy; (0, "") where there is none."""


REVOKED, UNNAMED, EXPIRED, NOT_YET, OVER, UNPROVEN, COVERED = range(7)
"""Why a key may not sign something, from the farthest to the nearest, and that it may."""
Heads = Mapping[str, tuple[int, str]]
"""`<target>/<environment>` → number and digest of the last good entry there."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be signed, or was: where, of what work, and when by the writer's clock.

    `seq` is the entry's number; one that is still to come has the highest. `proven` are the actions that a start
    names proofs of; None for what is no start, or is not known yet.
    """

    target: str
    environment: str
    stage: str
    action: str
    clock: str
    seq: int = SEQ_LIMIT
    proven: frozenset[str] | None = None

    @classmethod
    def of(cls, entry: Entry) -> Asked:
        """What an entry asks of its key."""
        said = entry.record
        proven = frozenset(_proven(said)) if said.kind == "start" else None
        words = (said.target, said.environment, said.stage, said.action)
        return cls(*words, clock_of(entry), entry.seq, proven)

    @property
    def place(self) -> str:
        """The journal that the entry is for: `target/environment`."""
        return f"{self.target}/{self.environment}"


class Rule(msgspec.Struct, frozen=True):
    """What one key may sign on one target. "*" stands for everything; times are UTC, "" sets no bound.

    A rule with `good` is over: it covers entries up to these heads alone.
    """

    keyid: str
    target: str
    environments: tuple[str, ...]
    stages: tuple[str, ...]
    actions: tuple[str, ...]
    since: str = ""
    until: str = ""
    needs: tuple[str, ...] = ()
    good: Heads | None = None

    def names(self, asked: Asked) -> bool:
        """Whether this work stands in the rule, in time or not."""
        words = (
            (asked.environment, self.environments),
            (asked.stage, self.stages),
            (asked.action, self.actions),
        )
        return self.target == asked.target and all("*" in named or one in named for one, named in words)

    def lacks(self, asked: Asked) -> tuple[int, str]:
        """Why a rule that names the work does not cover it, of the kinds above and in words."""
        if self.since and asked.clock < _micro(self.since):
            return NOT_YET, f"it is not valid before {self.since}"
        if self.until and asked.clock >= _micro(self.until):
            return EXPIRED, f"it expired at {self.until}"
        if self.good is not None and asked.seq > (last := self.good.get(asked.place, (0, ""))[0]):
            return OVER, f"its rule is over since entry {last} of {asked.place}"
        if missing := [one for one in self.needs if asked.proven is not None and one not in asked.proven]:
            return UNPROVEN, f"it needs a proof of {', '.join(missing)}, which the start does not name"
        return COVERED, ""


class Policy(msgspec.Struct, frozen=True):
    """`revoked` is key id → the last good entries; `names` is key id → the name of its file, without `.pub`."""

    version: int = 0
    sha256: str = ""
    rules: tuple[Rule, ...] = ()
    revoked: Mapping[str, Heads] = {}
    names: Mapping[str, str] = {}

    def said(self) -> dict[str, Any]:
        """What an entry says of the policy that its writer used; nothing where there is none."""
        return {"policy": {"version": self.version, "sha256": self.sha256}} if self.version else {}

    def check(self, entry: Entry) -> None:
        """Raises JournalError unless the entry's key may sign it, and its writer's policy is not newer."""
        said = entry.record
        version, sha256 = named_by(said)
        if version > self.version:
            raise JournalError(
                f"it was written under policy {version}, and trust.toml is version {self.version}: get the newer"
            )
        if version == self.version and sha256 != self.sha256:
            raise JournalError(f"it was written under another policy {version} than this one")
        asked = Asked.of(entry)
        for heads in self._heads():
            seq, good = heads.get(asked.place, (0, ""))
            if seq == entry.seq and good != entry.sha256:
                raise JournalError(f"trust.toml names another entry {seq} of {asked.place} as good")
        if why := self.refusal(entry.keyid, asked):
            raise JournalError(why)

    def refusal(self, keyid: str, asked: Asked) -> str:
        """Why a key may not sign this, and which may; "" when it may."""
        rank, why = self._lacks(keyid, asked)
        if rank == COVERED:
            return ""
        said = f"{self.name(keyid)} {why}"
        if rank == UNPROVEN:  # another key would not help
            return said
        may = " or ".join(f"{self.names[key]}.pub" for key in self.who_may(asked))
        return f"{said}; {may or 'no key of trust.toml'} may"

    def who_may(self, asked: Asked) -> list[str]:
        """The ids of the keys that may sign this."""
        return [key for key in self.names if self._lacks(key, asked)[0] == COVERED]

    def ends_between(self, keyid: str, begins: str, ends: str) -> list[str]:
        """The moments from `begins` to `ends` at which a rule of a key ends, in order."""
        mine = (_micro(rule.until) for rule in self.rules if rule.keyid == keyid and rule.until)
        return sorted(until for until in mine if begins <= until <= ends)

    def name(self, keyid: str) -> str:
        """A key for people: its file and its fingerprint."""
        return f"{self.names[keyid]}.pub ({keyid})" if keyid in self.names else keyid

    def _lacks(self, keyid: str, asked: Asked) -> tuple[int, str]:
        if keyid in self.revoked and asked.seq > self.revoked[keyid].get(asked.place, (0, ""))[0]:
            return REVOKED, "was revoked" + ("" if asked.seq == SEQ_LIMIT else " before it signed this entry")
        mine = [rule for rule in self.rules if rule.keyid == keyid and rule.target == asked.target]
        if not mine and asked.target == "sandbox":
            return COVERED, ""
        unnamed = UNNAMED, "no rule of trust.toml says so"
        rank, why = max((rule.lacks(asked) for rule in mine if rule.names(asked)), default=unnamed)
        work = f"{asked.stage}/{asked.action} of {asked.place} at {asked.clock[:19]}Z"
        return rank, f"may not sign {work}: {why}"

    def _heads(self) -> Iterator[Heads]:
        """All heads that the policy names, of revocations and of rules that are over."""
        yield from self.revoked.values()
        yield from (rule.good for rule in self.rules if rule.good is not None)

    def heads_of(self, keyid: str, place: str) -> list[tuple[int, str]]:
        """The entries of a log, by number and digest, up to which a key was good or one of its rules held."""
        over = (rule.good for rule in self.rules if rule.keyid == keyid and rule.good is not None)
        return [heads[place] for heads in (self.revoked.get(keyid, {}), *over) if place in heads]

    def check_end(self, place: str, seq: int) -> None:
        """Raises JournalError when a log that ends at `seq` lacks an entry that the policy names as good."""
        named = max((heads.get(place, (0, ""))[0] for heads in self._heads()), default=0)
        if named > seq:
            raise JournalError(f"{place} ends at {seq}, trust.toml names {named}")


def named_by(record: Record) -> Named:
    """The policy that an entry's writer used. Raises JournalError when it is malformed."""
    match record.details.get("policy"):
        case None:
            return 0, ""
        case {"version": int(version), "sha256": str(sha256), **rest} if not rest:
            if (
                type(version) is int
                and 1 <= version <= _VERSION_LIMIT
                and re.fullmatch("[0-9a-f]{64}", sha256)
            ):
                return version, sha256
    raise JournalError("the policy that it names is malformed")


def _proven(record: Record) -> set[str]:
    """The actions of which a start names a proof: entries of other logs, which the auditors look up."""
    proofs = record.details.get("proofs")
    found = proofs if isinstance(proofs, (list, tuple)) else ()
    return {str(one.get("action")) for one in found if isinstance(one, Mapping)}


def read_policy(path: Path, keys: Mapping[str, str], digest_of: str) -> Policy:
    """The policy in `path`; an empty one when there is no file. `keys` is file stem → key id.

    The policy's digest covers `digest_of` (the keys) and the file's bytes. Raises UsageError for a mistake.
    """
    import hashlib

    from .policy_text import parse

    names = {keyid: stem for stem, keyid in keys.items()}
    try:
        data = read_file(path, POLICY_LIMIT)
    except FileNotFoundError:
        if not path.is_symlink():
            return Policy(names=names)
        raise UsageError(f"{path} is a link to nothing: put the policy back, or remove the link") from None
    said = parse(path, data)
    rules, revoked, version = said.get("rule", []), said.get("revoked", []), said.get("version")
    if version is None:
        raise UsageError(f"{path} needs `version = N`, a number that rises with every change")
    found = tuple(_rule(f"{path}, rule {number}", one, keys) for number, one in enumerate(rules, 1))
    heads: dict[str, dict[str, tuple[int, str]]] = {}
    for number, one in enumerate(revoked, 1):
        _revoke(f"{path}, revocation {number}", one, keys, heads)
    return Policy(version, hashlib.sha256(digest_of.encode() + data).hexdigest(), found, heads, names)


def _rule(where: str, said: Any, keys: Mapping[str, str]) -> Rule:
    needed = {"key", "target", *_LISTS}
    if not isinstance(said, dict) or not needed <= set(said) <= needed | {"needs", "from", "until", "good"}:
        _wrong(where, f"needs {', '.join(sorted(needed))}, and may have needs, from, until and good")
    for name in (*_LISTS, "needs", "good"):
        if not _texts(said.get(name, [])):
            _wrong(where, f"{name} is not a list of texts")
    for name in ("from", "until"):
        bound = said.get(name, "")
        if not (isinstance(bound, str) and (not bound or re.fullmatch(f"{MOMENT}Z", bound))):
            _wrong(where, f'{name} is not a text like "2027-01-01T00:00:00Z", a moment that exists')
    if not isinstance(said["target"], str):
        _wrong(where, "target is not a text")
    environments, stages, actions = (tuple(said[name]) for name in _LISTS)
    key = _key(where, said["key"], keys)
    heads: dict[str, tuple[int, str]] = {}
    _good(where, said.get("good", ()), heads)
    return Rule(
        key,
        said["target"],
        environments,
        stages,
        actions,
        said.get("from", ""),
        said.get("until", ""),
        tuple(said.get("needs", ())),
        heads if "good" in said else None,
    )


def _revoke(
    where: str, said: Any, keys: Mapping[str, str], into: dict[str, dict[str, tuple[int, str]]]
) -> None:
    if not isinstance(said, dict) or set(said) != {"key", "good"} or not _texts(said["good"]):
        _wrong(where, "needs key and good, a list of texts")
    _good(where, said["good"], into.setdefault(_key(where, said["key"], keys), {}))


def _good(where: str, said: Iterable[str], heads: dict[str, tuple[int, str]]) -> None:
    """Take in the texts of `good`, each the head of another log."""
    for text in said:
        found = re.fullmatch(_HEAD, text)
        if not found or found[1] in heads:
            _wrong(where, f'{text[:100]!r} is not a log\'s one head, "<target>/<environment> <seq> <sha256>"')
        heads[found[1]] = (int(found[2]), found[3])


def _key(where: str, said: Any, keys: Mapping[str, str]) -> str:
    key = keys.get(said, said) if isinstance(said, str) else ""
    if key not in keys.values():
        _wrong(where, f"there is no key {said!r} in the folder")
    return key


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _micro(moment: str) -> str:
    return moment.replace("Z", ".000000Z")


def _wrong(where: str, why: str) -> NoReturn:
    raise UsageError(f"{where}: {why}")
