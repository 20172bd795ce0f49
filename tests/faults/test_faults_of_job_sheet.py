"""The faults of the promotion gates that touch the delivery pipeline, each shown not to exist here.

The numbers are those of the list of faults; what the fault was stands in each test's comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from facts.answering import Answers
from pipeline.green import ENV, read_from, says
from road.project import KEYS, Project

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

NO_WORD_FOR_IT = (
    None,
    "",
    "unknown",
    "null",
    "Healthy",
    "healthy ",
    True,
    1,
    ["healthy"],
    {"status": "healthy"},
)


@pytest.fixture
def github() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.close()


def test_fault_03_only_the_word_for_a_success_is_one_of_what_an_app_says(project: Project):
    # The status was compared with "fail" alone: null, unknown and nothing at all passed.
    project.json("ship")
    for status in NO_WORD_FOR_IT:
        project.mood(health=status)
        assert "health: status is" in "".join(project.json("smoke", code=1)["reasons"]), status
    project.mood()
    project.commit("Says nothing", health=None)
    project.json("test")
    assert "check health" in "".join(project.json("deploy", code=1)["reasons"])
    assert project.runs() == project.first
    said: dict[str, Any] = project.json("complete")
    assert said["outcome"] == "succeeded", "what runs is what was good"


def test_fault_03_only_the_word_for_a_success_is_one_of_what_tested_a_commit(
    project: Project, github: Answers
):
    # The same, for the run that was to prove the commit.
    commit = read_from(github, project, "commit")
    project.json("intake")
    project.json("build")
    for conclusion in (None, "", "unknown", "neutral", "skipped", "stale", "action_required", "SUCCESS"):
        says(github, commit, commit, conclusion=conclusion)
        assert project.json("accept", env=ENV, code=1)["details"]["decision"] == "NO", conclusion
        assert "ACCEPTANCE_DECISION_NOT_YES" in project.json("release", env=ENV, code=3)["line"]
    says(github, commit, commit)
    assert project.json("accept", env=ENV)["details"]["decision"] == "YES"


def test_fault_03_an_acceptance_that_says_too_little_releases_nothing(project: Project):
    # The same, for a gate's own record: one that names no check that passed is not a YES.
    project.released()

    def refusing() -> str:
        reasons = project.json("deploy", "--env", "prod", "--plan", env=KEYS, code=3)["reasons"]
        return "".join(reason for reason in reasons if reason.startswith("package_is_released"))

    assert refusing() == ""
    digest = project.json("build")["details"]["digest"]
    project.forge(project.first, "accept", digest, well=False)
    project.forge(project.first, "accept", digest)
    project.forge(project.first, "release", digest)
    assert "load-release-package" in refusing()
