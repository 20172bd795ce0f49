"""What a workflow of this repository must be, beyond what GitHub's schema and public linters look at.

`broken(name, text)` says which rule a workflow file breaks, and where. Each rule is a function of its own.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.loader import FilesystemLoader
from invoke.parser import Parser

from roadworthy.config import read

ROOT = Path(__file__).resolve().parents[2]
TRIGGERS = {  # the contract's (CLOUD, Trigger Model; A.5)
    "commit-stage.yml": {"pull_request", "merge_group"},
    "cloud-delivery-pipeline.yml": {"push"},
    "cloud-delivery-replay.yml": {"workflow_dispatch"},
    "deploy-staging.yml": {"push"},
    "deploy-heroku.yml": {"workflow_dispatch"},
    "dockerhub-publish.yml": {"workflow_dispatch"},
}
READS = ("decide", "evidence.anchor")  # what may run after something failed: it changes nothing
BEFORE = ("intake", "build", "accept", "release")  # about the package: they touch no environment
MADE = ("setup", "test", "dockerhub-login", "dockerhub-release")  # of make's words, which all have defaults
ASK = ("build", "accept", "ship", "deploy", "complete", "decide", "replay")  # for the commit stage
IN_PRODUCTION = ("deploy", "migrate", "complete", "replay")  # and nothing that could build or push
SHELL = re.compile(r'[A-Za-z0-9_./ =-]|"\$[A-Z_]+"')  # of a command line: plain words and quoted variables
NEUTRAL = ".ci/neutral"  # before a command that may end as superseded, which is no failure
MAY_BE_SUPERSEDED = ("deploy", "ship")
NOT_SUPERSEDED = "steps.deploy.outputs.superseded != 'true'"
PIN = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$")


@dataclass(frozen=True)
class Workflow:
    """One file: `text` as it is, `data` as YAML reads it (where `on` is True)."""

    name: str
    text: str
    data: dict[Any, Any]

    @property
    def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        return list(self.data.get("jobs", {}).items())

    @property
    def steps(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Where each step is, its job, and the step; of an action the job is empty."""
        for name, job in self.jobs or [("action", {})]:
            for number, step in enumerate((job or self.data["runs"])["steps"], 1):
                yield f"{name}, step {number}", job, step


def broken(name: str, text: str) -> list[str]:
    """Every rule that the file breaks."""
    workflow = Workflow(name, text, yaml.safe_load(text))
    of_both = (pins, commands, no_way_around, secrets)
    of_jobs = (triggers, permissions, jobs, production, superseded)
    rules: tuple[Callable[[Workflow], Iterator[str]], ...] = (*of_both, *(of_jobs if workflow.jobs else ()))
    return [problem for rule in rules for problem in rule(workflow)]


def triggers(workflow: Workflow) -> Iterator[str]:
    """It starts when the contract says, and never with a stranger's code and our rights."""
    said = set(workflow.data[True])
    if said != TRIGGERS[workflow.name]:
        yield f"it starts on {', '.join(sorted(said))}"


def permissions(workflow: Workflow) -> Iterator[str]:
    """Nothing is allowed that a job does not name, and what it asks for is; writing is only the journal's role."""
    if workflow.data.get("permissions") != {}:
        yield "the workflow's own permissions are not empty"
    for name, job in workflow.jobs:
        given = job.get("permissions")
        if not isinstance(given, dict):
            yield f"{name} declares no permissions"
        elif writes := [p for p, how in given.items() if how != "read" and (p, how) != ("id-token", "write")]:
            yield f"{name} may write {', '.join(writes)}"
        elif not {"checks", "actions", "pull-requests"} <= set(given) and (asks := _asks(job)):
            yield f"{name} may not read the commit stage that {asks} asks for"


def _asks(job: dict[str, Any]) -> str:
    """Which commands of a job ask GitHub for the commit stage."""
    lines = (_bare(step.get("run", "").split()) for step in job["steps"])
    return ", ".join(line[1] for line in lines if line[:1] == [".venv/bin/invoke"] and line[1] in ASK)


