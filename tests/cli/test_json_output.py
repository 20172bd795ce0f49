"""With --json every command answers in the one published shape, whatever goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from invoke.program import Program

from roadworthy.report.answer import Answer, json_schema
from roadworthy.tasks import mount

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "docs" / "json-output.schema.json"
COMMANDS = sorted(
    task.name if not group else f"{group}.{task.name}"
    for group, collection in ({"": mount(REPOSITORY)} | dict(mount(REPOSITORY).collections)).items()
    for task in collection.tasks.values()
)


def answered(root: Path, *words: str) -> dict[str, Any]:
    out, code = io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            Program(namespace=mount(root)).run(["invoke", *words])
        except SystemExit as end:
            code = int(str(end.code or 0))
    (line,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    msgspec.convert(found, Answer)
    assert found["code"] == code
    assert sorted(found) == sorted(json_schema()["required"])
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_is_answered_in_the_shape_of_every_answer(tmp_path: Path, command: str) -> None:
    said = answered(tmp_path, command, "--json", "--no-such-option")
    assert (said["command"], said["outcome"], said["code"]) == (command, "failed", 2)
    assert (said["environment"], said["target"]) == (None, None)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "rehearse"])
def test_without_a_project_each_command_answers_in_that_shape(tmp_path: Path, command: str) -> None:
    said = answered(tmp_path, command, "--json")
    assert said["command"] == command
    assert said["line"] and said["target"] is None


def test_an_environment_is_named_whatever_it_was_called() -> None:
    for name in ("prod", "capecraft"):
        said = answered(REPOSITORY, "deploy", "--json", "--env", name, "--wait", "for ever")
        assert (said["environment"], said["target"], said["code"]) == ("prod", "sandbox", 2)
    assert answered(REPOSITORY, "deploy", "--json", "--env", "nowhere")["environment"] is None


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), json.dumps(json_schema(), indent=2)


def test_the_page_has_a_row_for_each_key() -> None:
    page = (REPOSITORY / "docs" / "json-output.md").read_text()
    rows = [line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")]
    assert rows == list(Answer.__struct_fields__)
