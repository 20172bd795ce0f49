"""What a policy no longer demands, compared with an earlier one. Pure.

Only what is surely as strict is passed over: a bound that became tighter, a check that was added. Anything else is
named, since a rule that changed its text may say anything now.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from ..config import Config, decode
from ..errors import UsageError
from ..policy_files import GUARDS, TRUST, differing
from ..toml import FILE

_RAISED: Final = re.compile(  # numbers of which a larger one forgives more
    r"limits\.\w+|slo\.(commit|acceptance|production)|watch\.\w+|targets\.[^.]+\.watch_every|checks\.[^.]+\.within"
)
_LOWERED: Final = re.compile(r"(environments|targets)\.[^.]+\.watch")
_TRUE_IS_STRICTER: Final = re.compile(
    r"environments\.[^.]+\.production|targets\.[^.]+\.approved_policy|logs\.rules\..+\.on"
)
_ADDED: Final = re.compile(r"(checks|environments|components|targets|logs\.rules|github)(\..*)?")
_SENT: Final = re.compile(r"(checks\..+)\.send(_from)?\.[^.]+")  # of a check that was there: another question
# What the sandbox and people are told decides over no release.
_NO_RULE: Final = re.compile(
    r"project\..*|targets\.sandbox\..*|targets\.[^.]+\.poll|environments\.[^.]+\.url|target"
)
_INIT: Final = f"{GUARDS}__init__.py"


def weaker(old: Mapping[str, bytes], new: Mapping[str, bytes], *, trust: bool) -> tuple[str, ...]:
    """Each thing that `new` may demand less of than `old` did, in few words; both are files by their names.

    `trust` is whether the trust files decide anything on this target.
    """
    return tuple(_weaker(old, new, trust))


def _weaker(old: Mapping[str, bytes], new: Mapping[str, bytes], trust: bool) -> Iterator[str]:
    changed = differing(old, new)
    if FILE in changed:
        yield from _config(old.get(FILE, b""), new.get(FILE, b""))
    if _INIT in changed:
        yield from _asked(old.get(_INIT, b""), new.get(_INIT, b""))
    for name in changed:
        if name in old and (name.startswith(GUARDS) or (trust and name.startswith(TRUST))):
            yield f"{name} {'changed' if name in new else 'is gone'}"
        elif trust and name.startswith(TRUST):
            yield f"{name} is new"


def _config(old: bytes, new: bytes) -> Iterator[str]:
    try:
        before, after = decode(old), decode(new)
    except UsageError:  # an older form of the file: what it demanded cannot be told
        yield f"{FILE} changed"
        return
    was, now = _flat(before), _flat(after)
    told: set[str] = set()
    for name in [*was, *(name for name in now if name not in was)]:
        gone, added = name not in now, name not in was
        if was.get(name) == now.get(name) or _NO_RULE.fullmatch(name):
            continue
        sent = _SENT.fullmatch(name)
        if added and _ADDED.fullmatch(name) and not (sent and f"{sent[1]}.name" in was):
            continue
        if not gone and not added and _is_stricter(name, was[name], now[name]):
            continue
        if gone:
            whole = _gone(name, now)
            yield from () if whole in told else (f"{whole} is gone",)
            told.add(whole)
        else:
            yield f"{name} = {_shown(now[name])}" + ("" if added else f" (was {_shown(was[name])})")


def _gone(name: str, now: Iterable[str]) -> str:
    """The largest table that is gone with a value: the whole check, and not each of its keys."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        table = ".".join(parts[:length])
        if not any(f"{other}.".startswith(f"{table}.") for other in now):
            return table
    return name


def _is_stricter(name: str, was: Any, now: Any) -> bool:
    if _RAISED.fullmatch(name):
        return bool(now < was)
    if _LOWERED.fullmatch(name):
        # For a target 0 sets no bound on an environment's own window.
        return bool(now == 0 or (was and now > was)) if name.startswith("targets") else bool(now > was)
    if _TRUE_IS_STRICTER.fullmatch(name):
        return bool(now)
    return name == "slo.mode" and now == "enforce"


def _flat(config: Config) -> dict[str, Any]:
    """The values by their dotted names; what stands in a list is known by its own name."""
    found: dict[str, Any] = {}

    def walk(at: str, value: Any) -> None:
        if isinstance(value, list | tuple):
            named = (
                one.get("name") or one.get("component") if isinstance(one, dict) else one for one in value
            )
            value = {str(name): one for name, one in zip(named, value, strict=True)}
        if isinstance(value, dict) and at.count(".") < 3:
            for key, inner in value.items():
                walk(f"{at}.{key}" if at else key, inner)
        elif value is not None:  # no table at all
            found[at] = value

    walk("", msgspec.to_builtins(config, enc_hook=float))
    return found


def _asked(old: bytes, new: bytes) -> Iterator[str]:
    """The guards that an action no longer asks."""
    was, now = _guards(old), _guards(new)
    for action, names in was.items():
        for name in names:
            if name not in now.get(action, ()):
                yield f"{action} no longer asks {name}"


def _guards(source: bytes) -> dict[str, list[str]]:
    """The names in the literal GUARDS of `guards/__init__.py`; what is not literal is left out."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    for line in body:
        if not (isinstance(line, ast.Assign) and isinstance(line.value, ast.Dict)):
            continue
        if [getattr(name, "id", "") for name in line.targets] == ["GUARDS"]:
            pairs = zip(line.value.keys, line.value.values, strict=True)
            return {
                str(key.value): [getattr(one, "id", "") for one in getattr(value, "elts", ())]
                for key, value in pairs
                if isinstance(key, ast.Constant)
            }
    return {}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g} s" if isinstance(value, float) else str(value)[:60] or '""'
