"""What the journal's outcomes say of the packages that may be gone back to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from journal.making import record as written
from msgspec.structs import replace

from roadworthy.facts.history import as_of, read_history, runs
from roadworthy.facts.history import test_run as of_tests
from roadworthy.facts.running import RUNS
from roadworthy.journal.entry import Entry
from roadworthy.journal.index import Part, Settled
from roadworthy.model import Claim, Deployed, History, Observed, Package, PlatformRelease, Proof

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
    nothing = {"package": "slug", "certificate": "", "certificate_sha256": "", "expires": "", "artifact": ""}
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
) -> tuple[list[tuple[int, int, str | None]], str | None, int, dict[str, int]]:
    """The same rules, said once more as one walk from the first entry to the last."""
    verified: list[tuple[int, int, str | None]] = []
    runs, completed, doubts = rows[:0], 0, set[str]()
    incomplete: dict[str, int] = {}
    revision: str | None = None
    for one in rows:
        ended, ran = one.kind == "end", one.action in RUNS
        if ended and ran and one.digest:
            verified.append((one.seq, one.release, revision))
            runs, completed, doubts = [one], 0, set()
        elif runs and one.action in (*RUNS, "config", "migrate"):
            kind = "migrate" if one.action == "migrate" else "release"
            doubts = doubts - {kind} if ended and one.digest == runs[0].digest else doubts | {kind}
        if ended and one.action == "config" and verified:
            verified[-1] = (verified[-1][0], one.release, verified[-1][2])
        if one.revised and one.kind != "abandon":
            revision = one.revision
            if verified and (ended or not ran):
                verified[-1] = (*verified[-1][:2], revision)
        if one.action == "complete" and one.deployment and one.kind != "abandon":
            incomplete.pop(one.digest, None)
            if not ended:
                incomplete[one.digest] = one.seq
            if runs and one.deployment == runs[0].seq:
                completed = one.seq if ended else 0
                doubts = doubts if not ended or one.digest != runs[0].digest else set()
    return verified[::-1], revision, 0 if doubts else completed, incomplete


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
    assert (seen, found.revision, found.complete, {**found.incomplete}) == forwards(rows)
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


# ---- how the journal left the platform -----------------------------------------------------------------------


def left(*rows: Settled, start: Entry | None = None) -> History:
    return read_history(list(rows), Path("/nowhere"), start)


DONE = settled(2, "end", "deploy", A)
FAILED = settled(4, "failed", "deploy", B)
CLAIM = Claim("roadworthy staging#3 abc")


def test_a_release_is_known_from_the_last_verified_one_on():
    later = settled(6, "failed", "deploy", C)
    assert left(DONE, FAILED, later).known == ((6, ""), (4, ""), (2, ""))
    assert left(FAILED, DONE).known == ((2, ""),)
    assert left(settled(2, "end", "config", A), FAILED).known == ((4, ""), (2, ""))


def test_what_made_no_release_or_only_accepted_one_is_not_known():
    nothing = replace(settled(4, "failed", "deploy", B), release=0)
    assert left(DONE, nothing).known == ((2, ""),)
    assert left(DONE, settled(4, "failed", "adopt", B)).known == ((2, ""),)
    assert left(DONE, settled(4, "abandon", "deploy", B)).known == ((2, ""),)
    assert left(DONE, settled(4, "end", "migrate", A)).known == ((2, ""),)


def test_a_failed_release_does_not_hide_the_one_that_was_verified_before_it():
    """It ends no search: a release is looked back to until one that was verified."""
    assert left(DONE, FAILED).known == ((4, ""), (2, ""))
    assert left(DONE, replace(FAILED, claim=CLAIM)).claims == (CLAIM,)
    assert left(replace(DONE, claim=CLAIM), FAILED).claims == ()


def test_maintenance_may_be_on_when_anything_since_the_last_verified_release_may_have_left_it_on():
    closed = replace(FAILED, closed=True)
    again = settled(6, "failed", "deploy", C)
    assert not left(DONE, FAILED, again).maintenance
    assert left(DONE, closed).maintenance
    assert left(DONE, closed, again).maintenance
    assert left(DONE, replace(again, closed=True), FAILED).maintenance
    assert not left(closed, DONE).maintenance
    assert not left(replace(DONE, closed=True)).maintenance


@pytest.mark.parametrize("maintenance", [True, False])
def test_an_open_start_may_have_turned_maintenance_on_and_claims_its_release(maintenance: bool):
    details = {"maintenance": True} if maintenance else {}
    begun = Entry(written("start", **details), 5, "", "", "", "", "f" * 64)
    found = left(DONE, start=begun)
    assert found.maintenance is maintenance
    assert [claim.token for claim in found.claims] == [f"roadworthy prod#5 {'f' * 12}"]
    assert left(DONE, replace(FAILED, closed=True), start=begun).maintenance


# ---- what runs -----------------------------------------------------------------------------------------------

PACKAGE = Package("a" * 40, A, 1)
WEB, WORKER = replace(PACKAGE, component="web"), replace(PACKAGE, component="worker", digest=B)
PAIR = replace(PACKAGE, digest=C, parts=(WEB, WORKER))


def ran(package: Package, release: int) -> History:
    return History((Deployed(package, release, "", 2, "2030-01-01T00:00:00Z"),))


def shows(*releases: int, **parts: Observed) -> Observed:
    found = tuple(PlatformRelease(n, "succeeded", False, "", "", "", MOMENT, f"v{n}") for n in releases)
    return Observed("", False, found, (), A, "a" * 40, parts)


MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("history", "observed", "so"),
    [
        (ran(PACKAGE, 7), shows(7), True),
        (ran(PACKAGE, 7), shows(8, 7), False),
        (ran(replace(PACKAGE, digest=B), 7), shows(7), False),
        (ran(PACKAGE, 7), shows(), False),
        (History(), shows(7), False),
        (ran(PACKAGE, 7), shows(7, web=shows(7), worker=shows(3)), True),  # from before there was a worker
    ],
)
def test_a_package_runs_as_the_very_release_that_was_verified(history: History, observed: Observed, so: bool):
    assert runs(PACKAGE, history, observed) is so


def test_of_two_components_each_must_run_on_an_app_of_its_own():
    parts = {"web": ran(WEB, 7), "worker": ran(WORKER, 3)}
    of_both = History(ran(PAIR, 7).deployed, parts=parts)
    assert runs(PAIR, of_both, shows(7, web=shows(7), worker=shows(3)))
    assert not runs(PAIR, of_both, shows(7, web=shows(7), worker=shows(4)))
    assert not runs(PAIR, of_both, shows(7, web=shows(8), worker=shows(3)))
    assert not runs(PAIR, of_both, shows(7))
    more = shows(7, web=shows(7), worker=shows(3), more=shows(1))
    assert runs(PAIR, of_both, more), "what is no part of it need not be there"


def test_what_was_deployed_of_several_components_names_each_package_with_its_component():
    parts = (
        Part(component="web", digest=A, size=1, release=7, artifact="x", claim=None),
        Part(component="worker", digest=B, size=2, release=3, artifact="y", claim=None),
    )
    row = replace(DONE, parts=parts, digest=C)
    (found,) = left(row).deployed
    assert [(p.component, p.digest, p.size, p.commit) for p in found.package.parts] == [
        ("web", A, 1, A[:40]),
        ("worker", B, 2, A[:40]),
    ]
    assert [(name, one.release, one.artifact) for name, one in found.parts.items()] == [
        ("web", 7, "x"),
        ("worker", 3, "y"),
    ]
    (alone,) = read_history([row], Path("/nowhere"), component="web").deployed
    assert (alone.parts, alone.package.parts, alone.package.component) == ({}, (), "web")


# ---- the test run of a package -------------------------------------------------------------------------------


def test_a_package_that_was_never_tested_has_no_run():
    others = [settled(2, "end", "test", B), settled(4, "end", "deploy", A), settled(6, "abandon", "test", A)]
    assert of_tests(others, A).outcome == "missing"
    assert of_tests(others, A).proof is None


def test_the_newest_run_of_these_very_bytes_counts():
    rows = [settled(2, "end", "test", A), settled(4, "failed", "test", A), settled(6, "end", "test", B)]
    found = of_tests(rows, A)
    assert (found.outcome, found.url) == ("failure", "journal #4")
    assert of_tests(rows[:1], A).outcome == "success"
    assert of_tests([*rows[:2], settled(8, "abandon", "test", A)], A).outcome == "failure"


def test_a_run_is_told_with_its_place_in_the_journal():
    row = replace(settled(4, "end", "test", A), environment=f"package-{'a' * 40}")
    found = of_tests([row], A)
    assert found.proof == Proof("test", f"package-{'a' * 40}", 4, f"{4:064x}")
    assert found.run is not None
    assert (found.run.commit, found.run.number, found.run.event) == ("a" * 40, 4, "invoke test")
    assert (found.run.id, found.run.status) == (f"package-{'a' * 40}#4", "completed")
    assert (found.run.conclusion, found.run.updated) == ("success", row.at)
    assert row.at in found.source


def marked(order: int, **more: object) -> PlatformRelease:
    made = PlatformRelease(
        order, "succeeded", False, "s", "", "", datetime(2030, 1, 1, tzinfo=UTC), mark="ours"
    )
    return replace(made, **more)


@pytest.mark.parametrize(
    ("kind", "action", "saw", "release", "unnamed"),
    [
        ("end", "deploy", 4, marked(5), [5]),  # it came after the facts of what was released over it
        ("end", "deploy", 5, marked(5), []),
        ("end", "rollback", 5, marked(5), []),
        ("end", "rollback", 5, marked(5, mark="", sets_mark=True), [5]),  # what it set stays set
        ("end", "adopt", 0, marked(5, mark="", sets_mark=True), []),
        ("end", "deploy", 4, marked(5, mark=""), []),  # a stranger's is drift while it is the current one
        ("end", "deploy", 4, marked(5, status="failed"), []),
        ("end", "deploy", 4, marked(6), []),  # the deploy's own
    ],
)
def test_a_release_of_ours_that_no_outcome_names_is_found(
    kind: str, action: str, saw: int, release: PlatformRelease, unnamed: list[int]
):
    rows = [settled(4, "end", "deploy", A), replace(settled(6, kind, action, B), saw=saw)]
    found = read_history(rows, Path("/nowhere")).unnamed([marked(6), release, marked(4)])
    assert [one.order for one in found] == unnamed


def test_what_a_start_that_was_given_up_made_is_its_own():
    claim = Claim("ours")
    rows = [
        settled(4, "end", "deploy", A),
        replace(settled(5, "abandon", "deploy", B), release=0, claim=claim),
    ]
    found = read_history([*rows, settled(7, "end", "deploy", A)], Path("/nowhere"))
    assert found.unnamed([marked(6)]) == ()
    assert [one.order for one in found.unnamed([marked(6, mark="another")])] == [6]
