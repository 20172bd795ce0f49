"""Parity answers as the promotion gates' contract has it, but where docs/contract-differences.md says otherwise."""

from __future__ import annotations

import re

import pytest

from . import promoting
from .reading import FOLDER as COMPASS
from .reading import agreed
from .test_compass import table

FOLDER = COMPASS.parent / "job-sheet"
NAMED = "Named differences from the promotion gates"
LATER = "Of the promotion gates, not built yet"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the promotion gates' vectors are not beside this checkout"
)


@pytest.mark.parametrize("subject", promoting.SUBJECTS, ids=lambda subject: subject.file)
def test_ours_answers_as_the_contract_but_for_the_named_differences(subject):
    vectors = promoting.vectors(subject)
    wrong, seen = [], set()
    for vector in vectors:
        expected, names = agreed(subject, vector)
        seen.update(names)
        answer = subject.ask(vector)
        if answer != expected:
            wrong.append(f"{vector['id']} {names}\n  expected {expected}\n  ours     {answer}")
        if "faults" in vector and not promoting.right(vector) and answer == subject.theirs(vector):
            wrong.append(f"{vector['id']}: a fault of the original is copied: {vector['faults']}")
    assert vectors and not wrong, f"{len(wrong)} of {len(vectors)}:\n" + "\n".join(wrong[:8])
    named = {rule.name for rule in subject.differences}
    assert seen == named, f"these differences do not exist (any more): {named - seen}"


def test_the_page_names_each_difference_with_an_example_and_no_other():
    rules = {rule.name: subject for subject in promoting.SUBJECTS for rule in subject.differences}
    rows = {row[0].strip("`"): row for row in table(NAMED)}
    assert len(rows) == len(table(NAMED)), "a name stands once"
    assert {name: row[1].strip("`") for name, row in rows.items()} == {
        name: subject.file for name, subject in rules.items()
    }
    for name, (_, _, where, *reasons) in rows.items():
        assert len(reasons) == 3 and all(reasons), name
        example = re.findall(r"`([^`]+)`", where)[-1]
        subject = rules[name]
        vector = next(one for one in promoting.read(subject.file)["vectors"] if one["id"] == example)
        assert name in agreed(subject, vector)[1], f"{example} is no example of {name}"


def test_every_file_and_function_is_compared_or_is_named_as_not_built():
    compared = {subject.file for subject in promoting.SUBJECTS}
    later = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in table(LATER)}
    assert compared | later.keys() == {path.stem for path in FOLDER.glob("*.json")}
    for file in compared:
        assert later.get(file, set()) == promoting.not_built(file), file
