"""Processes that write to one log in a bucket at once. Each runs in a fresh interpreter (spawn)."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from journal.making import log_of, record

from roadworthy.config import Journal
from roadworthy.errors import Held
from roadworthy.journal.lock import this_process
from roadworthy.journal.objects import open_bucket


def start_in_rounds(root: str, journal: Journal, rounds: int, barrier: object, results: object) -> None:
    """In each round, together with all others: try to take the environment; the winner gives it back."""
    actor = this_process()
    for number in range(rounds):
        log = log_of(Path(root), store=open_bucket(journal))
        log.head()
        barrier.wait(60)  # type: ignore[attr-defined]
        try:
            won = log.append(record("start", actor=actor))
        except Held as held:
            results.put((number, "held", held.holder.token))  # type: ignore[attr-defined]
            won = None
        else:
            results.put((number, "won", won.seq))  # type: ignore[attr-defined]
        barrier.wait(60)  # type: ignore[attr-defined]
        if won:
            log.append(record("end", settles=won.seq))
        barrier.wait(60)  # type: ignore[attr-defined]


def write_for_ever(root: Path, journal: Journal) -> None:
    """Say each `seq` on stdout once its entry is written; starts, ends and evidence in turn."""
    log = log_of(root, store=open_bucket(journal))
    while True:
        opened = log.open_start()
        if opened is None:
            entry = log.append(record("start", actor=this_process()), attach={"plan": b"p" * 5000})
        else:
            entry = log.append(record("end", settles=opened.seq), attach={"log": str(opened.seq).encode()})
        print(entry.seq, flush=True)


def pack(root: Path, journal: Journal) -> None:
    """Say the head once it is read, put every pack that is missing, and say how many that were."""
    log = log_of(root, store=open_bucket(journal))
    head = log.head()
    print(head.seq if head else 0, flush=True)
    print(log.pack(lambda: True), flush=True)


if __name__ == "__main__":
    work = pack if sys.argv[3:] == ["pack"] else write_for_ever
    work(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Journal))
