"""What drifted: where the platform is not as the journal left it. Pure; status, verify and the guards ask here.

A release of ours is recognised by its number and artifact, as its `end` or `failed` recorded them, or by what
a start claimed that is open or was given up. So what failed and was left behind is no drift, and neither is
what is under way; a release that arrived after its start was settled without it is, and is named as that start's,
also when another one was released over it that had not seen it.
Every change of an app's code or config makes a release, so a config var that was changed by hand shows, too.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final

from msgspec.structs import replace

from ..compatibility import release_name
from ..model import Drift, History, Observed, PlatformRelease
from ..platforms.mark import made_by

SHOWN: Final = 40  # characters of what the platform tells of a release and its author


def drift(environment: str, history: History, observed: Observed) -> tuple[Drift, ...]:
    """Every release past the journal that still counts, newest first, and maintenance mode that nobody recorded.

    Each component has an app of its own, which drifts on its own. What an app of ours runs that is no part of the
    package that should run is none: `apart` names it, and the next deploy releases over it.
    """
    if not observed.parts:
        return _drift(environment, history, observed)
    left = observed.apart_from(history.running.package) if history.running else {}
    return tuple(
        replace(one, component=name)
        for name, seen in observed.parts.items()
        for one in _drift(environment, history.of(name), seen)
        if one.what != "release" or name not in left or not history.of(name).known
    )


def late_effects(history: History, observed: Observed) -> tuple[str, ...]:
    """Each release with a mark of ours that no outcome names, in words: it came after its start was settled."""
    seen = observed.parts or {"": observed}
    unnamed = ((name, one) for name, its in seen.items() for one in history.of(name).unnamed(its.releases))
    return tuple(
        f"{one.name} is the late effect of our own {late}"
        for name, one in unnamed
        if (late := history.of(name).late(one))
    )


def apart(environment: str, history: History, observed: Observed) -> tuple[str, ...]:
    """What each component runs that is no part of the package that should run, in one line each."""
    if history.running is None:
        return ()
    package = history.running.package
    lines: list[str] = []
    for name, seen in observed.apart_from(package).items():
        runs = seen.current.name if seen.current and seen.digest else "no package"
        runs += f" ({seen.commit[:12]})" if seen.digest and seen.commit else ""
        strange = next((one.seen for one in _drift(environment, history.of(name), seen)), "")
        by = f", not left by roadworthy: {strange}" if strange else ""
        lines.append(f"{name} is not part of {package.commit[:12]} and was left unchanged: {runs}{by}")
    return tuple(lines)


def _drift(environment: str, history: History, observed: Observed) -> tuple[Drift, ...]:
    unknown = _unknown(history, observed)
    found = [_release(environment, history, observed, release) for release in unknown]
    unnamed = (one for one in history.unnamed(observed.releases) if one not in unknown)
    found += [_late(environment, history, one, late) for one in unnamed if (late := history.late(one))]
    if observed.current is None and history.known:
        found.append(
            Drift("release", release_name(history.known[0][0]), "none", "", "", _back(environment, history))
        )
    if observed.maintenance and not history.maintenance:
        do = f"turn it off on the platform, or {_back(environment, history) or 'deploy with --maintenance'}"
        found.append(Drift("maintenance", "off", "on", "", "", do))
    return tuple(found)


def _unknown(history: History, observed: Observed) -> list[PlatformRelease]:
    """The current release when it is none of ours, and the others since the last one that the journal knows."""
    current = observed.current
    if current is None or _recorded(history, observed, current):
        return []
    if any(made_by(claim, current) for claim in history.claims):
        return []
    if not history.known and not current.artifact:
        return []  # a new app: nobody has deployed anything yet
    newest = max((number for number, _ in history.known), default=current.order)
    later = [r for r in observed.releases if r.order > newest and r.status != "failed" and r != current]
    return [current, *later]


def _recorded(history: History, observed: Observed, current: PlatformRelease) -> bool:
    running = history.running
    if running and (current.order, current.artifact) == (running.release, running.artifact):
        return observed.digest == running.package.digest
    return (current.order, current.artifact) in history.known


def _release(environment: str, history: History, observed: Observed, release: PlatformRelease) -> Drift:
    running = history.running
    back, journal = (
        _back(environment, history),
        release_name(history.known[0][0]) if history.known else "nothing",
    )
    if (
        running
        and (release.order, release.artifact) == (running.release, running.artifact)
        and not observed.digest
    ):
        gone = f"{release.name}, whose image is no longer in its registry: it cannot start again"
        return Drift("release", f"{journal} with package {running.package.digest[:12]}", gone, "", "", back)
    who = repr(release.user[:SHOWN])[1:-1] or "somebody unknown"
    when = release.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = f"{release.name} {release.description[:SHOWN]!r} by {who}, {when}"
    if late := history.late(release):
        seen = f"{release.name} of {when}, the late effect of our own {late}"
    if release == observed.current and (running is None or observed.digest != running.package.digest):
        seen += f", with package {observed.digest[:12] or 'none'}"
    accept = f"accept it with `invoke adopt --env {environment} --why …`"
    if back and not observed.digest:
        accept = ""  # of what nobody can name, nothing can be adopted
    return Drift("release", journal, seen, who, when, ", or ".join(filter(None, (accept, back))))


def _late(environment: str, history: History, release: PlatformRelease, late: str) -> Drift:
    """What arrived late, and was released over by somebody who had not seen it; or what it set stays set."""
    when = release.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = "what it set may still be set" if release.sets_mark else "another release came after it"
    seen = f"{release.name} of {when}, the late effect of our own {late}; {kept}"
    do = f"look at what it did, then accept it with `invoke adopt --env {environment} --why …`"
    journal = release_name(history.known[0][0]) if history.known else "nothing"
    return Drift("release", journal, seen, "", when, do)


def _back(environment: str, history: History) -> str:
    """How to make the platform what the journal says; "" when it says nothing yet."""
    if history.running is None:
        return ""
    commit = history.running.package.commit
    return f"put {commit[:12]} back with `invoke rollback --env {environment} --to {commit}`"
