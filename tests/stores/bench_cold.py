"""How long does a machine that never read a journal take for one of 10,000 entries, in a store that is far?

    python tests/stores/bench_cold.py [ENTRIES] [--rounds N] [--latency SECONDS] [--strict]

Reads and verifies the same journal, each deploy with three proofs of its own and a certificate, from a folder and
from a store that answers each request after 15 ms (ours, in a process of its own, with everything in memory). In
each round once from each, in processes of their own; prints the median of the latter beside twice the median of
the former.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import MISSED, medians, show
from bench_long import lengthen
from journal.bench_audit import write
from journal.packing import for_ever

from roadworthy.config import Journal
from roadworthy.journal.log import Log
from roadworthy.journal.packs import SIZE
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder, Store
from stores import gcs

LATENCY = 0.015


def serve(root: Path, latency: float) -> None:
    """Be the store, with the journal of a folder in it, until the other end hangs up."""

    def late(exchange: gcs.Exchange, after: bool) -> bool:
        if not after:
            time.sleep(latency)
        return False

    with gcs.Server() as server:
        for path in root.rglob("*"):
            if path.is_file():
                server.objects[f"{gcs.BUCKET}/{path.relative_to(root)}"] = path.read_bytes()
        server.faults.append(late)
        print(server.endpoint, flush=True)
        sys.stdin.read()
        server.shutdown()


def log_of(root: Path, store: Store) -> Log:
    trust = Trust.load(root / "trust")
    return Log(
        store, environment="prod", target="sandbox", signer=None, trust=trust, clock=lambda: datetime.now(UTC)
    )


def read(root: Path, endpoint: str) -> None:
    """Read all of it from the store, or from the folder where there is none; print the seconds, and the head."""
    from roadworthy.journal.objects import open_bucket

    os.environ["GOOGLE_BEARER_TOKEN"] = gcs.TOKEN
    place = f"gs://{gcs.BUCKET}"
    began = time.perf_counter()
    store = open_bucket(Journal(store=place, endpoint=endpoint)) if endpoint else Folder(root / "journal")
    head = log_of(root, store).head()
    print(time.perf_counter() - began, head.sha256 if head else "")


class Far(Folder):
    """Where packs are put, to be served afterwards."""

    far = True


def main() -> int:
    """Run the measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", type=int, nargs="?", default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=LATENCY)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--read", type=Path)
    parser.add_argument("--from", dest="source", default="")
    said = parser.parse_args()
    if said.serve:
        serve(said.serve, said.latency)
    elif said.read:
        read(said.read, said.source)
    else:
        with tempfile.TemporaryDirectory(prefix="roadworthy-cold-") as name:
            measure(Path(name), said.entries, said.rounds, said.latency)
        print(f"{len(MISSED)} bars missed" if MISSED else "all bars kept")
    return int(bool(MISSED) and said.strict)


def measure(root: Path, entries: int, rounds: int, latency: float) -> None:
    write(root, 2)
    prod = root / "journal" / "sandbox" / "prod"
    # The newest of 32 is not packed alone, so all of these are read one by one: it is never more.
    lengthen(prod, load_signer(root / "trust" / "deployer"), entries + -(entries + 2) % SIZE)
    log = log_of(root, Far(root / "journal"))
    log.head()
    packs = log.pack(for_ever)
    count = len([*prod.iterdir()])
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", root / "journal", "--latency", str(latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout and server.stdin
        endpoint = server.stdout.readline().strip()
        heads = set[str]()

        def cold(source: str) -> float:
            words = [sys.executable, __file__, "--read", root, "--from", source]
            took, head = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
            heads.add(head)
            return float(took)

        near, far = medians(rounds, lambda: cold(""), lambda: cold(endpoint))
        server.stdin.close()
        server.wait(30)
    assert len(heads) == 1
    name = f"{count:,} entries at {latency * 1000:.0f} ms, {packs} packs (s)"
    show(name, far, 2 * near, f"{far / near:.2f} times a folder's {near:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
