"""A package's Alembic migrations, as their files declare them. No migration is imported or run.

A migration file declares `revision` and `down_revision` (Alembic's), `safe_under` and `code_first` (ours) as
plain literals at its top level. A declaration that is anything else stops the reading with its file and line;
one that is not there stays undeclared, which is for a guard to judge.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from .. import git
from ..errors import UsageError
from ..git_objects import contents
from .revision import REVISION

MAX_FILE: Final = 1 << 20  # bytes of one migration
MAX_FILES: Final = 10_000
LONGEST_DOC: Final = 100  # characters of a docstring's first line
SAFE_UNDER: Final = ("expand", "contract", "irreversible")
_DECLARED: Final = ("revision", "down_revision", "depends_on", "safe_under", "code_first")
_REVISION: Final = re.compile(REVISION)


class Migration(msgspec.Struct, frozen=True):
    """One migration, and what its author declared.

    `down_revision` holds its parents, none for a first one. `safe_under`: "expand", old code runs on the new
    schema; "contract", only new code does; "irreversible", there is no way back; "" undeclared. `code_first`:
    whether the package's code also runs while this migration is pending; None undeclared. `doc` is the first line
    of its docstring.
    """

    revision: str
    down_revision: tuple[str, ...]
    safe_under: str
    code_first: bool | None
    file: str
    doc: str = ""

    def __str__(self) -> str:
        """What people call it: `0003 irreversible`."""
        return f"{self.revision} {self.safe_under or 'undeclared'}"

    @property
    def described(self) -> str:
        """The same with its file and what its docstring says: what somebody approves."""
        return f"{self} ({self.file}{': ' if self.doc else ''}{self.doc})"


class Migrations(msgspec.Struct, frozen=True):
    """All migrations of one package, and how they follow each other. All raise UsageError for a graph that
    Alembic could not walk: a missing parent, a cycle, one revision in two files.

    `later` are those of a newer package that lead from this one's head to what is applied, in order: the package
    does not have them, and its code would run on what they made. `none` is a project without migrations, for which
    nothing is ever pending.
    """

    all: tuple[Migration, ...]
    later: tuple[Migration, ...] = ()
    none: bool = False

    def followed_by(self, newer: Migrations, current: str) -> Migrations:
        """These, with the later ones by which a newer package got to `current`.

        Raises UsageError when those do not lead up from this package's single head.
        """
        heads = self.heads()
        if len(heads) != 1:
            return self
        if heads[0] not in {one.revision for one in newer.all}:
            raise UsageError(
                f"{current} is applied, which is in no migration of the package and does not follow its head "
                f"{heads[0]}: deploy a package that has both"
            )
        return replace(self, later=newer.between(heads[0], current))

    def heads(self) -> tuple[str, ...]:
        """The revisions that no other follows, sorted. One is right; several are for a person to merge."""
        parents = {parent for one in self._ordered() for parent in one.down_revision}
        return tuple(sorted(one.revision for one in self.all if one.revision not in parents))

    @property
    def head(self) -> str | None:
        """The package's single head; None of a package without migrations. Raises UsageError for several."""
        heads = self.heads()
        if len(heads) > 1:
            raise UsageError(f"migrations have {len(heads)} heads ({', '.join(heads)}): merge them into one")
        return heads[0] if heads else None

    @property
    def end(self) -> str | None:
        """Where a database is for which nothing is pending: at the last of the later ones, else at the head."""
        return self.later[-1].revision if self.later else self.head

    def pending(self, current: str | None) -> tuple[Migration, ...]:
        """What leads from `current` (None for an empty database) to the single head, in order; nothing when later
        ones are applied.

        Raises UsageError for several heads and for a current revision that the package does not know.
        """
        if self.none or (self.later and current == self.later[-1].revision):
            return ()
        head = self.head
        if head is None and current is not None:
            raise self._unknown(current)
        return self.between(current, head) if head else ()

    def between(self, a: str | None, b: str) -> tuple[Migration, ...]:
        """What is applied when the schema goes up from `a` (None for an empty database) to `b`, in order.

        Raises UsageError when either is unknown, and when no way leads up from `a` to `b`.
        """
        there = self._behind(b)
        here = self._behind(a) if a is not None else frozenset()
        if a is not None and a not in there:
            raise UsageError(
                f"no migrations lead up from revision {a} to {b}: it is later, or on another branch"
            )
        return tuple(one for one in self._ordered() if one.revision in there - here)

    def _behind(self, revision: str) -> frozenset[str]:
        """The revision and everything that comes before it."""
        parents = {one.revision: one.down_revision for one in self._ordered()}
        if revision not in parents:
            raise self._unknown(revision)
        seen: set[str] = set()
        todo = [revision]
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += parents[here]
        return frozenset(seen)

    def _ordered(self) -> list[Migration]:
        """Parents before children; by revision where the graph leaves it open."""
        by_revision: dict[str, Migration] = {}
        for one in self.all:
            other = by_revision.setdefault(one.revision, one)
            if other is not one:
                raise UsageError(f"revision {one.revision} is in {other.file} and in {one.file}: rename one")
        children: dict[str, list[str]] = {revision: [] for revision in by_revision}
        for one in self.all:
            for parent in one.down_revision:
                if parent not in by_revision:
                    raise UsageError(
                        f"{one.file} follows {parent}, which is not in the package: add its file"
                    )
                children[parent].append(one.revision)
        waiting = {one.revision: len(one.down_revision) for one in self.all}
        ready = [revision for revision, count in waiting.items() if not count]
        heapify(ready)
        ordered = []
        while ready:
            revision = heappop(ready)
            ordered.append(by_revision[revision])
            for child in children[revision]:
                waiting[child] -= 1
                if not waiting[child]:
                    heappush(ready, child)
        if len(ordered) < len(self.all):
            stuck = sorted(by_revision.keys() - {one.revision for one in ordered})
            raise UsageError(
                f"migrations follow each other in a circle among {', '.join(stuck[:10])}: cut it"
            )
        return ordered

    def _unknown(self, revision: str) -> UsageError:
        return UsageError(
            f"schema revision {revision[:128]!r} is in no migration of the package: "
            "the database was changed by other code, or the package is too old for it"
        )


