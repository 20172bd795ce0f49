"""Globs of paths: `*` and `?` inside one part of a path, `**` for any number of whole parts.

- A glob matches a whole path, relative to the project's folder. Case counts, and a leading dot is no exception.
- `docs/**` is everything below `docs`, and not `docs` itself; `**/README.md` is every README, the top one too.
- Matching takes linear time for each `**`, whatever the glob: after a star the first place that fits is also
  the best one, so every part is an atomic group and nothing is ever tried twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

LONGEST: Final = 200  # characters of one glob
_UNKNOWN: Final = frozenset("[]{}!\\")  # they mean different things to different tools


def problem(glob: str) -> str:
    """What is wrong with a glob, as a few words; "" when nothing is."""
    parts = glob.split("/")
    if not glob or len(glob) > LONGEST:
        return f"a glob has 1 to {LONGEST} characters"
    if glob.startswith(("/", "~")) or {"", ".", ".."} & set(parts):
        return f"{glob!r}: expected a path inside the project, such as app/**"
    if found := sorted(_UNKNOWN & set(glob)):
        return f"{glob!r}: {found[0]} is not known here: say * or ?"
    if any("**" in part and part != "**" for part in parts):
        return f"{glob!r}: ** stands alone between slashes, such as app/**/README.md"
    return ""


def matches(globs: Iterable[str], path: str) -> bool:
    """Whether any of the globs, which `problem` found nothing wrong with, matches the path."""
    return bool(_compiled(tuple(globs)).fullmatch(f"{path}/"))


@lru_cache(maxsize=64)
def _compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_translated, globs)) or r"(?!)")


def _translated(glob: str) -> str:
    """The regular expression of a glob: runs of parts, and any number of parts between two runs."""
    runs = [""]
    for part in glob.split("/"):
        if part != "**":
            runs[-1] += f"{_part(part)}/"
        elif runs[-1] or len(runs) == 1:
            runs.append("")
    first, *others = runs
    if not others:
        return first
    *middle, last = others
    between = "".join(f"(?>(?:[^/]+/)*?{run})" for run in middle)
    return first + between + (f"(?:[^/]+/)*?{last}" if last else "(?:[^/]+/)+")


def _part(part: str) -> str:
    """The regular expression of one part of a path."""
    first, *others = (re.escape(text).replace(r"\?", "[^/]") for text in part.split("*"))
    if not others:
        return first
    *middle, last = others
    between = "".join(f"(?>[^/]*?{text})" for text in middle if text)
    return f"(?>{first}{between}[^/]*{last})"
