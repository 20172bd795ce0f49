"""What git says about this repository: where HEAD is, what a person means by a commit, what a commit says.

- People name a commit by its full SHA or by HEAD. Branches and tags move, and short SHAs become ambiguous.
- Paths are relative to `root`, the folder of `release.toml`, wherever that is in its repository.
- Every failure is a `UsageError`: one line, what to do. A shallow clone fails only where history is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from .errors import UsageError
from .git_objects import Entry, ask, ask_once, at, contents, folder, full, look

MAX_SHOWN: Final = 16 << 20  # bytes of one file that is read into memory
MAX_COMMIT: Final = 1 << 20  # bytes of one commit object


class Tree(msgspec.Struct, frozen=True):
    """The working tree: HEAD's full SHA, its branch (None when detached), and what differs from it.

    `changed` holds the first ten lines of `git status --porcelain`: two letters, a space, the path. Untracked
    files count, ignored ones do not.
    """

    commit: str
    branch: str | None
    clean: bool
    changed: tuple[str, ...]
    shallow: bool


def read_tree(root: Path) -> Tree:
    """Look at the working tree that holds `root`. Raises UsageError when there is none, or no commit."""
    # The options are given because a person's git configuration may hide untracked files or submodules.
    status = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames")
    lines = ask(root, *status, "--ignore-submodules=none").decode(errors="backslashreplace").split("\0")
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    if heads.get("branch.oid") == "(initial)":
        raise UsageError(f"no commits yet in {root}: commit first")
    branch = heads.get("branch.head", "(detached)")
    changed = [line for line in lines if line and not line.startswith("# ")]
    return Tree(
        commit=full(heads.get("branch.oid", "")),
        branch=None if branch == "(detached)" else branch,
        clean=not changed,
        changed=tuple(map(_as_porcelain, changed[:10])),
        shallow=is_shallow(root),
    )


def resolve(root: Path, text: str | None) -> str:
    """The full SHA of HEAD (for None or "HEAD") or of the one commit whose SHA is `text` or begins with it.

    Raises UsageError for everything else a person may say, with the full SHA where one can be told.
    """
    if text is None or text == "HEAD":
        (head,) = look(root, "HEAD")
        if head is None:
            raise UsageError(f"no commits yet in {root}: commit first")
        return full(head.oid)
    shown = repr(text if len(text) <= 60 else text[:60] + "…")
    name = text.lower()
    if not re.fullmatch(r"[0-9a-f]{1,40}", name):
        raise UsageError(
            f"{shown} is not a commit: give HEAD or 40 hex characters (git rev-parse shows them)"
        )
    if len(name) < 40:
        return _whole(root, name)
    found, peeled = look(root, name, f"{name}^{{commit}}")
    if found is None:
        fetch = "git fetch --unshallow" if is_shallow(root) else "git fetch"
        raise UsageError(f"commit {shown} is unknown here: check it, or {fetch}")
    if found.kind == "tag" and peeled:
        raise UsageError(f"{shown} is a tag, not a commit: say {peeled.oid}")
    if found.kind != "commit":
        raise UsageError(f"{shown} is a {found.kind}, not a commit: say a commit's 40 hex characters")
    return found.oid


def subject(root: Path, commit: str) -> str:
    """The first line of the commit's message, without control characters, at most 200 characters."""
    return _subject(_commit(root, commit))


