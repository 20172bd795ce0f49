"""How audit.sh is called; what it finds is tested in tests/journal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"
pytestmark = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("openssl")), reason="not installed: jq or openssl"
)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--what",),
        ("a", "b"),
        ("a", "--trust"),
        ("a", "--anchor"),
        ("a", "--anchor", ""),
        ("/nowhere",),
        (".", "--trust", "/nowhere"),
        (".", "--trust", ".", "--tsa", "/nowhere"),
    ],
)
def test_wrong_usage_is_exit_2(args: tuple[str, ...]) -> None:
    done = subprocess.run(["sh", SCRIPT, *args], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: audit.sh DIR" in done.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="not installed: shellcheck")
def test_the_script_has_no_known_fault_of_shell_scripts() -> None:
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
