"""One process: what it sees, what it says, how it dies, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.processes import free_port, group_is_alive
from roadworthy.sandbox.heroku.words import WORDS
from roadworthy.sandbox.processes import leftovers, runner
from roadworthy.sandbox.processes.leftovers import sweep
from roadworthy.sandbox.processes.runner import _PIECE, LineSink
from roadworthy.sandbox.processes.surroundings import environment
from sandbox.processes.living import MARKER, in_loop, until

Process = functools.partial(runner.Process, carries=f"{WORDS.id}=id-0")
PYTHON = f"exec {sys.executable} -I -S -c"


def surroundings(folder: Path, **config: str) -> dict[str, str]:
    own = {WORDS.name: "web.1", WORDS.id: "id-0"}
    return environment(config, folder=folder, own=own, port=12345, marker=MARKER)


class Ear:
    """Takes output as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.sink = LineSink(self.lines.extend)

    async def of(self, command: str, folder: Path, **config: str) -> tuple[int, list[str]]:
        process = Process(command, folder=folder, env=surroundings(folder, **config), output=self.sink)
        status = await process.wait()
        self.sink.finish()
        return status, self.lines


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@in_loop
async def test_a_process_sees_config_and_platform_and_nothing_of_the_developers_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HEROKU_API_KEY", "from-the-shell")
    monkeypatch.setenv("PYTHONPATH", "/from/the/shell")
    monkeypatch.setenv("TZ", "UTC")
    config = {"GREETING": "two words", "PORT": "1", "DYNO": "mine", "PATH": "/config/bin"}
    status, lines = await Ear().of("exec /usr/bin/env", tmp_path, **config)
    seen = dict(line.partition("=")[::2] for line in lines)
    assert status == 0
    assert seen.pop("PATH") == f"{Path(sys.executable).parent}:/config/bin"
    assert seen.pop("LANG")
    for of_bash in ("PWD", "SHLVL", "_"):
        seen.pop(of_bash, None)
    assert seen == {
        "GREETING": "two words",
        "PORT": "12345",
        "DYNO": "web.1",
        "HOME": str(tmp_path),
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "HEROKU_DYNO_ID": "id-0",
        "ROADWORTHY_SANDBOX": MARKER,
    }


@in_loop
async def test_a_process_runs_in_its_release_in_a_session_of_its_own_with_no_input(tmp_path):
    code = "import os, sys; print(os.getcwd(), os.getsid(0) == os.getpgid(0), repr(sys.stdin.read()))"
    status, lines = await Ear().of(f'{PYTHON} "{code}"', tmp_path)
    assert (status, lines) == (0, [f"{tmp_path} True ''"])


@in_loop
async def test_output_is_cut_into_lines(tmp_path):
    command = r"printf 'one\r\n\ntwo\nbad \377 byte\n'; echo err >&2; printf 'no newline'"
    assert await Ear().of(command, tmp_path) == (
        0,
        ["one", "", "two", "bad \ufffd byte", "err", "no newline"],
    )


@in_loop
async def test_a_line_without_end_is_cut_at_the_limit(tmp_path):
    status, lines = await Ear().of("head -c 100001 /dev/zero | tr '\\0' x; echo", tmp_path)
    assert status == 0
    assert [len(line) for line in lines] == [10_000] * 10 + [1]


@in_loop
async def test_the_line_sink_does_not_care_how_the_bytes_arrive():
    data = b"one\ntwo\xc3\xa9\n" + b"y" * 12_000 + b"\nend"
    for step in (1, 2, 3, 4096, 1_000_000):
        ear = Ear()
        for at in range(0, len(data), step):
            await ear.sink(data[at : at + step])
        ear.sink.finish()
        assert ear.lines == ["one", "twoé", "y" * 10_000, "y" * 2_000, "end"]


@pytest.mark.parametrize(
    ("command", "status"),
    [("exit 3", 3), ("true", 0), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("no-such-command", 127)],
)
@in_loop
async def test_the_exit_status_is_the_shells(tmp_path, command, status):
    assert (await Ear().of(command, tmp_path))[0] == status


