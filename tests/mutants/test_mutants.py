"""The session that changes our code keeps its hands off the tree, and finds what no test notices."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import planning
from .copies import REPOSITORY, listed
from .operators import compiles, mutants

SOURCE = '''"""A docstring."""
LIMIT: int = 3

def most(words: list[str], bound: int = LIMIT) -> str | None:
    if len(words) > bound and not words[0]:
        raise ValueError(f"too many: {len(words)}")
    return {"of": words[-1]}.get("of")
'''
COMMAND = (sys.executable, "-m", "mutants", "guards/one_head.py", "tests/guards/test_migrations.py")
ENVIRON = {**os.environ, "PYTHONPATH": "tests", "MUTANTS_MARKS": "not slow"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(SOURCE)
    return tmp_path


def test_a_mutant_is_one_change_of_what_decides(source):
    found = {(mutant.old, mutant.new) for mutant in mutants(source, "code.py")}
    assert {
        ("3", "(4)"),
        ("len(words) > bound", "(len(words) >= bound)"),
        ("len(words) > bound and not words[0]", "(len(words) > bound or not words[0])"),
        ("len(words) > bound and not words[0]", "(not words[0])"),
        ("len(words) > bound and not words[0]", "(not (len(words) > bound and (not words[0])))"),
        ("not words[0]", "(words[0])"),
        ('raise ValueError(f"too many: {len(words)}")', "pass"),
        ('return {"of": words[-1]}.get("of")', "return None"),
        ('{"of": words[-1]}', "({})"),
    } <= found
    assert not any("docstring" in old or "list[str]" in old or old == "int" for old, _ in found)
    assert all(compiles(mutant, SOURCE.encode()) for mutant in mutants(source, "code.py"))


def test_what_is_drawn_does_not_change_when_something_else_does(source):
    before = {m.id for m in planning.draw(source, ["code.py"], 12, "1", None)}
    (source / "code.py").write_text("import os\n\n" + SOURCE + "\n\ndef more():\n    return os.name\n")
    after = {m.id for m in planning.draw(source, ["code.py"], sys.maxsize, "1", None)}
    assert len(before) == 12 and before < after
    assert before != {m.id for m in planning.draw(source, ["code.py"], 12, "2", None)}


def test_only_changed_lines_are_mutated_when_a_commit_is_named(tmp_path):
    (tmp_path / "src").mkdir()
    path = tmp_path / "src" / "code.py"
    path.write_text(SOURCE)
    who = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        subprocess.run((*who, *words), cwd=tmp_path, check=True)
    path.write_text(SOURCE.replace("words[-1]", "words[-2]"))
    lines = planning.changed_lines(tmp_path, "HEAD")
    assert lines == {"src/code.py": {7}}
    assert {m.lines for m in planning.draw(tmp_path, ["src/code.py"], 99, "1", lines)} == {(7, 7)}


def test_each_accepted_survivor_is_a_mutant_of_today_and_has_its_reason():
    accepted = planning.accepted()
    today = {m.id for file in planning.deciding(REPOSITORY) for m in mutants(REPOSITORY, file)}
    assert accepted.keys() <= today, f"remove from accepted.toml: {accepted.keys() - today}"
    assert all(len(why) > 15 for why in accepted.values())


@pytest.mark.slow
def test_a_mutant_that_no_test_notices_fails_the_session(tmp_path):
    before = _tree()
    done = subprocess.run(COMMAND, cwd=REPOSITORY, env=ENVIRON, capture_output=True, text=True, check=False)
    assert " mutants killed (" in done.stdout, done.stderr
    killed, asked = (int(done.stdout.splitlines()[-1].split()[i]) for i in (0, 2))
    survivors = [line for line in done.stdout.splitlines() if line.startswith("survived: ")]
    assert 0 < killed == asked - len(survivors)
    assert done.returncode == (1 if survivors else 0)
    assert _tree() == before


@pytest.mark.slow
@pytest.mark.parametrize("end", (signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
def test_whatever_kills_it_leaves_the_tree_and_no_process(end, tmp_path):
    before = _tree()
    environ = {**ENVIRON, "TMPDIR": str(tmp_path), "MUTANTS_VERBOSE": "1"}
    with subprocess.Popen(COMMAND, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        for line in run.stdout:
            if "[1]" in line:  # a first mutant was killed, the next one is under way
                break
        else:
            pytest.fail("no mutant was tried")
        assert _below(tmp_path)
        run.send_signal(end)
        run.stdout.read()
    deadline = time.monotonic() + 30
    while _below(tmp_path) or list(tmp_path.glob("mutants-*/*")):
        assert time.monotonic() < deadline, (_below(tmp_path), list(tmp_path.glob("mutants-*/*")))
        time.sleep(0.02)
    assert _tree() == before


def _tree() -> str:
    return planning.digest(REPOSITORY, listed())


def _below(folder: Path) -> list[str]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().decode())
    return found
