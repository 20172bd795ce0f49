"""What each action signs, so that a key that may not is refused before anything begins.

An action writes a start and what became of it, each under its stage and its name. Some that fail are put right by
another action, without asking: its start and end are signed by the same key. So a deploy by a key that may not
roll back would leave a broken release where it is. `works` is all of that, and pure; `require` asks the trust
policy about it for the time that the action may take, and not only for this moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from ..actions import NAMES, named
from ..errors import Refused

if TYPE_CHECKING:
    from ..config import Config
    from ..journal.entry import Entry
    from ..journal.policy import Policy
    from ..world import World

OFF_THE_ROAD: Final[Mapping[str, str]] = {
    "intake": "intake",
    "build": "build",
    "publish": "build",
    "test": "verification",
    "accept": "verification",
    "release": "release",
    "decide": "completion",
    "ship": "completion",
    "approve": "policy",
    "clock": "clock",
    "accept-loss": "loss",
}
"""The stage under which all else is signed; `ship` is the note of its log, `decide` one without a deploy."""


class Work(msgspec.Struct, frozen=True, order=True):
    """One kind of entry: the stage and the action that it names."""

    stage: str
    action: str

    def __str__(self) -> str:
        return f"{self.stage}/{self.action}"


def works(actions: Sequence[str]) -> tuple[Work, ...]:
    """Everything that these actions sign, with what their failure brings; each once, in order."""
    on_the_road = {name: named(name).undone_by for name in actions if name in NAMES}
    signed = [name for action in actions for name in (action, on_the_road.get(action))]
    return tuple(Work(stage_of(name), name) for name in dict.fromkeys(filter(None, signed)))


def stage_of(action: str) -> str:
    """The stage under which an action is signed: one of the road says it itself."""
    return OFF_THE_ROAD.get(action) or named(action).stage


def longest(config: Config, environment: str) -> float:
    """Seconds that one action may take, by the limits of release.toml: a package's has no degradation window."""
    limits, there = config.limits, config.environments.get(environment)
    watch = there.watch if there else 0.0
    return limits.release + limits.boot + limits.oneoff + limits.verify + limits.rollback + watch


def refusal(
    policy: Policy,
    keyid: str,
    target: str,
    environment: str,
    wanted: Iterable[Work],
    now: datetime,
    seconds: float = 0.0,
) -> str:
    """Why a key may not sign all of this from now on for so many seconds, and which may; "" when it may. Pure.

    Proofs that a start has to name are not asked for: they are not known yet.
    """
    from ..journal.policy import Asked

    begins, ends = _text(now), _text(now + timedelta(seconds=seconds))
    for work in wanted:
        for moment in (begins, *policy.ends_between(keyid, begins, ends), ends):
            asked = Asked(target, environment, work.stage, work.action, moment)
            if why := policy.refusal(keyid, asked):
                return why if moment == begins else f"it may take {seconds:g} s, and by then {why}"
    return ""


def require(context: World, environment: str, actions: Iterable[str]) -> tuple[Work, ...]:
    """What these actions sign in the journal of `environment`, when this command's key may sign all of it.

    Raises Refused when it may not.
    """
    actions = tuple(actions)
    if why := problem(context, environment, actions):
        raise Refused(why)
    return works(actions)


def problem(context: World, environment: str, actions: tuple[str, ...]) -> str:
    """Why these actions, one after the other, cannot begin with this command's key; "" when they can."""
    wanted = works(actions)
    seconds = longest(context.config, environment) * len(actions)
    why = _refusal(context, environment, wanted, seconds)
    return f"{_named(actions, wanted)} cannot begin: {why}" if why else ""


def judges(context: World) -> bool:
    """Whether there is a key, and a policy that says what it may sign."""
    return context.signer is not None and (context.target != "sandbox" or bool(context.trust.policy.rules))


def require_settling(context: World, start: Entry) -> None:
    """Raises Refused, which says who may, when this command's key may not settle an open start."""
    said = start.record
    if why := _refusal(context, said.environment, (Work(said.stage, said.action),), 0.0):
        left = f"the {said.action} of {said.environment} (journal #{start.seq}) stays open"
        raise Refused(f"{left}, another key must settle it: {why}")


def require_proofs(context: World, environment: str, action: str, proven: Iterable[str]) -> None:
    """Raises Refused when this key may start the action only with proofs of others that are not known."""
    from ..journal.policy import Asked

    if context.signer is None or not judges(context):
        return
    asked = Asked(
        context.target, environment, stage_of(action), action, _text(context.now()), proven=frozenset(proven)
    )
    if why := context.trust.policy.refusal(context.signer.keyid, asked):
        raise Refused(f"{action} cannot begin: {why}")


def _refusal(context: World, environment: str, wanted: Iterable[Work], seconds: float) -> str:
    signer, policy = context.signer, context.trust.policy
    # Without a key nothing can begin (journal/log.py), and a plan needs none.
    if signer is None or not judges(context):
        return ""
    if signer.keyid not in context.trust.keys:
        return f"{signer.keyid} is not a trusted key: put its .pub file into the trust folder"
    return refusal(policy, signer.keyid, context.target, environment, wanted, context.now(), seconds)


def _named(actions: tuple[str, ...], wanted: tuple[Work, ...]) -> str:
    """The actions for people, with what would follow them: `deploy (with the rollback of one that fails)`."""
    more = [work.action for work in wanted if work.action not in actions]
    said = " and ".join(actions)
    return f"{said} (with the {' and '.join(more)} of one that fails)" if more else said


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
