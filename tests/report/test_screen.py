"""The screen: on a terminal, in a log, in ASCII, and against text that wants to act on it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.report.terminal import Screen

ROOT = Path(__file__).resolve().parents[2]
SECONDS = re.compile(r"\d+\.\d s")


def show(screen: Screen, result: Any) -> None:
    """Everything that a screen can show."""
    screen.title("deploy 0123 to capecraft (prod) on sandbox")
    screen.fact("package", "slug:0123 · 48 kB")
    with screen.step("releasing") as say:
        say("v12 is starting")
    with pytest.raises(RuntimeError), screen.step("migrating"):
        raise RuntimeError
    screen.checks([result("health"), result("version", 'gitSha is "a", expected "b"', status=None)])
    screen.verdicts(
        [
            SimpleNamespace(guard="tree_is_clean", outcome="pass", reason=""),
            SimpleNamespace(guard="staging_is_certified", outcome="refuse", reason="no certificate"),
            SimpleNamespace(guard="release_phase_is_disabled", outcome="n/a", reason=""),
            SimpleNamespace(guard="database_is_as_recorded", outcome="not asked", reason="a plan"),
        ]
    )
    screen.line("one\ntwo")
    screen.final("succeeded", "done")
    screen.final("failed", "not done\nbecause")
    screen.final("unknown", "who knows")
    screen.final("superseded", "a newer one runs")


PLAIN = """\
deploy 0123 to capecraft (prod) on sandbox
  package     slug:0123 · 48 kB
    v12 is starting
  ✓ releasing … done 0.0 s
  ✗ migrating … failed 0.0 s
  ✓ health   200     12 ms  GET /api/health
  ✗ version  ---     12 ms  GET /api/version: gitSha is "a", expected "b"
  ✗ staging_is_certified     no certificate
  ? database_is_as_recorded  not asked: a plan
  ✓ 1 passed, 1 do not apply (--verbose lists them)
one
  two
✓ done
✗ not done
  because
? who knows
– a newer one runs
"""

ASCII = """\
deploy 0123 to capecraft (prod) on sandbox
  package     slug:0123 - 48 kB
    v12 is starting
  ok   releasing ... done 0.0 s
  FAIL migrating ... failed 0.0 s
  ok   health   200     12 ms  GET /api/health
  FAIL version  ---     12 ms  GET /api/version: gitSha is "a", expected "b"
  FAIL staging_is_certified     no certificate
  ??   database_is_as_recorded  not asked: a plan
  ok   1 passed, 1 do not apply (--verbose lists them)
one
  two
ok done
FAIL not done
  because
