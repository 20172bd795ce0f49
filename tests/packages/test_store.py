"""A package is built once; what is stored is the same for ever, or it is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.packages import source

from .repository import PROCFILE, Repository

BUILD = """
import sys
from pathlib import Path
from roadworthy.packages import source
print(source.find_or_build(Path(sys.argv[1]), sys.argv[2], path="app", store=Path(sys.argv[3])).digest)
"""


def files_in(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir())


@pytest.fixture
def built(repository: Repository, tmp_path: Path) -> tuple[Repository, source.Archive]:
    commit = repository.commit(PROCFILE)
    return repository, source.find_or_build(
        repository.root, commit, path="app", store=tmp_path / "a" / "packages"
    )


def again(built: tuple[Repository, source.Archive], path: str = "app") -> source.Archive:
    repository, made = built
    return source.find_or_build(repository.root, made.commit, path=path, store=made.file.parent)


def test_a_package_is_built_once_and_described(built: tuple[Repository, source.Archive]) -> None:
    repository, made = built
    stored = made.file.stat()
    assert again(built) == made
    assert made.file.stat().st_mtime_ns == stored.st_mtime_ns and made.file.stat().st_ino == stored.st_ino
    assert stored.st_mode & 0o777 == 0o444
    assert files_in(made.file.parent) == sorted([".lock", f"{made.commit}.json", f"{made.commit}.tgz"])
    assert json.loads(made.file.with_suffix(".json").read_bytes()) == {
        "schemaVersion": "1", "kind": "slug", "commit": made.commit, "digest": made.digest,
        "size": made.size, "path": "app", "files": 2,
    }  # fmt: skip
    assert (
        source.build(repository.root, made.commit, "app", file=made.file.parent / "x.tgz").digest
        == made.digest
    )


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".tgz", lambda raw: raw[:-1]),
        (".tgz", lambda raw: raw + b"\0"),
        (".tgz", lambda raw: raw.replace(b"web:", b"bad:")),
        (".tgz", lambda raw: b""),
        (".json", lambda raw: b""),
        (".json", lambda raw: raw[:-10]),
        (".json", lambda raw: raw.replace(b'"1"', b'"2"')),
        (".json", lambda raw: raw.replace(b'"slug"', b'"image"')),
        (".json", lambda raw: raw.replace(b'"digest": "', b'"digest": "0')),
        (".json", lambda raw: raw.replace(b'"commit": "', b'"commit": "0')),
        (".json", lambda raw: raw.replace(b'"files"', b'"unknown": 1, "files"')),
        (".json", lambda raw: b" " * (1 << 17)),
    ],
)
def test_an_altered_package_is_never_handed_out(built, suffix, damage) -> None:  # type: ignore[no-untyped-def]
    _, made = built
    file = made.file.with_suffix(suffix)
    raw = damage(file.read_bytes())
    file.unlink()
    file.write_bytes(raw)
    with pytest.raises(
        UsageError, match=rf"package of {made.commit} was altered in .*: delete .* and build again"
    ):
        again(built)
    assert file.read_bytes() == raw
    for part in made.file.parent.glob(f"{made.commit}.*"):
        part.unlink()
    assert again(built) == made


def test_a_lost_archive_is_built_again_only_with_its_recorded_digest(
    built: tuple[Repository, source.Archive],
) -> None:
    _, made = built
    made.file.unlink()
    assert again(built) == made
    made.file.unlink()
    manifest = made.file.with_suffix(".json")
    recorded = manifest.read_text().replace(made.digest, "0" * 64)
    manifest.unlink()
    manifest.write_text(recorded)
    with pytest.raises(UsageError, match=rf"has digest {made.digest} now and 0{{64}} on record"):
        again(built)
    assert not made.file.exists()
    assert manifest.read_text() == recorded


def test_an_archive_without_manifest_is_not_believed(built: tuple[Repository, source.Archive]) -> None:
    _, made = built
    made.file.with_suffix(".json").unlink()
    made.file.unlink()
    made.file.write_bytes(b"somebody's")
    assert again(built) == made


def test_one_commit_is_one_package_whatever_folder_is_asked_for(
    built: tuple[Repository, source.Archive],
) -> None:
    with pytest.raises(UsageError, match="was built from 'app', not from 'other'"):
        again(built, path="other")


@pytest.mark.parametrize("commit", ["../../etc/x", "HEAD", "", "a" * 39])
def test_a_name_that_is_no_commit_touches_no_file(
    repository: Repository, tmp_path: Path, commit: str
) -> None:
    with pytest.raises(UsageError, match="is no SHA-1"):
        source.find_or_build(repository.root, commit, path="app", store=tmp_path / "packages")
    assert not (tmp_path / "packages").exists()


def test_a_store_that_cannot_be_written_says_so(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(PROCFILE)
    (tmp_path / "packages").write_text("a file in the way")
    with pytest.raises(UsageError, match=r"package cannot be kept in .*packages: File exists"):
        source.find_or_build(repository.root, commit, path="app", store=tmp_path / "packages")


def test_a_full_disk_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(PROCFILE)
    command = "ulimit -f 4; trap '' XFSZ; exec \"$@\""  # the kernel then answers EFBIG to a longer write
    arguments = [sys.executable, "-c", BUILD, str(repository.root), commit, str(tmp_path / "packages")]
    done = subprocess.run(
        ["bash", "-c", command, "bash", *arguments], capture_output=True, text=True, check=False
    )
    assert "UsageError: package cannot be kept in" in done.stderr and "File too large" in done.stderr
    assert files_in(tmp_path / "packages") == [".lock"]


def test_many_builds_at_once_are_one_package(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, **{f"app/{n}": str(n) * 999 for n in range(50)}})
    store = tmp_path / "packages"

    def one(_: int) -> source.Archive:
        return source.find_or_build(repository.root, commit, path="app", store=store)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(one, range(12)))) == 1
    assert files_in(store) == sorted([".lock", f"{commit}.json", f"{commit}.tgz"])


def test_a_killed_build_leaves_only_what_the_next_one_sweeps(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, "app/big": os.urandom(8 << 20)})
    store = tmp_path / "packages"
    child = subprocess.Popen([sys.executable, "-c", BUILD, str(repository.root), commit, str(store)])
    deadline = time.monotonic() + 20
    while not [part for part in store.glob(".building-*") if part.stat().st_size]:
        assert time.monotonic() < deadline and child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = files_in(store)
    assert len(left) == 2 and left[0].startswith(".building-") and left[1] == ".lock"
    made = source.find_or_build(repository.root, commit, path="app", store=store)
    assert files_in(store) == sorted([".lock", f"{commit}.json", f"{commit}.tgz"])
    assert source.find_or_build(repository.root, commit, path="app", store=store) == made