def parent(root: Path, commit: str) -> str | None:
    """The first parent's full SHA, None for a first commit. Raises UsageError where the clone was cut off."""
    sha = _header(_commit(root, commit), rb"parent ([0-9a-f]{40})")
    if sha and look(root, sha) == [None]:
        raise UsageError(f"the parent of {commit} is not in this clone: git fetch --unshallow")
    return sha


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Whether `newer` was made on top of `older`. Raises UsageError for a commit that is not in this clone, and
    where the clone was cut off, for then git cannot tell.
    """
    if is_shallow(root):
        raise UsageError("the history of this clone was cut off: git fetch --unshallow")
    commits = resolve(root, full(older)), resolve(root, full(newer))
    return not ask(root, "rev-list", "--max-count=1", commits[0], f"^{commits[1]}")


def show(root: Path, commit: str, path: str) -> bytes | None:
    """The bytes of a file at a commit, None when there is no such file. Raises UsageError above 16 MiB."""
    found = _at(root, commit, path)
    if found is None or found[1] != "blob":
        return None
    (content,) = contents(root, [found[0]], MAX_SHOWN)
    return content


def entries(root: Path, commit: str, path: str, *, recursive: bool) -> Iterator[Entry]:
    """The entries of the folder `path` at a commit. Raises UsageError when there is no such folder."""
    found = _at(root, commit, path)
    if found is None or found[1] != "tree":
        raise UsageError(f"no folder {path!r} at commit {commit}: check [package] of release.toml")
    return folder(root, found[0], recursive=recursive)


def files(root: Path, commit: str, paths: tuple[str, ...], limit: int) -> dict[str, bytes]:
    """The bytes of the files at and below `paths` in a commit, by their path; none where there is no such path.

    Raises UsageError for an unknown commit, and for a file above `limit` bytes.
    """
    listed = ask_once(root, "ls-tree", "-r", "-z", resolve(root, full(commit)), "--", *paths)
    found = {}
    for line in listed.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        kind, oid = head.decode().split()[1:3]
        if kind == "blob":
            found[name.decode(errors="backslashreplace")] = oid
    return dict(zip(found, contents(root, found.values(), limit), strict=True))


def describe(root: Path, commit: str) -> str:
    """`git describe --tags --always` of a full SHA: the tag it is at or after, or its short SHA."""
    return ask(root, "describe", "--tags", "--always", full(commit)).decode(errors="replace").strip()


def short(root: Path, commit: str) -> str:
    """As many first characters of a full SHA as git needs to know it."""
    return ask(root, "rev-parse", "--short", full(commit)).decode().strip()


def is_shallow(root: Path) -> bool:
    """Whether this clone's history was cut off (`--depth`)."""
    return ask(root, "rev-parse", "--is-shallow-repository").strip() == b"true"


def _at(root: Path, commit: str, path: str) -> tuple[str, str] | None:
    """(object id, kind) of a path at a commit; UsageError when the commit is none."""
    known, found = look(root, commit, at(commit, path))
    if known is None or known.kind != "commit":
        resolve(root, commit)  # says what is wrong with it
    return (found.oid, found.kind) if found else None


def _whole(root: Path, prefix: str) -> str:
    """The SHA of the one commit that begins with `prefix`. Raises UsageError when none does, or several do."""
    shown = f"commit {prefix!r}"
    if len(prefix) < 4:
        raise UsageError(f"{shown} is too short: give at least 4 hex characters")
    oids = ask(root, "rev-parse", f"--disambiguate={prefix}").decode().split()[:1000]
    commits = [found.oid for found in look(root, *oids) if found and found.kind == "commit"]
    if not commits:
        raise UsageError(f"no commit here begins with {prefix!r}: check it, or git fetch")
    if len(commits) > 1:
        raise UsageError(f"{shown} is ambiguous, {len(commits)} commits begin with it: give more characters")
    return commits[0]


def _commit(root: Path, commit: str) -> bytes:
    (raw,) = contents(root, [resolve(root, commit)], MAX_COMMIT)
    return raw


def _header(raw: bytes, pattern: bytes) -> str | None:
    """The first header of a commit object that matches, its group 1."""
    match = re.search(rb"^" + pattern + rb"$", raw.partition(b"\n\n")[0], re.MULTILINE)
    return match[1].decode() if match else None


def _subject(raw: bytes) -> str:
    first = raw.partition(b"\n\n")[2].lstrip(b"\n").partition(b"\n")[0][:2000]
    text = first.decode("utf-8", errors="replace").strip()
    return "".join(c for c in text if c.isprintable())[:200]


def _as_porcelain(line: str) -> str:
    """A line of `status --porcelain=v2` in the words of the short form, which people know, fit for a terminal."""
    fields = {"?": 1, "u": 10}.get(line[0], 8)  # what stands before the path: see git-status(1)
    words = line.split(" ", fields)
    state = "??" if line[0] == "?" else words[1].replace(".", " ")
    return f"{state} " + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words[-1])
