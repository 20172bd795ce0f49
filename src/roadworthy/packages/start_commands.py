"""The start commands of a package of source files: which processes it has, and how one is started.

This is the only reader and the only way to start: the build, the guards, acceptance, the tests, the sandbox and
the driver all call it, so what is accepted is what runs.
"""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from typing import Final

from ..compatibility import START_FILE
from ..errors import UsageError

NAME: Final = START_FILE
RELEASE: Final = "release"  # the process type that a platform runs before a release
MAX_SIZE: Final = 64 << 10  # bytes
_LINE: Final = re.compile(r"([A-Za-z0-9_-]{1,64})[ \t]*:[ \t]*(\S.*)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# The platform's bash sources the app's profile scripts first, in this order (Dev Center, "The .profile file").
_PROFILED: Final = """\
for script in .profile.d/*.sh .profile; do [ ! -f "$script" ] || . "./$script"; done
exec "$BASH" -c "$1\""""


def processes(data: bytes, where: str = NAME) -> dict[str, str]:
    """Commands by process type, in the file's order; empty lines, comments and CRLF are fine.

    Raises UsageError that names the file and the line: bytes that are not UTF-8, a byte order mark, a control
    character, a line that is not `type: command`, a type that is there already (in any case of its letters).
    """
    if len(data) > MAX_SIZE:
        raise UsageError(f"{where} has {len(data)} bytes: at most {MAX_SIZE} are read")
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(data.split(b"\n"), 1):
        at = f"{where}:{number}"
        try:
            line = raw.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise UsageError(f"{at}: byte {error.start + 1} is not UTF-8: save the file as UTF-8") from error
        if line.startswith("\ufeff"):
            raise UsageError(f"{at}: begins with a byte order mark: save the file without it")
        if control := _CONTROL.search(line):
            raise UsageError(f"{at}: holds the control character {control[0]!r}: take it out")
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise UsageError(f"{at}: {line[:80]!r} is not 'type: command'")
        first = lines.setdefault(match[1].lower(), number)
        if first != number:
            raise UsageError(f"{at}: {match[1]!r} is declared in line {first} already: keep one of them")
        found[match[1]] = match[2]
    return found


def words(command: str, folder: Path) -> tuple[str, ...]:
    """The words that start `command` in `folder`, the app's root, as platforms do: bash, after the app's profile.

    bash becomes the process where the command is a single one; otherwise it stays in front of it, so signals go to
    the whole process group. No value of a variable is among the words.
    """
    if any((folder / name).exists() for name in (".profile", ".profile.d")):
        return (_bash(), "-c", _PROFILED, "bash", command)
    return (_bash(), "-c", command)


@cache
def _bash() -> str:
    """Where bash is: the app's PATH says where the app looks, and may not name it."""
    return shutil.which("bash") or "/bin/bash"
