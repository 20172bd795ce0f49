"""What can be wrong around a command: each spoils one thing of a project, and puts it back afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from road.project import Project

from roadworthy.journal.entry import Record
from roadworthy.journal.lock import this_process

Spoil = Callable[[Project], AbstractContextManager[None]]


@contextmanager
def nothing(project: Project) -> Iterator[None]:
    yield


def file(name: str, data: bytes | None) -> Spoil:
    """The file `name` has other bytes, or is gone (None)."""

    @contextmanager
    def spoil(project: Project) -> Iterator[None]:
        path = project.root / name
        before = path.read_bytes() if path.exists() else None
        put(path, data)
        try:
            yield
        finally:
            put(path, before)

    return spoil


def put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def toml(old: str, new: str) -> Spoil:
    """`release.toml` says something else. `STAGING` in `old` stands for the app's name."""

    @contextmanager
    def spoil(project: Project) -> Iterator[None]:
        text = (project.root / "release.toml").read_text()
        wanted = old.replace("STAGING", project.staging)
        assert wanted in text
        with file("release.toml", text.replace(wanted, new, 1).encode())(project):
            yield

    return spoil


def flipped(pattern: str) -> Spoil:
    """One byte in the middle of the first file that matches is another one."""

    @contextmanager
    def spoil(project: Project) -> Iterator[None]:
        path = min(project.root.glob(pattern))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        with file(str(path.relative_to(project.root)), bytes(data))(project):
            yield

    return spoil


def moved(name: str, then: Callable[[Path], object] = lambda path: None) -> Spoil:
    """What is called `name` is elsewhere, and `then` may put something else there."""

    @contextmanager
    def spoil(project: Project) -> Iterator[None]:
        path, away = project.root / name, project.root.parent / "away"
        path.rename(away)
        then(path)
        try:
            yield
        finally:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            away.rename(path)

    return spoil


def mode(pattern: str, bits: int) -> Spoil:
    """The first file that matches has another mode."""

    @contextmanager
    def spoil(project: Project) -> Iterator[None]:
        path = min(project.root.glob(pattern))
        before = path.stat().st_mode
        path.chmod(bits)
        try:
            yield
        finally:
            path.chmod(before)

    return spoil


@contextmanager
def altered_package(project: Project) -> Iterator[None]:
    with flipped(f".release/packages/{project.git('rev-parse', 'HEAD')}.tgz")(project):
        yield


@contextmanager
def no_commits(project: Project) -> Iterator[None]:
    with moved(".git")(project):
        project.git("init", "-q", "-b", "main")
        yield


@contextmanager
def wrong_api_key(project: Project) -> Iterator[None]:
    path = project.sandbox / "api-key"
    before = path.read_text()
    path.write_text("not-the-key-of-this-sandbox")
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def held(project: Project) -> Iterator[None]:
    """A deploy of this very process is under way."""
    log = project.log()
    said = {"actor": this_process(), "change": {"id": "other", "why": "another release"}}
    where = {"environment": "staging", "target": "sandbox"}
    start = log.append(Record("start", "deploy", "deploy", subject="none", digest="", details=said, **where))
    try:
        yield
    finally:
        details = {"settles": start.seq, "reason": "the test is over", "actor": this_process()}
        log.append(Record("abandon", "deploy", "deploy", subject="none", digest="", details=details, **where))
