"""Globs, the classification of changed files, what git lists, and which commits are compared."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from roadworthy import globs
from roadworthy.config import DocsDriftRules, ScopeRules
from roadworthy.facts import scope

from .reading import Answer, Difference, Subject, Vector, differs, read

BASE, HEAD = "b" * 40, "c" * 40
CLASSES = ("runtime", "desktop", "infra", "identity", "migration", "infraRollout")
REFUSED = {"refused": True}


def rules_of(policy: dict[str, Any]) -> tuple[ScopeRules, DocsDriftRules]:
    """The original's policy as rules of release.toml."""
    said, drift = policy["scopeRules"], policy["docsDriftRules"]
    names = {"infra_rollout": "infraRollout", "docs": "docsOnly"}
    kinds = ("runtime", "desktop", "infra", "identity", "migration", "infra_rollout", "docs")
    ours = {kind: tuple(said[names.get(kind, kind)]) for kind in kinds}
    paths = (drift["docsCriticalPaths"], drift["blockingPaths"], drift["docTargets"])
    return ScopeRules(**ours), DocsDriftRules(*map(tuple, paths))


def policy_of(name: str) -> dict[str, Any]:
    return read("scope")["policies"][name]


# ---- globs


def ask_globs(vector: Vector) -> Answer:
    said = vector["input"]
    if any(globs.problem(pattern) for pattern in said["patterns"]):
        return REFUSED
    return globs.matches(said["patterns"], said["path"])


def dotted(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))


def is_no_path(path: str) -> bool:
    return not path or path.endswith("/") or "\\" in path


GLOBS = Subject(
    "globs",
    ask_globs,
    lambda vector: vector["expected"],
    (
        Difference(
            "globs-dot-names",
            lambda v: dotted(v["input"]["path"]),
            lambda v, answer: globs.matches(v["input"]["patterns"], v["input"]["path"]),
        ),
        Difference("globs-no-path-of-git", lambda v: is_no_path(v["input"]["path"]), lambda v, answer: False),
        Difference(
            "globs-refused",
            lambda v: any(set("[]{}!\\") & set(one) or not one for one in v["input"]["patterns"]),
            lambda v, answer: REFUSED,
        ),
    ),
)

# ---- classification


def ask_scope(vector: Vector) -> Answer:
    rules, docs = rules_of(policy_of(vector["input"]["policy"]))
    found = scope.classify(rules, vector["input"]["changedFiles"], base=BASE, head=HEAD)
    drift = scope.docs_drift(docs, found.changed)
    told, said = scope.scope_json(found, drift), scope.docs_drift_json(drift, head=HEAD)
    fields = (
        "scope",
        "changeClass",
        "deliveryConfigChanged",
        "requiresInfraConvergence",
        "requiresMigrations",
    )
    return {
        **{name: told[name] for name in fields},
        "eligibility": {"deployRequired": found.deploy_required, "skipReasonCode": found.reason_code},
        "docsDrift": {name: said[name] for name in vector["expected"]["docsDrift"]},
    }


def derived(answer: Answer, classes: dict[str, bool], docs_only: bool) -> Answer:
    """The original's own rules, from which classes a change has to everything that follows from them."""
    kinds = {**classes, "checks": True}
    first = next(kind for kind in ("runtime", "infra", "identity", "desktop", "checks") if kinds[kind])
    skip = (
        "DOCS_ONLY_CHANGE"
        if docs_only
        else {"checks": "CHECKS_ONLY_CHANGE", "desktop": "DESKTOP_ONLY_CHANGE"}
    )
    code = skip if isinstance(skip, str) else skip.get(first, "")
    return {
        **answer,
        "scope": {**classes, "docsOnly": docs_only},
        "changeClass": first,
        "requiresInfraConvergence": classes["runtime"] and classes["infra"],
        "requiresMigrations": classes["runtime"] and classes["migration"],
        "eligibility": {**answer["eligibility"], "deployRequired": not code, "skipReasonCode": code},
    }


def split(vector: Vector) -> tuple[list[str], list[str]]:
    """The changed paths that are documentation by the policy, dot names as well, and all others."""
    docs = policy_of(vector["input"]["policy"])["scopeRules"]["docsOnly"]
    changed = vector["input"]["changedFiles"]
    return [p for p in changed if globs.matches(docs, p)], [p for p in changed if not globs.matches(docs, p)]


def toolkit(vector: Vector) -> list[str]:
    return [path for path in vector["input"]["changedFiles"] if globs.matches(scope.TOOLKIT, path)]


def unlisted(vector: Vector) -> list[str]:
    said = policy_of(vector["input"]["policy"])["scopeRules"]
    listed = [pattern for kind in CLASSES for pattern in said[kind]]
    return [p for p in split(vector)[1] if not globs.matches(listed, p) and p not in toolkit(vector)]


def with_dot_names(vector: Vector, answer: Answer) -> Answer:
    said = policy_of(vector["input"]["policy"])
    docs, rest = split(vector)
    classes = {kind: any(globs.matches(said["scopeRules"][kind], p) for p in rest) for kind in CLASSES}
    answer = derived(answer, classes, bool(docs) and not rest)
    asks = {
        "blockingPathsChanged": "blockingPaths",
        "docsCriticalPathsChanged": "docsCriticalPaths",
        "touchedDocTargets": "docTargets",
    }
    lists = {
        name: [p for p in vector["input"]["changedFiles"] if globs.matches(said["docsDriftRules"][key], p)]
        for name, key in asks.items()
    }
    blocking, critical, touched = lists.values()
    word = "" if touched else "BLOCKING" if critical else "ADVISORY" if blocking else ""
    drift = {
        "shouldBlock": word == "BLOCKING",
        "reasonCodes": [f"DOCS_DRIFT_{word}_DOC_TARGET_MISSING"] if word else [],
        "touchesBlockingPaths": bool(blocking),
        "touchesDocsCriticalPaths": bool(critical),
        "docsUpdated": bool(touched),
    }
    return {**answer, "deliveryConfigChanged": bool(blocking), "docsDrift": {**drift, **lists}}


