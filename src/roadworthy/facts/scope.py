"""Which part of the product a change touches, and what that requires.

- The base of a change is the last verified deployment of the environment, never the parent commit: what was
  pushed and not deployed is part of it.
- Whatever is in doubt needs a deploy: a path that no rule knows, a change of the toolkit, and everything where
  nothing was deployed yet. They count as runtime, as migrations do.
- Documentation is left out before the other classes are asked, except where it is also the toolkit's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..git import resolve
from ..git_objects import ask, ask_once, full, look
from ..globs import matches
from ..toml import FILE
from .history import read_history

if TYPE_CHECKING:
    from ..config import DocsDriftRules, ScopeRules
    from ..model import History
    from ..world import World

# What decides over releases is the toolkit's, whatever a configuration says: else it could take itself out.
TOOLKIT: Final = (FILE, "guards/**", ".github/**", ".release/**")
EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # every git knows this object
NO_DEPLOY: Final = {"desktop": "DESKTOP_ONLY_CHANGE", "checks": "CHECKS_ONLY_CHANGE"}  # by change class


class Scope(msgspec.Struct, frozen=True):
    """What a change from `base` to `head` touches. `base` is "" where nothing was verified yet.

    `changed` holds the paths, sorted, both names of a moved file. `unknown` are those that no rule knows, and
    `toolkit` says that the release toolkit, a workflow or policy changed; both count as `runtime`.
    `change_class` is the first that applies of runtime, infra, identity, desktop, checks. `reason_code` says why
    no deploy is required, "" where one is. `infra_rollout` says that the infrastructure rolls out the runtime anew.
    """

    base: str
    head: str
    changed: tuple[str, ...]
    runtime: bool
    desktop: bool
    infra: bool
    identity: bool
    migration: bool
    docs_only: bool
    toolkit: bool
    unknown: tuple[str, ...]
    change_class: str
    requires_infra_convergence: bool
    requires_migrations: bool
    deploy_required: bool
    reason_code: str
    infra_rollout: bool = False


class DocsDrift(msgspec.Struct, frozen=True):
    """The changed paths that ask for documentation, and the documentation that changed with them."""

    critical: tuple[str, ...]
    blocking: tuple[str, ...]
    touched: tuple[str, ...]
    expected: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """`blocking`: the commit may not go on; `advisory`: people are told; else `pass`."""
        if self.touched or not (self.critical or self.blocking):
            return "pass"
        return "blocking" if self.critical else "advisory"

    @property
    def reason_code(self) -> str:
        """The contract's code, "" for `pass`."""
        return "" if self.outcome == "pass" else f"DOCS_DRIFT_{self.outcome.upper()}_DOC_TARGET_MISSING"

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that lack documentation."""
        return {"blocking": self.critical, "advisory": self.blocking}.get(self.outcome, ())


def classify(rules: ScopeRules, changed: Iterable[str], *, base: str, head: str) -> Scope:
    """What these changed paths touch, by the rules. Pure."""
    changed = tuple(sorted(set(changed)))
    toolkit = [path for path in changed if matches(TOOLKIT + rules.toolkit, path)]
    docs = {path for path in changed if matches(rules.docs, path)} - set(toolkit)
    rest = [path for path in changed if path not in docs]
    known = {
        name: {path for path in rest if matches(getattr(rules, name), path)}
        for name in ("runtime", "infra", "infra_rollout", "identity", "migration", "desktop", "checks")
    }
    listed = set(toolkit).union(*known.values())
    unknown = tuple(path for path in rest if path not in listed)
    rollout, identity, migration, desktop = (
        bool(known[name]) for name in ("infra_rollout", "identity", "migration", "desktop")
    )
    infra = bool(known["infra"]) or rollout
    runtime = bool(known["runtime"] or unknown or toolkit or migration or not base)
    classes = {"runtime": runtime, "infra": infra, "identity": identity, "desktop": desktop, "checks": True}
    change_class = next(name for name, applies in classes.items() if applies)
    docs_only = bool(docs) and not rest and not runtime
    reason = "DOCS_ONLY_CHANGE" if docs_only else NO_DEPLOY.get(change_class, "")
    return Scope(
        base=base,
        head=head,
        changed=changed,
        runtime=runtime,
        desktop=desktop,
        infra=infra,
        identity=identity,
        migration=migration,
        docs_only=docs_only,
        toolkit=bool(toolkit),
        unknown=unknown,
        change_class=change_class,
        requires_infra_convergence=runtime and infra,
        requires_migrations=runtime and migration,
        deploy_required=not reason,
        reason_code=reason,
        infra_rollout=rollout if rules.infra_rollout else infra,
    )


def since_deployed(root: Path, rules: ScopeRules, history: History, head: str) -> Scope:
    """What `head` changes since the last verified deployment in an environment's history.

    Raises UsageError when that commit, or `head`, is not in this clone.
    """
    base = history.running.package.commit if history.running else ""
    return classify(rules, changed_between(root, base, head), base=base, head=head)


def changed_between(root: Path, base: str, head: str) -> tuple[str, ...]:
    """The paths in which two commits differ, sorted; with `base` "" every path of `head`.

    Paths are relative to `root`; those outside of it begin with `../`. A byte of a name that is no UTF-8 is
    shown as `\\xNN`. Raises UsageError for a commit that is not in this clone.
    """
    old, new = full(base) if base else EMPTY_TREE, full(head)
    for name, found in zip((base, head), look(root, old, new), strict=True):
        if name and (found is None or found.kind != "commit"):
            resolve(root, name)  # says what is wrong with it
    if old == new:
        return ()
    # Two trees, no merge base. Plumbing looks for no renames; submodules may ask to be ignored, even so.
    words = ("-r", "-z", "--name-only", "--ignore-submodules=none", old, new, "--")
    listed = ask_once(root, "diff-tree", *words).split(b"\0")[:-1]
    prefix = ask(root, "rev-parse", "--show-prefix")[:-1]
    return tuple(sorted({_shown(name, prefix) for name in listed}))


def docs_drift(rules: DocsDriftRules, changed: Iterable[str]) -> DocsDrift:
    """Whether documentation changed along with what these paths are. Pure."""
    changed = sorted(set(changed))
    critical, blocking, touched = (
        tuple(path for path in changed if matches(globs, path))
        for globs in (rules.critical, rules.blocking, rules.targets)
    )
    return DocsDrift(critical, blocking, touched, rules.targets)


def scope_json(
    scope: Scope,
    drift: DocsDrift,
    *,
    tested: str = "",
    pull_request: int | None = None,
    flows: Iterable[str] = (),
) -> dict[str, Any]:
    """The contract's `scope.json`, but for `generatedAt`. `tested` is the commit that was tested, if not head."""
    return {
        "schemaVersion": "1",
        "policyPath": FILE,
        "baseSha": scope.base,
        "headSha": scope.head,
        "testedSha": tested or scope.head,
        "prNumber": pull_request,
        "changedFiles": list(scope.changed),
        "changeClass": scope.change_class,
        "scope": {
            "runtime": scope.runtime,
            "desktop": scope.desktop,
            "infra": scope.infra,
            "identity": scope.identity,
            "migration": scope.migration,
            "infraRollout": scope.infra_rollout,
            "docsOnly": scope.docs_only,
        },
        "deliveryConfigChanged": bool(drift.blocking),
        "requiresInfraConvergence": scope.requires_infra_convergence,
        "requiresMigrations": scope.requires_migrations,
        "docsDriftBlocking": drift.outcome == "blocking",
        "requiredFlowIds": list(flows),
    }


