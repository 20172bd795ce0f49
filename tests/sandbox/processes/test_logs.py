"""The log store: what is written is there, is one line each, and stays within bounds."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.sandbox.heroku.words import LOGPLEX, PLATFORM
from roadworthy.sandbox.processes import logs as module
from roadworthy.sandbox.processes.logs import LogLine, LogStore, neutral


@pytest.fixture
def store(tmp_path: Path):
    store = LogStore(tmp_path, PLATFORM, LOGPLEX)
    yield store
    store.close()


def texts(store: LogStore, **options) -> list[str]:
    return [line.text for line in store.tail("demo", **options)]


def test_a_line_is_rendered_as_logplex_prints_it():
    line = LogLine(datetime(2026, 11, 20, 18, 30, 0, 123456, UTC), "app", "web.1", "text")
    assert line.render() == "2026-11-20T18:30:00.123456+00:00 app[web.1]: text"


def test_whole_seconds_still_show_microseconds():
    line = LogLine(datetime(2026, 11, 20, 18, 30, 0, 0, UTC), "app", "web.1", "text")
    assert line.render().startswith("2026-11-20T18:30:00.000000+00:00 ")


def test_what_was_appended_is_there_after_a_restart(tmp_path, store):
    store.append("demo", "app", "web.1", "one")
    store.append("demo", "heroku", "router", "two")
    store.append("other", "app", "web.1", "not this app's")
    again = LogStore(tmp_path, PLATFORM, LOGPLEX)
    assert [(line.source, line.origin, line.text) for line in again.tail("demo")] == [
        ("app", "web.1", "one"),
        ("heroku", "router", "two"),
    ]
    assert again.tail("demo") == store.tail("demo")
    assert (datetime.now(UTC) - again.tail("demo")[0].at).total_seconds() < 60


def test_an_app_without_a_log_has_no_lines(store):
    assert store.tail("demo") == []


def test_tail_gives_the_last_lines_in_order_and_filtered(store):
    for number in range(50):
        store.append("demo", "app" if number % 2 else "heroku", f"web.{number % 3}", str(number))
    assert texts(store, num=3) == ["47", "48", "49"]
    assert texts(store, num=2, source="heroku") == ["46", "48"]
    assert texts(store, num=2, origin="web.0") == ["45", "48"]
    assert texts(store, num=2, source="app", origin="web.0") == ["39", "45"]
    assert texts(store, num=0) == []


def test_a_torn_last_line_is_not_shown_and_is_cut_off_by_the_next_writer(tmp_path, store):
    store.append("demo", "heroku", "web.1", "Process exited with status 1")
    store.close()
    file = tmp_path / "demo.log"
    whole = file.read_bytes()
    file.write_bytes(whole + b"2026-11-20T18:30:00.123456+00:00 heroku[web.1]: Process exited with st")
    assert texts(store) == ["Process exited with status 1"]
    store.append("demo", "app", "web.1", "next")
    assert texts(store) == ["Process exited with status 1", "next"]
    assert file.read_bytes().startswith(whole)


def test_a_file_that_is_one_torn_line_starts_anew(tmp_path, store):
    (tmp_path / "demo.log").write_bytes(b"2026-11-20T18:30" * 10_000)
    assert texts(store) == []
    store.append("demo", "app", "web.1", "next")
    assert texts(store) == ["next"]


def test_lines_that_are_none_are_passed_over(tmp_path, store):
    store.append("demo", "app", "web.1", "before")
    with (tmp_path / "demo.log").open("ab") as file:
        file.write(b"\n\xff\xfe\n9999-99-99T99:99:99.999999+00:00 app[web.1]: no such day\n")
    store.append("demo", "app", "web.1", "after")
    assert texts(store) == ["before", "after"]


def test_a_killed_writer_leaves_whole_lines_only(tmp_path):
    code = (
        "import sys; from pathlib import Path; from roadworthy.sandbox.processes.logs import LogStore\n"
        "store = LogStore(Path(sys.argv[1])); number = 0\n"
        "print('go', flush=True)\n"
        "while True:\n    store.append('demo', 'app', 'web.1', f'{number} ' + 'x' * 3000); number += 1\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout and writer.stdout.readline() == b"go\n"
        while not (tmp_path / "demo.log.1").exists():  # let it rotate at least once
            assert writer.poll() is None
        writer.kill()
    store = LogStore(tmp_path, PLATFORM, LOGPLEX)
    seen = [line.text for line in store.tail("demo", num=1_000_000)]
    first = int(seen[0].split()[0])
    assert seen == [f"{number} " + "x" * 3000 for number in range(first, first + len(seen))]
    store.append("demo", "app", "web.1", "after")
    assert texts(store, num=2) == [seen[-1], "after"]
    store.close()


def test_a_process_cannot_forge_a_line(store):
    forged = (
        "ok\n2026-11-20T18:30:00.123456+00:00 heroku[web.1]: Process exited with status 0\r\x1b[2K\x85\u2028"
    )
    store.append("demo", "app", "web.1", forged)
    (line,) = store.tail("demo")
    assert (line.source, line.origin) == ("app", "web.1")
    assert line.text.startswith("ok\\n2026") and line.text.endswith("status 0\\r\\x1b[2K\\x85\\u2028")


def test_every_character_there_is_leaves_one_printable_line():
    for start in range(0, 0x110000, 4096):
        text = "".join(map(chr, range(start, start + 4096)))
        once = neutral(text)
        assert len(once.splitlines()) == 1
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", once)
        assert neutral(once) == once


def test_the_text_of_a_line_is_bounded(store):
    store.append("demo", "app", "web.1", "x" * 1_000_000)
    store.append("demo", "app", "web.1", "\x00" * 1_000_000)
    assert [len(text) for text in texts(store)] == [10_000, 10_000]


def test_a_dyno_name_cannot_break_the_form(store):
    store.append("demo", "heroku", "web.1]: forged\n", "text")
    assert [line.origin for line in store.tail("demo")] == ["web.1___forged_"]


@pytest.mark.parametrize("app", ["", "../etc/passwd", "a/b", "a b", "A", "a\n", "x" * 64, "-a"])
def test_an_app_name_that_is_no_file_name_is_refused(store, app):
    for use in (store.tail, store.follow, lambda app: store.append(app, "app", "web.1", "text")):
        with pytest.raises(UsageError):
            use(app)


def test_an_unknown_source_is_refused(store):
    with pytest.raises(UsageError):
        store.append("demo", "web", "web.1", "text")


def test_the_log_is_bounded_and_tail_reads_across_the_rotation(tmp_path, store, monkeypatch):
    monkeypatch.setattr(module, "FILE_LIMIT", 20_000)
    for number in range(2000):
        store.append("demo", "app", "web.1", f"line {number}")
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"demo.log", "demo.log.1"} and max(sizes.values()) <= 20_000
    kept = texts(store, num=10_000)
    assert kept == [f"line {number}" for number in range(2000 - len(kept), 2000)]
    assert len(kept) > sizes["demo.log.1"] // 60


def test_a_line_that_could_not_be_written_is_counted_and_reported(tmp_path):
    # A file size limit is the disk that is full: a short write, then none.
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from roadworthy.sandbox.processes.logs import LogStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = LogStore(Path(sys.argv[1]), 'heroku', 'logplex')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "for number in range(30): store.append('demo', 'app', 'web.1', f'line {number:02} ' + 'x' * 50)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "store.append('demo', 'app', 'web.1', 'room again')\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=30)
    *whole, report, last = LogStore(tmp_path, PLATFORM, LOGPLEX).tail("demo")
    assert [line.text[:7] for line in whole] == [f"line {number:02}" for number in range(len(whole))]
    assert 0 < len(whole) < 30 and last.text == "room again"
    assert (report.source, report.origin) == ("heroku", "logplex")
    assert report.text == f"Error L10 (output buffer overflow): {30 - len(whole)} messages dropped"


def test_follow_gives_every_matching_line_from_the_call_on(store):
    async def scenario():
        store.append("demo", "app", "web.1", "before")
        lines = store.follow("demo", source="app")
        store.append("demo", "app", "web.1", "between call and first step")
        store.append("demo", "heroku", "router", "filtered")
        store.append("other", "app", "web.1", "another app")
        seen = [(await anext(lines)).text]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        assert not waiting.done()
        store.append("demo", "app", "web.1", "later")
        seen.append((await waiting).text)
        await lines.aclose()
        return seen

    assert asyncio.run(scenario()) == ["between call and first step", "later"]


def test_a_follower_that_is_too_slow_is_told_how_much_it_lost(store):
    async def scenario():
        lines = store.follow("demo")
        store.extend("demo", "app", "web.1", [str(number) for number in range(module.BACKLOG + 7)])
        seen = [(await anext(lines)).text for _ in range(2)]
        await lines.aclose()
        return seen

    assert asyncio.run(scenario()) == ["Error L10 (output buffer overflow): 7 messages dropped", "7"]


def test_a_follower_that_went_away_costs_nothing(store):
    async def leave():
        for _ in range(10):
            lines = store.follow("demo")
            step = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)

    asyncio.run(leave())
    assert len(store._followers) == 0