def jobs(workflow: Workflow) -> Iterator[str]:
    """A job ends; one that may change something has an environment and is not cut off."""
    for name, job in workflow.jobs:
        if not isinstance(job.get("timeout-minutes"), int):
            yield f"{name} has no time limit"
        secret = "secrets." in str(job)
        if secret and not job.get("environment"):
            yield f"{name} has secrets and no environment"
        lock = job.get("concurrency", {})
        if secret and (lock or workflow.data.get("concurrency", {})).get("cancel-in-progress"):
            yield f"{name} may be cancelled while it changes something"
        if "HEROKU_API_KEY" in str(job) and not lock:
            yield f"{name} changes an environment without a lock"
        if secret and lock and lock.get("queue") != "max":
            yield f"{name} cancels who waits for its lock"
        if job.get("environment") == "acceptance" and "HEROKU_API_KEY" in str(job):
            yield f"{name} gives acceptance what changes an environment"


def production(workflow: Workflow) -> Iterator[str]:
    """What changes production: its lock, its environment, only from main, and no build."""
    for name, job in workflow.jobs:
        words = [_bare(shlex.split(step["run"])) for step in job["steps"] if "run" in step]
        touched = any(map(_touches_production, words)) or "ALLOW_PROD" in str(job)
        if not touched and job.get("environment") != "production":
            continue
        if job.get("environment") != "production":
            yield f"{name} changes production outside of its environment"
        lock = {"group": "production-mutation", "cancel-in-progress": False, "queue": "max"}
        if job.get("concurrency") != lock:
            yield f"{name} changes production without the lock production-mutation"
        main = workflow.data[True].get("push", {}).get("branches") == ["main"]
        if not main and job.get("if") != "github.ref == 'refs/heads/main'":
            yield f"{name} changes production from any branch"
        for line in words:
            if line[0] != ".venv/bin/invoke" or line[1] not in IN_PRODUCTION:
                yield f"{name}: {' '.join(line)} may build or push"
            if line[1] == "replay" and not _accepts_again(workflow, job):
                yield f"{name} would accept beside production's credentials"
        if any(step.get("uses", "").startswith("docker/") for step in job["steps"]):
            yield f"{name} builds or pushes an image"


def pins(workflow: Workflow) -> Iterator[str]:
    """Every action is a full commit with its version beside it, or is this repository's own."""
    for line in re.findall(r"uses:.*", workflow.text):
        own = re.fullmatch(r"uses: \$/(.+)", line)
        if not (PIN.match(line) or (own and (ROOT / own[1] / "action.yml").is_file())):
            yield f"{line} is not pinned"


def commands(workflow: Workflow) -> Iterator[str]:
    """Every command is one line of ours, exists with its options, and takes values from the environment."""
    for where, _, step in workflow.steps:
        if (line := step.get("run")) is None:
            if (
                "checkout@" in step.get("uses", "")
                and step.get("with", {}).get("persist-credentials") is not False
            ):
                yield f"{where} leaves the token in the checkout"
            continue
        if SHELL.sub("", line):
            yield f"{where}: {line.strip()!r} is more than plain words and quoted variables"
        elif problem := wrong_with(shlex.split(line)):
            yield f"{where}: {problem}"
        for variable in re.findall(r"\$([A-Z_]+)", line):
            value = str(step.get("env", {}).get(variable, ""))
            if not value:
                yield f"{where}: ${variable} is not in the step's env"
            elif "secrets." in value or "token" in value:
                yield f"{where}: ${variable} is a secret on a command line"


def no_way_around(workflow: Workflow) -> Iterator[str]:
    """No failure is passed over, and after one nothing runs that changes anything."""
    for where, job, step in workflow.steps:
        for part in (job, step):
            if "continue-on-error" in part:
                yield f"{where} goes on after an error"
            condition = str(part.get("if", ""))
            if re.search(r"always|failure\(", condition):
                yield f"{where} runs whatever happened"
        line = step.get("run", "").split()
        after = "cancelled" in f"{job.get('if', '')}{step.get('if', '')}"
        if after and line and not (line[0] == ".venv/bin/invoke" and line[1] in READS):
            yield f"{where} changes something after a failure"


