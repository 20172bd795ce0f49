"""The open problems that stop a release to production, from `docs/blockers.toml`.

The file is read strictly. An empty list must be written out (`blocker = []`): it says that someone looked,
and a file that is missing or says nothing does not.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ..errors import UsageError
from ..files import read_file
from ..model import Blocker, MissingFact

MOST: Final = 1 << 20  # bytes
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: _Text
    priority: Literal["P0", "P1"]
    summary: _Text


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    blocker: tuple[_Row, ...]


def read_blockers(path: Path) -> tuple[Blocker, ...]:
    """The open problems in the order of the file.

    Raises MissingFact when there is no such file, UsageError when it says anything that is not known.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        text = read_file(path, MOST, name).decode("utf-8")
        rows = msgspec.convert(tomllib.loads(text), _File).blocker
    except FileNotFoundError as error:
        raise MissingFact(
            f"no {name}: write one with `blocker = []` once you know of no open P0 or P1"
        ) from error
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{name}: {error}: each [[blocker]] has id, priority (P0, P1) and summary"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{name} cannot be read: {error}") from error
    for number, row in enumerate(rows, 1):
        if not all(text.isprintable() and text.strip() for text in (row.id, row.summary)):
            raise UsageError(f"{name}: blocker {number}: write id and summary as one line of plain text each")
    return tuple(Blocker(row.id, row.priority, row.summary) for row in rows)
