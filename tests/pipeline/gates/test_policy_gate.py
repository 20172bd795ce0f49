"""The policy gate, through the command: each project differs from one that passes in exactly one thing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from parity.candidates import REPOSITORY, Project, project

from roadworthy.pipeline.gates import policy
from roadworthy.pipeline.gates.workflows import problems

WORKFLOWS = ".github/workflows"
GOOD = "on: push\njobs:\n  one:\n    runs-on: x\n    steps:\n      - run: make test\n"
GOLDEN = "fixtures/golden-dataset.json"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path) as one:
        folder = one.root / WORKFLOWS
        folder.mkdir(parents=True)
        for name in policy.REQUIRED:
            (folder / name).write_text(GOOD)
        yield one


def workflow(old: str, new: str, name: str = "ci.yml") -> Callable[[Project], Any]:
    return lambda one: (one.root / WORKFLOWS / name).write_text(GOOD.replace(old, new))


FAULTS: dict[str, tuple[Callable[[Project], Any], str]] = {
    "no ci.yml": (lambda one: (one.root / WORKFLOWS / "ci.yml").unlink(), "ci.yml is missing"),
    "no parity.yml": (lambda one: (one.root / WORKFLOWS / "parity.yml").unlink(), "parity.yml is missing"),
    "no thresholds": (lambda one: one.path("config/thresholds.json").unlink(), "thresholds.json is not there"),
    "wrong thresholds": (lambda one: one.edit("config/thresholds.json", lambda d: d.pop("ci")), "`ci`"),
    "no dataset": (lambda one: shutil.rmtree(one.root / "parity/fixtures") or shutil.rmtree(
        one.root / "parity/cases") or one.path("config/suites.toml").unlink(), "there is nothing to ask"),
    "an empty dataset": (lambda one: (one.path("cases/api.jsonl").unlink(), one.edit(
        GOLDEN, lambda d: d.update(documents=[]), stamped=True)), "it has no documents"),
    "no stamp": (lambda one: one.edit(GOLDEN, lambda d: d.pop("contentHash")), "it has no stamp"),
    "a wrong hash": (lambda one: one.edit(GOLDEN, lambda d: d.update(version="9.9.9")), "not that of its content"),
    "a broken schema": (lambda one: one.edit(GOLDEN, lambda d: d.pop("rules"), stamped=True), "it has no rules"),
    "a bypass": (workflow("make test", "make test || true"), "a failure is swallowed"),
    "a bypass in another workflow": (workflow("make test", "make test || true", "x.yaml"), "x.yaml, job one"),
    "no YAML": (workflow("jobs:", "jobs"), "no YAML"),
}  # fmt: skip


def test_the_project_that_all_others_are_made_of_passes(made: Project):
    ran = made.invoke("promote.policy")
    assert (ran.code, ran.said["line"]) == (0, "the policy gate passes"), ran.text


@pytest.mark.later(3)
@pytest.mark.parametrize("name", FAULTS)
def test_a_project_with_one_fault_does_not_pass(made: Project, name: str):
    change, said = FAULTS[name]
    change(made)
    ran = made.invoke("promote.policy")
    assert (ran.code, ran.said["outcome"]) == (1, "failed"), ran.text
    assert len(ran.said["reasons"]) == 1 and said in ran.said["reasons"][0], ran.said["reasons"]


def test_fault_10_the_policy_gate_reads_its_files_and_does_not_only_look_for_them(made: Project):
    # It asked whether files were there, and looked for words in them.
    for name in policy.REQUIRED:
        (made.root / WORKFLOWS / name).write_text("# no || true here, and I_ACCEPT_PARITY_SKIP\n")
    made.write("config/thresholds.json", "{}")
    reasons = made.invoke("promote.policy").said["reasons"]
    assert len(reasons) == len(policy.REQUIRED) + 1


def test_fault_15_a_secret_on_a_command_line_and_a_strangers_words_are_found():
    # az containerapp secret set --secrets "…${{ secrets… }}", and ${{ inputs.* }} in run blocks.
    text = GOOD.replace("make test", "az secret set --secrets url=${{ secrets.URL }} ${{ inputs.x }}")
    found = problems("azure-deploy.yml", text)
    assert ["secret" in one or "typed" in one for one in found] == [True, True]


def test_fault_02_a_pipe_that_hides_a_crash_is_found():
    # pnpm … | tee under `bash -e`: the runner died, and the step was green.
    found = problems("promotion.yml", GOOD.replace("make test", "pnpm parity | tee parity.log"))
    assert [one.endswith("(no pipefail)") for one in found] == [True]


def test_the_workflows_of_this_repository_have_no_bypass():
    found = [one for one in policy.problems(REPOSITORY) if not one.endswith("is missing")]
    assert [one for one in found if one.startswith(".github")] == []
