"""The log scan: what it must catch, what it must not, and that being fast changes nothing."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy import config
from roadworthy.checks import logs
from roadworthy.checks.literals import required
from roadworthy.config import LogRule
from roadworthy.errors import CheckFailed

ROUTER = 'heroku[router]: at={at} {code}method=GET path="/api/health" host=dev.cape-control.com dyno=web.1'
STAMP = "2030-01-01T00:00:00.000000+00:00 "

# A process type may have any letter, digits, `_` and `-`, and on Fir a dyno's name has a pod's.
DYNOS = (
    *(
        "web.1",
        "w.1",
        "ui.2",
        "worker2.1",
        "worker_critical.2",
        "sidekiq-critical.1",
        "Clock.1",
        "celeryBeat.1",
    ),
    *(
        "release.1234",
        "scheduler.9876",
        "rub.1",
        "rum.1",
        "ran.1",
        "sun.1",
        "RUN.1",
        "runner.1",
        "web-6d5f7c9b8-x2x4z",
    ),
)

# Fault 3 of the playbook's certify: its pattern overlooked the first and was alarmed by the second.
ALARMS = {
    "traceback": [
        "app[web.1]: Traceback (most recent call last):",
        "app[worker.12]:   Traceback (most recent call last):",
        "app[web.1]: \x1b[31mTraceback (most recent call last):\x1b[0m",
    ],
    "5xx": [
        ROUTER.format(at="info", code="") + " connect=0ms status=500\r",
        ROUTER.format(at="info", code="") + " connect=0ms service=3ms status=503 bytes=9 protocol=https",
        ROUTER.format(at="info", code="") + " connect=0ms service=3ms status=500",
    ],
    "platform error": [
        'heroku[router]: at=error code=H10 desc="App crashed" method=GET path="/"',
        "heroku[web.1]: Error R14 (Memory quota exceeded)",
        "heroku[web.1]: Error L10 (output buffer overflow)",
        "heroku[router]: at=error code=H12",
        'heroku[router]: sock=client at=warning code=H18 desc="Server Request Interrupted" method=GET path="/"',
        "heroku[logplex]: Error L10 (output buffer overflow): drops 34 messages since 2030-01-01T00:00:00",
        *(f"heroku[{dyno}]: Error R15 (Memory quota vastly exceeded)" for dyno in DYNOS),
    ],
    "worker timeout": ["app[web.1]: [2030-01-01] [4] [CRITICAL] WORKER TIMEOUT (pid:9)"],
    "abnormal exit": [
        "heroku[release]: Release v11 failed: exit status 3",
        "heroku[release.1234]: Release command failed",
        *(f"heroku[{dyno}]: State changed from up to crashed" for dyno in DYNOS),
        *(
            f"heroku[{dyno}]: Process exited with status {status}{after}"
            for dyno in DYNOS
            for status in (1, 9, 10, 99, 100, 137, 139, 142, 144, 149, 150, 255)
            for after in ("", "  ", "\r")
        ),
    ],
    "node crash": [
        "app[web.1]: (node:4) UnhandledPromiseRejectionWarning: Error: boom",
        "app[web.1]: [UnhandledPromiseRejection: This error originated either by throwing inside of an async]",
        "app[web.1]:     triggerUncaughtException(err, true /* fromPromise */);",
        "app[web.1]:       throw er; // Unhandled 'error' event",
        "app[web.1]: FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    ],
    "java crash": [
        'app[web.1]: Exception in thread "main" java.lang.IllegalStateException: no database',
        'app[web.1]: \x1b[31mException in thread "http-1" java.io.IOException\x1b[0m',
        "app[web.1]: java.lang.OutOfMemoryError: Java heap space",
        "app[worker_2.1]: Caused by: java.lang.StackOverflowError",
        "app[web.1]: # A fatal error has been detected by the Java Runtime Environment:",
    ],
    "go crash": [
        "app[web.1]: panic: runtime error: index out of range [5] with length 3",
        "app[web.1]: \x1b[1;31mpanic: runtime error: invalid memory address\x1b[0m",
        "app web.1 - goroutine 1 [select (no cases)]:",
        "app[clock-2.1]: goroutine 12 [running]:",
        "app[web.1]: goroutine 1 gp=0xc000 m=0 mp=0x1 [running, locked to thread]:",
    ],
    "ruby crash": [
        "app[web.1]: NoMethodError (undefined method `foo' for nil:NilClass):",
        "app[web.1]: \x1b[1m\x1b[31mActiveRecord::ConnectionNotEstablishedError (no server):",
        "app[web.1]: F, [2030-01-01T00:00:00.1 #4] FATAL -- : [0a1b] ",
        "app[web.1]: /app/config.rb:3:in `load': no such file (LoadError)\r",
        "app[web.1]: app/models/a.rb:12:in 'Widget#save': boom (Net::ReadTimeout)",
        "app[web.1]: [2] ! Terminating timed out worker (Worker 0 failed to check in within 60 seconds): 17",
    ],
}
SILENT = [
    'app[web.1]: INFO: 10.1.1.1:0 - "GET /api/items/503 HTTP/1.1" 200 512 ',
    "app[web.1]: note of a user: Error reading the manual",
    "app[web.1]: a user wrote: Traceback, most recent call last, and status=503",
    ROUTER.format(at="info", code="") + " connect=0ms service=3ms status=499 bytes=512 protocol=https",
    ROUTER.format(at="info", code="") + " connect=0ms service=500ms status=200 bytes=503 protocol=https",
    ROUTER.format(at="info", code="") + " status=5000",
    'app[web.1]: order code=H100 promo code=R1 "code=XH10"',
    "app[web.1]: worker timeout is 30 s",
    "heroku[web.1]: Process exited with status 0",
    "heroku[worker_critical.1]: Process exited with status 143",
    "heroku[run.8231]: Process exited with status 1",  # whoever started it has seen it
    "app[web.1]: user said code=H10 yes",
    "app[web.1]: heroku[router] says code=H10 ",
    'heroku[router]: at=info method=GET path="/x?a= status=500 " host=a dyno=web.1 status=200 bytes=1',
    'heroku[router]: at=info method=GET path="/x?a= code=H10 " host=a dyno=web.1 status=200 bytes=1',
    "heroku[web.1]: Process exited with status 143",
    "app[web.1]: Process exited with status 1 of 3 steps",
    "app[web.1]: how to avoid panic: a guide",
    "app[web.1]: an Exception in thread safety, no fatal error: none",
    "app[web.1]: caught Error (handled), app/a.rb:3:in `load'",
    "app[web.1]: 12 goroutines [running]",
    "app[web.1]: handled promise rejection, memory of the heap is fine",
    "heroku[web.1]: State changed from starting to up",
    "heroku[web.1]: Stopping all processes with SIGTERM",
    "app[api]: Release v12 created by user someone@example.com",
    "",
]


@pytest.fixture(scope="module")
def rules() -> tuple[LogRule, ...]:
    return config.read(Path(__file__).resolve().parents[2]).logs.rules


@pytest.mark.parametrize("name", ALARMS)
def test_a_line_that_must_alarm_does(name: str, rules: tuple[LogRule, ...]) -> None:
    for line in ALARMS[name]:
        result = logs.scan([b"before", (STAMP + line).encode(), b"after"], rules)
        assert result.counts[name] == 1, line
        assert logs.Hit(name, 2, STAMP + line) in result.hits
        assert not result.clean, line


@pytest.mark.parametrize("line", SILENT)
def test_a_line_that_must_not_alarm_does_not(line: str, rules: tuple[LogRule, ...]) -> None:
    result = logs.scan([(STAMP + line).encode()], rules)
    assert (result.hits, result.clean, result.lines) == ((), True, 1)


def test_a_rule_that_is_off_is_not_asked_and_none_that_is_on_is_no_clean_log(
    rules: tuple[LogRule, ...],
) -> None:
    off = [LogRule(rule.name, rule.pattern, on=rule.name == "go crash") for rule in rules]
    found = logs.scan([b"app[web.1]: panic: runtime error: boom"], off)
    assert not found.clean
    assert "node crash" not in found.counts
    with pytest.raises(CheckFailed, match="no log rules are declared"):
        logs.scan([b"x"], [LogRule("a", "x", on=False)])


def test_every_rule_of_release_toml_means_the_same_under_grep(
    rules: tuple[LogRule, ...], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join([*SILENT, *(line for some in ALARMS.values() for line in some), ""]))
    for rule in rules:
        found = [int(hit.line_number) for hit in logs.scan(log, [rule]).hits]
        for locale in ("C", "C.UTF-8"):
            grep = subprocess.run(
                ["grep", "-nE", "-m", str(logs.MOST_HITS), "-e", rule.pattern, str(log)],
                env={"PATH": os.environ["PATH"], "LC_ALL": locale},
                capture_output=True,
                text=True,
                check=True,
            )
            assert [int(line.split(":")[0]) for line in grep.stdout.splitlines()] == found, rule.name


def test_every_rule_of_release_toml_can_be_searched_by_a_literal(rules: tuple[LogRule, ...]) -> None:
    assert [rule.name for rule in rules if not required(rule.pattern.encode())] == []


def test_hits_are_bounded_and_counts_are_not() -> None:
    result = logs.scan([b"a"] * 100 + [b"b"], [LogRule("a", "a"), LogRule("b", "b")])
    assert result.counts == {"a": 100, "b": 1}
    assert [hit.line_number for hit in result.hits] == [*range(1, logs.MOST_HITS + 1), 101]


def test_a_hit_is_cut_and_survives_bytes_that_are_no_text() -> None:
    (hit,) = logs.scan([b"\xff\xfe ERR " + b"x" * 5000], [LogRule("e", "ERR")]).hits
    assert len(hit.text) == logs.LONGEST_TEXT
    assert hit.text.startswith("\ufffd\ufffd ERR")


def test_files_streams_and_lines_are_read_alike(tmp_path: Path) -> None:
    data = b"one ERR\ntwo\n\nfour ERR"
    path = tmp_path / "log"
    path.write_bytes(data)
    by_path = logs.scan(path, [LogRule("e", "ERR")])
    assert by_path.lines == 4
    assert by_path.bytes == len(data)
    assert [hit.line_number for hit in by_path.hits] == [1, 4]
    assert logs.scan(io.BytesIO(data), [LogRule("e", "ERR")]) == by_path
    assert logs.scan(data.split(b"\n"), [LogRule("e", "ERR")]).hits == by_path.hits


def test_an_empty_log_has_no_lines() -> None:
    assert logs.scan([], [LogRule("e", "ERR")]) == logs.ScanResult(0, 0, (), {"e": 0})


def test_what_cannot_be_scanned_is_an_error_and_not_a_clean_log(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="no log rules"):
        logs.scan([b"x"], [])
    with pytest.raises(CheckFailed, match="cannot be read: No such file"):
        logs.scan(tmp_path / "none", [LogRule("e", "ERR")])
    with pytest.raises(CheckFailed, match="cannot be read: Is a directory"):
        logs.scan(tmp_path, [LogRule("e", "ERR")])
    with pytest.raises(CheckFailed, match="a line of more than"):
        logs.scan(io.BytesIO(b"x" * (logs.LONGEST_LINE + 100_000)), [LogRule("e", "ERR")])


def test_memory_does_not_grow_with_the_log(rules: tuple[LogRule, ...]) -> None:
    line = (STAMP + ALARMS["5xx"][0] + "\n").encode()

    class Endless(io.RawIOBase):
        left = 8_000_000 // len(line)

        def read(self, size: int = -1) -> bytes:
            some = min(self.left, 200)
            self.left -= some
            return line * some

    tracemalloc.start()
    try:
        result = logs.scan(Endless(), rules)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.counts["5xx"] == 8_000_000 // len(line)
    assert peak < 500_000


PATTERNS = [
    "a",
    "ab",
    "a.*b",
    "^a",
    "b$",
    "^$",
    "a|b",
    "ab|cd",
    "(ab|c)d?",
    "[ab]c",
    "[^a]",
    "[^a]b",
    r"a\sb",
    r"\Aa",
    r"b\Z",
    "(?i)AB",
    "(?i:A)b",
    "a*",
    "(ab)*c",
    "(ab){2}",
    "a{0,2}b",
    "(?:a|b)+c",
    "(a|)b",
    "",
    "(?=ab)a",
    "(?!ab)a",
    "(?<=a)b",
    "a\\nb",
    "é",
    "(ab|abc|d)",
]


@settings(max_examples=150, deadline=None)
@given(
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True),
    data=st.text("abcdAB é\n\n\r", max_size=60).map(str.encode),
    block=st.integers(1, 30),
)
def test_scanning_in_blocks_is_searching_line_by_line(patterns: list[str], data: bytes, block: int) -> None:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    expected = [
        (number, pattern)
        for number, line in enumerate(lines, 1)
        for pattern in patterns
        if re.search(pattern.encode(), line)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "_BLOCK", block)
        patch.setattr(logs, "MOST_HITS", 1000)
        rules = [LogRule(pattern, pattern) for pattern in patterns]
        for log in (io.BytesIO(data), lines):
            result = logs.scan(log, rules)
            assert sorted((hit.line_number, hit.rule) for hit in result.hits) == sorted(expected)
            assert result.lines == len(lines)
            assert sum(result.counts.values()) == len(expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), pattern=st.sampled_from(PATTERNS))
def test_every_match_holds_one_of_the_required_literals(data: st.DataObject, pattern: str) -> None:
    text = data.draw(st.from_regex(pattern)).encode()
    for choice in required(pattern.encode()):
        assert re.search(pattern.encode(), text) is None or any(literal in text for literal in choice)


def test_the_required_literals_of_a_pattern() -> None:
    assert required(b"ab.*cd") == [(b"ab",), (b"cd",)]
    assert required(b"a.*bc|d") == [(b"bc", b"d")]
    assert required(b"(?i)abc") == []
    assert required(b"abc?") == [(b"ab",)]
    assert required(b"x(ab|c)") == [(b"x",), (b"ab", b"c")]
    assert required(b"[ab]|c") == []


RELEASED = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_only_lines_since_the_release_are_looked_at() -> None:
    log = [
        b"2030-01-01T11:59:59.999999+00:00 app[web.1]: Traceback (most recent call last):",
        b"  of the release before",
        b"2030-01-01T12:00:00+00:00 heroku[web.1]: State changed",
        b"2030-01-01T13:30:00.5+02:00 app[web.1]: late, but of an hour before",
        b"2030-01-01T12:00:00.1Z app[web.1]: Traceback (most recent call last):",
        b"  and what follows",
    ]
    assert list(logs.since(log, RELEASED)) == [log[2], log[4], log[5]]


def test_the_release_time_may_stand_in_any_zone() -> None:
    log = [b"2030-01-01T11:59:59Z a", b"2030-01-01T12:00:01Z b"]
    assert list(logs.since(log, RELEASED.astimezone(timezone(timedelta(hours=-9))))) == log[1:]
    with pytest.raises(ValueError, match="time zone"):
        list(logs.since(log, RELEASED.replace(tzinfo=None)))


def test_lines_that_tell_no_time_are_not_overlooked() -> None:
    log = [b"no time at all", b"2030-13-45T99:00:00Z no time either", b"2030-01-01T11:00:00Z old", b"old too"]
    assert list(logs.since(log, RELEASED)) == log[:2]


def test_of_a_log_that_comes_line_by_line_one_block_is_kept() -> None:
    given = 0

    def lines() -> Iterator[bytes]:
        nonlocal given
        for _ in range(10_000):
            given += 1
            yield b"x" * 99

    blocks = logs._joined(lines())
    first = len(next(blocks))
    assert first <= logs._BLOCK + 1000
    assert given <= logs._BLOCK // 99 + 2
    assert first + sum(map(len, blocks)) == 10_000 * 100


def test_a_rule_that_takes_for_ever_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_SECONDS", 0.3)
    rules = [LogRule("fine", "b"), LogRule("endless", "(a+)+$")]
    with pytest.raises(CheckFailed, match=r"log rule 'endless' takes more than"):
        logs.scan([b"a" * 64 + b"b"], rules)
    assert logs.scan([b"a" * 64], rules).counts == {"fine": 0, "endless": 1}
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
