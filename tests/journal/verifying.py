"""The stock in-toto-verify, which `nox -s intoto` installs and names in the environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

VERIFY = os.environ.get("ROADWORTHY_INTOTO", "")
intoto = [pytest.mark.intoto, pytest.mark.skipif(not VERIFY, reason="`nox -s intoto` runs it")]


def verified(folder: Path) -> tuple[int, str]:
    """What it says of an export: its exit code and what it wrote."""
    command = [VERIFY, "--layout", "root.layout", "--verification-keys", "layout-key.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def refused_with_one_byte_changed(out: Path, *files: Path) -> None:
    """Each of the files, changed by itself, is refused; and what was put back is accepted."""
    for file in files:
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert verified(out)[0] == 1, file.name
        file.write_bytes(whole)
    assert verified(out) == (0, "")