?? who knows
- a newer one runs
"""


def stream(encoding: str = "utf-8") -> tuple[io.TextIOWrapper, io.BytesIO]:
    raw = io.BytesIO()
    return io.TextIOWrapper(raw, encoding=encoding, write_through=True), raw


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.mark.usefixtures("usual")
def test_elsewhere_than_on_a_terminal_lines_are_plain(result: Any) -> None:
    text, raw = stream()
    show(Screen(stream=text), result)
    assert raw.getvalue().decode() == PLAIN


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.usefixtures("usual")
def test_a_stream_that_cannot_write_a_tick_gets_ascii(encoding: str, result: Any) -> None:
    text, raw = stream(encoding)
    screen = Screen(stream=text)
    show(screen, result)
    screen.line("naïve → 日本")
    assert raw.getvalue().decode("ascii") == ASCII + "na\\xefve -> \\u65e5\\u672c\n"


@pytest.mark.parametrize("variable", ["LANG", "LC_ALL"])
def test_lang_c_asks_for_ascii_although_python_writes_utf_8(
    variable: str, result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv(variable, "C")
    text, raw = stream()
    show(Screen(stream=text), result)
    assert raw.getvalue().decode("ascii") == ASCII


def visible(seen: str) -> str:
    """What stands on a terminal in the end: moves up, erased lines and carriage returns are obeyed."""
    lines, row, column = [""], 0, 0
    for code, text in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])|([^\x1b\r\n]+)", seen):
        if text:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
        elif code == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif code == "\r":
            column = 0
        elif code == "\x1b[2K":
            lines[row] = ""
        elif code.endswith("A"):
            row -= int(code[2:-1] or 1)
        else:
            assert code[-1] in "mhl", f"{code!r} is not expected"
    return "\n".join(line.rstrip() for line in lines)


def test_on_a_terminal_the_same_lines_stand_in_colour(terminal: Any, result: Any) -> None:
    one = terminal()
    show(Screen(stream=one.stream), result)
    seen = one.seen()
    assert "\x1b[32m✓ \x1b[0m" in seen
    assert "\x1b[31m✗ \x1b[0m" in seen
    expected = PLAIN.replace("… done ", "").replace("… failed ", "").replace("    v12 is starting\n", "")
    assert visible(seen) == expected


def test_no_color_and_dumb_terminals_are_honoured(
    terminal: Any, result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    one = terminal()
    show(Screen(stream=one.stream), result)
    assert not re.search(r"\x1b\[[0-9;]*m", one.seen())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    two = terminal()
    show(Screen(stream=two.stream), result)
    assert two.seen() == PLAIN


def until(one: Any, pattern: str) -> None:
    deadline = time.monotonic() + 5
    while not re.search(pattern, one.so_far()):
        assert time.monotonic() < deadline, f"{pattern!r} was never drawn: {one.so_far()!r}"
        time.sleep(0.01)


def test_a_long_step_spins_with_its_seconds_and_leaves_one_line(terminal: Any) -> None:
    one = terminal()
    screen = Screen(stream=one.stream)
    with screen.step("waiting for v12") as say:
        until(one, r"waiting for v12 0\.\d s")
        say("v12 is starting")
        until(one, "v12 is starting")
        screen.line("a line in between")
        with screen.step("an inner step"):
            pass
        until(one, r"an inner step.*\n.*waiting for v12")
    seen = one.seen()
    assert any(dot in seen for dot in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
    assert SECONDS.sub("N s", visible(seen)) == (
        "a line in between\n  ✓ an inner step N s\n  ✓ waiting for v12 N s\n"
    )
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor is back


def test_stages_stand_in_a_live_table_below_what_is_said_and_leave_none_of_it(terminal: Any) -> None:
    one = terminal()
    screen = Screen(stream=one.stream)
    with screen.board(("intake", "build", "release")):
        screen.stage(1, 3, "intake")
        screen.line("  taken in")
        screen.stage(2, 3, "build")
        with screen.step("packing") as say:
            until(one, r"✓  intake +0\.\d s\s+\S  build +0\.\d s  packing\s+·  release")
            say("file 7")
            until(one, "packing: file 7")
    seen = one.seen()
    left = visible(seen).rstrip("\n")  # the table's own lines, cleared
    assert SECONDS.sub("N s", left) == "  1/3 intake\n  taken in\n  2/3 build\n  ✓ packing N s"
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor is back


def test_elsewhere_there_is_no_live_table_and_a_step_says_lines() -> None:
    out = io.StringIO()
    screen = Screen(stream=out)
    with screen.board(("intake", "build")):
        screen.stage(1, 2, "intake")
        with screen.step("packing") as say:
            say("file 7")
    first, second, third = out.getvalue().splitlines()
    assert (first, second.strip()) == ("  1/2 intake", "file 7")
    assert "packing ... done" in third


def test_an_interrupted_step_is_marked_and_the_interrupt_goes_on(terminal: Any) -> None:
    one = terminal()
    screen = Screen(stream=one.stream)
    with pytest.raises(KeyboardInterrupt), screen.step("deploying"):
        until(one, r"deploying 0\.\d s")
        raise KeyboardInterrupt
    assert SECONDS.sub("N s", visible(one.seen())).endswith("  ✗ deploying N s\n")


def test_long_text_is_broken_below_its_column_and_never_cut(terminal: Any, result: Any) -> None:
    one = terminal(60)
    screen = Screen(stream=one.stream)
    reason = "the certificate of staging is for another package: run make certify-autorisen and try again"
    screen.verdicts([SimpleNamespace(guard="staging_is_certified", outcome="refuse", reason=reason)])
    screen.checks([result("health", reason)])
    screen.fact("plan", reason)
    lines = visible(one.seen()).splitlines()
    assert max(map(len, lines)) < 60
    joined = " ".join(" ".join(lines).split())
    assert joined.count(reason) == 3


@pytest.mark.parametrize("columns", [1, 10, 20, 40])
def test_a_narrow_terminal_shows_all_of_it_still(columns: int, terminal: Any, result: Any) -> None:
    one = terminal(columns)
    show(Screen(stream=one.stream), result)
    squeezed = "".join(visible(one.seen()).split())
    assert "staging_is_certifiednocertificate" in squeezed
    assert 'gitShais"a",expected"b"' in squeezed


HOSTILE = "ok\x1b[2J\x1b]0;owned\x07\r\b\x00\u202e\u2028✗\x9b31m"


@pytest.mark.usefixtures("usual")
def test_text_from_outside_cannot_act_on_the_terminal(result: Any) -> None:
    text, raw = stream()
    screen = Screen(stream=text)
    screen.title(HOSTILE)
    screen.fact(HOSTILE, HOSTILE)
    screen.line(HOSTILE)
    with screen.step(HOSTILE) as say:
        say(HOSTILE)
    screen.checks([result(HOSTILE, HOSTILE, method=HOSTILE, url=f"http://x/{HOSTILE}")])
    screen.verdicts([SimpleNamespace(guard=HOSTILE, outcome="refuse", reason=HOSTILE)])
    screen.final("unknown", HOSTILE)
    seen = raw.getvalue().decode()
    assert {c for c in seen if not c.isprintable()} == {"\n"}
    assert r"ok\x1b[2J\x1b]0;owned\x07\r\x08\x00\u202e\u2028✗\x9b31m" in seen


@pytest.mark.usefixtures("usual")
def test_text_from_outside_cannot_begin_a_line_that_looks_like_a_verdict(result: Any) -> None:
    text, raw = stream()
    screen = Screen(stream=text)
    forged = "failed\n✓ capecraft runs it, verified"
    screen.title(forged)
    screen.fact("said", forged)
    screen.line(forged)
    screen.checks([result("a", forged)])
    screen.verdicts([SimpleNamespace(guard="g", outcome="refuse", reason=forged)])
    with screen.step(forged):
        pass
    screen.final("failed", forged)
    assert not [line for line in raw.getvalue().decode().splitlines() if line.startswith("✓")]


@pytest.mark.usefixtures("usual")
def test_the_log_gets_every_line_plain_and_unbroken(terminal: Any, result: Any) -> None:
    one, log = terminal(40), io.StringIO()
    show(Screen(stream=one.stream, log=log), result)
    expected = PLAIN.replace("… done ", "").replace("… failed ", "")
    assert log.getvalue() == expected


@pytest.mark.usefixtures("usual")
def test_a_log_that_cannot_be_written_does_not_end_the_command() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    text, raw = stream()
    screen = Screen(stream=text, log=Full())
    screen.line("one")
    screen.line("two")
    assert raw.getvalue().decode() == "the log ends here: No space left on device\none\ntwo\n"
    assert screen.log is None


def run(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_in_json_mode_stdout_carries_one_object_and_stderr_everything_else() -> None:
    code = """
