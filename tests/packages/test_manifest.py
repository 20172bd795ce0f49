"""A manifest is believed only when it is one, and of the commit that is asked about."""

from typing import Any

import pytest

from roadworthy.packages.manifest import problem, refs

COMMIT = "a" * 40
GOOD: dict[str, Any] = {"schemaVersion": "1", "headSha": COMMIT, "changeClass": "runtime"}


def test_a_manifest_of_the_commit_has_no_problem():
    assert problem(GOOD, COMMIT) == ""


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        *((value, "no JSON object") for value in (None, [], "text", 1)),
        ({**GOOD, "schemaVersion": "2"}, "schemaVersion is '2'"),
        ({"headSha": COMMIT, "changeClass": "runtime"}, "schemaVersion is None"),
        ({**GOOD, "headSha": "b" * 40}, f"not {COMMIT}"),
        ({**GOOD, "headSha": 1}, "headSha is '1'"),
        ({**GOOD, "headSha": COMMIT.upper()}, "headSha is 'AAA"),
        ({**GOOD, "changeClass": " "}, "no changeClass"),
        ({**GOOD, "changeClass": 1}, "no changeClass"),
        ({"schemaVersion": "1", "headSha": COMMIT}, "no changeClass"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(manifest: object, why: str):
    assert why in problem(manifest, COMMIT)


@pytest.mark.parametrize("named", [None, [], "text", 1])
def test_refs_that_are_no_table_name_nothing(named: object):
    assert refs({"releasePackage": named}) == {} == refs({})
    assert refs({"releasePackage": {"webRef": "x"}}) == {"webRef": "x"}
