"""Which part of the product a change touches: the contract's table, and what must hold for every change."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy.config import ScopeRules
from roadworthy.facts import scope

ROOT = Path(__file__).parents[2]
BASE, HEAD = "b" * 40, "a" * 40
# The contract's own rules, with a line of their own for what it counted as documentation and is policy.
RULES = ScopeRules(
    runtime=(
        *("apps/api/**", "apps/web/**", "apps/worker/**", "packages/**", "db/migrations/**", "db/scripts/**"),
        *("package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "**/package.json"),
    ),
    infra=("infra/azure/**",),
    identity=("infra/identity/**",),
    migration=("db/migrations/**", "db/scripts/**"),
    desktop=("apps/desktop/**", ".github/workflows/desktop-*.yml"),
    docs=("docs/**", "README.md", ".github/workflows/**", ".github/policy/**", "**/README.md"),
    checks=("tests/**",),
    toolkit=("scripts/pipeline/**",),
)
MIGRATION = "db/migrations/202602230001_add_table.sql"
# The change; its class; the scopes it touches; why it needs no deploy ("" when it does).
TABLE = {
    "a README inside of an app": (["apps/api/README.md"], "checks", "docs_only", "DOCS_ONLY_CHANGE"),
    "documentation alone": (["docs/a.md", "README.md"], "checks", "docs_only", "DOCS_ONLY_CHANGE"),
    "documentation and tests": (["docs/a.md", "tests/a.ts"], "checks", "", "CHECKS_ONLY_CHANGE"),
    "documentation and code": (["docs/a.md", "apps/api/a.ts"], "runtime", "runtime", ""),
    "code alone": (["apps/web/a.ts"], "runtime", "runtime", ""),
    "infrastructure alone": (["infra/azure/main.bicep"], "infra", "infra", ""),
    "identity alone": (["infra/identity/app.tf"], "identity", "identity", ""),
    "infrastructure and identity": (["infra/azure/a", "infra/identity/b"], "infra", "infra identity", ""),
    "a migration": ([MIGRATION], "runtime", "runtime migration requires_migrations", ""),
    "infrastructure and a migration": (
        ["infra/azure/main.bicep", MIGRATION],
        "runtime",
        "runtime migration infra requires_migrations requires_infra_convergence",
        "",
    ),
    "a workflow": ([".github/workflows/commit-stage.yml"], "runtime", "runtime toolkit", ""),
    "policy": ([".github/policy/pipeline-policy.json"], "runtime", "runtime toolkit", ""),
    "a pipeline script": (["scripts/pipeline/a.mjs"], "runtime", "runtime toolkit", ""),
    "release.toml": (["release.toml"], "runtime", "runtime toolkit", ""),
    "a guard's README": (["guards/README.md"], "runtime", "runtime toolkit", ""),
    "a path that no rule knows": (["docker-compose.yml"], "runtime", "runtime unknown", ""),
    "tests alone": (["tests/a/b.ts"], "checks", "", "CHECKS_ONLY_CHANGE"),
    "nothing": ([], "checks", "", "CHECKS_ONLY_CHANGE"),
    "the desktop app": (["apps/desktop/main.ts"], "desktop", "desktop", "DESKTOP_ONLY_CHANGE"),
    "the desktop app's dependencies": (["apps/desktop/package.json"], "runtime", "runtime desktop", ""),
    "the desktop app's workflow": ([".github/workflows/desktop-a.yml"], "runtime", "runtime toolkit desktop", ""),
    "the desktop app and tests": (["apps/desktop/a", "tests/a"], "desktop", "desktop", "DESKTOP_ONLY_CHANGE"),
    "the desktop app and identity": (["apps/desktop/a", "infra/identity/b"], "identity", "desktop identity", ""),
}  # fmt: skip
FLAGS = (
    *("runtime", "desktop", "infra", "identity", "migration", "docs_only", "toolkit", "unknown"),
    *("requires_infra_convergence", "requires_migrations"),
)


def of(*changed: str, rules: ScopeRules = RULES, base: str = BASE) -> scope.Scope:
    return scope.classify(rules, changed, base=base, head=HEAD)


@pytest.mark.parametrize(("changed", "change_class", "flags", "reason"), TABLE.values(), ids=TABLE.keys())
def test_the_table_of_the_contract(changed: list[str], change_class: str, flags: str, reason: str):
    found = of(*changed)
    assert found.change_class == change_class
    assert {flag for flag in FLAGS if getattr(found, flag)} == set(flags.split())
    assert (found.deploy_required, found.reason_code) == (not reason, reason)
    assert (found.base, found.head, found.changed) == (BASE, HEAD, tuple(sorted(changed)))
