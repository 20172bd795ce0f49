"""JSON as parity reads it: numbers exact, no key twice, no NaN; what readers could take differently is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ..errors import UsageError
from ..files import read_file

MOST_FILE: Final = 256 << 20  # bytes of a dataset or report
SEMVER: Final = (
    r"\A(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?\Z"
)


def decode(text: str, *, floats: bool = False) -> Any:
    """The JSON value of `text`; fractions are Decimals, or floats where ECMAScript's numbers are wanted.

    Raises ValueError, in few words, for anything that is not exactly one JSON value.
    """
    number = float if floats else Decimal
    try:
        return json.loads(
            text,
            parse_float=number,
            parse_int=_ecmascript if floats else int,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except RecursionError as error:
        raise ValueError("not JSON: too many values inside one another") from error


def text_of(path: Path, name: str) -> str:
    """The text of a file of parity. Raises UsageError that names it."""
    try:
        return read_file(path, MOST_FILE, name).decode()
    except FileNotFoundError as error:
        raise UsageError(f"{name} is not there: docs/parity.md says which files parity reads") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8") from error


def load(path: Path, name: str) -> Any:
    """The JSON value of a file of parity. Raises UsageError that names it."""
    text = text_of(path, name)
    try:
        return decode(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def writable(value: Any) -> Any:
    """`value` with its Decimals as JSON numbers, for writing."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: writable(each) for key, each in value.items()}
    return [writable(each) for each in value] if isinstance(value, list | tuple) else value


def _ecmascript(digits: str) -> int | float:
    number = int(digits) if len(digits) < 400 else 0
    if len(digits) >= 400:
        raise ValueError("not JSON: a number is too large")
    return number if abs(number) < 2**53 else float(number)


def _refuse(word: str) -> Any:
    raise ValueError(f"not JSON: {word} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(f"not JSON that all readers take alike: the key {twice[:40]!r} stands twice")
    return made
