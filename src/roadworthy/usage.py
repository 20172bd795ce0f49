"""What Invoke cannot understand ends as every mistake here does: one line, exit code 2, and JSON when asked.

Invoke by itself ends with 1, which here means that a check failed, and with a traceback for a number that is
none. Its parser has no setting for either, so its one public method is wrapped, once a process.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from invoke.exceptions import Exit, ParseError
from invoke.parser import Parser

from .errors import UsageError

LIMIT: Final = 200  # characters of what was not understood
_parse: Final[Callable[..., Any]] = Parser.parse_argv


@wraps(_parse)
def _parse_argv(parser: Parser, argv: list[str]) -> Any:
    try:
        return _parse(_mentioned(parser, argv), argv)
    except (ParseError, ValueError) as error:
        if "--complete" in sys.argv:  # a shell completes a line that need not be a whole one yet
            raise
        from .command import stop
        from .model import Outcome
        from .report.terminal import Screen

        stop(Screen(json="--json" in argv), Outcome.FAILED, _line(error), UsageError.code)
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


def _line(error: Exception) -> str:
    said = str(error)
    if isinstance(error, ValueError):
        found = re.search(r": ('.*')$", said)
        number = found[1][:LIMIT] if found else "one of thousands of digits"
        return f"a whole number is expected, not {number}"
    said = re.sub(r"<Argument: ([\w-]+).*?>", r"--\1", said).rstrip("!")
    said = said if len(said) <= LIMIT else said[:LIMIT] + "…"
    command = getattr(getattr(error, "context", None), "name", None)
    more = f"--help {command}" if command else "--list"
    return f"{said}: see `invoke {more}`"
