"""A key or a rule comes to its end, at the heads that its journals have now: what came before stays good.

The time of a theft would not do, for a thief chooses the time that an entry claims. A journal that cannot be read
and verified has no head that anybody could vouch for: then nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import UsageError
from ..model import Outcome, Result
from .trust import COMMIT, SHOWN

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..journal.policy import Rule
    from ..journal.sign import Trust
    from ..journal.store import Store

_VERSION = re.compile(r"^([ \t]*version[ \t]*=[ \t]*)([1-9][0-9]*)", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*\[\[rule\]\][^\n]*\n", re.MULTILINE)


class Signed(msgspec.Struct, frozen=True):
    """One journal in which a key has signed: its head, the key's newest entry, and whether that key holds it."""

    place: str
    head: Entry
    last: Entry
    open: bool

    @property
    def text(self) -> str:
        """The head, as trust.toml names it."""
        return f"{self.place} {self.head.seq} {self.head.sha256}"


def revoke(context: Context, said: str, why: str, number: int = 0) -> Result:
    """Write into trust.toml that a key, or with `number` that rule of it, is good up to today's heads.

    Raises UsageError for an unknown key or rule, JournalError when a journal cannot be read or verified.
    """
    from ..files import write_atomically
    from ..journal.policy import POLICY_LIMIT
    from ..journal.sign import Trust

    folder: Path = context.paths.root / ".release" / "trust"
    trust = Trust.load(folder)
    policy, key = trust.policy, _key(trust, said)
    if not policy.version:
        raise UsageError(
            f"there is no {SHOWN}, so no key may sign anything: run `invoke evidence.keys --policy`"
        )
    name = policy.name(key)
    rule = _rule(trust, key, number) if number else None
    what = f"rule {number} of {name}" if rule else name
    if (rule.good is not None) if rule else key in policy.revoked:
        return Result(
            Outcome.SUCCEEDED, f"{what} {'is over' if rule else 'is revoked'} already", evidence=SHOWN
        )
    found = [one for target in _targets(context, rule) for one in _signed(context, trust, target, key)]
    for one in found:
        record = one.last.record
        newest = f"its newest is #{one.last.seq}, {record.kind} {record.action}, {one.last.at[:19]}Z"
        context.screen.line(f"  {one.place}: valid up to #{one.head.seq}; {newest}")
        if one.open:
            context.screen.line(f"  {one.place} has an open start, which another key must settle")
    path = folder / "trust.toml"
    dated = f"{context.now():%Y-%m-%d}: {why}"
    text = _written(path.read_text(encoding="utf-8"), policy.names[key], dated, found, number)
    if len(text.encode()) > POLICY_LIMIT:
        raise UsageError(
            f"{SHOWN} would be longer than {POLICY_LIMIT} bytes: remove rules and heads that ended long ago"
        )
    context.changes(f"end {what} at {len(found)} heads, as version {policy.version + 1} of {SHOWN}")
    write_atomically(path, text.encode())
    Trust.load(folder)
    ended = "is over" if rule else "is revoked"
    line = (
        f"{what} {ended} from the heads of {len(found)} journals on: {SHOWN} is version {policy.version + 1}"
    )
    return Result(Outcome.SUCCEEDED, line, evidence=SHOWN, next=COMMIT)


def _key(trust: Trust, said: str) -> str:
    """The id of the key that a person named."""
    known = {name: key for key, name in trust.policy.names.items()} | {key: key for key in trust.keys}
    key = known.get(said.removesuffix(".pub"))
    if key is None:
        named = ", ".join(sorted(trust.policy.names.values())) or "none"
        raise UsageError(f"there is no key {said[:100]!r} in .release/trust, which has {named}")
    return key


def _rule(trust: Trust, key: str, number: int) -> Rule:
    rules = trust.policy.rules
    if not 1 <= number <= len(rules) or rules[number - 1].keyid != key:
        mine = ", ".join(str(at) for at, one in enumerate(rules, 1) if one.keyid == key) or "none"
        raise UsageError(
            f"rule {number} of {SHOWN} does not belong to {trust.policy.name(key)}, whose rules are {mine}"
        )
    return rules[number - 1]


def _targets(context: Context, rule: Rule | None) -> list[str]:
    """The targets whose keys lie in .release/trust: all but the sandbox, or the rule's own."""
    return [
        name for name in context.config.targets if name != "sandbox" and (rule is None or rule.target == name)
    ]


def _signed(context: Context, trust: Trust, target: str, key: str) -> Iterator[Signed]:
    """The journals of a target in which a key has signed. Every journal is read, whole, and verified."""
    from ..journal.log import Log
    from ..journal.proofs import places_named

    store = _store(context)
    places = [*store.names(target), *(f"{target}/{name}" for name in context.config.environments)]
    seen = set[str]()
    with context.screen.step(f"reading and verifying the journals of {target}"):
        while places:
            if (place := places.pop(0)) in seen:
                continue
            seen.add(place)
            environment = place.partition("/")[2]
            log = Log(
                store, environment=environment, target=target, signer=None, trust=trust, clock=context.now
            )
            entries = log.entries()
            # A listing of a bucket may lag, so it is never believed alone.
            places += (f"{target}/{name}" for entry in entries for name in places_named(entry.record.details))
            if mine := [entry for entry in entries if entry.keyid == key]:
                start = log.open_start()
                yield Signed(place, entries[-1], mine[-1], start is not None and start.keyid == key)


def _store(context: Context) -> Store:
    """Where the journals of live targets are, also while release.toml says `sandbox`."""
    from ..journal.store import Folder

    if context.target != "sandbox":
        return context.store
    if not context.config.journal.store:
        return Folder(context.paths.root / ".release" / "journal")
    from ..journal.objects import open_bucket

    return open_bucket(context.config.journal, "")


def _written(text: str, key: str, why: str, good: Iterable[Signed], number: int) -> str:
    """The text of trust.toml with the next version and the end of the key, or of its rule `number`. Pure."""
    heads = ", ".join(f'"{one.text}"' for one in good)
    text = _VERSION.sub(lambda found: f"{found[1]}{int(found[2]) + 1}", text, count=1)
    if number:
        header = list(_RULE.finditer(text))[number - 1]
        return f"{text[: header.end()]}good = [{heads}] # {why}\n{text[header.end() :]}"
    return f'{text.rstrip()}\n\n[[revoked]] # {why}\nkey = "{key}"\ngood = [{heads}]\n'
