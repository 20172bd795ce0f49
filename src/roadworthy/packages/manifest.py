"""What a release package's manifest must be before anything in it is believed (contracts, B.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA = "1"


def problem(manifest: object, commit: str) -> str:
    """Why this is no manifest of the package of `commit`, a full SHA, in a few words; "" when it is one."""
    if not isinstance(manifest, Mapping):
        return "it is no JSON object"
    if str(manifest.get("schemaVersion")) != SCHEMA:
        return f"its schemaVersion is {manifest.get('schemaVersion')!r}, not {SCHEMA!r}"
    if manifest.get("headSha") != commit:
        return f"its headSha is {str(manifest.get('headSha'))[:60]!r}, not {commit}"
    if not isinstance(manifest.get("changeClass"), str) or not manifest["changeClass"].strip():
        return "it has no changeClass"
    return ""


def refs(manifest: Mapping[str, object]) -> Mapping[str, object]:
    """What it names each component by; empty when it names none."""
    found = manifest.get("releasePackage")
    return found if isinstance(found, Mapping) else {}