@in_loop
async def test_a_command_that_cannot_start_raises_at_once_and_leaves_nothing(tmp_path):
    fds = open_fds()
    with pytest.raises(OSError):
        Process("true", folder=tmp_path / "gone", env={}, output=Ear().sink)
    with pytest.raises(OSError):
        Process("true", folder=tmp_path, env={"BIG": "x" * 3_000_000}, output=Ear().sink)
    with pytest.raises(ValueError):
        Process("true", folder=tmp_path, env={"NUL": "a\0b"}, output=Ear().sink)
    assert open_fds() == fds


@in_loop
async def test_death_is_seen_even_while_output_is_held_open(tmp_path):
    # The child of the shell holds the pipe open for an hour; only the shell itself dies.
    process = Process("sleep 3600 & wait", folder=tmp_path, env=surroundings(tmp_path), output=Ear().sink)
    await asyncio.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        assert await asyncio.shield(process.exited) == 137
        assert await process.wait() == 137


@in_loop
async def test_what_a_dead_process_started_ends_with_it(tmp_path):
    # One child in the group, one in a session of its own, both deaf to SIGHUP and SIGTERM.
    command = "trap '' HUP TERM; sleep 60 & echo $!; setsid sleep 61 & echo $!; sleep 0.1; exit 1"
    status, lines = await Ear().of(command, tmp_path)
    assert status == 1 and len(lines) == 2
    for pid in map(int, lines):
        await until(lambda pid=pid: gone(pid), 1)


@in_loop
async def test_end_gives_the_whole_group_time_to_finish(tmp_path):
    code = (
        "import os, signal, time\n"
        "def bye(*_): time.sleep(0.2); os.write(1, b'finished\\n'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, bye); os.write(1, b'ready\\n')\ntime.sleep(60)\n"
    )
    (tmp_path / "app.py").write_text(code)
    ear = Ear()
    # The shell stays between us and the app here, and dies first.
    command = f"{sys.executable} -I -S app.py; true"
    process = Process(command, folder=tmp_path, env=surroundings(tmp_path), output=ear.sink)
    await until(lambda: "ready" in ear.lines)
    assert await process.end(5.0) == 143
    assert ear.lines == ["ready", "finished"]
    assert not process.overstayed and not group_is_alive(process.pid)


@in_loop
async def test_end_kills_what_ignores_it(tmp_path):
    ear = Ear()
    command = "trap '' TERM; echo ready; while :; do sleep 1; done"
    process = Process(command, folder=tmp_path, env=surroundings(tmp_path), output=ear.sink)
    await until(lambda: "ready" in ear.lines)
    began = time.monotonic()
    async with asyncio.timeout(30):
        assert await process.end(0.2) == 137
    assert process.overstayed and time.monotonic() - began >= 0.2


@in_loop
async def test_cancelling_its_task_kills_the_process(tmp_path):
    process = Process(
        "trap '' TERM; sleep 60", folder=tmp_path, env=surroundings(tmp_path), output=Ear().sink
    )
    await asyncio.sleep(0.05)
    process._life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await process.wait()
    assert process.exited.result() == 137 and gone(process.pid)


def test_a_loop_that_ends_early_leaves_no_process(tmp_path):
    async def scenario() -> int:
        process = Process("exec sleep 60", folder=tmp_path, env=surroundings(tmp_path), output=Ear().sink)
        return process.pid  # nobody waits: asyncio.run cancels what is left

    assert gone(asyncio.run(scenario()))


@in_loop
async def test_a_process_that_prints_without_end_starves_nobody_and_memory_stays_bounded(tmp_path):
    count = at_once = 0

    def write(texts: list[str]) -> None:
        nonlocal count, at_once
        count, at_once = count + len(texts), at_once + len(texts)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    process = Process("yes", folder=tmp_path, env=surroundings(tmp_path), output=LineSink(write))
    worst = 0  # lines between two turns of the loop
    async with asyncio.timeout(30):
        while count < 200_000:
            at_once = 0
            await asyncio.sleep(0)
            worst = max(worst, at_once)
        assert await process.end(1.0) == 143
    assert worst <= _PIECE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


