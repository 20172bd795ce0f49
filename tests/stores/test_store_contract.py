"""What every store promises, asked of the providers' servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal.making import log_of, record

from roadworthy.config import Journal
from roadworthy.errors import UsageError
from roadworthy.journal.entry import ENTRY_LIMIT, JournalError
from roadworthy.journal.objects import Bucket, open_bucket

from .servers import Provider

pytestmark = pytest.mark.stores


@pytest.fixture
def bucket(journal: Journal) -> Bucket:
    return open_bucket(journal)


def test_a_name_is_written_once(bucket: Bucket) -> None:
    assert bucket.get("live/prod/00000001.json") is None
    assert bucket.names("live/prod") == []
    assert bucket.put("live/prod/00000001.json", b"one")
    assert bucket.put("live/prod/00000001.json", b"one")
    assert not bucket.put("live/prod/00000001.json", b"two")
    assert bucket.get("live/prod/00000001.json") == b"one"


def test_sizes_from_nothing_to_evidence(bucket: Bucket) -> None:
    for size in (0, 1, ENTRY_LIMIT, 9 << 20):
        data = bytes(size)
        assert bucket.put(f"evidence/{size}", data)
        assert not bucket.put(f"evidence/{size}", data + b"x")
        assert bucket.get(f"evidence/{size}") == data
    with pytest.raises(JournalError, match="more than 1048575"):
        bucket.get(f"evidence/{ENTRY_LIMIT}", ENTRY_LIMIT - 1)


def test_names_are_those_of_one_folder_over_many_pages(bucket: Bucket) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [f"p/{number:08}.json" for number in range(1, 1102)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda name: bucket.put(name, name.encode()), [*names, "pp/1", "p/q/2"]))
    assert bucket.names("p") == [*names, "p/q"]
    assert bucket.names("p", names[1000]) == [*names[1001:], "p/q"]
    assert list(bucket.get_all(names, ENTRY_LIMIT)) == [name.encode() for name in names]


def test_a_bucket_that_is_missing_is_not_an_empty_journal(provider: Provider) -> None:
    bucket = open_bucket(Journal(store=f"{provider.scheme}://no-such-bucket/x", endpoint=provider.endpoint))
    for use in (lambda: bucket.names("live"), lambda: bucket.get("a"), lambda: bucket.put("a", b"x")):
        with pytest.raises(UsageError, match="there is no such bucket"):
            use()


def test_a_journal_moves_from_a_folder_by_copying_its_bytes(bucket: Bucket, tmp_path: Path) -> None:
    folder = log_of(tmp_path)
    start = folder.append(record("start"), attach={"plan": b"p"})
    folder.append(record("end", settles=start.seq))
    root = tmp_path / "journal"
    for file in root.rglob("*"):
        if file.is_file():
            assert bucket.put(str(file.relative_to(root)), file.read_bytes())
    moved = log_of(tmp_path, store=bucket)
    assert moved.entries() == folder.entries()
    assert moved.append(record("note")).seq == 3
