"""The same commit gives the same bytes everywhere, and only what is safe becomes a package."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.errors import UsageError
from roadworthy.packages import archive, source, ustar

from .repository import CLEAN, PROCFILE, Repository

# As git-lfs writes it.
LFS_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a' * 16}\nsize 12345\n"
APP = {
    **PROCFILE,
    "app/run.sh*": "#!/bin/sh\n",
    "app/web/main.py": "print('hi')\n",
    "app/web/lines.txt": "one\r\ntwo\n",
    "app/secret.txt": "not for export archives\n",
    "app/.gitattributes": "secret.txt export-ignore\n*.py export-subst text\n",
    "README.md": "outside the package\n",
}


def names_by_gnu_tar(file: Path) -> list[str]:
    done = subprocess.run(
        ["tar", "--quoting-style=literal", "-tvf", file],
        capture_output=True,
        check=True,
        env=CLEAN | {"TZ": "UTC"},
    )
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def test_gnu_tar_reads_a_slug_as_heroku_expects_it(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(APP, links={"app/current": "web/main.py"})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert names_by_gnu_tar(made.file) == [
        "drwxr-xr-x 0/0               0 1970-01-01 00:00 ./app/",
        "-rw-r--r-- 0/0              48 1970-01-01 00:00 ./app/.gitattributes",
        "-rw-r--r-- 0/0              41 1970-01-01 00:00 ./app/COMMIT",
        "-rw-r--r-- 0/0              33 1970-01-01 00:00 ./app/Procfile",
        "lrwxrwxrwx 0/0               0 1970-01-01 00:00 ./app/current -> web/main.py",
        "-rwxr-xr-x 0/0              10 1970-01-01 00:00 ./app/run.sh",
        "-rw-r--r-- 0/0              24 1970-01-01 00:00 ./app/secret.txt",
        "drwxr-xr-x 0/0               0 1970-01-01 00:00 ./app/web/",
        "-rw-r--r-- 0/0               9 1970-01-01 00:00 ./app/web/lines.txt",
        "-rw-r--r-- 0/0              12 1970-01-01 00:00 ./app/web/main.py",
    ]
    raw = made.file.read_bytes()
    assert (made.commit, made.size, made.digest) == (commit, len(raw), hashlib.sha256(raw).hexdigest())
    assert source.read(made.file, "COMMIT") == f"{commit}\n".encode()
    assert len(gzip.decompress(raw)) % 10240 == 0  # whole records, as tar writes
    assert subprocess.run(["gzip", "-t", made.file], check=False).returncode == 0


def test_the_digest_of_a_commit_is_the_same_in_every_version(repository: Repository, tmp_path: Path) -> None:
    """Another digest here means that every stored package would be refused: write a new kind instead."""
    commit = repository.commit(APP, links={"app/current": "web/main.py"})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert (commit, made.digest) == (
        "dff2ae67cf51efee38f6e1d98949ec93ff98162f",
        "cfc07f801f1bdc14a3f3864599f9bd258b6d52485bb9880e5ce6ddb359709153",
    )


def test_another_clone_umask_locale_configuration_and_folder_give_the_same_digest(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(APP | {"app/größe/ü.txt": "ü"}, links={"app/current": "web/main.py"})
    first = source.build(repository.root, commit, "app", file=tmp_path / "first.tgz")

    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--no-local", str(repository.root), str(clone))
    other = Repository(clone)
    for setting in ("core.autocrlf=true", "tar.umask=0077", "core.eol=crlf", "core.quotePath=false"):
        other.git("config", *setting.split("="))
    (clone / ".git/info/attributes").write_text("* text eol=crlf export-subst\n*.txt export-ignore\n")
    (clone / "app/web/main.py").write_text("changed, not committed")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    monkeypatch.chdir("/")
    before = os.umask(0o077)
    try:
        second = source.build(clone, commit, "app", file=tmp_path / "second.tgz")
    finally:
        os.umask(before)
    assert second.digest == first.digest


def test_replace_refs_cannot_put_another_tree_under_a_commit(repository: Repository, tmp_path: Path) -> None:
    good = repository.commit(APP)
    digest = source.build(repository.root, good, "app", file=tmp_path / "a.tgz").digest
    evil = repository.commit(APP | {"app/web/main.py": "evil"})
    repository.git("replace", good, evil)
    assert source.build(repository.root, good, "app", file=tmp_path / "b.tgz").digest == digest


def test_a_subfolder_of_a_repository_is_a_project_of_its_own(repository: Repository, tmp_path: Path) -> None:
    inner = {f"sub/{name}": content for name, content in PROCFILE.items()}
    commit = repository.commit(PROCFILE | inner | {"sub/app/only-here": "x"})
    (repository.root / "sub").mkdir()
    made = source.build(repository.root / "sub", commit, "app", file=tmp_path / "slug.tgz")
    assert source.read(made.file, "only-here") == b"x"


@pytest.mark.parametrize(
    ("files", "links", "says"),
    [
        ({"app/main.py": ""}, {}, "no Procfile"),
        ({}, {"app/Procfile": "main.py"}, "no Procfile"),
        ({"app/procfile": ""}, {}, "no Procfile"),
        ({**PROCFILE, "app/COMMIT": "me"}, {}, "has a file COMMIT"),
        ({**PROCFILE, "app/COMMIT/x": "me"}, {}, "COMMIT' is both"),
        (PROCFILE, {"app/x": "/etc/passwd"}, "'x' -> '/etc/passwd' is absolute"),
        (PROCFILE, {"app/x": "../README"}, "'x' -> '../README' leaves the package"),
        (PROCFILE, {"app/a/b": "../../up"}, "leaves the package"),
        (
            PROCFILE,
            {"app/a/up": "..", "app/a/x": "up/../secret"},
            "'a/x' -> 'up/../secret' leaves the package",
        ),
        (PROCFILE, {"app/x": "y", "app/y": "x"}, "never ends"),
        (PROCFILE, {"app/x": "t" * 256}, "over 255 bytes between two slashes"),
        (PROCFILE, {"app/x": "t/" * 2050}, "over 4095 in all"),
        ({**PROCFILE, "app/large.bin": LFS_POINTER}, {}, "'large.bin' is a pointer of Git LFS"),
        ({"other/Procfile": ""}, {}, "no folder 'app'"),
        ({"app": "a file"}, {}, "no folder 'app'"),
    ],
)
def test_what_cannot_be_a_package_is_refused_by_name(
    repository: Repository, tmp_path: Path, files: dict, links: dict, says: str
) -> None:
    commit = repository.commit(files, links=links)
    with pytest.raises(UsageError) as refused:
        source.build(repository.root, commit, "app", file=tmp_path / "out" / "slug.tgz")
    assert "package cannot be kept" in str(refused.value)  # the folder is not there
    with pytest.raises(UsageError) as refused:
        source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_submodules_are_refused(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(PROCFILE)
    repository.checkout()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},app/vendor")
    repository.git("commit", "-qm", "Add a submodule")
    with pytest.raises(UsageError, match="'vendor' is a submodule"):
        source.build(repository.root, repository.git("rev-parse", "HEAD"), "app", file=tmp_path / "slug.tgz")


@pytest.mark.parametrize("name", ["..", ".", "a"])
def test_a_tree_made_by_hand_cannot_smuggle_a_name(repository: Repository, tmp_path: Path, name: str) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", stdin=b"x")
    hex_entry = bytes.fromhex(blob)
    pieces = [b"100644 Procfile\0" + hex_entry, b"100644 " + name.encode() + b"\0" + hex_entry]
    body = b"".join([*pieces, *(pieces[1:] if name == "a" else [])])  # "a" twice
    app = repository.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=body)
    top = b"40000 app\0" + bytes.fromhex(app)
    tree = repository.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=top)
    commit = repository.git("commit-tree", "-m", "By hand", tree)
    with pytest.raises(UsageError, match="is no name for a file of a package"):
        source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")


def test_a_missing_object_is_named(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({**PROCFILE, "app/x": "gone"})
    blob = repository.git("rev-parse", f"{commit}:app/x")
    for pack in (repository.root / ".git/objects/pack").glob("*.pack"):
        pack.rename(tmp_path / pack.name)
        pack.with_suffix(".idx").unlink()
        repository.git("unpack-objects", "-q", stdin=(tmp_path / pack.name).read_bytes())
    (repository.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(UsageError, match=f"git object {blob} is missing"):
        source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")


@pytest.mark.parametrize("commit", ["main", "HEAD", "0" * 40, "abc1234", "-x", "a\nb"])
def test_only_a_full_known_commit_is_built(repository: Repository, tmp_path: Path, commit: str) -> None:
    repository.commit(PROCFILE)
    with pytest.raises(UsageError):
        source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")


def test_names_up_to_the_formats_limit_are_kept(repository: Repository, tmp_path: Path) -> None:
    # "./app/" stands in front; the prefix takes 155 bytes and the name 100, cut at a slash.
    names = {"a" * 94, "a" * 100, "d" * 74 + "/" + "e" * 74 + "/" + "n" * 100, "x/" * 60 + "leaf"}
    commit = repository.commit({**PROCFILE, **{f"app/{name}": name for name in names}})
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert all(source.read(made.file, name) == name.encode() for name in names)
    assert b"PaxHeader" not in gzip.decompress(made.file.read_bytes())


# Lengths around the point where the number of digits of a record's own length changes, too.
@pytest.mark.parametrize(
    ("folder", "long"),
    [
        ("", "n" * 101),
        ("", "é" * 60),
        ("d/" * 130, "x"),
        ("e\n" * 40 + "/", "y" * 255),
        ("d" * 200 + "/", "z"),
    ],
)
def test_what_ustar_cannot_hold_stands_in_a_pax_header_that_every_tar_reads(
    repository: Repository, tmp_path: Path, folder: str, long: str
) -> None:
    name = f"{folder}{long}"
    links = {"app/link": name} if len(name.encode()) <= 255 or folder else {}
    commit = repository.commit({**PROCFILE, f"app/{name}": "inside"}, links=links)
    made = source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert source.build(repository.root, commit, "app", file=tmp_path / "again.tgz").digest == made.digest
    assert source.read(made.file, name) == b"inside"
    assert sum(f" ./app/{name}" in line for line in names_by_gnu_tar(made.file)) >= ("\n" not in name)
    by_tar, by_us = tmp_path / "tar", tmp_path / "us"
    by_tar.mkdir()
    subprocess.run(["tar", "-xf", made.file, "-C", by_tar], check=True, env=CLEAN)
    archive.unpack(made.file, by_us)
    for app in (by_tar / "app", by_us):
        assert (app / name).read_text() == "inside"
        assert (app / "link").readlink() == Path(name)


@pytest.mark.parametrize("length", range(101, 255))
def test_a_record_counts_its_own_length(length: int) -> None:
    file = io.BytesIO(ustar.header(b"./app/" + b"n" * length, ustar.FILE, 0o644) + bytes(2 * ustar.BLOCK))
    with tarfile.open(fileobj=file, mode="r:") as read:
        assert read.getnames() == ["./app/" + "n" * length]


part = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"|"))
hostile = part.filter(lambda raw: raw not in (b".", b"..", b"COMMIT", b"Procfile") and not raw.endswith(b"*"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.tuples(st.sampled_from([b"", b"deep/", b"deep/er\n/"]), hostile), max_size=8))
def test_any_name_that_git_holds_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[bytes, bytes]]
) -> None:
    files = {b"app/" + folder + b"f-" + name: name for folder, name in names}
    repository = Repository(tmp_path_factory.mktemp("hostile"))
    commit = repository.commit({**PROCFILE, **files})
    made = source.build(repository.root, commit, "app", file=repository.root / "slug.tgz")
    with tarfile.open(made.file, "r:gz", encoding="utf-8", errors="surrogateescape") as archive:
        found = {os.fsencode(m.name): archive.extractfile(m).read() for m in archive if m.isreg()}  # type: ignore[union-attr]
    assert found.pop(b"./app/COMMIT") == f"{commit}\n".encode()
    assert found.pop(b"./app/Procfile")
    assert found == {b"./" + name: content for name, content in files.items()}
    source.unpack(made.file, repository.root / "out")
    assert all(
        Path(os.fsdecode(os.fsencode(repository.root / "out") + name[3:])).read_bytes() == content
        for name, content in files.items()
    )
