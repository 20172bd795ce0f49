"""What may follow what: each rule on its own, for what is read and for what is to be written."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from roadworthy.errors import OutcomeUnknown
from roadworthy.journal.chain import State, admit, follow, goes_on_at
from roadworthy.journal.entry import NO_PREV, SEQ_LIMIT, SETTLING, Entry, JournalError, Record
from roadworthy.journal.lock import HeldBy
from roadworthy.journal.policy import _VERSION_LIMIT, named_by

from .making import DIGEST, PACKAGE, record

AT = "2026-11-20T18:30:0{}.000000Z"
POLICY = {"version": 2, "sha256": "e" * 64}


def entry(seq: int, of: Record, **said: Any) -> Entry:
    usual = {"prev": f"{seq - 1:064x}" if seq > 1 else NO_PREV, "at": AT.format(seq), "sha256": f"{seq:064x}"}
    return Entry(of, seq, nonce="ab" * 16, keyid="SHA256:x", **{**usual, **said})


def after(*records: Record) -> State:
    state = State()
    for seq, one in enumerate(records, 1):
        state = follow(state, entry(seq, one))
    return state


START = record("start", subject=PACKAGE, digest=DIGEST)


def settling(kind: str = "end", settles: object = 1, **said: Any) -> Record:
    return replace(record(kind, subject=PACKAGE, digest=DIGEST), **{"details": {"settles": settles}, **said})


def test_the_state_after_each_kind_of_entry_is_its_head_and_the_open_start():
    begun = after(START)
    assert (begun.seq, begun.sha256, begun.at) == (1, f"{1:064x}", AT.format(1))
    assert begun.open == entry(1, START)
    noted = follow(begun, entry(2, record("note")))
    assert (noted.seq, noted.open) == (2, begun.open)
    assert follow(noted, entry(3, settling())).open is None
    assert after(record("refused")).open is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"seq": 3}, "it says that it is entry 3"),
        ({"seq": 1}, "it says that it is entry 1"),
        ({"prev": "f" * 64}, "`prev` is another digest"),
        ({"prev": NO_PREV}, "`prev` is another digest"),
        ({"at": AT.format(0)}, "is before that of the entry before it"),
    ],
)
def test_what_is_no_next_entry_is_refused(said: dict[str, Any], why: str):
    with pytest.raises(JournalError, match=why):
        follow(after(record("note")), replace(entry(2, record("note")), **said))


def test_an_entry_may_be_of_the_same_instant_as_the_one_before():
    assert follow(after(record("note")), replace(entry(2, record("note")), at=AT.format(1))).seq == 2


def under(policy: object) -> Record:
    return record("note", policy=policy)


def test_a_policy_is_replaced_by_a_later_one_alone():
    state = after(under(POLICY))
    assert state.policy == (2, "e" * 64)
    assert follow(state, entry(2, under(POLICY))).policy == (2, "e" * 64)
    assert follow(state, entry(2, under({"version": 3, "sha256": "f" * 64}))).policy == (3, "f" * 64)
    for older in ({"version": 1, "sha256": "e" * 64}, {"version": 2, "sha256": "f" * 64}, None):
        with pytest.raises(JournalError, match="after policy 2 was in force"):
            follow(state, entry(2, under(older)))


@pytest.mark.parametrize(
    "policy",
    [
        {"version": 0, "sha256": "e" * 64},
        {"version": True, "sha256": "e" * 64},
        {"version": -1, "sha256": "e" * 64},
        {"version": 10**18, "sha256": "e" * 64},
        {"version": 1, "sha256": "e" * 63},
        {"version": 1, "sha256": "E" * 64},
        {"version": 1, "sha256": "e" * 64 + "\n"},
        {"version": 1, "sha256": "e" * 64, "more": 1},
        {"version": 1},
        "1",
    ],
)
def test_a_policy_that_is_none_is_refused(policy: object):
    with pytest.raises(JournalError, match="the policy that it names is malformed"):
        named_by(under(policy))


def test_a_policy_has_a_number_up_to_the_limit():
    assert named_by(under({"version": _VERSION_LIMIT, "sha256": "e" * 64})) == (_VERSION_LIMIT, "e" * 64)
    with pytest.raises(JournalError, match="malformed"):
        named_by(under({"version": _VERSION_LIMIT + 1, "sha256": "e" * 64}))


def test_what_may_not_be_written_is_not_read_either():
    """`follow` asks `admit`: what it calls senseless, held or late is no entry of a good log."""
    for one in (settling("end"), record("note", settles=1)):
        with pytest.raises(JournalError):
            follow(State(), entry(1, one))
    for one in (START, settling(settles=2), settling(settles=1, action="migrate")):
        with pytest.raises(JournalError):
            follow(after(START), entry(2, one))


def test_a_start_waits_for_the_one_that_is_open():
    with pytest.raises(HeldBy):
        admit(after(START), START)
    admit(after(START, settling()), START)


@pytest.mark.parametrize(
    "verdicts", [[{"outcome": "refuse"}], [{"outcome": "pass"}, "no verdict", {"outcome": "refuse"}]]
)
def test_what_a_guard_refused_is_not_started(verdicts: list[dict[str, str]]):
    with pytest.raises(JournalError, match="one of its guards refused"):
        admit(State(), replace(START, details={"verdicts": verdicts}))
    admit(State(), record("refused", verdicts=verdicts))
    admit(State(), replace(START, details={"verdicts": verdicts[:-1]}))


@pytest.mark.parametrize("kind", ["note", "refused", "start"])
def test_what_settles_nothing_names_no_start_and_tells_of_no_effect(kind: str):
    for details, why in (({"settles": 1}, "settles nothing"), ({"receipts": [1]}, "needs a start before it")):
        with pytest.raises(JournalError, match=why):
            admit(State(), record(kind, **details))


@pytest.mark.parametrize("kind", SETTLING)
@pytest.mark.parametrize("settles", [None, True, "1", 0, 2, -1])
def test_what_settles_names_an_entry_that_is_there(kind: str, settles: object):
    with pytest.raises(JournalError, match="names no start"):
        admit(after(START), settling(kind, settles))


@pytest.mark.parametrize("kind", SETTLING)
def test_what_is_open_no_longer_cannot_be_settled(kind: str):
    for state in (after(START, settling()), after(record("note"), START)):
        with pytest.raises(OutcomeUnknown, match="start 1 does not hold"):
            admit(state, settling(kind))


@pytest.mark.parametrize(
    "other", [{"action": "migrate"}, {"stage": "production"}, {"digest": "c" * 64}, {"digest": ""}]
)
def test_an_end_is_of_its_start_in_every_respect_and_an_abandon_of_none(other: dict[str, str]):
    for kind in ("end", "failed"):
        with pytest.raises(JournalError, match=f"its {kind} is "):
            admit(after(START), settling(kind, **other))
    admit(after(START), settling("abandon", **other))


def test_a_start_without_a_package_ends_with_any():
    begun = after(record("start", subject="none", digest=""))
    assert follow(begun, entry(2, replace(record("end", settles=1), digest="c" * 64))).open is None


def test_a_full_log_takes_no_entry():
    with pytest.raises(JournalError, match="the log is full"):
        admit(State(seq=SEQ_LIMIT), record("note"))
    admit(State(seq=SEQ_LIMIT - 1), record("note"))


@pytest.mark.parametrize(
    ("last", "on", "well"),
    [
        (5, 6, True),
        (7, SEQ_LIMIT, True),
        (7, SEQ_LIMIT + 1, False),
        (4, 8, False),
        (7, 7, False),
        (True, 8, False),
        (7, True, False),
    ],
)
def test_a_log_goes_on_after_what_was_lost_and_within_its_limit(last: int, on: int, well: bool) -> None:
    lost = {"seq": last, "sha256": "ab" * 6, "from": "a tag"}
    one = record("note", action="accept-loss", lost=lost, goes_on_at=on)
    if well:
        assert goes_on_at(one, 5) == on
    else:
        with pytest.raises(JournalError, match="what it says of the entries that were lost is malformed"):
            goes_on_at(one, 5)
