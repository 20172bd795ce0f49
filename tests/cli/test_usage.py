"""Our parser knows only the commands that are mentioned, and understands every line as Invoke's does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser import Argument, Parser, ParserContext
from invoke.tasks import task

from roadworthy import tasks
from roadworthy.commands import usage

ROOT = Path(__file__).parents[2]


@task(aliases=["ahead", "a"], optional=["how"], iterable=["also"])
def forward(c, fast=False, how=None, also=None):  # type: ignore[no-untyped-def]
    """A task with what none of ours has: aliases, and an option that needs no value."""


def whole() -> Parser:
    namespace = Collection(forward)
    namespace.add_collection(tasks.mount(ROOT), "ours")
    initial = ParserContext(args=[Argument(names=("echo", "e"), kind=bool, default=False)])
    return Parser(namespace.to_contexts(), initial)


def understood(parser: Parser, argv: list[str]) -> Any:
    try:
        found = usage._parse(parser, argv)
    except ParseError as error:
        return str(error)
    return found.remainder, [
        (context.name, {name: arg.value for name, arg in context.args.items()}) for context in found
    ]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "ours.status",
        "ours.status ours.history --env prod",
        "ours.deploy --env=staging --why ours.status --plan",
        "ours.deploy --why=forward",
        "forward --how ours.status",
        "forward --how a",
        "forward --how=ahead ours.status",
        "forward -hours.status",
        "forward -fh",
        "a -f",
        "ahead --also x --also a ours.smoke",
        "-e a -- a b",
        "ours.sandbox.up ours.evidence.audit",
        "ours.statu",
        "forwards",
        "ours.deploy ours",
        "ours.deploy --nope",
        "forward --how",
    ],
)
def test_a_line_means_what_it_means_to_the_whole_parser(words: str) -> None:
    argv = words.split()
    parser = whole()
    assert understood(usage._mentioned(parser, argv), argv) == understood(parser, argv)


def test_commands_that_are_not_mentioned_are_not_copied() -> None:
    found = usage._mentioned(Parser(tasks.mount(ROOT).to_contexts()), ["status", "--json"])
    assert set(found.contexts) == {"status"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [("deploy --pl", "--plan"), ("stat", "status"), ("history --env prod --lim", "--limit")],
)
def test_a_shell_completes_a_line_that_is_not_whole(line: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--complete", "--", f"invoke {line}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert expected in done.stdout.split()
    assert done.stderr == ""
