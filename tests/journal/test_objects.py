"""A bucket as a store: the same promises as a folder, over a wire that loses replies."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Iterator

import pytest
from stores import gcs
from stores.gcs import BUCKET, TOKEN, Server, answer, hang_up, stall, times, truncate

from roadworthy.config import Journal
from roadworthy.errors import OutcomeUnknown, RoadworthyError, Unreachable, UsageError
from roadworthy.journal.entry import ENTRY_LIMIT, JournalError
from roadworthy.journal.objects import DEADLINE, Bucket, open_bucket

ENTRY = "live/prod/00000001.json"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", TOKEN)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(server: Server, clock: Clock) -> Bucket:
    return opened(server, clock)


def opened(server: Server, clock: Clock | None = None, **said: object) -> Bucket:
    usual = {"store": f"gs://{BUCKET}/team/app", "endpoint": server.endpoint}
    bucket = open_bucket(Journal(**{**usual, **said}), timeout=0.5)
    if clock:
        bucket._clock, bucket._sleep = clock, clock.sleep
    return bucket


def test_a_name_is_written_once(bucket: Bucket, server: Server) -> None:
    assert bucket.put(ENTRY, b"one")
    assert not bucket.put(ENTRY, b"two")
    assert bucket.get(ENTRY) == b"one"
    assert server.objects == {f"{BUCKET}/team/app/{ENTRY}": b"one"}


def test_the_same_bytes_again_are_no_conflict(bucket: Bucket) -> None:
    assert bucket.put(ENTRY, b"one")
    assert bucket.put(ENTRY, b"one")


def test_what_is_not_there_is_none_and_lists_as_nothing(bucket: Bucket) -> None:
    assert bucket.get(ENTRY) is None
    assert bucket.names("live/prod") == []
    bucket.put(ENTRY, b"")
    assert bucket.get(ENTRY) == b""


def test_names_are_those_of_one_folder_in_order_over_many_pages(bucket: Bucket, server: Server) -> None:
    for name in ("2", "1", "q/4", *(f"n{number:02}" for number in range(25))):
        server.objects[f"{BUCKET}/team/app/p/{name}"] = b""
    server.objects[f"{BUCKET}/team/app/pp/3"] = b""
    server.page = 7
    assert bucket.names("p") == ["p/1", "p/2", *(f"p/n{number:02}" for number in range(25)), "p/q"]
    server.seen.clear()
    assert bucket.names("p", "p/n19") == [*(f"p/n{number:02}" for number in range(20, 25)), "p/q"]
    assert len(server.seen) == 1, "what lies before was listed, too"


@pytest.mark.parametrize(
    "name", ["", "/x", "../x", "a/../b", "a//b", "a/", ".hidden", "a\nb", "a?b", "x" * 201]
)
def test_a_name_cannot_leave_the_prefix(bucket: Bucket, server: Server, name: str) -> None:
    for use in (lambda: bucket.put(name, b"x"), lambda: bucket.get(name), lambda: bucket.names(name)):
        with pytest.raises(JournalError, match="no name"):
            use()
    assert server.seen == []


def test_more_than_the_limit_is_not_read(bucket: Bucket) -> None:
    bucket.put(ENTRY, b"12345")
    assert bucket.get(ENTRY, 5) == b"12345"
    with pytest.raises(JournalError, match="has 5 bytes, more than 4"):
        bucket.get(ENTRY, 4)


@pytest.mark.parametrize("what", [hang_up, answer(500, "InternalError"), answer(503, "ServiceUnavailable")])
def test_a_winner_whose_reply_was_lost_finds_out(bucket: Bucket, server: Server, what: gcs.Callable) -> None:
    server.faults.append(times(1, "PUT", True, what))
    assert bucket.put(ENTRY, b"one")
    name = f"{BUCKET}/team/app/{ENTRY}"
    assert server.seen == [f"PUT {name}", f"GET {name}"]


def test_a_loser_whose_reply_was_lost_finds_out(bucket: Bucket, server: Server) -> None:
    opened(server).put(ENTRY, b"other")
    server.faults.append(times(1, "PUT", True, hang_up))
    assert not bucket.put(ENTRY, b"one")


@pytest.mark.parametrize("what", [hang_up, answer(500, "InternalError"), answer(409, "Conflict"), stall(1)])
def test_a_put_that_was_lost_on_the_way_is_sent_again_after_a_look(
    bucket: Bucket, server: Server, what: gcs.Callable
) -> None:
    server.faults.append(times(1, "PUT", False, what))
    assert bucket.put(ENTRY, b"one")
    assert [seen.split()[0] for seen in server.seen] == ["PUT", "GET", "PUT"]
    assert len(server.writes) == 1


def test_a_put_that_nobody_can_settle_is_unknown(bucket: Bucket, server: Server) -> None:
    server.faults += [times(1, "PUT", True, hang_up), times(99, "GET", False, hang_up)]
    with pytest.raises(OutcomeUnknown, match=r"00000001\.json: it gave no usable answer"):
        bucket.put(ENTRY, b"one")
    assert server.writes == [f"{BUCKET}/team/app/{ENTRY}"]


def test_a_put_that_is_lost_every_time_is_unknown_too(bucket: Bucket, server: Server) -> None:
    """The last one may still be on its way."""
    server.faults.append(times(99, "PUT", False, answer(503, "ServiceUnavailable")))
    with pytest.raises(OutcomeUnknown, match="503 ServiceUnavailable"):
        bucket.put(ENTRY, b"one")
    assert [seen.split()[0] for seen in server.seen] == ["PUT", "GET"] * 3


def test_a_refusal_after_a_doubtful_put_does_not_make_it_certain(bucket: Bucket, server: Server) -> None:
    server.faults += [times(1, "PUT", False, hang_up), times(9, "PUT", False, answer(403, "AccessDenied"))]
    with pytest.raises(OutcomeUnknown):
        bucket.put(ENTRY, b"one")


def test_a_put_that_is_refused_is_not_tried_again(bucket: Bucket, server: Server) -> None:
    server.faults.append(times(9, "PUT", False, answer(403, "AccessDenied")))
    with pytest.raises(UsageError, match=r"do not allow it \(403 AccessDenied\)"):
        bucket.put(ENTRY, b"one")
    assert [seen.split()[0] for seen in server.seen] == ["PUT", "GET"]  # it is looked at, for it may be there


def test_a_put_that_was_refused_and_is_there_all_the_same_is_written(bucket: Bucket, server: Server) -> None:
    server.faults.append(times(1, "PUT", True, answer(403, "AccessDenied")))
    assert bucket.put(ENTRY, b"one")
    server.faults.append(times(1, "PUT", True, answer(403, "AccessDenied")))
    assert not bucket.put(ENTRY, b"two")


def test_a_refused_put_that_cannot_be_looked_at_is_unknown(bucket: Bucket, server: Server) -> None:
    """Unless the look is refused, too: then these credentials do not open the bucket at all."""
    server.faults += [times(1, "PUT", True, answer(403, "AccessDenied")), times(99, "GET", False, hang_up)]
    with pytest.raises(OutcomeUnknown, match=r"do not allow it \(403 AccessDenied\)"):
        bucket.put(ENTRY, b"one")
    server.faults[:] = [times(9, method, False, answer(403, "AccessDenied")) for method in ("PUT", "GET")]
    with pytest.raises(UsageError, match=r"cannot write .*00000001\.json: .*\(403 AccessDenied\)"):
        bucket.put(ENTRY, b"one")


@pytest.mark.parametrize(
    "what", [hang_up, answer(500, "InternalError"), answer(429, "SlowDown"), truncate, stall(1)]
)
def test_a_read_is_asked_again(bucket: Bucket, server: Server, what: gcs.Callable) -> None:
    bucket.put(ENTRY, b"one")
    server.faults.append(times(2, "GET", True, what))
    assert bucket.get(ENTRY) == b"one"
    server.faults.append(times(2, "GET", True, what))
    assert bucket.names("live/prod") == [ENTRY]


def test_reads_give_up_at_the_deadline(bucket: Bucket, server: Server, clock: Clock) -> None:
    server.faults.append(times(99, "GET", False, answer(500, "InternalError")))
    for use in (lambda: bucket.get(ENTRY), lambda: bucket.names("live/prod")):
        begun, clock.slept = len(server.seen), 0.0
        with pytest.raises(Unreachable, match=r"it gave no usable answer \(500 InternalError\)"):
            use()
        assert len(server.seen) - begun == 5
        assert 0 < clock.slept < DEADLINE


def test_a_server_that_is_gone_is_unreachable(server: Server, clock: Clock) -> None:
    bucket = opened(server, clock)
    server.shutdown()
    server.server_close()
    with pytest.raises(Unreachable, match="it cannot be reached"):
        bucket.get(ENTRY)


def test_a_bucket_that_is_missing_is_not_an_empty_journal(server: Server) -> None:
    bucket = opened(server, store="gs://another-bucket/x")
    for use in (lambda: bucket.get(ENTRY), lambda: bucket.names("live"), lambda: bucket.put(ENTRY, b"")):
        with pytest.raises(UsageError, match=r"there is no such bucket \(404 NoSuchBucket\)"):
            use()


def test_no_error_carries_what_came_from_the_wire(
    bucket: Bucket, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's answers and the library's errors repeat credentials; ours, and all behind them, do not."""
    errors = []
    for status in (400, 401, 403, 404, 500):
        server.faults[:] = [times(99, m, False, answer(status, f"Code{TOKEN}")) for m in ("GET", "PUT")]
        for use in (lambda: bucket.get(ENTRY), lambda: bucket.names("a"), lambda: bucket.put("a", b"x")):
            try:
                use()
            except RoadworthyError as error:
                errors.append(error)
    assert len(errors) == 14  # a 404 for an object is no error
    for error in errors:
        assert TOKEN not in "".join(traceback.format_exception(error))
        assert server.endpoint not in str(error)
        assert "\n" not in str(error)
        seen: BaseException | None = error
        while seen is not None:
            assert TOKEN not in repr(seen)
            assert not type(seen).__module__.startswith("obstore")
            seen = seen.__cause__ or seen.__context__


