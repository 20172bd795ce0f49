"""What git said of a whole SHA is not asked again; what it did not know is."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages.repository import PROCFILE, Repository

from roadworthy import git, git_objects
from roadworthy.errors import UsageError

FILES = {**PROCFILE, "app/guards/a.py": "a", "app/b": "b"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def read(root: Path, commit: str) -> object:
    return (
        git.show(root, commit, "app/b"),
        list(git.entries(root, commit, "app", recursive=True)),
        git.files(root, commit, ("app/guards/",), 100),
        git.subject(root, commit),
    )


def test_a_commit_is_read_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit(FILES)
    first = read(repository.root, commit)
    monkeypatch.setenv("PATH", "/nowhere")
    assert read(repository.root, commit) == first
    with pytest.raises(UsageError, match="git cannot be started"):
        git.resolve(repository.root, "HEAD")  # which moves
    with pytest.raises(UsageError, match="git cannot be started"):
        read(repository.root / "app", commit)  # another folder, another answer


def test_what_is_kept_is_not_above_a_smaller_limit(repository: Repository) -> None:
    commit = repository.commit({**PROCFILE, "app/b": "b" * 11})
    assert git.files(repository.root, commit, ("app/b",), 11) == {"app/b": b"b" * 11}
    with pytest.raises(UsageError, match="has 11 bytes: more than 10 is not read"):
        git.files(repository.root, commit, ("app/b",), 10)


def test_a_commit_that_was_unknown_is_known_once_it_is_there(repository: Repository, tmp_path: Path) -> None:
    repository.commit(FILES)
    other = Repository(tmp_path / "other")
    commit = other.commit({**FILES, "app/b": "c"})
    with pytest.raises(UsageError, match="unknown here"):
        git.show(repository.root, commit, "app/b")
    repository.git("fetch", "-q", str(other.root), commit)
    assert git.show(repository.root, commit, "app/b") == b"c"


def test_a_path_that_is_missing_stays_missing(repository: Repository) -> None:
    commit = repository.commit(FILES)
    assert [git.show(repository.root, commit, "app/none") for _ in range(2)] == [None, None]


def test_the_room_for_answers_is_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_objects, "ROOM", 4000)
    answers = git_objects._Answers()
    for number in range(100):
        answers.keep(b"x" * 500, 500, number)
        assert answers.get(number) == b"x" * 500
        assert len(answers._said) <= 4
    answers.keep(b"x" * (git_objects.MAX_KEPT + 1), git_objects.MAX_KEPT + 1, "big")
    assert answers.get("big") is None
