"""What the journal's outcomes say of the packages that may be gone back to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy.facts.history import RUNS, as_of, read_history
from roadworthy.journal.index import Settled
from roadworthy.model import History

A, B, C = "a" * 64, "b" * 64, "c" * 64


def settled(
    seq: int,
    kind: str,
    action: str,
    digest: str,
    deployment: int = 0,
    revised: bool = False,
    revision: str = "",
) -> Settled:
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
        revised=revised,
        revision=revision or None,
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


# ---- read from its end, and no further than somebody looks ---------------------------------------------------


def forwards(
    rows: list[Settled],
) -> tuple[list[tuple[int, int, str | None]], str | None, set[int], dict[str, int]]:
    """The same rules, said once more as one walk from the first entry to the last."""
    verified: list[tuple[int, int, str | None]] = []
    completed: set[int] = set()
    incomplete: dict[str, int] = {}
    revision: str | None = None
    for one in rows:
        ended, ran = one.kind == "end", one.action in RUNS
        if ended and ran and one.digest:
            verified.append((one.seq, one.release, revision))
        if ended and one.action == "config" and verified:
            verified[-1] = (verified[-1][0], one.release, verified[-1][2])
        if one.revised and one.kind != "abandon":
            revision = one.revision
            if verified and (ended or not ran):
                verified[-1] = (*verified[-1][:2], revision)
        if one.action == "complete" and one.deployment and one.kind != "abandon":
            incomplete.pop(one.digest, None)
            if ended:
                completed.add(one.deployment)
            else:
                incomplete[one.digest] = one.seq
    return verified[::-1], revision, completed, incomplete


ROW = st.tuples(
    st.sampled_from(["end", "end", "failed", "abandon"]),
    st.sampled_from([*RUNS, "config", "migrate", "certify", "complete"]),
    st.sampled_from([A, B, ""]),
    st.sampled_from([0, 2, 4]),
    st.booleans(),
    st.sampled_from(["", "0001", "0002"]),
)


@given(st.lists(ROW, max_size=12))
@example([("end", "deploy", A, 0, False, ""), ("failed", "deploy", B, 0, True, "0002")])
@example([("failed", "deploy", B, 0, True, "0001"), ("end", "deploy", A, 0, False, "")])
@example(
    [
        ("end", "migrate", A, 0, True, "0001"),
        ("end", "deploy", A, 0, False, ""),
        ("end", "deploy", B, 0, False, ""),
    ]
)
def test_backwards_it_is_the_same_as_forwards(outcomes: list[tuple[str, str, str, int, bool, str]]) -> None:
    rows = [settled(2 * at, *outcome) for at, outcome in enumerate(outcomes, 1)]
    found = read_history(rows, Path("/nowhere"))
    seen = [(d.seq, d.release, d.revision) for d in found.deployed]
    assert (seen, found.revision, {*found.completed}, {**found.incomplete}) == forwards(rows)
    assert len(found.deployed) == len(seen)
    assert bool(found.deployed) == bool(seen)
    assert [c.seq for c in found.certified] == [
        r.seq for r in rows if (r.kind, r.action) == ("end", "certify")
    ][::-1]


class Long:
    """Deploys without end, of which it counts how many somebody has looked at."""

    seen = 0

    def __iter__(self) -> Iterator[Settled]:
        raise AssertionError("it was read from its beginning")

    def __reversed__(self) -> Iterator[Settled]:
        for seq in range(10**9, 0, -2):
            self.seen += 1
            yield settled(seq, "end", "deploy", f"{seq:064x}", revised=True, revision="0001")


def test_of_a_long_history_only_its_end_is_read() -> None:
    found = read_history(rows := Long(), Path("/nowhere"))
    assert found.running and found.revision == "0001"
    assert [d.seq for d in islice(found.deployed, 3)] == [10**9, 10**9 - 2, 10**9 - 4]
    assert found.deployed[1].seq == 10**9 - 2
    assert [d.seq for d in found.deployed[1:3]] == [10**9 - 2, 10**9 - 4]
    assert rows.seen < 10


def test_of_what_came_after_a_moment_nothing_is_known() -> None:
    rows = [settled(seq, "end", "deploy", A) for seq in (2, 4, 6)]
    assert [one.seq for one in as_of(rows, rows[1].at)] == [2, 4]
    assert [one.seq for one in reversed(as_of(rows, rows[1].at))] == [4, 2]


def test_as_of_now_only_the_end_is_read() -> None:
    found = read_history(as_of(rows := Long(), "2031"), Path("/nowhere"))
    assert found.running and found.running.seq == 10**9
    assert rows.seen < 10
