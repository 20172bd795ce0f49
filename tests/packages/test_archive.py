"""What is read from a slug, and what a swapped one cannot do."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.packages import source

from .repository import PROCFILE, Repository


def archive(file: Path, *members: tuple[str, bytes, str]) -> Path:
    """A gzipped tar of (name, type, link target); files hold one byte."""
    with tarfile.open(file, "w:gz") as out:
        for name, kind, target in (("./app", tarfile.DIRTYPE, ""), *members):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o755
            member.size = 1 if kind == tarfile.REGTYPE else 0
            out.addfile(member, io.BytesIO(b"x"))
    return file


def test_a_slug_unpacks_as_it_was_committed(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, "app/bin/run*": "go", "app/e": ""}, links={"app/l": "bin/run"})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    out = tmp_path / "new" / "folder"
    source.unpack(made.file, out)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == [
        "COMMIT", "Procfile", "bin", "bin/run", "e", "l",
    ]  # fmt: skip
    assert os.access(out / "bin/run", os.X_OK)
    assert not (out / "Procfile").stat().st_mode & 0o111
    assert (out / "l").readlink() == Path("bin/run")
    assert (out / "COMMIT").read_text() == f"{commit}\n"
    with pytest.raises(UsageError, match="is not empty"):
        source.unpack(made.file, out)


def test_one_file_is_read_by_name(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, "app/a/b.txt": "deep"}, links={"app/l": "a/b.txt"})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert source.read(made.file, "a/b.txt") == b"deep"
    assert source.read(made.file, "Procfile") == PROCFILE["app/Procfile"].encode()
    assert [source.read(made.file, name) for name in ("a", "l", "nope", "../app/Procfile", "")] == [None] * 5


REG, DIR, SYM = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("./app/../../evil", REG, "")],
        [("/evil", REG, "")],
        [("evil", REG, "")],
        [("evil./app/x", REG, "")],
        [("./app/nofolder/x", REG, "")],
        [("./app/l", SYM, "/tmp")],
        [("./app/l", SYM, "../../..")],
        [("./app/l", SYM, "."), ("./app/l/evil", REG, "")],
        [("./app/x", REG, ""), ("./app/x", REG, "")],
        [("./app/d", DIR, ""), ("./app/d", SYM, ".."), ("./app/d/evil", REG, "")],
        [("./app/h", tarfile.LNKTYPE, "/etc/passwd")],
        [("./app/dev", tarfile.CHRTYPE, "")],
        [("./app/fifo", tarfile.FIFOTYPE, "")],
        [("./app/..", DIR, "")],
        [("./app/", REG, "")],
    ],
)
def test_a_swapped_slug_writes_nothing_outside(tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    file = archive(tmp_path / "slug.tgz", *members)
    with pytest.raises(UsageError):
        source.unpack(file, tmp_path / "deep" / "out")
    inside = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert inside <= {"slug.tgz", "deep", "deep/out", "deep/out/x", "deep/out/d", "deep/out/l"}


@pytest.mark.parametrize("raw", [b"", b"no tar at all", b"\x1f\x8b gzip?", None])
def test_what_is_no_slug_says_so(tmp_path: Path, raw: bytes | None) -> None:
    file = tmp_path / "slug.tgz"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(UsageError, match="cannot be read as a package"):
        source.read(file, "Procfile")


def test_a_slug_cut_short_says_so(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, "app/big": "x" * 5000})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(made.file.read_bytes()[:4000])
    with pytest.raises(UsageError):
        source.unpack(cut, tmp_path / "out")
