"""`.ci/neutral`: a superseded command leaves a green step that says so; any other end is the command's own."""

import subprocess
from pathlib import Path

import pytest

NEUTRAL = Path(__file__).resolve().parents[2] / ".ci" / "neutral"


def run(*words: str, output: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output)}
    return subprocess.run((NEUTRAL, *words), env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 42, 130])
def test_any_other_exit_code_is_the_commands_own(tmp_path: Path, code: int):
    done = run("sh", "-c", f"echo said; exit {code}", output=tmp_path / "output")
    assert (done.returncode, done.stdout, (tmp_path / "output").exists()) == (code, "said\n", False)


def test_superseded_is_green_with_a_notice_and_an_output(tmp_path: Path):
    (tmp_path / "output").write_text("before=1\n")
    done = run("sh", "-c", "echo said; exit 6", output=tmp_path / "output")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "said"
    assert done.stdout.splitlines()[1].startswith("::notice title=superseded::")
    assert (tmp_path / "output").read_text() == "before=1\nsuperseded=true\n"


def test_who_cannot_say_that_it_was_superseded_is_not_green(tmp_path: Path):
    assert run("sh", "-c", "exit 6", output=tmp_path / "no" / "folder").returncode == 1


def test_words_reach_the_command_as_they_are(tmp_path: Path):
    done = run("printf", "%s|", "a b", "$HOME", "", output=tmp_path / "output")
    assert done.stdout == "a b|$HOME||"
