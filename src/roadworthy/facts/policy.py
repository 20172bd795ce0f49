"""Which policy judges an action, whether it is a commit's, and whether production is still production.

A production action is judged by the files of HEAD, the commit that is checked out: rules belong to the one who acts
now, and the package of a rollback may be older than the newest rule. The journal remembers the commit whose policy
counted last. A policy that demands less than that one counts only when its commit was made on top of it and was
taken in: then other people could see it before it let anything through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .. import git
from ..config import decode
from ..errors import UsageError
from ..model import Verdict
from ..policy_files import FIELD, TRUST, committed, differing, digests
from ..toml import FILE

if TYPE_CHECKING:
    from ..config import Environment
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..model import Fact, History, Request
    from ..world import World

_LOOKED_AT: Final = 1000  # entries, newest first, among which the last start or refusal is looked for
_RULE: Final = "The rules that judge production are those of a commit, and no weaker one counts unseen."


class PolicyState(msgspec.Struct, frozen=True):
    """The policy of one action. `digests` are of the files that were read; `commit` is HEAD."""

    commit: str
    digests: Mapping[str, str]
    apps: tuple[str, ...]
    production: bool = False
    known_by: str = ""  # who says so where release.toml does not: an entry or a commit
    differs: tuple[str, ...] = ()  # files that are not as in HEAD
    weaker: tuple[str, ...] = ()  # what it demands less of than before
    before: str = ""  # the commit of the policy that counted last
    on_top: bool = True  # HEAD was made on top of that commit
    taken_in: bool = True  # HEAD's own journal has its intake
    needs_approval: bool = False  # the target, or the policy that counted last, asks for one
    approved: Mapping[str, Any] | None = (
        None  # number and digest of the entry by which somebody else approved it
    )

    def said(self) -> dict[str, Any]:
        """What a start and a refusal say of it."""
        told = {"commit": self.commit, "production": self.production, "apps": list(self.apps)}
        approved = {"approved": dict(self.approved)} if self.approved else {}
        return {FIELD: {**told, **self.digests, **approved}}


def verdicts(policy: Fact[PolicyState], request: Request) -> tuple[Verdict, ...]:
    """The answer for production; none elsewhere, and none where a failed action is put right by itself. Pure."""
    state = policy.known
    if request.automatic or (state and not state.production):
        return ()
    reason = _problem(state, request.environment) if state else f"cannot tell: {policy.missing}"
    outcome = "refuse" if reason else "pass"
    return (Verdict("policy_is_committed", outcome, reason, _RULE, "", ("policy",)),)


def _problem(state: PolicyState, environment: str) -> str:
    head = state.commit[:12]
    if state.differs:
        less = f" ({_few(state.weaker)})" if state.weaker else ""
        names = " ".join(state.differs[:3])
        return (
            f"{_few(state.differs)} differs from commit {head}{less}; commit it and run the stages, "
            f"or restore it: git checkout HEAD -- {names}"
        )
    if state.needs_approval and state.approved is None:
        return (
            f"nobody with another key than this one has approved the policy of commit {head}: let somebody run "
            f'`invoke guards.approve --env {environment} --why "…"` on that commit'
        )
    if not state.weaker:
        return ""
    less = f"it is weaker than the policy of {state.before[:12]}, the last one in force: {_few(state.weaker)}"
    if not state.on_top:
        return f"{less}; commit {head} was not made on top of that one: check out a newer commit"
    if not state.taken_in:
        return (
            f"{less}; commit {head} has no intake: run `invoke intake --commit {state.commit}`, "
            f"or check out {state.before[:12]}"
        )
    return ""


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def read_policy(context: World, request: Request, log: Log, history: History, head: str) -> PolicyState:
    """The policy of a request. Raises UsageError where a commit that it has to be compared with is not here."""
    from .weaker import weaker

    files = context.policy_files
    environment = context.config.environment(request.environment)
    last = _last(log)
    state = PolicyState(head, digests(files), environment.names)
    root, trust = context.paths.root, context.target != "sandbox"

    def deciding(found: Mapping[str, bytes]) -> dict[str, bytes]:
        """The sandbox trusts its own key alone, so the trust files decide nothing there."""
        return {name: data for name, data in found.items() if trust or not name.startswith(TRUST)}

    at_head = committed(root, head)
    differs = differing(deciding(files), deciding(at_head))
    known_by = "" if environment.production else _known_by(context, request, environment, last, at_head)
    state = msgspec.structs.replace(
        state, production=environment.production or bool(known_by), known_by=known_by, differs=differs
    )
    if not state.production:
        return state
    if differs:
        return msgspec.structs.replace(state, weaker=weaker(at_head, files, trust=trust))
    approved = _approval(context, log, state.digests, last)
    state = msgspec.structs.replace(
        state, needs_approval=_asks_for_approval(context, files), approved=approved
    )
    before = last.commit or (history.running.package.commit if history.running else "")
    if before in ("", head):
        return state
    try:
        old = committed(root, before)
    except UsageError as error:
        raise UsageError(
            f"the last policy in force is that of commit {before[:12]}, which cannot be read here: {error}"
        ) from error
    less = weaker(deciding(old), deciding(files), trust=trust)
    asked = state.needs_approval or _asks_for_approval(context, old)
    state = msgspec.structs.replace(state, needs_approval=asked)
    if not less:
        return state
    from .standing import standing_of

    return msgspec.structs.replace(
        state,
        weaker=less,
        before=before,
        on_top=git.is_ancestor(root, before, head),
        taken_in=standing_of(context, head).intake is not None,
    )


class _Last(msgspec.Struct, frozen=True):
    """What the newest entries say: of the policy's commit, and of the environment being production, by #N."""

    commit: str = ""
    production: int = 0
    apps: tuple[str, ...] = ()
    approved: Mapping[str, Any] | None = None


