"""How long does `status` take on a machine that never read the journal, of 2,000 entries in a bucket?

    MOTO_SERVER=… python tests/stores/bench_status.py [ENTRIES] [--rounds N] [--strict]

The journal has its packs, and as many entries after the last of them as there can be. Prints the median against
its bar, beside a GET of each entry (without its proofs) by the standard library, one thread a core: what the server
itself needs. The moto server works in one process, so more threads are no faster. The packs are put by the code
that does it after a command; how long that took is printed, too.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests
from bench import INVOKE, MISSED, clone, medians, prepare, seconds, show
from bench_long import lengthen

from roadworthy.context import Context
from roadworthy.journal.known import Known
from roadworthy.journal.packs import SIZE
from roadworthy.journal.sign import load_signer
from roadworthy.report.terminal import Screen
from stores import servers

BAR = 3.0
PREFIX = "bench"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def upload(journal: Path, endpoint: str, key: str) -> list[str]:
    """Copy a folder's journals into the bucket, where the sandbox of that key keeps them; the paths of prod's."""
    files = [path for path in journal.rglob("*") if path.is_file()]
    where = f"/{servers.BUCKET}/{PREFIX}/sandbox/{key}"
    with requests.Session() as session:
        for path in files:
            url = f"{endpoint}{where}/{path.relative_to(journal)}"
            session.put(url, data=path.read_bytes(), timeout=60).raise_for_status()
    return sorted(f"{where}/{path.relative_to(journal)}" for path in files if path.parent.name == "prod")


def bare(endpoint: str, paths: list[str]) -> float:
    """Seconds for one GET of each path."""
    port = urlsplit(endpoint).port
    share = os.cpu_count() or 1

    def fetch(mine: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for path in mine:
            connection.request("GET", path)
            connection.getresponse().read()

    began = time.perf_counter()
    with ThreadPoolExecutor(share) as pool:
        list(pool.map(fetch, [paths[n::share] for n in range(share)]))
    return time.perf_counter() - began


def pack(here: Path, environ: dict[str, str]) -> str:
    """Put all packs of production's journal, as commands would in time; how many, in how many seconds."""
    context = Context(here, Screen(), environ)
    log = context.log("prod", Known())
    log.head()
    began = time.perf_counter()
    return f"{log.pack(lambda: True)} in {time.perf_counter() - began:.1f} s"


def main() -> int:
    """Run the measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", type=int, nargs="?", default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strict", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadworthy-bucket-") as name:
        folder = Path(name)
        here, environ = clone(folder)
        state = folder / "state"
        environ |= CREDENTIALS | {"XDG_STATE_HOME": str(state)}
        os.environ.update(CREDENTIALS)  # the client asks the process alone
        try:
            prepare(here, environ)
            signer = load_signer(here / ".release" / "keys" / "sandbox")
            prod = here / ".release" / "journal" / "sandbox" / "prod"
            # The newest of 32 is not packed alone, so all of these are read one by one: it is never more.
            spare = -(said.entries + len([*prod.iterdir()])) % SIZE
            lengthen(prod, signer, said.entries + spare)
            with servers.s3(folder) as provider:
                key = hashlib.sha256(signer.keyid.encode()).hexdigest()[:12]
                paths = upload(here / ".release" / "journal", provider.endpoint, key)
                table = (
                    f'[journal]\nstore = "s3://{servers.BUCKET}/{PREFIX}"\nendpoint = "{provider.endpoint}"\n'
                )
                with (here / "release.toml").open("a") as file:
                    file.write(f"\n{table}sandbox = true\n")
                print(f"       {pack(here, environ)} packs put")

                def cold() -> float:
                    shutil.rmtree(state, ignore_errors=True)
                    return seconds([INVOKE, "status"], here, environ)

                took, least = medians(said.rounds, cold, lambda: bare(provider.endpoint, paths))
                show(
                    f"invoke status, cold, {len(paths):,} entries on S3 (s)",
                    took,
                    BAR,
                    f"bare GETs {least:.2f} s",
                )
        finally:
            subprocess.run([INVOKE, "sandbox.down"], cwd=here, env=environ, check=True, capture_output=True)
    print(f"{len(MISSED)} bars missed" if MISSED else "all bars kept")
    return int(bool(MISSED) and said.strict)


if __name__ == "__main__":
    sys.exit(main())
