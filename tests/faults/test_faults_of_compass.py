"""The faults of the delivery pipeline that this toolkit replaces, each shown not to exist here.

The numbers are those of the list of faults; what the fault was stands in each test's comment. Where a rule has
tests of its own, this only shows that it is in force, on a real project with a real journal.
"""

from __future__ import annotations

import pytest
from road.project import REPOSITORY, Project

from roadworthy import config, git
from roadworthy.facts.history import read_history
from roadworthy.facts.scope import Scope, changed_between, classify, since_deployed


def scope_of(project: Project, commit: str, environment: str) -> Scope:
    """What the commit changes since what was last deployed and verified in the environment."""
    history = read_history(project.log(environment).settled(), project.root / ".release")
    rules = config.read(project.root).scope
    return since_deployed(project.root, rules, history, git.resolve(project.root, commit))


@pytest.mark.slow
def test_fault_05_what_was_pushed_and_not_deployed_is_not_lost(project: Project):
    # The base was the parent commit: after a push of two commits, or after a commit whose deploy had failed, the
    # code in the earlier one was never deployed, and the pipeline said YES.
    assert scope_of(project, "HEAD", "staging").base == ""
    assert scope_of(project, "HEAD", "staging").deploy_required
    project.deployed()
    project.commit("Change the code", {"app/new.py": "x = 1\n"})
    broken = project.commit("Break the app", {"app/worse.py": "y = 1\n"}, boot="die")
    project.json("test")
    project.json("deploy", code=1)
    head = project.commit("Say so", {"docs/new.md": "# New\n"}, boot="die")
    assert changed_between(project.root, broken, head) == ("docs/new.md",)
    found = scope_of(project, head, "staging")
    assert found.base == project.first
    assert set(found.changed) >= {"app/new.py", "app/worse.py", "docs/new.md"}
    assert found.runtime and found.deploy_required and not found.docs_only


@pytest.mark.later
def test_fault_05_each_environment_has_a_base_of_its_own_and_a_rollback_moves_it(project: Project):
    # One parent served every environment, though production is often some commits behind.
    project.deployed()
    second = project.commit("B", {"app/b.py": "b = 1\n"})
    project.deployed()
    documented = project.commit("Say so", {"docs/b.md": "# B\n"})
    assert scope_of(project, documented, "staging").reason_code == "DOCS_ONLY_CHANGE"
    assert scope_of(project, documented, "prod").deploy_required
    project.json("rollback")
    assert project.runs() == project.first
    again = scope_of(project, documented, "staging")
    assert again.base == project.first != second and again.runtime


@pytest.fixture(scope="module")
def rules() -> config.ScopeRules:
    return config.read(REPOSITORY).scope


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/cloud-delivery-pipeline.yml",
        ".github/policy/pipeline-policy.json",
        "scripts/audit.sh",
        "guards/ci_is_green.py",
        "guards/README.md",
        "release.toml",
        ".release/trust/trust.toml",
        "src/roadworthy/execution/run.py",
        "Makefile",
        "tasks.py",
        "noxfile.py",
        ".ci/run",
    ],
)
def test_fault_07_what_releases_is_never_documentation(rules: config.ScopeRules, path: str):
    # Workflows, policy and pipeline scripts were docs: no acceptance, no deploy, decision YES.
    for changed in ([path], [path, "docs/index.md"], [path, "tests/conftest.py"]):
        found = classify(rules, changed, base="b" * 40, head="a" * 40)
        assert found.toolkit and found.deploy_required and not found.docs_only and found.reason_code == ""


@pytest.mark.parametrize(
    "path", ["docker-compose.yml", "deploy.sh", "new/a.py", "Dockerfile", ".env.example"]
)
def test_fault_07_a_path_that_no_rule_knows_needs_a_deploy(rules: config.ScopeRules, path: str):
    # docker-compose.yml and scripts at the root were nothing at all, which was `checks`, which needs no deploy.
    found = classify(rules, [path, "tests/conftest.py"], base="b" * 40, head="a" * 40)
    assert found.unknown == (path,)
    assert found.deploy_required and found.change_class == "runtime"


def test_fault_07_a_commit_cannot_call_itself_documentation(project: Project):
    # The policy that said what documentation is was documentation itself.
    project.deployed()
    project.change_config(
        ('runtime = ["app/**"] ', "runtime = [] "), ('docs = ["docs/**"', 'docs = ["**", "docs/**"')
    )
    head = project.commit("Change the code, too", {"app/new.py": "x = 1\n"})
    found = scope_of(project, head, "staging")
    assert "release.toml" in found.changed and "app/new.py" in found.changed
    assert found.toolkit and found.deploy_required and not found.docs_only
