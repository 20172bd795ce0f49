"""Signs of life in a bucket: heard of at once, and without a bucket that answers nothing is held up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from journal.test_entry import draft, sign

from roadworthy.config import Journal
from roadworthy.journal.beat import beating
from roadworthy.journal.entry import seal
from roadworthy.journal.objects import open_bucket

from .proxy import Proxy
from .servers import Provider

pytestmark = pytest.mark.stores
PLACE = "sandbox/prod"


def test_the_youngest_beat_of_a_holder_is_its_time(journal: Journal) -> None:
    bucket = open_bucket(journal)
    assert bucket.last_beat(PLACE, 1) is None
    began = time.time()
    for _ in range(3):
        bucket.beat(PLACE, 1)
    bucket.beat("sandbox/staging", 2)
    heard = bucket.last_beat(PLACE, 1)
    assert heard is not None and began - 2 <= heard <= time.time() + 2
    assert bucket.last_beat(PLACE, 2) is None
    assert bucket.names(f"beats/{PLACE}") == [f"beats/{PLACE}/last"]  # however many there were
    bucket.beat(PLACE, 12)
    assert bucket.last_beat(PLACE, 1) is None
    assert bucket.names("sandbox") == []


def test_where_nothing_may_be_overwritten_each_beat_has_a_name(
    provider: Provider, prefix: str, between: Proxy
) -> None:
    """As in a bucket whose policy lets nobody put without "only if absent"."""
    bucket = open_bucket(provider.journal(prefix, between.endpoint))
    between.denies = lambda method, path: method == "PUT" and path.partition("?")[0].endswith("last")
    for _ in range(3):
        bucket.beat(PLACE, 1)
    assert len(bucket.names(f"beats/{PLACE}/00000001")) == 3
    heard = bucket.last_beat(PLACE, 1)
    assert heard is not None and time.time() - 60 < heard
    assert bucket.last_beat(PLACE, 2) is None
    assert bucket.names("sandbox") == []


def test_a_bucket_that_refuses_ends_nothing(provider: Provider) -> None:
    bucket = open_bucket(Journal(store=f"{provider.scheme}://no-such-bucket/x", endpoint=provider.endpoint))
    with beating(bucket, seal(draft(), sign)[0], 0.05):
        time.sleep(0.3)
        assert [thread.name for thread in threading.enumerate()].count(
            "heartbeat"
        ) == 1  # and it goes on trying


HANGING = """
import sys, threading, time
from journal.test_entry import draft, sign
from roadworthy.config import Journal
from roadworthy.journal.beat import beating
from roadworthy.journal.entry import seal
from roadworthy.journal.objects import open_bucket
bucket = open_bucket(Journal(store="s3://journals/x", endpoint=sys.argv[1]))
with beating(bucket, seal(draft(), sign)[0]):
    time.sleep(0.2)
print(*(thread.name for thread in threading.enumerate() if thread.name == "heartbeat"))
"""


def test_a_bucket_that_says_nothing_slows_nothing_and_the_process_ends_soon_and_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            (sys.executable, "-c", HANGING, endpoint),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "heartbeat\n", "the action waited for its beat"