def needs_a_deploy(vector: Vector, answer: Answer) -> Answer:
    """It counts as runtime, and what else the rules say of the toolkit's own paths counts as well."""
    said = policy_of(vector["input"]["policy"])["scopeRules"]
    classes = {
        kind: answer["scope"][kind] or any(globs.matches(said[kind], path) for path in toolkit(vector))
        for kind in CLASSES
    }
    return derived(answer, {**classes, "runtime": True}, False)


def deploys_already(vector: Vector) -> bool:
    """A path that the original overlooks stands beside one for which it says the same."""
    return vector["expected"]["scope"]["runtime"] and bool(unlisted(vector) or toolkit(vector))


def without_control_plane(vector: Vector, answer: Answer) -> Answer:
    del answer["eligibility"]["controlPlaneRequired"]
    return answer


SCOPE = Subject(
    "scope",
    ask_scope,
    lambda vector: vector["expected"],
    (
        Difference("scope-control-plane", differs, without_control_plane),
        Difference(
            "scope-dot-names", lambda v: any(dotted(p) for p in v["input"]["changedFiles"]), with_dot_names
        ),
        Difference("scope-toolkit", lambda v: bool(toolkit(v)), needs_a_deploy),
        Difference("scope-unlisted", lambda v: bool(unlisted(v)), needs_a_deploy),
    ),
    (Difference("scope-deploys-already", deploys_already, lambda v, answer: answer),),
)

# ---- what git lists


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.fileMode=true")
    return subprocess.run(
        ("git", *who, *words), cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path, tree: dict[str, str], executable: str | None = None) -> str:
    """A commit of exactly these files."""
    git(folder, "rm", "-rfq", "--ignore-unmatch", ".")
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    if executable:
        (folder / executable).chmod(0o755)
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "A change")
    return git(folder, "rev-parse", "HEAD")


def ask_changed(vector: Vector) -> Answer:
    said = vector["input"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        git(folder, "init", "-q")
        common = commit(folder, said["before"])
        base = (
            commit(folder, {**said["before"], **said.get("baseAlsoHas", {})})
            if "baseAlsoHas" in said
            else common
        )
        git(folder, "checkout", "-q", common)
        head = commit(folder, said["after"], said.get("chmod"))
        changed = scope.changed_between(folder, base, head)
    rules, _ = rules_of(policy_of(said["policy"]))
    found = scope.classify(rules, changed, base=base, head=head)
    return {"changedFiles": list(changed), "changeClass": found.change_class, "docsOnly": found.docs_only}


def by_content(vector: Vector, answer: Answer) -> Answer:
    """Every path in which the two trees differ, as it is, and its class."""
    said = vector["input"]
    before, after = {**said["before"], **said.get("baseAlsoHas", {})}, said["after"]
    changed = sorted(p for p in {*before, *after} if before.get(p) != after.get(p))
    classified = {**vector, "input": {"policy": said["policy"], "changedFiles": changed}}
    docs, rest = split(classified)
    classes = {
        kind: any(globs.matches(policy_of(said["policy"])["scopeRules"][kind], p) for p in rest)
        for kind in CLASSES
    }
    full = derived({"eligibility": {}}, classes, bool(docs) and not rest)
    return {
        "changedFiles": changed,
        "changeClass": full["changeClass"],
        "docsOnly": full["scope"]["docsOnly"],
    }


def lost(vector: Vector) -> bool:
    return bool(vector["input"]["before"].keys() - vector["input"]["after"].keys())


CHANGED = Subject(
    "changed-files",
    ask_changed,
    lambda vector: vector["expected"],
    (
        Difference(
            "changed-files-names",
            lambda v: any(
                not (p.isascii() and p.isprintable()) or set('"\\') & set(p) for p in v["input"]["after"]
            ),
            by_content,
        ),
        Difference("changed-files-moved", lost, by_content),
        Difference("changed-files-two-trees", lambda v: "baseAlsoHas" in v["input"], by_content),
    ),
)

# ---- which commits are compared


def ask_shas(vector: Vector) -> Answer:
    """The scope of a commit after another one was deployed: the environment is not asked."""
    told = scope.scope_json(
        scope.classify(ScopeRules(), ("a",), base="what runs", head=vector["input"]["currentSha"]),
        scope.docs_drift(DocsDriftRules(), ("a",)),
    )
    return {name: told[name] for name in ("baseSha", "headSha", "testedSha")}


SHAS = Subject(
    "scope-shas",
    ask_shas,
    lambda vector: vector["expected"],
    (
        Difference("scope-shas-base", differs, lambda v, answer: {**answer, "baseSha": "what runs"}),
        Difference(
            "scope-shas-environment",
            lambda v: any(
                v["input"]["env"].get(f"GITHUB_{name}_SHA", "").strip() for name in ("HEAD", "TESTED")
            ),
            lambda v, answer: {**answer, **dict.fromkeys(("headSha", "testedSha"), v["input"]["currentSha"])},
        ),
    ),
)

SUBJECTS = (GLOBS, SCOPE, CHANGED, SHAS)