@in_loop
async def test_output_nobody_takes_waits_in_the_pipe(tmp_path):
    seen, gate = bytearray(), asyncio.Event()

    async def slow(data: bytes) -> None:
        await gate.wait()
        seen.extend(data)

    command = "head -c 3000000 /dev/zero; echo $? > done"
    process = Process(command, folder=tmp_path, env=surroundings(tmp_path), output=slow)
    await asyncio.sleep(0.1)
    assert not (tmp_path / "done").exists()
    gate.set()
    assert await process.wait() == 0
    assert len(seen) == 3_000_000


@in_loop
async def test_an_attached_process_reads_its_input_to_the_end(tmp_path):
    stdin, seen = asyncio.StreamReader(), bytearray()

    async def take(data: bytes) -> None:
        seen.extend(data)

    process = Process("cat; exit 5", folder=tmp_path, env=surroundings(tmp_path), output=take, stdin=stdin)
    sent = bytes(range(256)) * 2000  # more than a pipe holds
    stdin.feed_data(sent)
    stdin.feed_eof()
    assert await process.wait() == 5
    assert seen == sent


@in_loop
async def test_a_process_may_end_without_reading_its_input(tmp_path):
    stdin = asyncio.StreamReader()
    stdin.feed_data(b"x" * 1_000_000)
    process = Process("exit 0", folder=tmp_path, env=surroundings(tmp_path), output=Ear().sink, stdin=stdin)
    assert await process.wait() == 0


@in_loop
async def test_a_process_whose_listener_left_is_hung_up_on(tmp_path):
    async def left(data: bytes) -> None:
        raise ConnectionResetError

    process = Process("echo hi; exec sleep 60", folder=tmp_path, env=surroundings(tmp_path), output=left)
    assert await asyncio.wait_for(process.wait(), 5) == 129


@in_loop
async def test_a_listener_that_is_stuck_does_not_keep_a_dead_process(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_LAST_WORDS", 0.5)

    async def stuck(data: bytes) -> None:
        await asyncio.Event().wait()

    command = "sleep 60 & echo $! > pid; echo hi"
    process = Process(command, folder=tmp_path, env=surroundings(tmp_path), output=stuck)
    assert await asyncio.shield(process.exited) == 0
    pid = int((tmp_path / "pid").read_text())
    waiting = asyncio.create_task(process.wait())
    await until(lambda: gone(pid))
    assert not waiting.done(), "it was kept until the listener was given up"
    assert await asyncio.wait_for(waiting, 30) == 0


@in_loop
async def test_a_listener_with_a_fault_ends_the_process_and_the_fault_is_not_hidden(tmp_path):
    async def faulty(data: bytes) -> None:
        raise KeyError("a fault")

    process = Process("echo hi; exec sleep 60", folder=tmp_path, env=surroundings(tmp_path), output=faulty)
    with pytest.raises(KeyError):
        await asyncio.wait_for(process.wait(), 2)
    assert gone(process.pid)


@in_loop
async def test_every_process_closes_what_it_opened(tmp_path):
    await Ear().of("true", tmp_path)
    fds = open_fds()
    await asyncio.gather(*(Ear().of("echo hi", tmp_path, N=str(n)) for n in range(20)))
    assert open_fds() == fds


def test_a_free_port_can_be_bound_and_is_not_given_twice():
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < low
    with socket.create_server(("127.0.0.1", ports[0])):
        pass


def test_sweep_ends_what_a_killed_server_left_and_nothing_else(monkeypatch):
    monkeypatch.setattr(leftovers, "GRACE", 0.2)
    ours, other = f"{MARKER}-swept", f"{MARKER}-swept-not"
    command = ["/bin/sh", "-c", "trap '' TERM; setsid sleep 60 & echo $!; exec >&-; sleep 61"]
    started = [
        subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "ROADWORTHY_SANDBOX": marker},
            start_new_session=True,
            stdout=subprocess.PIPE,
        )
        for marker in (ours, other)
    ]
    strays = [int(process.stdout.readline()) for process in started if process.stdout]
    try:
        swept = sweep(ours)
        assert {started[0].pid, strays[0]} <= set(swept)
        assert started[0].wait(1) == -9 and gone(strays[0])
        assert started[1].poll() is None and not gone(strays[1])
        assert sweep(ours) == []
    finally:
        sweep(other)
        for process in started:
            process.wait(1)
            if process.stdout:
                process.stdout.close()


def test_sweep_wants_a_marker():
    with pytest.raises(UsageError):
        sweep("")
