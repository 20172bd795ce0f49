"""Globs match what people expect of them, agree with a slow and obvious matcher, and never take long."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.globs import LONGEST, matches, problem


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("docs/**", ["docs/a", "docs/a/b.md", "docs/.hidden"], ["docs", "docsx/a", "a/docs/b", "Docs/a"]),
        ("**/README.md", ["README.md", "a/README.md", "a/b/README.md"], ["xREADME.md", "README.md/a"]),
        ("*.md", ["a.md", ".md", "a b\n.md"], ["a/b.md", "a.mdx", "a.md\n"]),
        ("*", ["a", ".a"], ["a/b"]),
        ("**", ["a", "a/b/c", ".a/b"], []),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab", "a/b/c", "x/a/b"]),
        ("a/**/b/**/c", ["a/b/c", "a/b/b/x/c", "a/x/b/c/c"], ["a/c", "a/b", "a/x/c"]),
        ("**/b/**", ["b/a", "x/b/a", "b/b"], ["b", "x/b", "a/c"]),
        ("a/**/**/b", ["a/b", "a/x/y/b"], ["a/xb"]),
        ("a?c/*", ["abc/d"], ["ac/d", "a/c/d", "abc/d/e"]),
        ("modules/containerapp-*.bicep", ["modules/containerapp-.bicep"], ["modules/containerapp-a/b.bicep"]),
        ("*a*b*", ["ab", "xaxbx"], ["ba", "a", "a/b"]),
        ("*ab", ["ab", "aab", "abab"], ["aba", "b"]),
        ("a.+(b)$^|c", ["a.+(b)$^|c"], ["aa(b)c", "c", "a.b"]),
    ],
)
def test_what_a_glob_matches(glob: str, yes: list[str], no: list[str]):
    assert problem(glob) == ""
    assert [path for path in yes + no if matches((glob,), path)] == yes


def test_several_globs_match_what_one_of_them_does_and_none_match_nothing():
    assert matches(("a/*b", "a/*"), "a/c")
    assert matches(("x|y", "y"), "y") and matches(("x|y", "y"), "x|y")
    assert not matches((), "a") and not matches((), "")


@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("", "1 to 200 characters"),
        ("a" * (LONGEST + 1), "1 to 200 characters"),
        ("/etc/**", "inside the project"),
        ("~/x", "inside the project"),
        ("../**", "inside the project"),
        ("a/../b", "inside the project"),
        ("./a", "inside the project"),
        ("a//b", "inside the project"),
        ("docs/", "inside the project"),
        ("a[0-9]", "[ is not known here"),
        ("{a,b}/**", "{ is not known here"),
        ("!docs/**", "! is not known here"),
        ("a\\b", "\\ is not known here"),
        ("docs/**.md", "** stands alone"),
        ("a***/b", "** stands alone"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(glob: str, said: str):
    assert said in problem(glob)


def slowly(glob: list[str], path: list[str]) -> bool:
    """The definition, word by word."""
    match glob:
        case []:
            return not path
        case ["**"]:
            return bool(path)
        case ["**", *rest]:
            return any(slowly(rest, path[n:]) for n in range(len(path) + 1))
        case [part, *rest]:
            return bool(path) and fnmatchcase(path[0], part) and slowly(rest, path[1:])
    raise AssertionError(glob)


def collapsed(parts: list[str]) -> list[str]:
    return [part for n, part in enumerate(parts) if part != "**" or parts[n - 1 : n] != ["**"]]


PARTS = st.one_of(st.just("**"), st.text("ab*?.", min_size=1, max_size=6).filter(lambda p: "**" not in p))


@given(
    st.lists(PARTS, min_size=1, max_size=6).filter(lambda parts: "." not in parts and ".." not in parts),
    st.lists(st.text("ab.", min_size=1, max_size=5), min_size=1, max_size=6),
)
@settings(max_examples=3 * settings().max_examples, deadline=None)
def test_the_expression_is_the_definition(glob: list[str], path: list[str]):
    assert problem("/".join(glob)) == ""
    assert matches(("/".join(glob),), "/".join(path)) == slowly(collapsed(glob), path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 99 + "*b", "a" * 4096),
        ("*a?" * 60 + "*b", "a" * 4096),
        ("**/a/" * 39 + "b", "a/" * 2047 + "a"),
        ("**/*a*a*a/" * 15 + "b", "aaaaaaa/" * 511 + "a"),
        ("**/a/a/a/a/a/a/a/a/b/**/" * 7 + "c", "a/" * 2047 + "c"),
    ],
)
def test_no_glob_goes_on_for_ever_on_any_path(glob: str, path: str):
    assert problem(glob) == "" and len(path) <= 4096
    assert not matches((glob,), path)
