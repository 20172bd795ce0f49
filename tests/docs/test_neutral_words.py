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
WORDS: Final = re.compile(r"heroku|slug|dyno|procfile|\bv[0-9]+\b|\bvNNN\b|\bv\{", re.IGNORECASE)
FORMATS: Final = re.compile(
    r"in-toto\.io/Statement/v1|test-result/v0\.1|slsa\.dev/(provenance|verification_summary)/v1"
    r"|roadworthy\.dev/journal/v1|/build/\{(package\.)?kind\}/v1|vnd\.(oci|docker)\.[a-z.]+\.v[12]\+json"
    r"|index\.docker\.io/v1/|\b(amd64/v1|arm64/v8|arm/v[67])\b|--porcelain=v2"
)
"""Versions of published formats and of processors, which are no releases."""
PLACES: Final = ("platforms/heroku/", "sandbox/heroku/", "drivers.py", "compatibility.py")


def _said() -> dict[str, list[str]]:
    """The lines that say one of the words, by file."""
    found: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        lines = [
            line.strip() for line in file.read_text().splitlines() if WORDS.search(FORMATS.sub("", line))
        ]
        if lines and not name.startswith(PLACES):
            found[name] = lines
    return found


def test_no_line_of_the_core_speaks_a_platforms_language() -> None:
    said = _said()
    shown = "\n".join(f"{name}: {line}" for name, lines in said.items() for line in lines)
    assert not said, f"use a neutral word, or put it into the driver or compatibility.py:\n{shown}"


def test_the_table_of_drivers_and_the_old_words_are_short() -> None:
    """What is allowed to speak stays small enough to be read at a glance."""
    for name, most in (("drivers.py", 10), ("compatibility.py", 20)):
        lines = (SOURCE / name).read_text().splitlines()
        assert sum(bool(WORDS.search(line)) for line in lines) <= most, name


def test_each_kind_of_word_is_found() -> None:
    for line in (
        "the Procfile",
        "dynos: int",
        "slug_id",
        "api.HEROKU",
        'f"v{release}"',
        "REL=v12",
        "say vNNN",
    ):
        assert WORDS.search(line), line
    for line in ("self.version", "driver", "release 12", 'f"{value}"', "archive"):
        assert not WORDS.search(line), line
