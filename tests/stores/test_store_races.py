"""Many writers at once, and writers that die: the chain stays whole, and one start wins."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from journal.making import log_of, signer_of

from roadworthy.config import Journal
from roadworthy.journal.objects import open_bucket

from . import writers
from .servers import Provider

pytestmark = pytest.mark.stores
WRITERS, ROUNDS, KILLS = 8, 20, 12
TESTS = Path(__file__).parents[1]


@pytest.mark.timeout(300)
def test_of_eight_starts_at_once_one_wins_and_its_token_rises(journal: Journal, tmp_path: Path) -> None:
    signer_of(tmp_path)
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(WRITERS), spawn.Queue()
    said = (str(tmp_path), journal, ROUNDS, barrier, results)
    processes = [spawn.Process(target=writers.start_in_rounds, args=said) for _ in range(WRITERS)]
    for process in processes:
        process.start()
    rounds: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for _ in range(WRITERS * ROUNDS):
        number, how, token = results.get(timeout=120)
        rounds[number].append((how, token))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    tokens = []
    for number in range(ROUNDS):
        [won] = [token for how, token in rounds[number] if how == "won"]
        assert sorted(rounds[number]) == [("held", won)] * (WRITERS - 1) + [("won", won)]
        tokens.append(won)
    assert tokens == sorted(set(tokens))
    entries = log_of(tmp_path, store=open_bucket(journal)).entries()
    assert [entry.record.kind for entry in entries] == ["start", "end"] * ROUNDS


@pytest.mark.timeout(300)
def test_writers_killed_at_any_instant_leave_a_whole_chain(
    provider: Provider, tmp_path: Path, prefix: str
) -> None:
    journal = provider.journal(prefix)
    signer_of(tmp_path)
    words = [sys.executable, "-m", "stores.writers", str(tmp_path), msgspec.json.encode(journal).decode()]
    chance = random.Random(4711)
    said = 0
    for _ in range(KILLS):
        with subprocess.Popen(words, cwd=TESTS, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            writer.kill()
            seqs = [
                int(line)
                for line in (first + writer.stdout.read()).splitlines(keepends=True)
                if line.endswith(b"\n")
            ]
        log = log_of(tmp_path, store=open_bucket(journal))
        entries = log.entries()
        assert said < seqs[-1] <= len(entries) <= seqs[-1] + 1
        for entry in entries[said:]:
            for evidence in entry.record.evidence:
                log.evidence(evidence.sha256)
        said = len(entries)
