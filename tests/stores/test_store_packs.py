"""Packs in buckets: whatever becomes of one, a fresh machine's verdict is that of the entries alone."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from journal import packing
from journal.making import log_of, record
from journal.packing import PACKS, PLACE, SPOILT, for_ever, said

from roadworthy.commands import audit
from roadworthy.config import Journal
from roadworthy.context import Context
from roadworthy.errors import RoadworthyError, UsageError
from roadworthy.journal.log import Log
from roadworthy.journal.objects import Bucket, open_bucket
from roadworthy.report.terminal import Screen

from .conftest import CREDENTIALS
from .proxy import Proxy
from .servers import Provider

pytestmark = pytest.mark.stores
TESTS = Path(__file__).parents[1]
KILLS = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """69 entries with their proofs, in two packs and five more, in a folder."""
    root = packing.long(tmp_path_factory.mktemp("packs"), 69)
    packing.packed(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


@pytest.fixture
def far(provider: Provider, prefix: str, between: Proxy) -> Journal:
    """The journal behind the proxy; `journal` is the same one, seen directly."""
    return provider.journal(prefix, between.endpoint)


def upload(root: Path, bucket: Bucket, packs: bool = True) -> None:
    """Put a folder's journals into the bucket, as whoever moves them does."""
    files = [path for path in (root / "journal").rglob("*") if path.is_file()]
    files = [path for path in files if packs or PACKS not in str(path)]
    with ThreadPoolExecutor(8) as pool:
        assert all(
            pool.map(
                lambda path: bucket.put(str(path.relative_to(root / "journal")), path.read_bytes()), files
            )
        )


def in_bucket(root: Path, journal: Journal) -> Log:
    return log_of(root, store=open_bucket(journal))


def told(log: Log) -> str:
    """All that a reader makes of a log, or what it says against it."""
    try:
        return repr(said(log))
    except RoadworthyError as error:
        return str(error)


def test_a_fresh_machine_asks_for_few_objects(
    root: Path, journal: Journal, far: Journal, between: Proxy
) -> None:
    upload(root, open_bucket(journal), packs=False)
    writer = in_bucket(root, journal)
    start = writer.append(record("start"))
    writer.append(record("end", settles=start.seq))
    assert writer.pack(for_ever) == 2
    names = open_bucket(journal).names(PACKS)
    assert [name.rpartition("/")[2] for name in names] == ["00000001-00000032", "00000033-00000064"]
    reader = in_bucket(root, far)
    assert reader.head() == writer.head()
    # Two listings, two packs, seven entries and the proofs of two starts; then the next name.
    assert [method for method, _ in between.seen] == ["GET"] * (2 + 2 + 7 + 6 + 1)
    assert in_bucket(root, journal).entries() == writer.entries()


@pytest.mark.parametrize("how", ["cut short", "a line changed", "of another journal"])
def test_a_pack_that_is_wrong_is_as_if_it_were_not_there(root: Path, journal: Journal, how: str) -> None:
    SPOILT[how](root, root / "journal" / PACKS / "00000001-00000032")
    upload(root, open_bucket(journal))
    assert told(in_bucket(root, journal)) == repr(said(log_of(root)))


def test_a_log_with_a_gap_is_told_as_without_packs(root: Path, journal: Journal) -> None:
    (root / "journal" / PLACE / "00000009.json").unlink()
    upload(root, open_bucket(journal))
    assert told(in_bucket(root, journal)) == told(log_of(root))