from roadworthy.report.terminal import Screen
screen = Screen(json=True)
screen.title("deploy")
with screen.step("releasing"): pass
screen.final("succeeded", "done")
screen.emit({"outcome": "succeeded", "line": "naïve"})
"""
    done = run(code, LANG="C.UTF-8")
    assert json.loads(done.stdout) == {"outcome": "succeeded", "line": "naïve"}
    assert done.stdout.count(b"\n") == 1
    assert done.stderr.decode().splitlines()[-1] == "✓ done"


def test_a_terminal_in_the_c_locale_gets_ascii_and_no_crash() -> None:
    code = """
from roadworthy.report.terminal import Screen
Screen().final("succeeded", "naïve … \\udcff")
"""
    for variables in ({"LANG": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}):
        done = run(code, **variables)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == b"ok na\\xefve ... \\udcff\n"


def test_a_reader_that_goes_away_does_not_end_the_command() -> None:
    code = """
import sys
from roadworthy.report.terminal import Screen
screen = Screen()
sys.stdin.read()  # until the reader is gone
for n in range(2000):
    screen.line("x" * 100)
sys.exit(7)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) == 7


ENDS = {
    # What is said on stderr where stdout takes nothing: full, closed, or without a reader.
    (
        "json",
        ">/dev/full",
    ): "✓ v8 runs\nthe JSON is lost, stdout cannot be written: No space left on device\n",
    ("json", ">&-"): "✓ v8 runs\nthe JSON is lost, stdout cannot be written: Bad file descriptor\n",
    ("plain", ">/dev/full"): "✓ v8 runs\n",
    ("plain", ">&-"): "✓ v8 runs\n",
    ("plain", "2>/dev/full >/dev/full"): "",
    ("json", "2>&- >&-"): "",
}


