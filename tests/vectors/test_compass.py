"""Ours answers as the original does, but where docs/contract-differences.md says that it does not, and why."""

from __future__ import annotations

import pytest

from . import classifying
from .reading import ABSENT, FOLDER, Subject, agreed, read

SUBJECTS = (*classifying.SUBJECTS,)
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
