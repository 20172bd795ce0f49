"""How audit.sh is called; what it finds is tested in tests/journal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"


@pytest.mark.parametrize(
    "args", [(), ("--what",), ("a", "b"), ("a", "--trust"), ("/nowhere",), (".", "--trust", "/nowhere")]
)
def test_wrong_usage_is_exit_2(args: tuple[str, ...]) -> None:
    done = subprocess.run(["sh", SCRIPT, *args], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: audit.sh DIR" in done.stderr
