"""Manifests, and the newest pipeline's release candidate."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from roadworthy import references
from roadworthy.config import ScopeRules
from roadworthy.decision import decide
from roadworthy.errors import UsageError
from roadworthy.facts.scope import classify
from roadworthy.packages import manifest

from .deciding import NOT_ASKED
from .reading import Answer, Difference, Subject, Vector

HEAD = "a" * 40
NONE = classify(ScopeRules(checks=("*",)), ("a",), base="b", head=HEAD)
REFUSED = {"exit": 1, "status": None, "reasonCodes": None}


def candidate(vector: Vector) -> bool:
    return vector.get("variant") == "production"


def ask_manifest(vector: Vector) -> Answer:
    said: Any = vector["input"]["manifest"]
    if manifest.problem(said, HEAD):
        return REFUSED
    if candidate(vector):
        said = {**said, "releasePackage": said.get("candidate")}
    flags = said.get("scope") or {}
    changed = {name: flags.get(name) is True for name in ("runtime", "infra")}
    scope = replace(NONE, **changed, requires_infra_convergence=said.get("requiresInfraConvergence") is True)
    components = ("api", "web") if candidate(vector) else ("api", "web", "codex")
    found = decide.package_refs(scope, manifest.refs(said), components)
    return {"exit": 0, "status": "pass" if found.yes else "fail", "reasonCodes": list(found.reasons)}


def renamed(vector: Vector, answer: Answer) -> Answer:
    codes = answer["reasonCodes"]
    return {
        **answer,
        "reasonCodes": codes and [f"RELEASE_PACKAGE_{c.removeprefix('CANDIDATE_')}" for c in codes],
    }


def of_another(vector: Vector) -> bool:
    said = vector["input"]["manifest"]
    return isinstance(said, dict) and said.get("headSha") != HEAD


MANIFEST = Subject(
    "manifest-refs",
    ask_manifest,
    lambda vector: {name: vector["expected"][name] for name in REFUSED},
    (
        Difference("manifest-candidate", candidate, renamed),
        Difference("manifest-head", of_another, lambda v, answer: REFUSED),
    ),
)

DOCUMENTS = (
    "validateReleaseCandidateRuntimeDocument",
    "validateReleaseCandidateDocument",
)


def document(vector: Vector) -> dict[str, str] | None:
    """The images of a document that the vector itself holds."""
    first = vector["input"][0] if isinstance(vector["input"], list) and vector["input"] else None
    asked = vector["function"] in DOCUMENTS and isinstance(first, dict)
    return first.get("artifacts") if asked else None


def by_digest(image: str) -> bool:
    try:
        references.reference(image)
    except UsageError:
        return False
    return True


def ask_candidate(vector: Vector) -> Answer:
    images = document(vector)
    return NOT_ASKED if images is None else sorted(name for name, ref in images.items() if not by_digest(ref))


def their_images(vector: Vector) -> Answer:
    """Which images the original refuses; of what it says besides, the rest of the document, nothing."""
    if document(vector) is None:
        return vector["expected"]
    paths = [error["path"] for error in vector["expected"]]
    return sorted(path.removeprefix("$.artifacts.") for path in paths if path.startswith("$.artifacts."))


CANDIDATE = Subject(
    "head-release-candidate",
    ask_candidate,
    their_images,
    (Difference("head-not-here", lambda v: document(v) is None, lambda v, answer: NOT_ASKED),),
)

SUBJECTS = (MANIFEST, CANDIDATE)
