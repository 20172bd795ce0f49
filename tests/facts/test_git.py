"""What git says, and how it is asked."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from packages.repository import PROCFILE, Repository

from roadworthy import git, git_objects
from roadworthy.errors import UsageError


@pytest.fixture(autouse=True)
def no_personal_git_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def refusal(call, *words) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as refused:
        call(*words)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---- the working tree ------------------------------------------------------------------------------------


def test_a_clean_tree(repository: Repository) -> None:
    commit = repository.commit({**PROCFILE, ".gitignore": "*.log\n"})
    repository.checkout()
    (repository.root / "ignored.log").touch()
    assert git.read_tree(repository.root) == git.Tree(commit, "main", True, (), False)
    assert git.read_tree(repository.root / "app") == git.read_tree(repository.root)


def test_every_kind_of_change_is_seen_whatever_git_is_configured_to_hide(repository: Repository) -> None:
    repository.commit({"edited": "1", "gone": "1", "moved": "1" * 99, "mode": "1"})
    repository.checkout()
    repository.git("config", "status.showUntrackedFiles", "no")
    repository.git("config", "status.relativePaths", "true")
    (repository.root / "edited").write_text("22")
    (repository.root / "gone").unlink()
    (repository.root / "mode").chmod(0o755)
    repository.git("mv", "moved", "to here")
    (repository.root / "new\x1b[31m\nfile").touch()
    tree = git.read_tree(repository.root)
    assert not tree.clean
    assert sorted(tree.changed) == [
        " D gone", " M edited", " M mode", "?? new\\x1b[31m\\x0afile", "A  to here", "D  moved",
    ]  # fmt: skip


def test_a_conflict_is_a_change(repository: Repository) -> None:
    repository.commit({"file": "base\n"})
    repository.checkout()
    repository.git("checkout", "-q", "-b", "other")
    (repository.root / "file").write_text("theirs\n")
    repository.git("commit", "-qam", "theirs")
    repository.git("checkout", "-q", "main")
    (repository.root / "file").write_text("ours\n")
    repository.git("commit", "-qam", "ours")
    with pytest.raises(Exception, match="non-zero"):
        repository.git("merge", "other")
    assert git.read_tree(repository.root).changed == ("UU file",)


def test_only_ten_changes_are_listed(repository: Repository) -> None:
    repository.commit({"a": ""})
    repository.checkout()
    for number in range(12):
        (repository.root / f"new{number:02}").touch()
    assert git.read_tree(repository.root).changed == tuple(f"?? new{number:02}" for number in range(10))


def test_a_detached_head_has_no_branch(repository: Repository) -> None:
    commit = repository.commit(PROCFILE)
    repository.git("checkout", "-q", "--detach", commit)
    assert git.read_tree(repository.root).branch is None


def test_the_environment_cannot_point_elsewhere(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(PROCFILE)
    repository.checkout()
    other = Repository(tmp_path / "other")
    other.commit({"other": ""})
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.root / ".git/index"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.worktree")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(other.root))
    monkeypatch.chdir(other.root)
    assert git.read_tree(repository.root) == git.Tree(commit, "main", True, (), False)


def test_reading_status_runs_no_program_of_the_repository_and_writes_nothing(repository: Repository) -> None:
    repository.commit(PROCFILE)
    repository.checkout()
    hook = repository.root / ".git/hook"
    hook.write_text(f"#!/bin/sh\ntouch {repository.root}/.git/ran\n")
    hook.chmod(0o755)
    repository.git("config", "core.fsmonitor", str(hook))
    os.utime(repository.root / "app/Procfile", (1, 1))  # makes git want to refresh its index
    index = (repository.root / ".git/index").read_bytes()
    git.read_tree(repository.root)
    assert not (repository.root / ".git/ran").exists()
    assert (repository.root / ".git/index").read_bytes() == index


# ---- what a person means by a commit ---------------------------------------------------------------------


def test_head_and_a_full_sha_are_commits(repository: Repository) -> None:
    commit = repository.commit(PROCFILE)
    assert {git.resolve(repository.root, text) for text in (None, "HEAD", commit, commit.upper())} == {commit}


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "main", "v1", "-x", "--all", "HEAD~1", "HEAD ", "@", "a;rm -rf /", "a'b", 'a"b', "a\nb",
        "../x", "x" * 9000, "ａ" * 40, "0x" + "a" * 38, "a" * 41, "a" * 64, ":/Change", "\0",
    ],
)  # fmt: skip
def test_other_words_are_no_commit(repository: Repository, text: str) -> None:
    repository.commit(PROCFILE)
    repository.git("tag", "v1")
    assert " is not a commit: give HEAD or 40 hex characters" in refusal(git.resolve, repository.root, text)
    assert len(refusal(git.resolve, repository.root, text)) < 200


def test_a_short_sha_is_the_commit_that_begins_with_it(repository: Repository) -> None:
    commit = repository.commit(PROCFILE)
    other = repository.commit({**PROCFILE, "other": "1"})
    repository.git("branch", commit[:7], other)  # a branch of that name changes nothing
    assert git.resolve(repository.root, commit[:7]) == commit
    assert git.resolve(repository.root, commit[:39].upper()) == commit
    assert "too short" in refusal(git.resolve, repository.root, commit[:3])
    tree = repository.git("rev-parse", f"{commit}^{{tree}}")
    assert "no commit here begins with" in refusal(git.resolve, repository.root, tree[:12])


def test_an_ambiguous_sha_says_so(repository: Repository) -> None:
    tree = repository.git("mktree")
    bodies: dict[str, bytes] = {}
    for number in range(2000):
        body = f"tree {tree}\nauthor T <t> {number} +0000\ncommitter T <t> {number} +0000\n\nn\n".encode()
        prefix = hashlib.sha1(b"commit %d\0" % len(body) + body).hexdigest()[:4]
        if prefix in bodies:
            break
        bodies[prefix] = body
    for twin in (bodies[prefix], body):
        repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=twin)
    assert "is ambiguous, 2 commits begin" in refusal(git.resolve, repository.root, prefix)


def test_what_is_not_a_commit_is_named(repository: Repository) -> None:
    commit = repository.commit(PROCFILE)
    repository.git("tag", "-a", "-m", "v1", "v1", commit)
    tag, blob = repository.git("rev-parse", "v1"), repository.git("rev-parse", "HEAD:app/Procfile")
    assert refusal(git.resolve, repository.root, tag) == f"'{tag}' is a tag, not a commit: say {commit}"
    assert f"'{blob}' is a blob, not a commit" in refusal(git.resolve, repository.root, blob)
    assert "is a tree" in refusal(git.resolve, repository.root, repository.git("rev-parse", "HEAD:app"))
    assert "unknown here: check it, or git fetch" in refusal(git.resolve, repository.root, "0" * 40)
    assert "no commit here begins with" in refusal(git.resolve, repository.root, blob[:12])


# ---- what a commit says ----------------------------------------------------------------------------------


def test_a_commit_tells_its_subject_parent_and_files(repository: Repository) -> None:
    first = repository.commit({"a b/ü": "one"}, "First\n\nbody")
    second = repository.commit({"a b/ü": "two"}, "\n\nÜber \x1b[31m\x07red\t" + "x" * 300 + "\nsecond line")
    root = repository.root
    assert git.subject(root, first) == "First"
    assert git.subject(root, second) == "Über [31mred" + "x" * 188
    assert (git.parent(root, first), git.parent(root, second)) == (None, first)
    assert (git.show(root, first, "a b/ü"), git.show(root, second, "./a b/ü")) == (b"one", b"two")
    assert git.show(root, second, "nope") is git.show(root, second, "a b") is None


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\nb", "a\0b", "x" * 5000])
def test_a_path_that_leaves_the_project_is_refused(repository: Repository, path: str) -> None:
    commit = repository.commit(PROCFILE)
    assert "expected a relative path inside" in refusal(git.show, repository.root, commit, path)


def test_a_huge_file_is_not_read(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit({"big": "x" * 1000})
    monkeypatch.setattr(git, "MAX_SHOWN", 999)
    assert "has 1000 bytes" in refusal(git.show, repository.root, commit, "big")


def test_what_was_made_on_top_of_what(repository: Repository) -> None:
    first, second, third = (repository.commit({"a": text}) for text in "123")
    repository.git("checkout", "-q", "-B", "side", first)
    repository.git("commit", "-q", "--allow-empty", "-m", "Aside")
    side = repository.git("rev-parse", "HEAD")
    assert git.is_ancestor(repository.root, first, third)
    assert git.is_ancestor(repository.root, second, third)
    for older, newer in ((third, first), (third, second), (side, third), (second, side)):
        assert not git.is_ancestor(repository.root, older, newer)
    assert "unknown here" in refusal(git.is_ancestor, repository.root, "f" * 40, third)
    assert "unknown here" in refusal(git.is_ancestor, repository.root, third, "f" * 40)


# ---- no fit repository -----------------------------------------------------------------------------------


def test_a_shallow_clone_fails_only_where_history_is_asked(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"a": "1"})
    second = repository.commit({"a": "2"})
    repository.git("clone", "-q", "--depth=1", f"file://{repository.root}", str(tmp_path / "clone"))
    root = tmp_path / "clone"
    assert git.read_tree(root) == git.Tree(second, "main", True, (), True)
    assert git.subject(root, second) == "Change"
    assert git.show(root, second, "a") == b"2"
    for said in (
        refusal(git.parent, root, second),
        refusal(git.resolve, root, first),
        refusal(git.is_ancestor, root, second, second),
    ):
        assert said.endswith("git fetch --unshallow")


def test_no_repository_no_commits_no_folder_and_no_files_each_say_what_to_do(tmp_path: Path) -> None:
    assert "no git repository at" in refusal(git.read_tree, tmp_path)
    assert "no git repository at" in refusal(git.resolve, tmp_path, None)
    assert "no folder" in refusal(git.read_tree, tmp_path / "nowhere")
    empty = Repository(tmp_path / "empty").root
    assert "no commits yet" in refusal(git.read_tree, empty)
    assert "no commits yet" in refusal(git.resolve, empty, None)
    assert "is a bare repository" in refusal(git.read_tree, Repository(tmp_path / "bare", "--bare").root)
    other = Repository(tmp_path / "sha256", "--object-format=sha256")
    other.git("commit", "-q", "--allow-empty", "-m", "x")
    assert "is no SHA-1" in refusal(git.read_tree, other.root)


def test_missing_git_says_so(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git cannot be started" in refusal(git.read_tree, repository.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_repository_says_what_to_do(repository: Repository) -> None:
    repository.commit(PROCFILE)
    for path in (repository.root, repository.root / ".git"):
        os.chown(path, 65534, 65534)
    said = refusal(git.read_tree, repository.root)
    assert said.endswith(f"git config --global --add safe.directory {repository.root}")


def test_a_damaged_repository_gives_one_line(repository: Repository) -> None:
    repository.commit(PROCFILE)
    (repository.root / ".git/HEAD").write_text("ref: \x1b[31m../../x\n")
    assert refusal(git.read_tree, repository.root)


def test_a_git_that_hangs_is_ended(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(git_objects, "TIMEOUT", 0.2)
    assert "was ended after at most" in refusal(git.read_tree, repository.root)
    assert "was ended after at most" in refusal(git.resolve, repository.root, None)
