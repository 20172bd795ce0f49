"""The workflows' own command lines, each job on a machine of its own, as GitHub would run them one after another.

What stands for GitHub is small: the jobs go in the order of their `needs`, a step's variables come from its `env`,
and a job whose step fails ends, with every job that needs it unless its condition says otherwise.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from facts.answering import Answers
from road.project import Project

from pipeline.green import ENV, read_from, says

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

Machine = Callable[[], Project]
_runs = count(1)
WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"


@pytest.fixture(scope="module")
def github() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.close()


def run(
    name: str, machine: Machine, inputs: Mapping[str, str] | None = None, done: Sequence[str] = ()
) -> dict[str, list[int]]:
    """Run a workflow; the exit codes of each job's commands. A superseded one (6) is neutral, and its job green.

    The jobs that are `done` ended well before.
    """
    ci = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": str(next(_runs))}
    codes: dict[str, list[int]] = {}
    red = dict.fromkeys(done, False)
    for job, said in yaml.safe_load((WORKFLOWS / name).read_text())["jobs"].items():
        if job in done:
            continue
        superseded = {other for other, ended in codes.items() if 6 in ended}
        needs = said.get("needs", [])
        asked = said.get("if", "")
        needed = [needs] if isinstance(needs, str) else needs
        if any(red.get(one, True) for one in needed) and "cancelled" not in asked:
            continue
        if any(f"needs.{other}.outputs.superseded != 'true'" in asked for other in superseded):
            continue
        here, codes[job], red[job] = machine(), [], False
        for step in said["steps"]:
            condition = step.get("if", "")
            if "run" not in step or (red[job] and "cancelled" not in condition):
                continue
            if condition == "steps.deploy.outputs.superseded != 'true'" and 6 in codes[job]:
                continue
            env = {**variables(step.get("env", {}), inputs or {}), **ci}
            line = [env[word[1:]] if word.startswith("$") else word for word in shlex.split(step["run"])]
            neutral = line[0] == ".ci/neutral"
            line = line[1:] if neutral else line
            assert line[0] == ".venv/bin/invoke"
            ran = here.invoke(*line[1:], env=env)
            print(ran.text)
            codes[job].append(ran.code)
            red[job] = red[job] or ran.code not in ((0, 6) if neutral else (0,))
    return codes


def variables(env: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, str]:
    """A step's environment; the sandbox has a key of its own, so the secrets are left out."""
    given = {}
    for name, value in env.items():
        if typed := re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", value):
            given[name] = inputs[typed[1]]
        elif "${{" not in value:
            given[name] = value
    return {**given, **ENV}


def add_a_change(project: Project, github: Answers, what: str = "second") -> str:
    commit = project.commit("Second", change=what)
    says(github, commit, commit)
    return commit


def test_a_push_goes_through_all_jobs_and_a_later_one_too(
    project: Project, machine: Machine, github: Answers
) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    codes = run("cloud-delivery-pipeline.yml", machine)
    # The first deployment of all has migrations, and in production those need a person's approval.
    assert codes.pop("production") == [0, 3]
    assert codes.pop("decision") == [1, 0]
    assert set(codes) == {"intake", "build", "acceptance", "release", "staging"}
    assert not any(map(any, codes.values()))
    inputs = {"commit": commit, "why": "its migration is approved", "approval": "WO-17"}
    assert run("deploy-heroku.yml", machine, inputs) == {"production": [0, 0, 0]}
    assert (project.runs(), project.runs("prod")) == (commit, commit)

    second = add_a_change(project, github)
    codes = run("cloud-delivery-pipeline.yml", machine)
    assert not any(map(any, codes.values())) and codes["production"] == [0, 0, 0]
    assert codes["decision"] == [0, 0]
    assert (project.runs(), project.runs("prod")) == (second, second)
    built = [e.record.action for e in project.entries(f"package-{second}") if e.record.kind == "end"]
    assert built == ["intake", "build", "accept", "release"]  # each once: production built nothing
    (of_build,) = (
        e.record
        for e in project.entries(f"package-{second}")
        if (e.record.kind, e.record.action) == ("end", "build")
    )
    (kept,) = (item.sha256 for item in of_build.evidence if item.name == "manifest.json")
    manifest = json.loads(project.log(f"package-{second}").evidence(kept))
    assert manifest["commitStageRunId"] == "42"


