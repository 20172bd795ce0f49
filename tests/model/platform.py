"""The model's platform: what becomes of a request that arrives, and what closes its way."""

from __future__ import annotations

from .world import SCHEMA_OF, Family, Platform, Release, Rules, Sent


def closed(platform: Platform, seq: int, rules: Rules) -> bool:
    """Whether the fence of this start is closed."""
    return rules.fence == "credential" and seq in platform.revoked


def close(platform: Platform, seq: int, rules: Rules) -> Platform:
    """Close the fence of a start: no request of it that arrives from now on has an effect."""
    match rules.fence:
        case "credential":
            return platform._replace(revoked=platform.revoked | {seq})
        case "name":
            taken = {(seq, app) for app in range(len(platform.apps))}
            return platform._replace(names=platform.names | taken)
        case "etag":
            return platform._replace(changes=platform.changes + 1)
    return platform


def refuses(platform: Platform, sent: Sent, rules: Rules) -> bool:
    match rules.fence:
        case "credential":
            return not sent.admitted and sent.start in platform.revoked
        case "name":
            return (sent.start, sent.app) in platform.names
        case "etag":
            return sent.etag != platform.changes
    return False


def take(platform: Platform, sent: Sent, rules: Rules, family: Family) -> tuple[Platform, bool]:
    """The platform after one copy of a request, and whether it had an effect."""
    if refuses(platform, sent, rules):
        return platform, False
    if rules.fence == "name":
        platform = platform._replace(names=platform.names | {(sent.start, sent.app)})
    counted = platform.changes + 1 if rules.fence == "etag" else 0
    releases = platform.apps[sent.app]
    if sent.kind == "migrate":
        reach = SCHEMA_OF[releases[-1].package]  # the one-off runs the package that runs when it arrives
        schema = max(platform.schema, min(reach, sent.schema) if sent.schema else reach)
        if schema == platform.schema:
            return platform._replace(changes=counted), False
        migrated = (*platform.migrated, (sent.start, schema))
        return platform._replace(schema=schema, migrated=migrated, changes=counted), True
    if sent.kind == "release":
        if family.image and releases[-1].package == sent.package:
            return platform, False  # the platform makes no release of the image that runs
        made = Release(sent.package, sent.start, "image" if family.image else "release")
        return platform._replace(apps=_with(platform, sent.app, made), changes=counted), True
    made = Release(releases[-1].package, sent.start, "config")
    x, y = platform.variables
    variables = (sent.start, y) if sent.kind == "x" else (x, sent.start)
    changed = {"apps": _with(platform, 0, made), "variables": variables, "marker": sent.start}
    return platform._replace(**changed, changes=counted), True


def _with(platform: Platform, app: int, made: Release) -> tuple[tuple[Release, ...], ...]:
    return (*platform.apps[:app], (*platform.apps[app], made), *platform.apps[app + 1 :])
