"""The text of trust.toml: the part of TOML that every reader reads alike (docs/journal-format.md).

Readers that do not share a parser disagree about TOML's rarer forms: quoted and dotted keys, escapes, texts over
several lines, dates. So those forms are no part of the format, and the writer refuses them like the auditors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from ..errors import UsageError

_REST: Final = rb"[ \t]*(?:#.*)?"
_TEXT: Final = rb'"[ !#-\[\]-~]*"'  # printable ASCII without " and \
_LIST: Final = rb"\[[ \t]*(?:%b(?:[ \t]*,[ \t]*%b)*[ \t]*)?\]" % (_TEXT, _TEXT)
_LINE: Final = re.compile(
    rb"[ \t]*(?:version[ \t]*=[ \t]*(?P<version>[1-9][0-9]{0,8})|\[\[(?P<table>rule|revoked)\]\]"
    rb"|(?P<name>[a-z]+)[ \t]*=[ \t]*(?:(?P<text>%b)|(?P<list>%b)))?%b" % (_TEXT, _LIST, _REST)
)
_VERSION: Final = "it needs `version = N`, a number that rises with every change, in digits alone"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


def parse(path: Path, data: bytes) -> dict[str, Any]:
    """The values of a trust.toml, as TOML means them. Raises UsageError with the line that is no part of it."""
    values: dict[str, Any] = {}
    table: dict[str, Any] | None = None
    for number, line in enumerate(data.split(b"\n"), 1):
        found = _LINE.fullmatch(line)
        if _CONTROL.search(line) or not found:
            raise UsageError(f"{path}:{number}: {_why(line)}")
        if found["version"]:
            if table is not None or "version" in values:
                raise UsageError(f"{path}:{number}: `version = N` stands once, before the first table")
            values["version"] = int(found["version"])
        elif found["table"]:
            table = {}
            values.setdefault(found["table"].decode(), []).append(table)
        elif found["name"]:
            name = found["name"].decode()
            if table is None:
                why = (
                    _VERSION
                    if name == "version"
                    else "before the first table stands version and nothing else"
                )
                raise UsageError(f"{path}:{number}: {why}")
            if name in table:
                raise UsageError(f"{path}:{number}: {name} stands twice in one table")
            if found["text"]:
                table[name] = found["text"][1:-1].decode()
            else:
                table[name] = [text[1:-1].decode() for text in re.findall(_TEXT, found["list"])]
    return values


def _why(line: bytes) -> str:
    if line.startswith(b"\xef\xbb\xbf"):
        return "the file begins with a byte order mark: save it as UTF-8 without one"
    if line.endswith(b"\r"):
        return "the line ends in CR LF: end it with LF alone"
    if _CONTROL.search(line):
        return "control characters do not belong here"
    if line.strip().startswith(b"version"):
        return _VERSION
    return (
        'write `[[rule]]`, `[[revoked]]`, `name = "text"` or `name = ["text", "text"]` and nothing else, one '
        "a line, in ASCII without \\ (docs/journal-format.md)"
    )
