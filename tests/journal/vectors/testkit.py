"""The form of a test vector: a header, and the files of a journal and of what lies beside it.

Read by the tests and written by `generate.py`; docs/journal-format.md describes it for whoever writes another
reader. Nothing here is of the code that is judged.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent
LOG: Final = "sandbox/prod"
_SECTION: Final = re.compile(r"-- (.+?)(?: (base64|fill|link|folder|pipe)(?: (\S+))?)? --")


_SIGNS: Final = {"-": "minus", "+": "plus", ".": "dot", '"': "quoted"}


class Fill(NamedTuple):
    """A file of `size` bytes: `data` again and again."""

    data: bytes
    size: int


class Special(NamedTuple):
    """What is no file: a `link` to `to`, a `folder` or a `pipe`."""

    kind: str
    to: str = ""


File = bytes | Fill | Special


class Vector(NamedTuple):
    """What lies where, and what has to be said of it.

    `reason` is "" for what is good, `file` then too. `reader` is what who only follows the chain says, "good" also
    where an auditor finds more. `log` is below `journal/`, `anchors` are files that an auditor brings along.
    """

    about: str
    rule: str
    files: Mapping[str, File]
    reason: str = ""
    file: str = ""
    reader: str = "good"
    log: str = LOG
    anchors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its path below the folder of vectors."""
        said = re.sub(r"(?<= )([-+.\"])(?=[\d.])", lambda sign: f"{_SIGNS[sign[1]]} ", self.about.lower())
        return f"{self.rule}/{re.sub('[^a-z0-9]+', '-', said).strip('-')}.txt"


def write(vector: Vector) -> str:
    """The text of a vector's file."""
    said = [f"expect: {'bad' if vector.reason else 'good'}"]
    said += [f"reason: {vector.reason}", f"file: {vector.file}"] if vector.reason else []
    said += [f"reader: {vector.reader}"] if vector.reason else []
    said += [f"rule: {vector.rule}", f"about: {vector.about}"]
    said += [f"log: {vector.log}"] if vector.log != LOG else []
    said += [f"anchor: {one}" for one in vector.anchors]
    return "\n".join([*said, "", *(_section(name, vector.files[name]) for name in sorted(vector.files)), ""])


def _section(name: str, file: File) -> str:
    if isinstance(file, Special):
        return f"-- {name} {file.kind}{file.to and ' '}{file.to} --"
    if isinstance(file, Fill):
        return f"-- {name} fill {file.size} --\n{file.data.decode()}"
    text = file.decode("latin-1")
    plain = file.isascii() and (text.replace("\n", "") + "x").isprintable() and "\n-- " not in f"\n{text}"
    return f"-- {name} --\n{text}" if plain else f"-- {name} base64 --\n{base64.b64encode(file).decode()}"


def read(text: str) -> Vector:
    """The vector in a file's text. Raises ValueError for anything else."""
    header, *rest = re.split(r"^(?=-- )", text, flags=re.MULTILINE)
    said = [line.split(": ", 1) for line in header.splitlines() if line]
    found = dict(said)
    files: dict[str, File] = {}
    for section in rest:
        first, _, body = section.partition("\n")
        match = _SECTION.fullmatch(first)
        if not match or match[1] in files:
            raise ValueError(f"{first!r} begins no file")
        files[match[1]] = _file(match[2], match[3] or "", body.removesuffix("\n"))
    anchors = tuple(value for name, value in said if name == "anchor")
    bad = {"bad": True, "good": False}[found["expect"]]
    return Vector(
        found["about"],
        found["rule"],
        files,
        found["reason"] if bad else "",
        found["file"] if bad else "",
        found["reader"] if bad else "good",
        found.get("log", LOG),
        anchors,
    )


def _file(kind: str | None, word: str, body: str) -> File:
    if kind in ("link", "folder", "pipe"):
        return Special(kind, word)
    if kind == "fill":
        return Fill(body.encode(), int(word))
    return base64.b64decode(body) if kind == "base64" else body.encode()


def lay_out(vector: Vector, root: Path) -> None:
    """Make the files of a vector below `root`."""
    for name, file in vector.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match file:
            case Special("link", to):
                path.symlink_to(to)
            case Special("folder"):
                path.mkdir()
            case Special("pipe"):
                os.mkfifo(path)
            case Fill(data, size):
                path.write_bytes((data * (size // len(data) + 1))[:size])
            case bytes():
                path.write_bytes(file)
