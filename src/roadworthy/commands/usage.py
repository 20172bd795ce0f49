"""What Invoke cannot understand ends as every mistake here does: one line, exit code 2, and JSON when asked.

Invoke by itself ends with 1, which here means that a check failed, and with a traceback for a number that is
none. Its parser has no setting for either, so its one public method is wrapped, once a process; so is the one
that lists the commands, for Invoke knows the alphabet only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

from invoke.exceptions import Exit, ParseError
from invoke.parser import Parser
from invoke.program import Program
from invoke.util import helpline

from ..errors import UsageError

LIMIT: Final = 200  # characters of what was not understood
_parse: Final[Callable[..., Any]] = Parser.parse_argv
_list: Final[Callable[..., Any]] = Program.list_flat


@wraps(_parse)
def _parse_argv(parser: Parser, argv: list[str]) -> Any:
    try:
        return _parse(_mentioned(parser, argv), argv)
    except (ParseError, ValueError) as error:
        if "--complete" in sys.argv:  # a shell completes a line that need not be a whole one yet
            raise
        from ..model import Outcome, Result
        from ..report.terminal import Screen
        from .session import running, stop

        running(_command(error))
        stop(
            Screen(json="--json" in argv), Result(Outcome.FAILED, _line(parser, error), code=UsageError.code)
        )
        raise Exit(code=UsageError.code) from error


def _mentioned(parser: Parser, argv: list[str]) -> Parser:
    """The same parser of no other commands than those whose names stand in `argv`.

    Parsing begins with a deep copy of every command with all its options: some 2 % of a short command's time.
    """
    named = [
        context
        for context in parser.contexts.values()
        if any(name in word for name in (context.name, *context.aliases) for word in argv)
    ]
    return Parser(named, parser.initial, parser.ignore_unknown)


def answer_in_our_words() -> None:
    """From now on Invoke's parser refuses as the rest of this package does."""
    setattr(Parser, "parse_argv", _parse_argv)  # noqa: B010 - a plain assignment has no type


def list_in_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """From now on `invoke --list` shows commands under these titles, in this order, and then each collection."""

    @wraps(_list)
    def list_flat(program: Program) -> None:
        if program.list_root or program.list_depth:
            _list(program)
            return
        lines = {name: helpline(program.collection[name]) or "" for name in program.collection.task_names}
        width = max(map(len, lines))
        told = {name for names in groups.values() for name in names}
        others: dict[str, list[str]] = {}
        for name in sorted(lines.keys() - told):
            others.setdefault(name.rpartition(".")[0] or "of this project", []).append(name)
        for title, names in (*groups.items(), *others.items()):
            print(f"{title}:\n")
            program.print_columns([(name.ljust(width), lines[name]) for name in names if name in lines])
        print("`invoke COMMAND -h` shows the options of a command.")

    setattr(Program, "list_flat", list_flat)  # noqa: B010 - as above


def _line(parser: Parser, error: Exception) -> str:
    said = str(error)
    if isinstance(error, ValueError):
        found = re.search(r": ('.*')$", said)
        number = found[1][:LIMIT] if found else "one of thousands of digits"
        return f"a whole number is expected, not {number}"
    said = re.sub(r"<Argument: ([\w-]+).*?>", r"--\1", said).rstrip("!")
    said = said if len(said) <= LIMIT else said[:LIMIT] + "…"
    context = error.context if isinstance(error, ParseError) else None
    if context and context.name:
        return f"{said}{_meant(said, context.flags)}: see `invoke {context.name} -h`"
    return f"{said}{_meant(said, parser.contexts)}: see `invoke --list`"


def _command(error: Exception) -> str:
    """The command whose options could not be read; empty when it is not known which was meant."""
    context = error.context if isinstance(error, ParseError) else None
    return (context.name if context else "") or ""


def _meant(said: str, known: Iterable[str]) -> str:
    """The word that is written most like the one that is quoted in `said`, as a question."""
    from difflib import get_close_matches

    word = re.search("'(.*)'", said)
    near = get_close_matches(word[1], known, 1) if word else []
    return f", did you mean {near[0]}?" if near else ""
