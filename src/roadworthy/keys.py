"""The process environment, the keys of production in it, and `.env` under it.

- A key counts only from the process environment. `.env` and `release.toml` are read to *find* one there,
  which the guard `production_is_unlocked` refuses: a key in a file opens production to every later command.
- `.env` never changes what the process environment says, and never brings a key of production or a setting
  of Invoke (`INVOKE_*` silently overrides Invoke's own configuration).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from . import toml
from .errors import UsageError
from .files import read_file
from .model import Keys
from .toml import FILE

ENV_FILE: Final = ".env"
KEYS: Final = ("ALLOW_PROD", "ALLOW_PROD_DEPLOY")
MOST: Final = 1 << 20  # bytes of a file that is read here
_WORD: Final = re.compile(r"\bALLOW_PROD(_DEPLOY)?\b", re.IGNORECASE)


def read_keys(root: Path, environ: Mapping[str, str]) -> Keys:
    """The keys in `environ`, and the files of `root` that hold one, set or not, in a key or inside a value.

    Raises UsageError when `.env` or `release.toml` is there and cannot be read: a key may be in it.
    """
    in_env = any(key in KEYS for key in _dotenv(root))
    in_toml = any(_WORD.search(word) for word in _words(_toml(root)))
    misplaced = tuple(name for name, found in ((ENV_FILE, in_env), (FILE, in_toml)) if found)
    return Keys(environ.get(KEYS[0], ""), environ.get(KEYS[1], ""), misplaced)


def load_env(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, and under it what `.env` adds; values are taken as written, `${…}` is not replaced."""
    added = {
        key: value
        for key, value in _dotenv(root).items()
        if value is not None and key not in KEYS and not key.upper().startswith("INVOKE_")
    }
    return {**added, **environ}


def _dotenv(root: Path) -> Mapping[str, str | None]:
    path = root / ENV_FILE
    text = "" if path.is_dir() else _text(path)  # a virtual environment may have that name
    if not text:
        return {}
    from dotenv.parser import parse_stream

    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:  # what cannot be read may be a key
            opened = re.match(r"[^=]*=[ \t]*(['\"])", binding.original.string)
            what = f"the quote {opened[1]} is never closed" if opened else "not NAME=value"
            raise UsageError(f"{ENV_FILE}:{binding.original.line}: {what}: correct it")
        if binding.key is not None:
            found[binding.key] = binding.value
    return found


def _toml(root: Path) -> dict[str, Any]:
    return toml.load(_text(root / FILE))


def _text(path: Path) -> str:
    """The text of a file, "" when there is none."""
    try:
        return read_file(path, MOST, path.name).decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} cannot be read: it is not UTF-8") from error


def _words(value: Any) -> Iterator[str]:
    """Every key and every text inside a parsed file; comments are gone by then."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
