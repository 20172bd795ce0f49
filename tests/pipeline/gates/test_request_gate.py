"""The request gate, through the command: what is asked for is on main, and production skips nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from parity.candidates import Project, project

from roadworthy.errors import UsageError
from roadworthy.pipeline.gates.request import ACKNOWLEDGEMENT, Asked, refusals, switch

EXACT = f"--skip-parity-acknowledgement={ACKNOWLEDGEMENT}"
ALIKE = (
    "",
    ACKNOWLEDGEMENT.lower(),
    f" {ACKNOWLEDGEMENT}",
    f"{ACKNOWLEDGEMENT} ",
    f"{ACKNOWLEDGEMENT}\n",
    ACKNOWLEDGEMENT.replace("A", "А", 1),  # Cyrillic
    ACKNOWLEDGEMENT.replace("I", "Ｉ", 1),
    ACKNOWLEDGEMENT.replace("_", "-"),
    f"'{ACKNOWLEDGEMENT}'",
    ACKNOWLEDGEMENT[:-1],
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path) as one:
        one.git("branch", "-M", "main")
        yield one


def test_a_commit_of_main_may_be_promoted(made: Project):
    for env in ("staging", "prod"):
        ran = made.invoke("promote.request", "--env", env)
        assert (ran.code, ran.said["outcome"]) == (0, "succeeded"), ran.text
    assert ran.said["details"]["reasonCodes"] == []


def test_fault_08_a_request_that_is_rejected_is_red(made: Project):
    # can_proceed was false, every job was skipped, and the run was green.
    made.git("checkout", "-q", "-b", "other")
    made.git("commit", "-q", "--allow-empty", "-m", "Not on main")
    ran = made.invoke("promote.request", "--env", "prod", "--skip-parity", EXACT)
    assert (ran.code, ran.said["outcome"]) == (3, "refused"), ran.text
    assert ran.said["details"]["reasonCodes"] == ["NOT_MAIN", "SKIP_IN_PRODUCTION"]
    assert "the commit is not on main" in ran.text and "cannot be skipped for production" in ran.text
    assert made.invoke("promote.request", "--commit", made.git("rev-parse", "main")).code == 0


def test_the_remotes_main_counts_where_it_is_known(made: Project, tmp_path: Path):
    made.git("clone", "-q", "--bare", ".", str(tmp_path / "remote"))
    made.git("remote", "add", "origin", str(tmp_path / "remote"))
    made.git("fetch", "-q", "origin")
    assert made.invoke("promote.request").code == 0
    made.git("commit", "-q", "--allow-empty", "-m", "Not pushed yet")
    assert made.invoke("promote.request").said["details"]["reasonCodes"] == ["NOT_MAIN"]


def test_a_tag_that_is_called_main_is_no_main(made: Project):
    made.git("tag", "main", "HEAD")
    made.git("checkout", "-q", "--detach")
    made.git("branch", "-m", "main", "trunk")
    ran = made.invoke("promote.request")
    assert ran.code == 2 and "no branch main" in ran.said["line"]


def test_a_skip_takes_the_switch_and_the_exact_words(made: Project):
    words = ("promote.request", "--env", "staging")
    ran = made.invoke(*words, "--skip-parity", EXACT)
    assert ran.code == 0 and ran.said["details"]["paritySkipped"] is True
    ran = made.invoke(*words, "--skip-parity")
    assert (ran.code, ran.said["details"]["reasonCodes"]) == (3, ["SKIP_NOT_ACKNOWLEDGED"])
    ran = made.invoke(*words, EXACT)
    assert ran.code == 0 and ran.said["details"]["paritySkipped"] is False


@pytest.mark.parametrize("words", ALIKE)
def test_words_that_only_look_alike_accept_nothing(words: str):
    assert list(refusals(Asked(False, True, True, words))) == ["SKIP_NOT_ACKNOWLEDGED"]


def test_no_words_let_production_skip():
    for words in (*ALIKE, ACKNOWLEDGEMENT):
        assert list(refusals(Asked(True, True, True, words))) == ["SKIP_IN_PRODUCTION"]
        assert refusals(Asked(True, True, False, words)) == {}


@pytest.mark.parametrize(
    "said", ["True", "TRUE", "1", "yes", " true", "true ", "on", "null", None, 1, "ｔrue"]
)
def test_fault_07_a_switch_is_a_flag_or_a_workflows_word_and_nothing_else(said: object):
    # inputs.skip_parity != 'true' with a boolean: the two are never equal.
    with pytest.raises(UsageError, match="true or false"):
        switch("skip-parity", said)
    assert [switch("x", one) for one in (True, False, "true", "false", "")] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_workflows_words_arrive_as_they_were_typed(made: Project):
    assert made.invoke("promote.request", "--skip-parity=false").code == 0
    assert made.invoke("promote.request", "--skip-parity=").code == 0
    assert made.invoke("promote.request", "--skip-parity=true").code == 3
    assert made.invoke("promote.request", "--skip-parity=True").code == 2
