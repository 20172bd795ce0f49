"""However the road is walked, a commit is complete exactly when all that was needed is done and what runs agrees.

A made-up platform and database follow the commands: refusals, failures, kills, stages run by hand, in any order.
The rule is said here a second time, as a flag that each event sets or clears; `Walk.ship` does what a ship does.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decision.test_progress import COMMIT, B, C, asked, row
from roadworthy.decision import progress as rules
from roadworthy.decision.lines import Journal, Mark, Progress
from roadworthy.decision.progress import progress
from roadworthy.facts.running import CHANGES, running
from roadworthy.journal.index import Settled

HEAD = "0002"
ENDS = (
    "end",
    "failed before",
    "failed after",
    "abandon before",
    "abandon after",
    "open before",
    "open after",
)
"""How an action ends: before or after its effect; an open one is settled by whoever looks at it later."""
STEP = st.tuples(
    st.sampled_from(["deploy", "rollback", "config", "migrate", "complete", "refuse", "reconcile", "ship"]),
    st.sampled_from([B, C]),
    st.sampled_from(ENDS),
)
Step = tuple[str, str, str]


class Walk:
    """One environment: its journal, and what is really so. `good` is the package whose release is whole."""

    def __init__(self) -> None:
        self.rows: list[Settled] = []
        self.refused: list[Mark] = []
        self.seq = 0
        self.open: tuple[Mark, str, bool] | None = None  # the start, its package, whether its effect happened
        self.runs, self.schema, self.good = "", "", ""

    def act(self, action: str, digest: str, how: str) -> None:
        """What one command does, which never begins while another one's start is open."""
        if action == "reconcile" or action == "ship":
            self.reconcile() if action == "reconcile" else self.ship(digest)
            return
        if self.open:
            return
        if action == "refuse":
            self.seq += 1
            self.refused.insert(0, Mark(self.seq, "deploy", digest))
            return
        there = running(self.rows)
        if action not in ("deploy", "rollback"):  # these are about what runs, and refuse anything else
            if there is None or self.runs != there.end.digest:
                return
            digest = there.end.digest
        self.seq += 1
        start, (word, _, when) = Mark(self.seq, action, digest), how.partition(" ")
        effect = word == "end" or when == "after"
        if action == "complete" and effect and not self.whole(digest):
            word, effect = "failed", False
        if effect:
            self.effect(action, digest)
        if action in CHANGES and word != "end":
            self.good = ""  # nobody has looked since
        if word == "open":
            self.open = start, digest, effect
        else:
            self.settle(word, start, effect)

    def effect(self, action: str, digest: str) -> None:
        if action in ("deploy", "rollback"):
            self.good = self.good if self.runs == digest == self.good else ""
            self.runs = digest
        if action == "migrate":
            self.schema = HEAD

    def settle(self, word: str, start: Mark, effect: bool) -> None:
        action, digest = start.action, start.digest
        there = running(self.rows)
        more: dict[str, object] = {
            "release": start.seq if effect and action in ("deploy", "rollback", "config") else 0
        }
        if action == "migrate" and word != "abandon":
            more["revision"] = self.schema or None
        if action == "complete" and there and word != "abandon":
            more["deployment"] = there.end.seq
        self.seq += 1
        self.rows.append(row(self.seq, word, action, digest, **more))
        if action == "complete":
            self.good = digest if word == "end" else "" if word == "failed" else self.good
        if word == "end" and action in ("deploy", "rollback"):
            self.good = ""  # another deployment: it is to be completed itself

    def whole(self, digest: str) -> bool:
        return self.runs == digest and self.schema == HEAD

    def reconcile(self) -> None:
        """Whoever looks finds out what the open action did."""
        if self.open:
            (start, digest, effect), self.open = self.open, None
            done = self.whole(digest) if start.action == "complete" else effect
            self.settle("end" if done else "failed", start, effect)

    def progress(self, digest: str) -> Progress:
        start = self.open[0] if self.open else None
        told = asked(of=digest)
        return progress(rules.replace(told, there=Journal("prod", self.rows, tuple(self.refused), start)))

    def ship(self, digest: str) -> bool:
        """Every command that is named, in its order; what is open is settled first. Whether it exits with 0."""
        self.reconcile()
        for command in self.progress(digest).next:
            action = command.split()[1]
            there = running(self.rows)
            runs_it = there is not None and there.end.digest == digest == self.runs
            if action == "migrate" and self.schema == HEAD and there and not there.doubts:
                self.rows.append(row(self.seq + 1, "end", "migrate", digest, revision=HEAD))
                self.seq += 1
            elif action != "verify" and not (action == "deploy" and runs_it):
                self.act(action, digest, "end")
        return self.progress(digest).complete


def walked(steps: list[Step]) -> Walk:
    walk = Walk()
    for step in steps:
        walk.act(*step)
    return walk


WHOLE: list[Step] = [("deploy", B, "end"), ("migrate", B, "end"), ("complete", B, "end")]


@given(st.lists(STEP, max_size=14))
@example([])
@example(WHOLE)
@example([("deploy", B, "end"), ("ship", B, "end")])
@example([*WHOLE, ("deploy", C, "open after")])
@example([*WHOLE, ("deploy", C, "open after"), ("reconcile", C, "end")])
@example([*WHOLE, ("deploy", C, "failed after")])
@example([*WHOLE, ("deploy", C, "abandon before")])
@example([*WHOLE, ("migrate", B, "abandon after")])
@example([*WHOLE, ("config", B, "failed before"), ("config", B, "end")])
def test_a_commit_is_complete_exactly_when_all_is_done_and_platform_and_database_agree(steps: list[Step]):
    walk = walked(steps)
    for digest in (B, C):
        found = walk.progress(digest)
        if found.complete:
            assert not walk.open
            assert walk.whole(digest), "platform and database agree"
            assert found.next == ()
            assert not walk.progress(B if digest == C else C).complete
        if walk.good == digest and not walk.open:
            assert found.complete, "what is whole and was looked at is complete"


@given(st.lists(STEP, max_size=14), st.sampled_from([B, C]))
@example([("deploy", B, "end"), ("migrate", B, "failed before")], B)
@example([*WHOLE, ("deploy", C, "open before")], B)
@example([*WHOLE, ("migrate", B, "abandon before")], B)
def test_wherever_it_was_stopped_the_commands_that_are_named_lead_to_the_end(steps: list[Step], digest: str):
    walk = walked(steps)
    assert walk.ship(digest), (walk.progress(digest), walk.rows)
    assert walk.whole(digest)
    assert walk.progress(digest).complete
    rows = [*walk.rows]
    assert walk.ship(digest)
    assert walk.rows == rows, "said again it does nothing"


@given(st.lists(STEP, max_size=10))
def test_no_line_is_done_after_one_that_is_not(steps: list[Step]):
    walk = walked(steps)
    for digest in (B, C):
        lines = walk.progress(digest).deployment
        first = next((at for at, line in enumerate(lines) if not line.passed), len(lines))
        assert all(line.state is not rules.State.DONE for line in lines[first:])


@pytest.mark.parametrize("digest", [B, C])
def test_the_walks_reach_what_they_are_about(digest: str):
    assert walked([(action, digest, how) for action, _, how in WHOLE]).progress(digest).complete
    assert COMMIT[digest]
