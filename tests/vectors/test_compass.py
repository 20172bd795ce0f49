"""Ours answers as the original does, but where docs/contract-differences.md says that it does not, and why."""

from __future__ import annotations

import re

import pytest

from . import classifying, deciding, evidence, packages, policies
from .reading import ABSENT, FOLDER, ROOT, Subject, agreed, files, read

MODULES = (classifying, deciding, evidence, packages, policies)
SUBJECTS = tuple(subject for module in MODULES for subject in module.SUBJECTS)
PAGE = ROOT / "docs" / "contract-differences.md"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.file)
def test_ours_answers_as_the_original_but_for_the_named_differences(subject: Subject):
    vectors = read(subject.file)["vectors"]
    wrong, seen = [], set()
    for vector in vectors:
        expected, names = agreed(subject, vector)
        seen.update(names)
        answer = subject.ask(vector)
        if answer != expected:
            wrong.append(
                f"{vector['id']} {names}: {vector['input']}\n  expected {expected}\n  ours     {answer}"
            )
        harmless = [rule.name for rule in subject.harmless if "faults" in vector and rule.applies(vector)]
        if "faults" in vector and answer == subject.theirs(vector) and not harmless:
            wrong.append(f"{vector['id']}: a fault of the original is copied: {vector['faults']}")
        seen.update(harmless)
    assert not wrong, f"{len(wrong)} of {len(vectors)}:\n" + "\n".join(wrong[:8])
    named = {rule.name for rule in (*subject.differences, *subject.harmless)}
    assert seen == named, f"these differences do not exist (any more): {named - seen}"


def table(title: str) -> list[list[str]]:
    """The rows of a table of the page, each as its cells."""
    _, _, rest = PAGE.read_text("utf-8").partition(f"\n## {title}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_names_each_difference_with_an_example_and_no_other():
    rules = {rule.name: subject for subject in SUBJECTS for rule in (*subject.differences, *subject.harmless)}
    rows = table("Named differences")
    named = {row[0].strip("`"): row[1].strip("`") for row in rows}
    assert len(rows) == len(named), "a name stands once"
    assert named == {name: subject.file for name, subject in rules.items()}
    for name, _, where, *reasons in rows:
        assert len(reasons) == 3 and all(reasons), name
        subject = rules[name.strip("`")]
        example = re.findall(r"`([^`]+)`", where)[-1]
        vector = next(one for one in read(subject.file)["vectors"] if one["id"] == example)
        harmless = [rule.name for rule in subject.harmless if rule.applies(vector)]
        assert name.strip("`") in (*agreed(subject, vector)[1], *harmless), (
            f"{example} is no example of {name}"
        )


def test_every_file_is_compared_or_is_named_as_not_built():
    compared = {subject.file for subject in SUBJECTS}
    later = {row[0].strip("`") for row in table("Not built yet")}
    assert not compared & later
    assert compared | later == set(files())