def _last(log: Log) -> _Last:
    known = _Last()
    for entry in islice(log.backwards(), _LOOKED_AT):
        if entry.record.kind not in ("start", "refused"):
            continue
        said = entry.record.details.get(FIELD)
        told: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        if not known.production and (told.get("production") is True or _was_locked(entry)):
            apps = told.get("apps") or [entry.record.details.get("app")]
            known = msgspec.structs.replace(known, production=entry.seq, apps=tuple(map(str, apps)))
        # What was refused let nothing through: its policy did not count.
        if entry.record.kind == "start":
            return msgspec.structs.replace(
                known, commit=str(told.get("commit", "")), approved=told.get("approved")
            )
    return known


def _asks_for_approval(context: World, files: Mapping[str, bytes]) -> bool:
    try:
        target = decode(files.get(FILE, b"")).targets.get(context.target)
    except UsageError:
        return False
    return target is not None and target.approved_policy


def _approval(context: World, log: Log, wanted: Mapping[str, str], last: _Last) -> Mapping[str, Any] | None:
    """The entry by which the holder of another key than ours approved these very files; None when nobody did."""
    mine = context.signer.keyid if context.signer else ""

    def approves(entry: Entry) -> bool:
        said = entry.record.details.get(FIELD)
        told: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        is_word = (entry.record.kind, entry.record.action) == ("note", "approve") and entry.keyid != mine
        return is_word and {name: told.get(name) for name in wanted} == wanted

    for entry in islice(log.backwards(), _LOOKED_AT):
        if approves(entry):
            return {"seq": entry.seq, "sha256": entry.sha256}
    match last.approved:  # of a policy that has not changed for long, the last start still names it
        case {"seq": int(seq), "sha256": str(sha256)} if approves(log.named(seq, sha256)):
            return {"seq": seq, "sha256": sha256}
    return None


def _was_locked(entry: Entry) -> bool:
    """Whether an entry from before policies were recorded is of a production: its lock was asked for the key."""
    asked = entry.record.details.get("verdicts")
    return any(
        isinstance(one, Mapping)
        and one.get("guard") == "production_is_unlocked"
        and one.get("outcome") in ("pass", "refuse")
        for one in (asked if isinstance(asked, list | tuple) else ())
    )


def _known_by(
    context: World,
    request: Request,
    environment: Environment,
    last: _Last,
    at_head: Mapping[str, bytes],
) -> str:
    """Who knows an environment as production whose release.toml does not say so; "" for nobody."""
    if last.production:
        return f"journal #{last.production} of {request.environment}"
    for name, said in _environments(at_head):
        if said.production and (name == request.environment or set(said.names) & set(environment.names)):
            return f"commit {FILE} of HEAD"
    for place, known in _other_places(context, request.environment):
        if known.production and set(known.apps) & set(environment.names):
            return f"journal #{known.production} of {place}"
    return ""


def _environments(files: Mapping[str, bytes]) -> Iterator[tuple[str, Environment]]:
    try:
        yield from decode(files.get(FILE, b"")).environments.items()
    except UsageError:
        return


def _other_places(context: World, environment: str) -> Iterator[tuple[str, _Last]]:
    """What the journals of the target's other environments say."""
    for name in context.store.names(context.target):
        place = name.rpartition("/")[2]
        if place != environment and not place.startswith("package-"):
            yield place, _last(context.log(place))