@pytest.mark.parametrize(("how", "where"), ENDS)
def test_what_was_done_is_said_and_the_exit_code_is_its_own_where_stdout_takes_nothing(how, where) -> None:
    code = f"""
from roadworthy.report.terminal import Screen
screen = Screen(json={how == "json"})
screen.title("deploy")
screen.final("succeeded", "v8 runs")
{'screen.emit({"code": 0})' if how == "json" else ""}
"""
    command = ["sh", "-c", f'"$0" -c "$1" {where}', sys.executable, code]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.removeprefix("deploy\n") == ENDS[how, where]


def test_a_screen_without_a_terminal_imports_nothing_that_costs() -> None:
    code = """
import sys
from roadworthy.report.terminal import Screen
screen = Screen()
with screen.step("x"): pass
screen.checks([]); screen.verdicts([]); screen.final("succeeded", "y")
heavy = {"rich", "jinja2", "requests", "json", "textwrap", "shutil", "re", "threading"} & set(sys.modules)
print(sorted(heavy - {"re", "threading"}))
"""
    assert run(code).stdout.splitlines()[-1] == b"[]"


def test_what_went_wrong_goes_to_stderr_and_results_to_stdout(
    capsys: pytest.CaptureFixture[str], result: Any
) -> None:
    show(Screen(), result)
    out, err = capsys.readouterr()
    wrong = [line for line in PLAIN.splitlines() if line.startswith(("✗", "?", "  because"))]
    wrong += [line for line in PLAIN.splitlines() if line.startswith(("  ✗ version", "  ✗ staging"))]
    assert sorted(err.splitlines()) == sorted(wrong)
    assert sorted((out + err).splitlines()) == sorted(SECONDS.sub("0.0 s", PLAIN).splitlines())


def test_a_step_can_fail_without_an_exception_and_verbose_lists_the_guards_that_passed() -> None:
    out, raw = stream()
    screen = Screen(stream=out, verbose=True)
    with screen.step("testing") as step:
        step.fail(())
    with screen.step("testing again") as step:
        step.fail(["one test failed"])
    screen.verdicts(
        [SimpleNamespace(guard=name, outcome=name, reason="") for name in ("n/a", "pass", "refuse")]
    )
    lines = [line.split("…")[0].strip() for line in raw.getvalue().decode().splitlines()]
    assert lines == ["✓ testing", "✗ testing again", "✗ refuse", "✓ pass", "– n/a     does not apply"]
