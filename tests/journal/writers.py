"""Processes that write to one log at once. Each runs in a fresh interpreter (spawn)."""

from __future__ import annotations

import sys
from pathlib import Path

from roadworthy.errors import Held
from roadworthy.journal.lock import this_process

from .making import log_of, record


def start_once(root: str, barrier: object, results: object) -> None:
    """Wait for all others, then try to take the environment; report the token, or the token held."""
    log = log_of(Path(root))
    actor = this_process()
    barrier.wait(60)  # type: ignore[attr-defined]
    try:
        results.put(("won", log.append(record("start", actor=actor)).seq))  # type: ignore[attr-defined]
    except Held as held:
        results.put(("held", held.holder.token))  # type: ignore[attr-defined]


def note_often(root: str, name: str, count: int, barrier: object) -> None:
    """Append `count` notes while others do the same."""
    log = log_of(Path(root))
    barrier.wait(60)  # type: ignore[attr-defined]
    for number in range(count):
        log.append(record("note", who=name, number=number))


def write_for_ever(root: Path) -> None:
    """Say each `seq` on stdout once its entry is written; starts, ends and evidence in turn."""
    log = log_of(root)
    while True:
        opened = log.open_start()
        if opened is None:
            entry = log.append(record("start", actor=this_process()), attach={"plan": b"p" * 5000})
        else:
            entry = log.append(record("end", settles=opened.seq), attach={"log": str(opened.seq).encode()})
        print(entry.seq, flush=True)


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]))


def save_often(root: str, barrier: object) -> None:
    """Keep the log's index forty times, as fast as it goes."""
    from roadworthy.journal.index import Index
    from roadworthy.journal.sign import Trust

    log = log_of(Path(root))
    log.head()
    index = Index(Path(root) / "state", "here sandbox/prod", Trust.load(Path(root) / "keys"))
    barrier.wait(60)  # type: ignore[attr-defined]
    for _ in range(40):
        index.save(log._state, [*log.settled()])
