"""How long do commands take on a journal of many entries? Prints medians against their bar.

    python tests/bench_long.py [ENTRIES] [--rounds N] [--strict]

Makes a project with a sandbox that runs production, and puts ENTRIES older releases in front of production's
journal, signed by the sandbox's own key. The first run verifies every entry; the later ones go on from the
index. Each command is a process of its own, timed beside a bare `invoke --list` in the same turn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import INVOKE, MISSED, clone, medians, prepare, seconds, show
from msgspec.structs import replace

from roadworthy.journal.chain import State, follow
from roadworthy.journal.entry import NO_PREV, Entry, Record, read, seal
from roadworthy.journal.proofs import STAGE_OF
from roadworthy.journal.sign import Signer, load_signer

BAR = 0.5
AT = "2026-01-01T00:00:00.000000Z"


def lengthen(journal: Path, signer: Signer, count: int) -> None:
    """Rewrite the journal so that `count` entries stand before what it says now."""
    files = sorted(journal.iterdir())
    said = [read(file.read_bytes()).entry() for file in files]
    state = State()
    before = older(said, count, journal.parent, signer)
    for record, at in (*((one, AT) for one in before), *((one.record, one.at) for one in said)):
        if "settles" in record.details:
            record = replace(
                record, details={**record.details, "settles": state.open.seq if state.open else 0}
            )
        nonce = os.urandom(16).hex()
        draft = Entry(record, state.seq + 1, state.sha256 or NO_PREV, at, nonce, signer.keyid, "")
        entry, data = seal(draft, signer.sign)
        state = follow(state, entry)
        (journal / f"{entry.seq:08d}.json").write_bytes(data)


def older(said: list[Entry], count: int, target: Path, signer: Signer) -> Iterator[Record]:
    """Releases of other packages, each a start and an end as the real ones are, with proofs of its own."""
    start, end = said[0].record, said[1].record
    for number in range(count // 2):
        commit, digest = f"{number:040x}", f"{number:064x}"
        about = {"subject": f"slug:{commit}", "digest": digest}
        to = {**start.details["to"], "commit": commit, "slug": f"old-{number}"}
        proofs = [proven(target, number, action, start.target, signer, about) for action in STAGE_OF]
        yield replace(start, details={**start.details, "to": to, "proofs": proofs}, **about)
        yield replace(end, details={**end.details, "to": to}, **about)


def proven(
    target: Path, number: int, action: str, name: str, signer: Signer, about: dict[str, str]
) -> dict[str, Any]:
    """One entry that proves something of a package. Readers of production read nothing else of its log."""
    commit = about["subject"].removeprefix("slug:")
    place, seq = (
        ("old", number + 1) if action == "certify" else (f"package-{commit}", [*STAGE_OF].index(action) + 1)
    )
    record = Record("end", STAGE_OF[action], action, place, name, details={"settles": seq}, **about)
    entry, data = seal(Entry(record, seq, NO_PREV, AT, os.urandom(16).hex(), signer.keyid, ""), signer.sign)
    (target / place).mkdir(exist_ok=True)
    (target / place / f"{seq:08d}.json").write_bytes(data)
    return {"action": action, "environment": place, "seq": seq, "sha256": entry.sha256}


def main() -> int:
    """Run all measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", type=int, nargs="?", default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--strict", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadworthy-long-") as name:
        folder = Path(name)
        here, environ = clone(folder)
        environ["XDG_STATE_HOME"] = str(folder / "state")
        bare = folder / "bare"
        bare.mkdir()
        (bare / "tasks.py").write_text("")
        journal = here / ".release" / "journal" / "sandbox" / "prod"
        try:
            prepare(here, environ)
            lengthen(journal, load_signer(here / ".release" / "keys" / "sandbox"), said.entries)
            shutil.rmtree(environ["XDG_STATE_HOME"])  # this machine remembers the journal as it was
            measure(said.rounds, here, bare, journal, environ)
        finally:
            subprocess.run([INVOKE, "sandbox.down"], cwd=here, env=environ, check=True, capture_output=True)
    print(f"{len(MISSED)} bars missed" if MISSED else "all bars kept")
    return int(bool(MISSED) and said.strict)


def measure(rounds: int, here: Path, bare: Path, journal: Path, environ: dict[str, str]) -> None:
    """The first reading, and each command afterwards."""
    count = len(os.listdir(journal))  # noqa: PTH208 - only their number
    first = seconds([INVOKE, "history", "--env", "prod"], here, environ)
    (index,) = Path(environ["XDG_STATE_HOME"]).glob("roadworthy/*.index")
    print(f"       {count:,} entries, first run {first:.1f} s; the index has {index.stat().st_size:,} bytes")
    environ = {**environ, "ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
    for words in (
        ["history", "--env", "prod"],
        ["status"],
        ["why", "--env", "prod"],
        ["why", "--env", "prod", "--at", "2026-01-02"],
        ["deploy", "--env", "prod", "--plan"],
    ):
        took, empty = medians(
            rounds,
            lambda words=words: seconds([INVOKE, *words], here, environ),  # type: ignore[misc]
            lambda: seconds([INVOKE, "--list"], bare, environ, ends=1),
        )
        show(f"invoke {' '.join(words)} (s)", took, BAR, f"bare invoke {empty:.3f} s")


if __name__ == "__main__":
    sys.exit(main())
