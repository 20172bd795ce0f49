"""Which part of the product a change touches: the contract's table, and what must hold for every change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy import config
from roadworthy.config import DocsDriftRules, ScopeRules
from roadworthy.facts import scope
from roadworthy.globs import matches

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


# ---- doubt needs a deploy --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a", "docs/a.md", "tests/a", "README.md"])
def test_without_rules_every_path_needs_a_deploy(path: str):
    found = of(path, rules=config.parse(without_scope()).scope)
    assert found.unknown == (path,) and found.deploy_required and found.change_class == "runtime"


def without_scope() -> str:
    text = (ROOT / "release.toml").read_text()
    return text[: text.index("[scope]")] + text[text.index("[blockers]") :]


@pytest.mark.parametrize("changed", [[], ["docs/a.md"], ["tests/a"], ["apps/desktop/a"]])
def test_where_nothing_was_verified_yet_a_deploy_is_needed_whatever_changed(changed: list[str]):
    found = of(*changed, base="")
    assert found.runtime and found.deploy_required and not found.docs_only


@pytest.mark.parametrize(
    "path", ["release.toml", "guards/a.py", ".github/workflows/a.yml", ".release/trust/a.pub"]
)
def test_no_rule_takes_what_decides_over_releases_out(path: str):
    # The commit that calls everything documentation changes release.toml, which is never documentation.
    lenient = ScopeRules(docs=("**",), checks=("**",), desktop=("**",))
    assert of(path, rules=lenient).toolkit and of(path, rules=lenient).deploy_required
    assert of("a", rules=lenient).docs_only


def test_where_two_lists_have_a_path_toolkit_wins_over_docs_and_docs_over_the_others():
    rules = ScopeRules(docs=("a/**", "b/**"), toolkit=("a/**",), runtime=("b/**",))
    assert of("a/x", rules=rules).toolkit and not of("a/x", rules=rules).docs_only
    assert of("b/x", rules=rules).docs_only and not of("b/x", rules=rules).runtime


def test_a_migration_that_is_not_listed_as_runtime_is_not_lost():
    found = of("db/a.sql", rules=ScopeRules(migration=("db/**",)))
    assert found.requires_migrations and found.deploy_required and found.change_class == "runtime"


# ---- what must hold for every change ---------------------------------------------------------------------

KNOWN = sorted({path for changed, *_ in TABLE.values() for path in changed})
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
ANY_PATH = st.one_of(st.sampled_from(KNOWN), st.lists(NAMES, min_size=1, max_size=4).map("/".join))
CHANGES = st.lists(ANY_PATH, max_size=8)
GLOBS = st.lists(
    st.sampled_from(
        ["**", "*", "docs/**", "**/README.md", "tests/**", "apps/**", "**/*.ts", "db/**", ".github/**"]
    ),
    max_size=3,
).map(tuple)
ANY_RULES = st.one_of(st.just(RULES), st.builds(ScopeRules, *[GLOBS] * 8))


@given(ANY_RULES, CHANGES, st.randoms(use_true_random=False))
def test_the_order_of_the_paths_and_their_number_do_not_matter(rules, changed, chance):
    shuffled = [*changed, *changed[:3]]
    chance.shuffle(shuffled)
    assert of(*shuffled, rules=rules) == of(*changed, rules=rules)


@given(ANY_RULES, CHANGES, CHANGES)
def test_what_more_changes_never_takes_a_requirement_away(rules, changed, more):
    before, after = of(*changed, rules=rules), of(*changed, *more, rules=rules)
    for flag in (
        "deploy_required",
        "toolkit",
        "requires_migrations",
        "requires_infra_convergence",
        *FLAGS[:5],
    ):
        assert getattr(after, flag) >= getattr(before, flag), flag
    assert set(after.unknown) >= set(before.unknown)


@given(ANY_RULES, CHANGES, CHANGES)
def test_an_undeployed_predecessor_loses_nothing(rules, first, second):
    both = of(*first, *second, rules=rules)
    alone = of(*first, rules=rules), of(*second, rules=rules)
    assert both.deploy_required == any(one.deploy_required for one in alone)
    assert set(both.unknown) == {path for one in alone for path in one.unknown}
    for flag in ("runtime", "infra", "identity", "migration", "desktop", "toolkit", "requires_migrations"):
        assert getattr(both, flag) == any(getattr(one, flag) for one in alone), flag


@given(ANY_RULES, CHANGES, st.sampled_from([BASE, ""]))
def test_the_answers_agree_with_each_other(rules, changed, base):
    found = of(*changed, rules=rules, base=base)
    if found.docs_only:
        assert changed and not found.toolkit and not found.unknown and not found.deploy_required
    assert (found.reason_code == "") == found.deploy_required
    assert found.deploy_required == (found.change_class in ("runtime", "infra", "identity"))
    assert found.change_class in ("desktop", "checks") or getattr(found, found.change_class)
    if found.toolkit or found.unknown or found.migration or not base:
        assert found.runtime and found.deploy_required


@given(ANY_RULES, ANY_PATH)
def test_every_path_is_of_some_class_or_unknown(rules, path):
    listed = any(matches(getattr(rules, key), path) for key in ScopeRules.__struct_fields__)
    listed = listed or matches(scope.TOOLKIT, path)
    assert (of(path, rules=rules).unknown == ()) == listed


# ---- documentation along with the change -----------------------------------------------------------------

DRIFT = DocsDriftRules(("contracts/**", "db/migrations/**"), (".github/**", "contracts/**"), ("docs/**",))


@pytest.mark.parametrize(
    ("changed", "outcome", "code", "paths"),
    [
        ([], "pass", "", ()),
        (["apps/a"], "pass", "", ()),
        (["docs/a"], "pass", "", ()),
        (["contracts/a", "docs/a"], "pass", "", ()),
        ([".github/a", "docs/a"], "pass", "", ()),
        ([".github/a", "x"], "advisory", "DOCS_DRIFT_ADVISORY_DOC_TARGET_MISSING", (".github/a",)),
        ([MIGRATION], "blocking", "DOCS_DRIFT_BLOCKING_DOC_TARGET_MISSING", (MIGRATION,)),
        (
            [".github/a", "contracts/b"],
            "blocking",
            "DOCS_DRIFT_BLOCKING_DOC_TARGET_MISSING",
            ("contracts/b",),
        ),
    ],
)
def test_what_changes_without_its_documentation(changed, outcome, code, paths):
    drift = scope.docs_drift(DRIFT, changed)
    assert (drift.outcome, drift.reason_code, drift.paths) == (outcome, code, paths)
    told = scope.docs_drift_json(drift, head=HEAD)
    assert told["shouldBlock"] == (outcome == "blocking") == (told["status"] == "fail")
    assert [reason["code"] for reason in told["reasons"]] == told["reasonCodes"] == [code] * bool(code)


def test_without_rules_no_documentation_is_asked_for():
    assert scope.docs_drift(DocsDriftRules(), KNOWN).outcome == "pass"


@given(CHANGES, CHANGES)
def test_a_critical_change_alone_never_passes(changed, more):
    drift = scope.docs_drift(DRIFT, [*changed, MIGRATION, *more])
    assert drift.outcome == "blocking" or any(path.startswith("docs/") for path in [*changed, *more])


# ---- the contract's files --------------------------------------------------------------------------------


def test_scope_json_has_the_contracts_fields():
    drift = scope.docs_drift(DRIFT, [MIGRATION])
    told = scope.scope_json(
        of(MIGRATION, "infra/azure/a"), drift, tested="c" * 40, pull_request=7, flows=["x-smoke"]
    )
    assert told == {
        "schemaVersion": "1",
        "policyPath": "release.toml",
        "baseSha": BASE,
        "headSha": HEAD,
        "testedSha": "c" * 40,
        "prNumber": 7,
        "changedFiles": [MIGRATION, "infra/azure/a"],
        "changeClass": "runtime",
        "scope": {
            "runtime": True,
            "desktop": False,
            "infra": True,
            "identity": False,
            "migration": True,
            "infraRollout": True,
            "docsOnly": False,
        },
        "deliveryConfigChanged": False,
        "requiresInfraConvergence": True,
        "requiresMigrations": True,
        "docsDriftBlocking": True,
        "requiredFlowIds": ["x-smoke"],
    }


def test_what_was_pushed_and_is_documentation_has_no_pull_request_and_tests_itself():
    told = scope.scope_json(of("docs/a"), scope.docs_drift(DRIFT, ["docs/a"]))
    assert (told["testedSha"], told["prNumber"], told["requiredFlowIds"]) == (HEAD, None, [])
    assert told["scope"]["docsOnly"] and not told["docsDriftBlocking"]


def test_docs_drift_json_has_the_contracts_fields():
    assert scope.docs_drift_json(
        scope.docs_drift(DRIFT, ["contracts/a", "x"]), head=HEAD, tested="c" * 40
    ) == {
        "schemaVersion": "1",
        "headSha": HEAD,
        "testedSha": "c" * 40,
        "status": "fail",
        "reasonCodes": ["DOCS_DRIFT_BLOCKING_DOC_TARGET_MISSING"],
        "reasons": [
            {
                "code": "DOCS_DRIFT_BLOCKING_DOC_TARGET_MISSING",
                "blocking": True,
                "message": "no documentation changed along with contracts/a",
            }
        ],
        "touchesBlockingPaths": True,
        "touchesDocsCriticalPaths": True,
        "blockingPathsChanged": ["contracts/a"],
        "docsCriticalPathsChanged": ["contracts/a"],
        "docsUpdated": False,
        "touchedDocTargets": [],
        "expectedDocTargets": ["docs/**"],
        "shouldBlock": True,
    }


# ---- our own rules ---------------------------------------------------------------------------------------


def test_our_own_rules_know_every_file_of_this_repository():
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]
    assert of(*files, rules=config.read(ROOT).scope).unknown == ()


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("app/capecontrol/web.py", "runtime"),
        ("app/tests/test_web.py", "runtime"),
        ("app/migrations/versions/0009.py", "runtime migration requires_migrations"),
        ("app/README.md", "docs_only"),
        ("docs/index.md", "docs_only"),
        ("tests/conftest.py", ""),
        ("src/roadworthy/execution/run.py", "runtime toolkit"),
        ("guards/README.md", "runtime toolkit"),
        ("scripts/audit.sh", "runtime toolkit"),
        ("Makefile", "runtime toolkit"),
        (".ci/run", "runtime toolkit"),
        ("docker-compose.yml", "runtime unknown"),
    ],
)
def test_our_own_rules_say_what_we_mean(path: str, flags: str):
    found = of(path, rules=config.read(ROOT).scope)
    assert {flag for flag in FLAGS if getattr(found, flag)} == set(flags.split())
