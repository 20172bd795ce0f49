"""How long do commands take on a journal of many entries? Prints medians against their bar.

    python tests/bench_long.py [ENTRIES] [--rounds N] [--strict]

Makes a project with a sandbox that runs production, and puts ENTRIES older releases in front of production's
journal, signed by the sandbox's own key. The first run verifies every entry; the later ones go on from the
index. Each command is a process of its own, timed beside a bare `invoke --list` in the same turn.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from bench import INVOKE, MISSED, clone, medians, prepare, seconds, show
from msgspec.structs import replace

from roadworthy.journal.chain import State, follow
from roadworthy.journal.claims import token
from roadworthy.journal.entry import NO_PREV, Entry, Record, read, seal
from roadworthy.journal.proofs import STAGE_OF
from roadworthy.journal.sign import Signer, load_signer

BAR = 0.5
AT = "2026-01-01T00:00:00.000000Z"


def lengthen(journal: Path, signer: Signer, count: int) -> dict[str, str]:
    """Rewrite the journal so that `count` entries stand before what it says now; each old token and its new one."""
    said = [read(file.read_bytes()).entry() for file in sorted(journal.iterdir())]
    before = older(said, count, journal.parent, signer)
    written = chain(
        journal, signer, (*((one, AT) for one in before), *((one.record, one.at) for one in said))
    )
    new = [*deque(written, len(said))]
    return {token(was): token(now) for was, now in zip(said, new, strict=True)}


def chain(log: Path, signer: Signer, records: Iterable[tuple[Record, str]]) -> Iterator[Entry]:
    """Write these as the entries of a log from the first on. What settles settles the start that is open."""
    log.mkdir(exist_ok=True)
    state = State()
    for record, at in records:
        if "settles" in record.details:
            record = replace(
                record, details={**record.details, "settles": state.open.seq if state.open else 0}
            )
        nonce = os.urandom(16).hex()
        draft = Entry(record, state.seq + 1, state.sha256 or NO_PREV, at, nonce, signer.keyid, "")
        entry, data = seal(draft, signer.sign)
        state = follow(state, entry)
        (log / f"{entry.seq:08d}.json").write_bytes(data)
        yield entry


def older(said: list[Entry], count: int, target: Path, signer: Signer) -> Iterator[Record]:
    """Releases of other packages, each a start and an end as the real ones are, with proofs of its own."""
    start, end = said[0].record, said[1].record
    commits = [f"{number:040x}" for number in range(count // 2)]
    certify = (one for commit in commits for one in proofs_of(commit, ["certify"], "old", start.target))
    certified = chain(target / "old", signer, certify)
    for commit in commits:
        place = f"package-{commit}"
        proven = [
            *chain(
                target / place, signer, proofs_of(commit, ["test", "accept", "release"], place, start.target)
            ),
            *islice(certified, 2),
        ]
        named = [
            {
                "action": one.record.action,
                "environment": one.record.environment,
                "seq": one.seq,
                "sha256": one.sha256,
            }
            for one in proven[1::2]
        ]
        for record, more in ((start, {"proofs": named}), (end, {})):
            to = {**record.details["to"], "commit": commit, "slug": f"old-{commit}"}
            details = {**record.details, "to": to, **more}
            yield replace(record, subject=f"slug:{commit}", digest=commit.zfill(64), details=details)


def proofs_of(commit: str, actions: Iterable[str], place: str, target: str) -> Iterator[tuple[Record, str]]:
    """A start and an end of each action, about the package of a commit."""
    for action in actions:
        about = (STAGE_OF[action], action, place, target, f"slug:{commit}", commit.zfill(64))
        yield Record("start", *about), AT
        yield Record("end", *about, {"settles": 0}), AT


def retold(sandbox: Path, tokens: dict[str, str]) -> None:
    """Let the releases of a sandbox that is down carry the tokens of the journal as it is now."""
    with contextlib.closing(sqlite3.connect(sandbox / "state.sqlite")) as database, database:
        for name in [
            name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]:
            for column in [row[1] for row in database.execute(f"PRAGMA table_info('{name}')")]:
                change = (
                    f'UPDATE "{name}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)'
                )
                database.executemany(change, [(old, new, old) for old, new in tokens.items()])


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
            tokens = lengthen(journal, load_signer(here / ".release" / "keys" / "sandbox"), said.entries)
            for words in ("sandbox.down", "sandbox.up"):
                subprocess.run([INVOKE, words], cwd=here, env=environ, check=True, capture_output=True)
                if words == "sandbox.down":
                    retold(here / ".release" / "sandbox", tokens)
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
