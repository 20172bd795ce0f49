"""Signs of life in a bucket: heard of at once, and without a bucket that answers nothing is held up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal.test_entry import draft, sign

from roadworthy.config import Journal
from roadworthy.journal.beat import beating
from roadworthy.journal.entry import seal
from roadworthy.journal.objects import BEAT, open_bucket

from .servers import Provider

pytestmark = pytest.mark.stores
PLACE = "sandbox/prod"


def test_the_youngest_beat_of_a_holder_is_its_time(journal: Journal) -> None:
    bucket = open_bucket(journal)
    assert bucket.last_beat(PLACE, 1) is None
    for _ in range(3):
        bucket.beat(PLACE, 1)
    bucket.beat(PLACE, 12)
    bucket.beat("sandbox/staging", 2)
    heard = bucket.last_beat(PLACE, 1)
    assert heard is not None and abs(time.time() - heard) < 30
    assert bucket.last_beat(PLACE, 2) is None
    assert (
        len(bucket.names(f"beats/{PLACE}/00000001")) == 3
    )  # none was overwritten, which a policy may forbid
    assert bucket.names("sandbox") == []


def test_a_bucket_that_refuses_ends_nothing(provider: Provider) -> None:
    bucket = open_bucket(Journal(store=f"{provider.scheme}://no-such-bucket/x", endpoint=provider.endpoint))
    with beating(bucket, seal(draft(), sign)[0], 0.05):
        time.sleep(0.3)


HANGING = """
import sys, time
from journal.test_entry import draft, sign
from roadworthy.config import Journal
from roadworthy.journal.beat import beating
from roadworthy.journal.entry import seal
from roadworthy.journal.objects import open_bucket
bucket = open_bucket(Journal(store="s3://journals/x", endpoint=sys.argv[1]))
began = time.monotonic()
with beating(bucket, seal(draft(), sign)[0]):
    time.sleep(0.2)
print(time.monotonic() - began)
"""


def test_a_bucket_that_says_nothing_slows_nothing_and_the_process_ends_soon_and_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        done = subprocess.run(
            (sys.executable, "-c", HANGING, endpoint),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) < 1, "the action waited for its beat"
    assert time.monotonic() - began < BEAT + 5