def test_the_environment_cannot_move_the_journal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AZURE_ENDPOINT",
        "GOOGLE_BASE_URL",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_BUCKET", "AZURE_CONTAINER_NAME", "GOOGLE_BUCKET"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "Zm9v")
    server.faults.append(times(99, "PUT", False, answer(403, "AccessDenied")))
    for scheme, path in (("s3", ""), ("gs", ""), ("az", "/account")):
        with pytest.raises(UsageError, match="403"):
            opened(server, store=f"{scheme}://{BUCKET}/p", endpoint=server.endpoint + path).put(ENTRY, b"x")
    paths = ("", "", "account/")
    assert server.seen == [f"{word} {path}{BUCKET}/p/{ENTRY}" for path in paths for word in ("PUT", "GET")]


def test_a_log_is_read_side_by_side_and_in_order(bucket: Bucket, server: Server) -> None:
    names = [f"live/prod/{number:08}.json" for number in range(1, 301)]
    for name in names:
        server.objects[f"{BUCKET}/team/app/{name}"] = name.encode()

    lock, at_once, most = threading.Lock(), 0, 0

    def slow(exchange: gcs.Exchange, after: bool) -> bool:
        nonlocal at_once, most
        if not after:
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.01)
            with lock:
                at_once -= 1
        return False

    server.faults.append(slow)
    assert bucket.names("live/prod") == names
    assert list(bucket.get_all(names, ENTRY_LIMIT)) == [name.encode() for name in names]
    assert most > 2, "one request after the other"
    assert len(server.seen) == 301


def test_reading_ahead_neither_hides_a_fault_nor_tells_it_early(bucket: Bucket, server: Server) -> None:
    names = [f"p/{number}" for number in range(9)]
    for name in names:
        server.objects[f"{BUCKET}/team/app/{name}"] = b"x" * (9 if name == "p/3" else 5)
    del server.objects[f"{BUCKET}/team/app/p/4"]
    found = bucket.get_all(names, 5)
    assert [next(found) for _ in range(3)] == [b"xxxxx"] * 3
    with pytest.raises(JournalError, match="p/3 has 9 bytes"):
        next(found)
    assert list(bucket.get_all(names[4:6], 5)) == [None, b"xxxxx"]


def test_the_head_is_found_without_a_listing(server: Server, tmp_path: object) -> None:
    from journal.making import log_of, record

    log = log_of(tmp_path, store=opened(server))  # type: ignore[arg-type]
    for _ in range(20):
        log.append(record("note"))
    server.seen.clear()
    log.append(record("note"))
    assert log.head().seq == 21
    assert [seen.split()[0] for seen in server.seen] == ["GET", "PUT", "GET"]
