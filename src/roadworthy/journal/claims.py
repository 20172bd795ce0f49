"""What a start says of the release that it makes: its components, and by what each is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import Claim
from .entry import Entry


def token(start: Entry) -> str:
    """The fencing token as it is written onto the effect, for example in a release's description.

    The entry's digest is part of it: another journal of the same environment has a start of that number, too.
    """
    return f"roadworthy {start.record.environment}#{start.seq} {start.sha256[:12]}"


def components_of(start: Entry) -> tuple[str, ...]:
    """The components that a start is about; none where the project had one."""
    parts = _parts(start.record.details.get("to"))
    return tuple(name for part in parts if isinstance(name := part.get("name"), str))


def of_component(told: Any, component: str) -> Mapping[str, Any]:
    """What `from` or `to` of an entry says of one component; all that it says where it names none."""
    said: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    parts = _parts(said) if component else []
    return next((part for part in parts if part.get("name") == component), {}) if parts else said


def _parts(told: Any) -> list[Mapping[str, Any]]:
    parts = told.get("components") if isinstance(told, Mapping) else None
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def claim(start: Entry, component: str = "") -> Claim:
    """What the release of this start can be recognised by; of one component, where there are several."""
    details = start.record.details
    was, to = (of_component(details.get(key), component) for key in ("from", "to"))
    if start.record.action == "config":
        return Claim(token(start), int(was.get("newest", 0)), marked=True)
    image = str(to.get("config", "")).removeprefix("sha256:")[:12]
    return Claim(token(start), int(was.get("newest", 0)), image)
