"""How fast is the auditor, beside verifying the same signatures and doing nothing else?

    python tests/journal/bench_audit.py [ENTRIES] [--at-least PERCENT]

Both use every core: the audit as it comes; the bare verification in as many processes, timed without their
start and with all messages in memory. Prints the ratio of the medians, by the clock and by the processor's time
(which other work on the machine changes less), and the memory that the auditor's processes needed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from roadworthy.journal.audit import audit

BATCH, ROUNDS = 4000, 5


def write(root: Path, count: int) -> None:
    """A sound log of starts and ends as deploys write them, without the store's syncing."""
    from roadworthy.journal.chain import State, follow
    from roadworthy.journal.entry import Entry, Record, seal
    from roadworthy.journal.sign import create_key

    signer = create_key(root / "trust", "deployer")
    folder = root / "journal" / "sandbox" / "prod"
    folder.mkdir(parents=True)
    verdicts = [
        {"guard": f"rule_{n}_holds", "outcome": "pass", "rule": "x" * 60, "sha256": "ab" * 32}
        for n in range(4)
    ]
    state = State()
    for seq in range(1, count + 1):
        details: dict[str, Any] = {
            "actor": {"host": "build-7", "pid": seq, "user": "ci", "boot_id": "b" * 36},
            "change": {"id": f"C-{seq}", "why": "a sentence that says why this is done now"},
            "from": {"release": seq, "commit": "1" * 40},
            "to": {"release": seq + 1, "commit": "2" * 40},
        }
        kind = "start" if seq % 2 else "end"
        details |= {"verdicts": verdicts} if seq % 2 else {"settles": seq - 1, "outcome": "succeeded"}
        record = Record(kind, "deploy", "deploy", "prod", "sandbox", "slug:" + "4b" * 20, "9f" * 32, details)
        draft = Entry(
            record, seq, state.sha256, "2026-11-20T18:30:00.000000Z", os.urandom(16).hex(), signer.keyid, ""
        )
        entry, data = seal(draft, signer.sign)
        state = follow(state, entry)
        (folder / f"{seq:08d}.json").write_bytes(data)


def bare(first: int, root: Path, count: int, gate: Any, out: Any) -> None:
    """Verify this process's share; the time without reading and without the start."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from roadworthy.journal.entry import pae, read

    step = os.cpu_count() or 1
    public = None
    took = used = 0.0
    gate.wait(120)
    for begin in range(first, count + 1, step * BATCH):
        seqs = range(begin, min(begin + step * BATCH, count + 1), step)
        asked = [
            (envelope.signature, pae(envelope.payload))
            for envelope in (
                read((root / f"journal/sandbox/prod/{seq:08d}.json").read_bytes()) for seq in seqs
            )
        ]
        if public is None:
            import base64

            line = (root / "trust" / "deployer.pub").read_text().split()[1]
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(line)[-32:])
        began, before = time.perf_counter(), time.process_time()
        for signature, message in asked:
            public.verify(signature, message)
        took, used = took + time.perf_counter() - began, used + time.process_time() - before
    out.put((took, used))


def bare_seconds(root: Path, count: int) -> tuple[float, float]:
    """By the clock, and of all processors together."""
    context = multiprocessing.get_context("spawn")
    cores = os.cpu_count() or 1
    gate, out = context.Barrier(cores), context.SimpleQueue()
    crew = [context.Process(target=bare, args=(n + 1, root, count, gate, out)) for n in range(cores)]
    for process in crew:
        process.start()
    took = [out.get() for _ in crew]
    for process in crew:
        process.join()
    return max(wall for wall, _ in took), sum(used for _, used in took)


def used_so_far() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", type=int, nargs="?", default=20_000)
    parser.add_argument("--at-least", type=int, default=0, metavar="PERCENT")
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-audit-"))
    try:
        write(root, asked.entries)
        rounds = []
        for _ in range(ROUNDS):  # in turn, so that other work on the machine meets both
            theirs = bare_seconds(root, asked.entries)
            began, before = time.perf_counter(), used_so_far()
            found = audit(root / "journal/sandbox/prod", root / "trust")
            rounds.append((*theirs, time.perf_counter() - began, used_so_far() - before))
        alone, alone_used, took, used = map(statistics.median, zip(*rounds, strict=True))
    finally:
        shutil.rmtree(root)
    assert not found, found
    percent = round(100 * alone / took)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({
        "entries": asked.entries,
        "audit_per_second": round(asked.entries / took),
        "bare_per_second": round(asked.entries / alone),
        "percent_of_bare": percent,
        "percent_by_processor_time": round(100 * alone_used / used),
        "child_peak_kib": peak,
    }))  # fmt: skip
    return int(percent < asked.at_least)


if __name__ == "__main__":
    sys.exit(main())