def docs_drift_json(drift: DocsDrift, *, head: str, tested: str = "") -> dict[str, Any]:
    """The contract's docs drift `result.json`, but for `generatedAt`."""
    codes = [drift.reason_code] if drift.reason_code else []
    blocks = drift.outcome == "blocking"
    return {
        "schemaVersion": "1",
        "headSha": head,
        "testedSha": tested or head,
        "status": "fail" if blocks else "pass",
        "reasonCodes": codes,
        "reasons": [
            {
                "code": code,
                "blocking": blocks,
                "message": f"no documentation changed along with {', '.join(drift.paths[:5])}",
            }
            for code in codes
        ],
        "touchesBlockingPaths": bool(drift.blocking),
        "touchesDocsCriticalPaths": bool(drift.critical),
        "blockingPathsChanged": list(drift.blocking),
        "docsCriticalPathsChanged": list(drift.critical),
        "docsUpdated": bool(drift.touched),
        "touchedDocTargets": list(drift.touched),
        "expectedDocTargets": list(drift.expected),
        "shouldBlock": blocks,
    }


def _shown(name: bytes, prefix: bytes) -> str:
    path = posixpath.relpath(b"/" + name, b"/" + prefix)
    return path.decode(errors="backslashreplace")


def scope_of(context: World, environment: str, commit: str) -> Scope:
    """What `commit` changes against the last verified deployment of `environment`; everything without one."""
    history = read_history(context.log(environment).settled(), context.paths.state)
    return since_deployed(context.paths.root, context.config.scope, history, commit)