def test_a_replay_takes_an_earlier_commit_through_again(
    project: Project, machine: Machine, github: Answers
) -> None:
    first = in_production(project, machine, github)
    second = add_a_change(project, github)
    run("cloud-delivery-pipeline.yml", machine)
    assert project.runs("prod") == second
    says(github, first, first)
    machine().json("replay", "--sha", first, env=ENV)  # production takes what staging has certified
    machine().json("certify", env=ENV)
    inputs = {"release_package_sha": first, "why": "the second one is slow"}
    codes = run("cloud-delivery-replay.yml", machine, inputs)
    assert codes == {"acceptance": [0], "production": [0], "decision": [0, 0]}
    assert project.runs("prod") == first
    done = [e.record.action for e in project.entries(f"package-{first}") if e.record.kind == "end"]
    # The replay to staging accepted it again, and so did the workflow: once, in the job without production's keys.
    assert done == ["intake", "build", "accept", "release", "accept", "accept"]
    assert project.entries("prod")[-1].record.details["change"]["why"] == "the second one is slow"


def test_a_replay_of_what_was_never_built_changes_nothing(
    project: Project, machine: Machine, github: Answers
) -> None:
    first = in_production(project, machine, github)
    second = add_a_change(project, github)
    inputs = {"release_package_sha": second, "why": "perhaps"}
    assert run("cloud-delivery-replay.yml", machine, inputs) == {"acceptance": [3], "decision": [1, 0]}
    assert project.runs("prod") == first


def test_a_red_commit_stage_ends_the_pipeline_before_anything_changes(
    project: Project, machine: Machine, github: Answers
) -> None:
    first = in_production(project, machine, github)
    second = project.commit("Second", change="second")
    says(github, second, second, conclusion="failure")
    before = (project.calls(), project.calls("prod"))
    codes = run("cloud-delivery-pipeline.yml", machine)
    assert codes == {"intake": [0], "build": [0], "acceptance": [1], "decision": [1, 0]}
    assert (project.calls(), project.calls("prod")) == before
    assert project.runs("prod") == first


def test_a_red_commit_of_checks_alone_is_decided_on_and_changes_nothing(
    project: Project, machine: Machine, github: Answers
) -> None:
    """Accepted it is, for it needs no deployment. A deploy asks for green all the same, so there is none."""
    first = in_production(project, machine, github)
    second = project.commit("Second", {"tests/test_more.py": ""})
    says(github, second, second, conclusion="failure")
    before = (project.releases(), project.releases("prod"), project.calls("prod"))
    codes = run("cloud-delivery-pipeline.yml", machine)
    assert (codes["acceptance"], codes["staging"], codes["decision"]) == ([0], [3], [0, 0])
    assert "production" not in codes
    assert (project.releases(), project.releases("prod"), project.calls("prod")) == before
    assert (project.runs(), project.runs("prod")) == (first, first)


def test_a_late_run_of_an_older_commit_is_green_and_changes_nothing(
    project: Project, machine: Machine, github: Answers
) -> None:
    in_production(project, machine, github)
    older = add_a_change(project, github, "older")
    late = machine()
    late.json("intake", "--env", "prod", env=ENV)  # its run began, and the next one is faster
    newer = add_a_change(project, github, "newer")
    assert not any(map(any, run("cloud-delivery-pipeline.yml", machine).values()))
    before = (project.calls(), project.calls("prod"), project.kinds(), project.kinds("prod"))
    says(github, older, older)
    # Its intake stands: to take it in again, now that the newer one runs, would give it a turn of its own.
    codes = run("cloud-delivery-pipeline.yml", lambda: at(machine(), older), done=("intake",))
    assert codes == {"build": [0], "acceptance": [0], "release": [0], "staging": [6]}
    inputs = {"commit": older, "why": "it was forgotten", "approval": ""}
    assert run("deploy-heroku.yml", machine, inputs) == {"production": [6]}
    assert (project.calls(), project.calls("prod"), project.kinds(), project.kinds("prod")) == before
    assert (project.runs(), project.runs("prod")) == (newer, newer)


def at(machine: Project, commit: str) -> Project:
    """The machine of a job for this commit."""
    machine.git("checkout", "-q", commit)
    return machine


def test_a_branch_goes_to_staging_and_is_certified(
    project: Project, machine: Machine, github: Answers
) -> None:
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    assert run("deploy-staging.yml", machine) == {"staging": [0, 0]}
    assert project.runs() == commit
    assert project.entries()[-1].record.action == "certify"


def in_production(project: Project, machine: Machine, github: Answers) -> str:
    """The first commit, in production; by the workflows."""
    commit = read_from(github, project, "commit")
    says(github, commit, commit)
    run("cloud-delivery-pipeline.yml", machine)
    run("deploy-heroku.yml", machine, {"commit": commit, "why": "approved", "approval": "WO-17"})
    assert project.runs("prod") == commit
    return commit
