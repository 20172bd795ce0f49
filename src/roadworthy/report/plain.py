"""Text from outside, made harmless to look at.

A log line, a server's reason or a branch name may hold escape sequences that repaint a terminal, hide text or
turn its direction. Whatever is not printable is shown as what it is (`\\x1b`), never acted upon.
"""

from __future__ import annotations


def plain(text: object) -> str:
    """`text` on one line: blanks become a space, and every other character that is not printable its escape."""
    said = str(text)
    return said if said.isprintable() else "".join(map(_shown, said))


def plain_lines(text: object) -> list[str]:
    """The lines of `text`, each one harmless; there is at least one."""
    return [plain(line) for line in str(text).split("\n")]


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t" or (character.isspace() and character > "\x9f" and character not in "\u2028\u2029"):
        return " "
    return character.encode("unicode_escape").decode()
