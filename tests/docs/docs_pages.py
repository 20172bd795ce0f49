"""The pages of the documentation, and what stands in them."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "app/README.md")
PAGES = sorted((*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in TOP)))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of one language."""
    return [match[3] for match in FENCE.finditer(text(page)) if match[2] == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text(page))


def typed(page: Path) -> list[str]:
    """Every command line behind a `$ ` of a console block, continued lines joined."""
    return typed_in(text(page))


def typed_in(said: str) -> list[str]:
    """The same, of a part of a page."""
    consoles = (match[3] for match in FENCE.finditer(said) if match[2] == "console")
    joined = "".join(consoles).replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in `text`, without its head."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return table


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next heading of any level."""
    _, _, rest = text(page).partition(f"\n{heading}\n")
    assert rest, f"{name(page)} has no heading {heading!r}"
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
