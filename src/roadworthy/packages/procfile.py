"""A package's `Procfile`: one `type: command` a line (Heroku Dev Center, "The Procfile")."""

from __future__ import annotations

import re
from typing import Final

from ..errors import UsageError

_LINE: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\s*:\s*(\S.*)")


def processes(text: str) -> dict[str, str]:
    """Commands by process type. Raises UsageError naming the line that is none."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match:
            raise UsageError(f"Procfile:{number}: {line.strip()[:80]!r} is not 'type: command'")
        found[match[1]] = match[2]
    return found