@pytest.mark.parametrize(
    "unseen",
    [
        ("packs/sandbox/prod/00000001-00000032",),
        (
            "packs/sandbox/prod",
            "packs/sandbox/prod/00000001-00000032",
            "packs/sandbox/prod/00000033-00000064",
        ),
        ("prod/00000009.json",),
        ("prod/00000068.json", "prod/00000069.json"),
        tuple(f"prod/{seq:08d}.json" for seq in range(60, 70)),
    ],
)
def test_a_listing_that_lags_changes_nothing(
    root: Path, journal: Journal, far: Journal, between: Proxy, unseen: tuple[str, ...]
) -> None:
    upload(root, open_bucket(journal))
    between.lags_behind = unseen
    assert in_bucket(root, far).head() == log_of(root).head()
    assert [*in_bucket(root, far).settled()] == [*log_of(root).settled()]


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_what_is_refused_of_packs_changes_nothing(
    root: Path, journal: Journal, far: Journal, between: Proxy, method: str
) -> None:
    upload(root, open_bucket(journal), packs=method == "GET")
    between.denies = lambda asked, path: asked == method and "packs" in path
    log = in_bucket(root, far)
    start = log.append(record("start"))
    end = log.append(record("end", settles=start.seq))
    with pytest.raises(UsageError, match=r"403|not allow"):
        log.pack(for_ever)
    assert (log.head(), log.open_start()) == (end, None)
    assert in_bucket(root, far).entries() == in_bucket(root, journal).entries()
    assert (open_bucket(journal).names(PACKS) == []) == (method == "PUT")


@pytest.mark.timeout(300)
def test_a_writer_killed_at_any_instant_of_packing_leaves_every_verdict(
    root: Path, provider: Provider, prefix: str
) -> None:
    journal = provider.journal(prefix)
    upload(root, open_bucket(journal), packs=False)
    words = [sys.executable, "-m", "stores.writers", str(root), msgspec.json.encode(journal).decode(), "pack"]
    chance, expected = random.Random(4711), log_of(root).entries()
    for _ in range(KILLS):
        with subprocess.Popen(words, cwd=TESTS, stdout=subprocess.PIPE) as writer:
            assert writer.stdout and writer.stdout.readline() == b"69\n"
            time.sleep(chance.uniform(0, 0.3))
            writer.kill()
        assert in_bucket(root, journal).entries() == expected
    subprocess.run(words, cwd=TESTS, check=True, capture_output=True, timeout=60)
    assert len(open_bucket(journal).names(PACKS)) == 2
    assert in_bucket(root, journal).entries() == expected


def test_two_writers_at_once_write_each_pack_once_and_both_go_on(
    root: Path, provider: Provider, prefix: str
) -> None:
    journal = provider.journal(prefix)
    upload(root, open_bucket(journal), packs=False)
    words = [sys.executable, "-m", "stores.writers", str(root), msgspec.json.encode(journal).decode(), "pack"]
    writers = [subprocess.Popen(words, cwd=TESTS, stdout=subprocess.PIPE) for _ in range(2)]
    put = [int(writer.communicate(timeout=60)[0].split()[1]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0] and 2 <= sum(put) <= 4
    for name in open_bucket(journal).names(PACKS):
        assert open_bucket(journal).get(name) == (root / "journal" / name).read_bytes()
    assert in_bucket(root, journal).entries() == log_of(root).entries()


def test_an_audit_says_which_packs_hold_no_entries_and_trusts_the_journal(
    journal: Journal, tmp_path: Path
) -> None:
    table = f'[journal]\nstore = "{journal.store}"\nendpoint = "{journal.endpoint}"\nsandbox = true\n'
    (tmp_path / "release.toml").write_text(f"{(TESTS.parent / 'release.toml').read_text()}\n{table}")
    stream = io.StringIO()
    context = Context(tmp_path, Screen(stream=stream), CREDENTIALS)
    assert context.store.put(f"{PACKS}/00000001-00000032", b"x")
    for _ in range(33):
        start = context.log("prod").append(record("start"))
        context.log("prod").append(record("end", settles=start.seq))
    context.pack(30.0)
    assert len(context.store.names(PACKS)) == 2
    audited = audit.audit(context)
    assert (audited.code, audited.reasons) == (0, ()), audited
    said = [line.strip() for line in stream.getvalue().splitlines() if PACKS in line]
    assert said == [
        f"{PACKS}/00000001-00000032 differs from the entries: no reader uses it, you may delete it"
    ]
