"""What the journal's outcomes say of the packages that may be gone back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy.facts.history import read_history
from roadworthy.journal.index import Settled
from roadworthy.model import History

A, B, C = "a" * 64, "b" * 64, "c" * 64


def settled(seq: int, kind: str, action: str, digest: str, deployment: int = 0) -> Settled:
    nothing = {"package": "slug", "certificate": "", "certificate_sha256": "", "expires": "", "slug": ""}
    return Settled(
        seq=seq,
        sha256=f"{seq:064x}",
        at=f"2030-01-01T00:00:{seq:02}.000000Z",
        kind=kind,
        action=action,
        environment="staging",
        digest=digest,
        commit=digest[:40],
        size=1,
        release=seq,
        revised=False,
        revision=None,
        claim=None,
        closed=False,
        deployment=deployment,
        **nothing,
    )


def history(*outcomes: tuple[str, str, str] | tuple[str, str, str, int]) -> History:
    """What is so after these outcomes; the first has the number 2, the next 4, and so on."""
    rows = [settled(2 * at, *outcome) for at, outcome in enumerate(outcomes, 1)]
    return read_history(rows, Path("/nowhere"))


def target(found: History) -> str:
    assert found.running
    return found.previous.package.digest if found.previous else ""


BAD_B = (("end", "deploy", A), ("end", "deploy", B), ("failed", "complete", B, 4), ("end", "rollback", A))


def test_what_was_left_because_it_is_incomplete_is_not_gone_back_to():
    found = history(*BAD_B)
    assert found.incomplete == {B: 6}
    assert target(found) == ""
    assert target(history(("end", "deploy", C), *BAD_B)) == C
    assert target(history(*BAD_B, ("end", "deploy", C))) == A


def test_what_was_never_judged_is_gone_back_to():
    assert target(history(("end", "deploy", A), ("end", "deploy", B))) == A
    assert target(history(("end", "deploy", A), ("end", "deploy", B), ("end", "rollback", A))) == B


@pytest.mark.parametrize("again", ["deploy", "rollback", "adopt"])
def test_releasing_it_again_does_not_make_it_complete(again: str):
    assert target(history(*BAD_B, ("end", again, B), ("end", "deploy", C))) == A


def test_a_later_completion_that_says_yes_does():
    yes = history(*BAD_B, ("end", "deploy", B), ("end", "complete", B, 10), ("end", "deploy", C))
    assert yes.incomplete == {}
    assert target(yes) == B


def test_of_several_completions_the_newest_counts():
    again = ("end", "complete", B, 4), ("failed", "complete", B, 4), ("end", "deploy", C)
    assert target(history(*BAD_B[:2], *again)) == A


@pytest.mark.parametrize("kind", ["failed", "abandon"])
def test_a_completion_that_judged_nothing_says_nothing(kind: str):
    # It was overtaken, or given up: no `deployment` is in its details.
    assert target(history(*BAD_B[:2], (kind, "complete", B), ("end", "deploy", C))) == B


def test_with_nothing_complete_to_go_back_to_there_is_no_target():
    assert target(history(("end", "deploy", A), ("failed", "complete", A, 2), ("end", "deploy", B))) == ""
    assert history().previous is None
