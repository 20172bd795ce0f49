"""Import the team's `guards/` from the very bytes that are compared with the commit and named in the evidence.

Python itself would rather run a compiled file in `__pycache__`, a library `x.so` beside `x.py`, or another folder
of that name on PYTHONPATH. Nobody reviews those, so only the sources of this project are run.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, util
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from .errors import UsageError

FOLDER: Final = "guards"
_GIT: Final = f"git checkout HEAD -- {FOLDER}"
_loaded: list[tuple[Path, Mapping[str, bytes]]] = []  # the folder, and the bytes, that are imported now


class _AsRead(SourceFileLoader):
    """A source whose bytes were read before; it has no compiled file."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_data(self, path: str) -> bytes:
        return self._data

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError("a source of which no compiled file is used")


class _Finder:
    """Finds `guards` and what lies in it, and nothing else."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        if name.partition(".")[0] != FOLDER or not _loaded:
            return None
        root, files = _loaded[0]
        for said in (f"{name.replace('.', '/')}/__init__.py", f"{name.replace('.', '/')}.py"):
            if said in files:
                return _spec(name, root / said, files[said])
        raise ModuleNotFoundError(f"there is no {name.replace('.', '/')}.py", name=name)


def policy_of(root: Path, files: Mapping[str, bytes]) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """GUARDS and EXIT_CODES of `guards/__init__.py`; `files` are the sources by their path from `root`.

    Raises UsageError with one line when the folder is missing, emptied or cannot be imported.
    """
    if f"{FOLDER}/__init__.py" not in files:
        raise UsageError(f"{FOLDER}/__init__.py is missing, and with it every rule of this project: {_GIT}")
    sources = {name: data for name, data in files.items() if name.startswith(f"{FOLDER}/")}
    if _loaded != [(root, sources)]:
        for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER]:
            del sys.modules[name]
        _loaded[:] = [(root, sources)]
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        policy = import_module(FOLDER)
    except Exception as error:
        _loaded.clear()
        raise UsageError(f"{_where(root, error)} cannot be imported: {_what(error)}") from error
    guards, codes = getattr(policy, "GUARDS", None), getattr(policy, "EXIT_CODES", None)
    if not isinstance(guards, dict) or not isinstance(codes, dict):
        raise UsageError(f"{FOLDER}/__init__.py has no GUARDS and EXIT_CODES, so there are no rules: {_GIT}")
    return guards, codes


def guards_of(root: Path, files: Mapping[str, bytes], action: str) -> list[tuple[Callable[..., Any], int]]:
    """The guards of an action, in their order, each with its refusal's exit code. Raises UsageError."""
    guards, codes = policy_of(root, files)
    named = guards.get(action, ())
    if not isinstance(named, (tuple, list)) or not all(callable(one) for one in named):
        raise UsageError(f"{FOLDER}/__init__.py: GUARDS[{action!r}] is no tuple of guards")
    return [(one, codes.get(one.__name__, 3)) for one in named]


def _spec(name: str, path: Path, data: bytes) -> ModuleSpec | None:
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    loader = _AsRead(name, str(path), data)
    return util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=inside)


def _where(root: Path, error: Exception) -> str:
    """The file and line of `guards/` in which an import ended."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno} of {FOLDER}/"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(f"{root / FOLDER}/")]
    return f"{FOLDER}/{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else f"{FOLDER}/"


def _what(error: Exception) -> str:
    said = str(error.msg if isinstance(error, SyntaxError) else error).splitlines() or [""]
    return f"{type(error).__name__}: {said[0][:200]}"
