"""Under which tags an image is published, and which TAG is refused."""

from __future__ import annotations

import pytest

from roadworthy.errors import UsageError
from roadworthy.packages.versions import older, safe, tags, version


def test_the_four_tags_are_those_of_the_playbook_sanitised() -> None:
    found = tags(version("", "feature/new thing+1"), "28.2.2~ce", "abc1234")
    assert found == ("feature-new-thing-1", "latest", "docker-28.2.2-ce", "git-abc1234")
    with pytest.raises(UsageError, match="makes no tag"):
        tags(version("", ".hidden"), "28", "abc")


@pytest.mark.parametrize(
    "said",
    ["1.4.0", "v1.4.0", "1.4.0-rc1", "2026.11.28", "20261128", "nightly", "a" * 128, "_x", "v1-2-g0abc"],
)
def test_a_version_is_taken_as_it_was_said(said: str) -> None:
    assert version(said, "v9.9.9") == said


@pytest.mark.parametrize("said", ["v1.2", "RC1", "v1.2-4-gABC", "release/1"])
def test_what_git_calls_the_commit_is_no_other_thing(said: str) -> None:
    assert version(said, said) == safe(said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("latest", "given by itself"),
        ("Latest", "given by itself"),
        ("git-abc1234", "given by itself"),
        ("docker-28.2.2", "given by itself"),
        ("sha256:" + "a" * 64, "is a digest"),
        ("sha256-" + "a" * 64 + ".sig", "is a digest"),
        ("app@sha256:" + "a" * 55, "is a digest"),
        ("a" * 64, "a commit or a digest"),
        ("0123456789" * 4, "a commit or a digest"),
        ("app:1.4.0", "names a repository"),
        ("stinkie/app", "names a repository"),
        ("docker.io/stinkie/app:1.4.0", "names a repository"),
        ("v1", "the newest of a line"),
        ("v1.2", "the newest of a line"),
        ("1.2", "the newest of a line"),
        ("1", "the newest of a line"),
        ("V1.2.3", "capital letters"),
        ("1.2.3-RC1", "capital letters"),
        ("1.4.0 ", "is no tag"),
        (" ", "is no tag"),
        ("1.4.0 beta", "is no tag"),
        ("1.4.0\n", "is no tag"),
        ("1.4.0+build", "is no tag"),
        ("-1.4.0", "is no tag"),
        ("--latest", "is no tag"),
        (".1", "is no tag"),
        ("1.4.0,1.5.0", "is no tag"),
        ("1․4․0", "is no tag"),  # one-dot leaders, which look like dots
        ("versión", "is no tag"),
        ("a" * 129, "more than 128"),
    ],
)
def test_what_means_something_else_is_refused_in_one_line(said: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        version(said, "v9.9.9")
    assert len(str(refused.value).splitlines()) == 1 and str(refused.value).startswith("TAG ")


@pytest.mark.parametrize(
    ("one", "other", "so"),
    [
        ("1.3.9", "1.4.0", True),
        ("v1.9.0", "1.10.0", True),
        ("1.4.0-rc1", "1.4.0", True),
        ("1.4.0", "1.4.0-rc1", False),
        ("v1.4.0-3-gabc1234", "v1.4.0", False),
        ("v1.4.0", "v1.4.0-3-gabc1234", True),
        ("1.4", "1.4.0", False),
        ("1.4.0", "1.4.0", False),
        ("2.0.0", "1.4.0", False),
        ("nightly", "1.4.0", False),
        ("1.4.0", "nightly", False),
        ("1.4.0", "", False),
    ],
)
def test_a_version_is_older_as_far_as_its_numbers_tell(one: str, other: str, so: bool) -> None:
    assert older(one, other) is so
