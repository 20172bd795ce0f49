"""The text of `release.toml`: parsed within limits, and the line on which a mistake stands.

`tomllib` takes time that grows with the square of a dotted key's length, and overflows the stack on deep
nesting, so lines are limited and both are refused. Control characters are refused everywhere (a command may have
several lines): no name, path or pattern needs one, and none can then reach a terminal or a header.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .errors import UsageError
from .files import read_file

FILE: Final = "release.toml"
FILE_LIMIT: Final = 64 << 10  # bytes
LINE_LIMIT: Final = 2000  # characters
SAID_LIMIT: Final = 250  # characters of a problem, which may repeat what stands in the file
Keys = tuple[str | int, ...]  # the way to a value: names of keys, and numbers in lists


def read_bytes(root: Path) -> bytes:
    """The bytes of `root/release.toml`. Raises UsageError."""
    try:
        return read_file(root / FILE, FILE_LIMIT, FILE)
    except FileNotFoundError as error:
        raise UsageError(f"no {FILE} in {root.name}/: run this from the project, or write one") from error


def text_of(data: bytes) -> str:
    """The text in these bytes. Raises UsageError with the line of what is no UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{FILE}:{line}: this is not UTF-8: save the file as UTF-8") from error


def load(text: str) -> dict[str, Any]:
    """The values of a TOML text. Raises UsageError with the line of what is wrong."""
    if text.startswith("\ufeff"):
        raise UsageError(f"{FILE}:1: the file begins with a byte order mark: save it as UTF-8 without one")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_LIMIT:
            raise UsageError(f"{FILE}:{number}: the line is longer than {LINE_LIMIT:,} characters: break it")
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{FILE}: lists or tables are nested too deeply: write them flat") from error
    except ValueError as error:
        problem, _, place = str(error).partition(" (at ")
        found = re.match(r"line ([0-9]+)", place)
        last = len(text.splitlines()) or 1
        raise UsageError(f"{FILE}:{found[1] if found else last}: {problem[:200]}") from error
    for keys in _unprintable(values, ()):
        raise mistake(text, keys, "control characters do not belong here")
    return values


def mistake(text: str, keys: Keys, problem: str) -> UsageError:
    """The error for a problem with the value at `keys`, with its line."""
    names = [key for key in keys if isinstance(key, str)]
    where = ".".join(key if key.isprintable() else repr(key) for key in names)[:120]
    shown = problem if len(problem) <= SAID_LIMIT else problem[:SAID_LIMIT] + "…"
    return UsageError(f"{FILE}:{line_of(text, keys)}: {where + ': ' if where else ''}{shown}")


def line_of(text: str, keys: Keys) -> int:
    """The line where `keys` stands, as near as its tables tell; 1 when nowhere."""
    number = next((key for key in keys if isinstance(key, int)), 0)
    array = tuple(keys[: keys.index(number)]) if number in keys else ()
    wanted = tuple(key for key in keys if isinstance(key, str))
    table: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    best, depth = 1, 0
    for at, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
            here = table = _parts(header[1])
            seen[table] = seen.get(table, -1) + 1
        elif key := re.match(r"\s*([A-Za-z0-9_\"'.\s-]+?)\s*=", line):
            here = (*table, *_parts(key[1]))
        else:
            continue
        if table == array and seen.get(table, 0) != number:
            continue
        if here == wanted[: len(here)] and len(here) > depth:
            best, depth = at, len(here)
    return best


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _unprintable(value: Any, at: Keys) -> Iterator[Keys]:
    """Where a key or a text with a control character is."""
    if isinstance(value, str):
        several_lines = at[:1] == ("commands",)  # a command may be a small script
        if not (value.replace("\n", "").replace("\t", "") if several_lines else value).isprintable():
            yield at
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.isprintable():
                yield at
            yield from _unprintable(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unprintable(inner, (*at, number))
