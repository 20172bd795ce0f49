"""A sound log, and two auditors that must agree about it.

`audit.sh` runs under dash with a PATH that holds coreutils, jq and openssl and nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roadworthy.journal.audit import audit, read_anchors
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .making import record

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"
TOOLS = "base64 cat git jq mkdir mktemp nproc od openssl paste rm sha256sum split tail tr wc"


def write_log(root: Path, environment: str, target: str = "sandbox") -> None:
    """Five entries, of which entry 2 names two files: refused, start, end, start, failed."""
    log = Log(
        Folder(root / "journal"),
        environment=environment,
        target=target,
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 20, 18, 30, tzinfo=UTC),
    )

    def say(kind: str, attach: dict[str, bytes] | None = None, **details: Any) -> None:
        log.append(record(kind, environment=environment, target=target, **details), attach=attach)

    say("refused", verdicts=[{"guard": "tree_is_clean", "why": 'é \x7f \u2028 \U0001f6a6 " \\ \t\n\0'}])
    say("start", {"plan.json": b"{}", "ship.log": b"line\n"}, change={"id": "C-1", "why": "faster"})
    say("end", settles=2, to={"release": 2**53 - 1, "first": -1, "zero": 0})
    say("start", unicode_keys={"é": 1, "z": 2, "\ufffd": 3, "\U0001f6a6": 4, "": None})
    say("failed", settles=4, attempts=[], outcome="failed")


def run(path: str, *args: object, shell: str = "dash", **env: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which(shell) or shell, str(SCRIPT), *map(str, args)]
    return subprocess.run(command, env={"PATH": path, **env}, capture_output=True, text=True, timeout=60)


def both(path: str, root: Path, log: str = "sandbox/prod", anchors: Sequence[object] = ()) -> tuple[str, str]:
    """File and code of the first finding, on which both auditors must agree; ("", "") when all is well."""
    folder = root / "journal" / log
    known = [one for source in anchors for one in read_anchors(str(source), log)]
    findings = audit(folder, root / "trust", known)
    options = [word for source in anchors for word in ("--anchor", source)]
    done = run(path, folder, "--trust", root / "trust", *options)
    assert done.returncode == bool(findings), (done, findings)
    if not findings:
        assert done.stdout.startswith("audit: ") and not done.stderr, done
        return "", ""
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    said = line.split(": ")
    assert said[:3] == str(findings[0]).split(": ")[:3]
    return said[1], said[2]


def path_of(root: Path, seq: int, environment: str = "prod") -> Path:
    return root / "journal" / "sandbox" / environment / f"{seq:08d}.json"
