"""What `invoke --list` and `--help` say, and that the three lines people use parse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from invoke.program import Program

from roadworthy.tasks import mount

ROOT = Path(__file__).parents[2]
NAMES = sorted(mount(ROOT).task_names)
# Invoke empties a task's help as it reads it, so it is read once, in a process of its own.
ASK = """
import json
from pathlib import Path
from roadworthy.tasks import mount
print(json.dumps({c.name: {a.name: a.help for a in c.args.values()} for c in mount(Path()).to_contexts()}))
"""


def run(*words: str) -> str:
    done = subprocess.run(
        (sys.executable, *words), cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


@cache
def options() -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = json.loads(run("-c", ASK))
    return found


def test_the_list_shows_every_command_with_one_line():
    lines = dict(re.findall(r"^  (\S+) +(\S.*)$", run("-m", "invoke", "--list"), re.MULTILINE))
    assert sorted(lines) == NAMES
    assert [name for name, words in lines.items() if len(words) < 20] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_command_is_explained(name: str):
    assert [option for option, words in options()[name].items() if len(words or "") < 3] == []
    assert "json" in options()[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_has_no_short_options_so_that_h_is_help(name: str):
    short = [flag for context in mount(ROOT).to_contexts() if context.name == name for flag in context.flags]
    assert [flag for flag in short if not flag.startswith("--")] == []


def test_h_is_help_and_changes_nothing():
    assert run("-m", "invoke", "deploy", "-h") == run("-m", "invoke", "--help", "deploy")


def test_the_list_has_the_stages_in_their_order():
    shown = run("-m", "invoke", "--list")
    groups = {
        part.partition(":")[0]: re.findall(r"^  (\S+) ", part, re.MULTILINE)
        for part in re.split(r"\n(?=\S)", shown)
    }
    stages = ["intake", "build", "accept", "release", "deploy", "migrate", "complete"]
    assert groups["Pipeline stages, in order"] == stages
    assert groups["lock"] == ["lock.status", "lock.unlock"]
    assert run("-m", "invoke", "--list", "lock").startswith("Available 'lock' tasks:")


def test_the_help_of_a_command_shows_what_it_does_and_its_options():
    text = run("-m", "invoke", "--help", "deploy")
    assert "Does nothing if it already runs." in " ".join(text.split())
    for option, words in options()["deploy"].items():
        assert f"--{option}" in text and str(words).split()[0] in text


@pytest.mark.parametrize(
    ("line", "name", "values"),
    [
        ("smoke --env prod", "smoke", {"env": "prod"}),
        ("certify", "certify", {"env": "staging"}),
        ("deploy --env capecraft --commit HEAD", "deploy", {"env": "capecraft", "plan": False}),
        ("rollback --env prod --to v12", "rollback", {"to": "v12"}),
        ("ship --log", "ship", {"log": True, "env": "staging"}),
    ],
)
def test_the_lines_that_people_use_parse(line: str, name: str, values: dict[str, object]):
    program = Program(namespace=mount(ROOT))
    program.create_config()
    program.parse_core(["invoke", *line.split()])
    program.collection = program.namespace
    program.parse_tasks()
    (context,) = program.tasks
    assert context.name == name
    assert {key: context.args[key].value for key in values} == values


def test_no_command_guards_anything_before_it_runs():
    # Invoke runs a `pre` task once a session, without arguments, and not at all when called as a function.
    namespace = mount(ROOT)
    assert [name for name in NAMES if namespace[name].pre or namespace[name].post] == []
