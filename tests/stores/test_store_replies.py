"""Replies that are lost between the provider and us: who won finds out, and nothing is written twice."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
from journal.making import log_of, record

from roadworthy.config import Journal
from roadworthy.errors import OutcomeUnknown
from roadworthy.journal.objects import open_bucket

from .proxy import Proxy, the_next
from .servers import Provider

pytestmark = pytest.mark.stores


@pytest.fixture
def far(provider: Provider, prefix: str, between: Proxy) -> Journal:
    """The journal behind the proxy; `journal` is the same one, seen directly."""
    return provider.journal(prefix, between.endpoint)


def test_a_winner_whose_reply_was_lost_finds_out(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    log = log_of(tmp_path, store=open_bucket(far))
    between.lose_reply = the_next(1, "PUT")
    start = log.append(record("start"))
    assert start.seq == 1
    assert between.writes() == 1
    assert [method for method, _ in between.seen] == ["GET", "GET", "PUT", "GET"]
    assert log_of(tmp_path, store=open_bucket(journal)).open_start() == start


def test_every_reply_lost_once_still_writes_every_entry_once(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    log = log_of(tmp_path, store=open_bucket(far))
    for number in range(1, 11):
        between.lose_reply = the_next(1, "PUT")
        assert log.append(record("note", number=number)).seq == number
    assert between.writes() == 10
    entries = log_of(tmp_path, store=open_bucket(journal)).entries()
    assert [entry.record.details["number"] for entry in entries] == list(range(1, 11))


def test_a_loser_whose_reply_was_lost_builds_on_the_winner(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    log = log_of(tmp_path, store=open_bucket(far))
    log.append(record("note"))
    put, raced = log._store.put, log_of(tmp_path, store=open_bucket(journal))

    def late(name: str, data: bytes) -> bool:
        """Another writer takes the place between our look and our put."""
        log._store.put = put  # type: ignore[method-assign]
        raced.append(record("note", who="other"))
        between.lose_reply = the_next(1, "PUT")
        return put(name, data)

    log._store.put = late  # type: ignore[method-assign]
    assert log.append(record("note", who="us")).seq == 3
    whole = log_of(tmp_path, store=open_bucket(journal)).entries()
    assert [entry.record.details.get("who") for entry in whole] == [None, "other", "us"]


def test_a_put_that_no_look_can_settle_is_unknown_and_found_later(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    bucket = open_bucket(far)
    bucket._sleep = lambda seconds: None
    log = log_of(tmp_path, store=bucket)
    lost: list[str] = []

    def lose(method: str) -> bool:
        """Everything from the first put on."""
        lost.extend([method] if lost or method == "PUT" else [])
        return bool(lost)

    between.lose_reply = lose
    with pytest.raises(OutcomeUnknown, match="nobody can tell"):
        log.append(record("start"))
    assert between.writes() == 1
    between.lose_reply = lambda method: False
    found = log_of(tmp_path, store=open_bucket(journal)).open_start()
    assert found is not None and found.seq == 1


def test_a_long_log_is_read_side_by_side(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    """Prints what it measured: `pytest -s`."""
    writer = log_of(tmp_path, store=open_bucket(journal))
    took = []
    for _ in range(1000):
        began = time.perf_counter()
        writer.append(record("note"))
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    assert len(log_of(tmp_path, store=open_bucket(journal)).entries()) == 1000
    near = time.perf_counter() - began
    between.delay = 0.02
    began = time.perf_counter()
    assert len(log_of(tmp_path, store=open_bucket(far)).entries()) == 1000
    away = time.perf_counter() - began
    one_by_one = 1000 * between.delay
    print(f"\n{journal.store}: append {1000 * statistics.median(took):.1f} ms; 1,000 entries {near:.2f} s,")
    print(f"through a proxy with 20 ms more for each request {away:.2f} s ({one_by_one:.0f} s one by one)")
    assert between.most > 2, "one request after the other"
    between.seen.clear()
    log = log_of(tmp_path, store=open_bucket(far))
    log.head()
    # The listings of the entries and of their packs, the entries, and what may have come since.
    assert len(between.seen) == 2 + 1000 + 1
