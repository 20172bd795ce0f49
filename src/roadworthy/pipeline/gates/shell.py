"""The commands of a shell text: words and operators, without comments, and quotes taken for what they hold.

Enough of the grammar to see what a step does with a failure. A text that does not end its quotes is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_OPERATORS: Final = ("&&", "||", ";;", "|&", "|", "&", ";", "(", ")", "\n")
_EXPRESSION: Final = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_HEREDOC: Final = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_WORD: Final = re.compile(r"[^\s;&|()'\"\\$<]+")


class Token(NamedTuple):
    """A word, or an operator that stood outside of quotes."""

    text: str
    operator: bool = False


def tokens(text: str) -> list[Token]:
    """The tokens of a shell text. Raises ValueError for quotes or a here-document without an end."""
    return list(_scan(text))


def commands(found: list[Token]) -> Iterator[list[str]]:
    """The words of each simple command."""
    words: list[str] = []
    for token in [*found, Token(";", True)]:
        if not token.operator:
            words.append(token.text)
        elif words:
            yield words
            words = []


def _scan(text: str) -> Iterator[Token]:
    at, word, begun = 0, "", False
    waiting: list[str] = []  # the ends of here-documents that begin behind this line
    while at < len(text):
        rest = text[at:]
        operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
        if operator and not rest.startswith("&>"):
            if begun:
                yield Token(word)
            word, begun = "", False
            yield Token(operator, True)
            at += len(operator)
            if operator == "\n":
                for end in waiting:
                    at = _behind(text, at, end)
                waiting = []
            continue
        if rest[0] in " \t\r":
            if begun:
                yield Token(word)
            word, begun, at = "", False, at + 1
        elif rest[0] == "#" and not begun:
            at += len(rest.partition("\n")[0])
        elif heredoc := _HEREDOC.match(rest):
            waiting.append(heredoc[2])
            at += len(heredoc[0])
        else:
            part, length = _part(rest)
            word, begun, at = word + part, True, at + length
    if waiting:
        raise ValueError("a here-document has no end")
    if begun:
        yield Token(word)


def _part(rest: str) -> tuple[str, int]:
    """What one piece of a word holds, and how long it is."""
    if expression := _EXPRESSION.match(rest):
        return expression[0], len(expression[0])
    if rest.startswith("\\\n"):
        return "", 2
    if rest[0] == "\\":
        return rest[1:2], 2
    if rest[0] == "'":
        end = rest.find("'", 1)
        if end < 0:
            raise ValueError("a quote has no end")
        return rest[1:end], end + 1
    if rest[0] == '"':
        return _quoted(rest)
    plain = _WORD.match(rest)
    return (plain[0], len(plain[0])) if plain else (rest[0], 1)


def _quoted(rest: str) -> tuple[str, int]:
    at, made = 1, ""
    while at < len(rest):
        if rest[at] == '"':
            return made, at + 1
        if expression := _EXPRESSION.match(rest, at):
            made, at = made + expression[0], at + len(expression[0])
        elif rest[at] == "\\":
            made, at = made + rest[at + 1 : at + 2], at + 2
        else:
            made, at = made + rest[at], at + 1
    raise ValueError("a quote has no end")


def _behind(text: str, at: int, end: str) -> int:
    """Where the text goes on behind a here-document."""
    for line in text[at:].splitlines(keepends=True):
        at += len(line)
        if line.strip() == end:
            return at
    raise ValueError("a here-document has no end")