def superseded(workflow: Workflow) -> Iterator[str]:
    """Only a deploy may end as superseded and leave its job green, and then nothing comes after it."""
    jobs = dict(workflow.jobs)
    for name, job in jobs.items():
        neutral = [step for step in job["steps"] if step.get("run", "").startswith(NEUTRAL)]
        for step in job["steps"]:
            line = step.get("run", "").split()
            may = _bare(line)[:1] == [".venv/bin/invoke"] and _bare(line)[1] in MAY_BE_SUPERSEDED
            if may != (step in neutral):
                yield f"{name}: {' '.join(line)} must be neutral when it is superseded, and nothing else"
            if step in neutral and step.get("id") != "deploy":
                yield f"{name}: nobody can ask whether {' '.join(line)} was superseded"
        after = job["steps"][job["steps"].index(neutral[0]) + 1 :] if neutral else []
        if any(step.get("if") != NOT_SUPERSEDED for step in after):
            yield f"{name} goes on after its deploy was superseded"
        needed = [job.get("needs", [])] if isinstance(job.get("needs"), str) else job.get("needs", [])
        for other in needed:
            asks = f"needs.{other}.outputs.superseded != 'true'" in str(job.get("if", ""))
            if any(NEUTRAL in step.get("run", "") for step in jobs[other]["steps"]) and not asks:
                yield f"{name} goes on after {other} was superseded"


def secrets(workflow: Workflow) -> Iterator[str]:
    """A secret is in the env of the one step that needs it; what people typed is only ever in an env."""
    allowed = sum(
        len(re.findall(r"secrets\.", str(step.get("env", {}))))
        for _, _, step in workflow.steps
        if "run" in step
    )
    if len(re.findall(r"\bsecrets[.:]", workflow.text)) != allowed:
        yield "a secret is somewhere else than in the env of one step's command"
    typed = len(re.findall(r"\$\{\{[^}]*\b(?:inputs\.|github\.(?:event\.|head_ref))", workflow.text))
    given = sum(
        len(re.findall(r"\$\{\{ inputs\.", f"{step.get('env', {})}{step.get('with', {})}"))
        for _, _, step in workflow.steps
    )
    if typed != given:
        yield "what a person typed is somewhere else than in the env of a step"


@cache
def _namespace() -> Collection:
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    return module.namespace


def wrong_with(words: list[str]) -> str:
    """What is wrong with one command; "" when it exists with these options."""
    match words:
        case [".ci/neutral", *rest] if rest:
            return wrong_with(rest)
        case [".venv/bin/invoke", *rest] if rest:
            try:
                found = Parser(contexts=_namespace().to_contexts()).parse_argv(rest)
            except (ParseError, Exit):  # Exit, where this repository's own words for it are mounted
                return f"invoke does not take {' '.join(rest)}"
            return "" if len(found) == 1 else f"{' '.join(words)} is not one task"
        case ["make", target] if target in MADE:
            done = subprocess.run(
                ("make", "--dry-run", target), cwd=ROOT, capture_output=True, text=True, check=False
            )
            return done.stderr.strip() if done.returncode else ""
        case [".ci/run"]:
            return ""
    return f"{' '.join(words)} is no command of ours"


def _bare(words: list[str]) -> list[str]:
    """A command without what makes a superseded end of it green."""
    return words[1:] if words[:1] == [NEUTRAL] else words


def _accepts_again(workflow: Workflow, job: dict[str, Any]) -> bool:
    """Whether a job that this one needs has accepted the package in this very run."""
    needed = workflow.data["jobs"].get(job.get("needs"), {"steps": []})
    words = [shlex.split(step["run"]) for step in needed["steps"] if "run" in step]
    return any(line[:2] == [".venv/bin/invoke", "accept"] and "--again" in line for line in words)


def _touches_production(words: list[str]) -> bool:
    """Whether a command changes production, whichever of its names it says."""
    if words[0] != ".venv/bin/invoke" or words[1] in (*READS, *BEFORE) or "--env" not in words:
        return False
    config = read(ROOT)
    said = config.name_of(words[words.index("--env") + 1])
    return config.environments[said].production
