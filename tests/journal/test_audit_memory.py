"""The auditor's memory does not grow with the log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .bench_audit import write

FEW, MANY = 5_000, 12_000
GROWTH = 4 << 20
"""Bytes by which two runs differ anyway; MANY entries have 13 MiB more than FEW."""
AUDIT = """
import resource, sys
from pathlib import Path
from roadworthy.journal.audit import audit
found = audit(Path(sys.argv[1]), Path(sys.argv[2]), processes=1)
assert not found, found
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
"""


def peak(folder: Path, trust: Path) -> int:
    """The most memory that an audit had, in bytes."""
    command = (sys.executable, "-c", AUDIT, str(folder), str(trust))
    return int(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)


@pytest.mark.slow
def test_an_audit_of_more_than_twice_as_many_entries_needs_no_more_memory(tmp_path: Path) -> None:
    write(tmp_path, MANY)
    whole = tmp_path / "journal/sandbox/prod"
    part = tmp_path / "part/sandbox/prod"
    part.mkdir(parents=True)
    for seq in range(1, FEW + 1):
        os.link(whole / f"{seq:08d}.json", part / f"{seq:08d}.json")
    few, many = (peak(folder, tmp_path / "trust") for folder in (part, whole))
    assert many - few < GROWTH, f"{few:,} bytes for {FEW:,} entries, {many:,} for {MANY:,}"