def migrations_at(root: Path, commit: str, path: str) -> Migrations:
    """The migrations in the folder `path` (relative to `root`) at a commit. Raises UsageError as
    `read_migrations` does, and when there is no such folder or a migration is a symlink.
    """
    found = {}
    for entry in git.entries(root, commit, path, recursive=False):
        name = entry.name.decode(errors="backslashreplace")
        if not _is_migration(name):
            continue
        if entry.kind != "blob" or entry.mode == "120000":
            raise UsageError(f"{path}/{name!r} at {commit} is no file: a migration must be one")
        found[f"{path}/{name}"] = entry.oid
    return read_migrations(dict(zip(found, contents(root, found.values(), MAX_FILE), strict=True)))


def read_migrations(files: Mapping[str, bytes]) -> Migrations:
    """What these migration files (bytes by name) declare, sorted by name; `__init__.py` is none of them.

    Raises UsageError with file and line for a file that is no Python or declares what cannot be read.
    """
    if len(files) > MAX_FILES:
        raise UsageError(f"{len(files)} migrations are more than {MAX_FILES}: squash old ones")
    names = sorted(name for name in files if _is_migration(name.rpartition("/")[2]))
    return Migrations(tuple(_read(name, files[name]) for name in names))


def _is_migration(name: str) -> bool:
    # As Alembic chooses (script/base.py): editors' lock files and packages' own files are not migrations.
    return name.endswith(".py") and not name.startswith((".#", "__init__"))


def _read(file: str, source: bytes) -> Migration:
    lines, values, doc = _declarations(file, source)

    def wrong(name: str, expected: str) -> UsageError:
        return UsageError(f"{file}:{lines.get(name, 1)}: {name} must be {expected}")

    revision, down = values.get("revision"), values.get("down_revision")
    parents = down if isinstance(down, tuple | list) else () if down is None else (down,)
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision):
        raise wrong("revision", "a string of letters, digits, _ and .")
    if not all(isinstance(one, str) and _REVISION.fullmatch(one) for one in parents):
        raise wrong("down_revision", "None, a revision, or a tuple of revisions")
    if values.get("depends_on"):
        raise wrong("depends_on", "None: name what comes before in down_revision")
    safe_under, code_first = values.get("safe_under", ""), values.get("code_first")
    if safe_under not in ("", *SAFE_UNDER):
        raise wrong("safe_under", f"one of {', '.join(SAFE_UNDER)}")
    if code_first is not None and not isinstance(code_first, bool):
        raise wrong("code_first", "True or False")
    return Migration(revision, tuple(dict.fromkeys(parents)), safe_under, code_first, file, doc)


def _declarations(file: str, source: bytes) -> tuple[dict[str, int], dict[str, Any], str]:
    """Line and value of each declaration, and the docstring's first line. UsageError when a declaration is not a
    literal, or is made twice.
    """
    if len(source) > MAX_FILE:
        raise UsageError(f"{file}: {len(source)} bytes are more than a migration may have ({MAX_FILE})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the team's code, e.g. an invalid escape: not ours to print
            module = ast.parse(source, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(f"{file}:{line}: no readable Python: {getattr(error, 'msg', error)}") from error
    lines: dict[str, int] = {}
    values: dict[str, Any] = {}
    for statement in module.body:
        for name in _bound(statement):
            try:
                if name in lines or not isinstance(statement, ast.Assign | ast.AnnAssign):
                    raise ValueError(name)
                lines[name] = statement.lineno
                if statement.value is not None:
                    values[name] = ast.literal_eval(statement.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
                line = statement.lineno
                raise UsageError(f"{file}:{line}: {name} must be set once, to a plain literal") from error
    doc = (ast.get_docstring(module) or "").partition("\n")[0]
    return lines, values, "".join(c if c.isprintable() else " " for c in doc)[:LONGEST_DOC].strip()


def _bound(statement: ast.stmt) -> list[str]:
    """The declared names that a top-level statement sets, however it does it."""
    names: set[str] = set()
    within_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    for node in ast.walk(statement):
        if isinstance(node, ast.Global):
            names.update(node.names)
        elif node is statement and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif within_function:
            continue
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return sorted(names.intersection(_DECLARED))
