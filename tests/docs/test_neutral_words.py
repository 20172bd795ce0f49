"""The core speaks no platform's language: architecture.md §7. Names, texts and comments of the source are read.

A word of Heroku's belongs to its driver (`platforms/heroku`), to its sandbox (`sandbox/heroku`), into the table of
drivers, or into `compatibility.py`: the words that files, journals and people's programs have used
since before there was a second platform.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2] / "src" / "roadworthy"
WORDS: Final = re.compile(r"heroku|slug|dyno|procfile|\bv[0-9]+\b|\bv\{", re.IGNORECASE)
PLACES: Final = ("platforms/heroku/", "sandbox/heroku/", "drivers.py", "compatibility.py")
CEILING: Final = 48
"""Lines that still say one. It only falls."""


def _said() -> dict[str, list[str]]:
    """The lines that say one of the words, by file."""
    found: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        lines = [line.strip() for line in file.read_text().splitlines() if WORDS.search(line)]
        if lines and not name.startswith(PLACES):
            found[name] = lines
    return found


def test_no_more_lines_than_before_speak_a_platforms_language() -> None:
    said = _said()
    shown = "\n".join(f"{len(lines):4} {name}" for name, lines in said.items())
    assert sum(map(len, said.values())) <= CEILING, f"use a neutral word, or put it into the driver:\n{shown}"


def test_each_kind_of_word_is_found() -> None:
    for line in ("the Procfile", "dynos: int", "slug_id", "api.HEROKU", 'f"v{release}"', "REL=v12"):
        assert WORDS.search(line), line
    for line in ("self.version", "driver", "release 12", 'f"{value}"', "archive"):
        assert not WORDS.search(line), line
