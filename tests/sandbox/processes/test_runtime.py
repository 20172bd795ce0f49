"""An app's life: boot, crash, scale, restart, one-offs, and the end of everything."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from roadworthy.sandbox.processes.instance import Instance
from roadworthy.sandbox.processes.runtime import Runnable
from sandbox.processes.living import QUICK, children, connected, in_loop, request, until, world


def pid_of(dyno: Instance) -> int:
    """The process that carries this dyno's id."""
    for entry in Path("/proc").iterdir():
        try:
            if f"HEROKU_DYNO_ID={dyno.id}\0".encode() in (entry / "environ").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"no process of {dyno.name}")


@in_loop
async def test_a_release_boots_serves_and_says_so_as_heroku_does(tmp_path):
    async with world(tmp_path) as it:
        assert (await it.get())[0] == 503
        assert it.text("router")[-1].startswith("at=error code=H14 ")
        await it.runtime.switch(it.release(7), {"web": 1})  # which does not wait for the boot
        assert it.states() == [(7, "web.1", "starting")]
        await until(lambda: it.states() == [(7, "web.1", "up")])
        assert await it.get() == (200, b"v7")
        assert it.text("web.1") == [
            "Starting process with command `exec python -I -S app.py`",
            "listening",
            "State changed from starting to up",
        ]
        dyno = it.dyno("web.1")
        assert (dyno.type, dyno.command) == ("web", "exec python -I -S app.py")
        assert dyno.exit_status is None and dyno.attach_url is None
        assert dyno.created_at < dyno.updated_at
    assert it.text("web.1")[3:] == [
        "State changed from up to down",
        "Stopping all processes with SIGTERM",
        "Process exited with status 143",
    ]


@in_loop
async def test_death_is_a_crash_and_the_first_restart_is_immediate(tmp_path):
    async with world(tmp_path) as it:
        await it.serve()
        first = it.dyno("web.1")
        os.kill(pid_of(first), signal.SIGKILL)
        seen: list[str] = []
        async with asyncio.timeout(30):
            while "up" not in seen[1:] or seen[-1] != "up":
                state = it.dyno("web.1").state
                if not seen or seen[-1] != state:
                    seen.append(state)
                await asyncio.sleep(0)
        assert seen == ["up", "starting", "up"] or seen == ["up", "crashed", "starting", "up"]
        assert await it.get() == (200, b"v1")
        assert it.dyno("web.1").id != first.id
        said = it.text("web.1")
        at = said.index("Process exited with status 137")
        assert said[at + 1] == "State changed from up to crashed"
        assert "State changed from crashed to starting" in said[at + 2 :]


@in_loop
async def test_a_crash_is_listed_with_its_status_while_it_waits_for_the_next_try(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, backoff=(60.0,))) as it:
        await it.serve()
        await it.get("/die/3")
        await until(lambda: it.dyno("web.1").state == "crashed")
        assert it.dyno("web.1").exit_status == 3
        assert (await it.get())[0] == 503
        assert 'code=H10 desc="App crashed"' in it.text("router")[-1]
        await it.runtime.restart("web.1")
        await until(lambda: it.states() == [(1, "web.1", "up")])
        assert await it.get() == (200, b"v1")


@in_loop
async def test_restarts_of_what_keeps_crashing_come_slower_and_slower(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, backoff=(0.0, 0.1, 0.25))) as it:
        await it.runtime.switch(it.release(1, {"worker": "sleep 0.02; exit 1"}), {"worker": 1})
        line = "Starting process with command `sleep 0.02; exit 1`"
        await until(lambda: it.text("worker.1").count(line) == 5)
        starts = [entry.at.timestamp() for entry in it.logs.tail("demo") if entry.text == line]
        _, slower, slowest, capped = [later - earlier for earlier, later in pairwise(starts)]
        assert slower >= 0.1 and slowest >= 0.25 and capped >= 0.25


@in_loop
async def test_a_process_that_was_stable_starts_again_without_a_pause(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, backoff=(0.0, 60.0), stable=0.05)) as it:
        await it.runtime.switch(it.release(1, {"worker": "sleep 0.1; exit 1"}), {"worker": 1})
        await until(lambda: it.text("worker.1").count("Process exited with status 1") == 4)


@in_loop
async def test_a_process_that_never_listens_is_killed_with_r10(tmp_path):
    async with world(tmp_path, boot_timeout=0.3) as it:
        await it.runtime.switch(it.release(1, DEAF="1"), {"web": 1})
        took = await until(lambda: it.states() == [(1, "web.1", "crashed")])
        assert took >= 0.2
        await until(lambda: len(it.text("web.1")) == 5)
        assert it.text("web.1")[1:] == [
            "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 0.3 seconds of launch",
            "Stopping process with SIGKILL",
            "Process exited with status 137",
            "State changed from starting to crashed",
        ]


@pytest.mark.parametrize("status", ["503 Degraded", "501 No", "429 Slow Down", "404 Not Found"])
@in_loop
async def test_a_process_that_listens_gets_traffic_whatever_it_answers(tmp_path, status):
    async with world(tmp_path, boot_timeout=10) as it:
        await it.serve(STATUS=status)
        assert await it.get() == (int(status[:3]), b"v1")
        assert not any("Error R10" in text for text in it.text("web.1"))


@pytest.mark.parametrize("change", [{"folder": Path("/no/such/folder")}, {"env": {"X": "y" * 3_000_000}}])
@in_loop
async def test_a_release_that_cannot_even_start_has_crashed(tmp_path, change):
    async with world(tmp_path) as it:
        await it.runtime.switch(replace(it.release(1), **change), {"web": 1, "worker": 1})
        await until(lambda: {state for *_, state in it.states()} == {"crashed"})
        assert any(text.startswith("Process could not be started: ") for text in it.text("web.1"))
        assert it.dyno("web.1").exit_status == 127
        assert (await it.get())[0] == 503


@in_loop
async def test_scaling_starts_and_ends_dynos_without_losing_a_request(tmp_path):
    async with world(tmp_path) as it, connected(it.port) as (reader, writer):
        await it.serve()
        for quantities, names in [
            ({"web": 3}, ["web.1", "web.2", "web.3"]),
            ({"worker": 2}, ["web.1", "web.2", "web.3", "worker.1", "worker.2"]),
            ({"web": 1, "worker": 0, "unknown": 5}, ["web.1"]),
        ]:
            await it.runtime.scale(quantities)
            while it.states() != [(1, name, "up") for name in names]:
                assert await request(reader, writer) == (200, b"v1")
        await it.runtime.scale({"web": 0})
        await until(lambda: it.states() == [])
        assert (await request(reader, writer))[0] == 503
        assert "code=H14" in it.text("router")[-1]
        await it.runtime.scale({"web": 1})
        await until(lambda: it.states() == [(1, "web.1", "up")])
        assert await request(reader, writer) == (200, b"v1")


@in_loop
async def test_a_dyno_that_is_scaled_away_finishes_what_it_does(tmp_path):
    async with world(tmp_path) as it:
        await it.serve()
        asking = asyncio.create_task(it.get("/slow/300"))
        await until(lambda: any(live.upstream._in_flight for live in it.runtime._all()))
        await it.runtime.scale({"web": 0})
        assert await asking == (200, b"v1")
        await until(lambda: it.states() == [])


@in_loop
async def test_a_request_that_outlasts_the_drain_is_cut_off_and_said(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, drain=0.1)) as it:
        await it.serve()
        asking = asyncio.create_task(it.get("/slow/1500"))
        await until(lambda: any(live.upstream._in_flight for live in it.runtime._all()))
        await it.runtime.scale({"web": 0})
        assert (await asking)[0] == 503
        await until(lambda: it.states() == [])
        assert "Requests still in flight after 0.1 seconds" in it.text("web.1")
        assert "code=H13" in it.text("router")[-1]


@pytest.mark.parametrize("which", [None, "web.1"])
@in_loop
async def test_a_restart_replaces_the_process_without_a_gap(tmp_path, which):
    async with world(tmp_path) as it, connected(it.port) as (reader, writer):
        await it.serve()
        first = it.dyno("web.1")
        await it.runtime.restart(which)
        while it.states() != [(1, "web.1", "up")] or it.dyno("web.1").id == first.id:
            assert await request(reader, writer) == (200, b"v1")
        assert it.text("web.1").count("Process exited with status 143") == 1


@in_loop
async def test_a_restart_that_fails_leaves_the_old_process_serving(tmp_path):
    async with world(tmp_path) as it:
        await it.serve()
        first = it.dyno("web.1")
        (it.folder / "app.py").write_text("raise SystemExit(4)")
        await it.runtime.restart()
        await until(lambda: "State changed from starting to crashed" in it.text("web.1"))
        await until(lambda: len(it.states()) == 1)
        assert it.dyno("web.1").id == first.id
        assert await it.get() == (200, b"v1")


@in_loop
async def test_a_stopped_dyno_stays_down_until_a_restart(tmp_path):
    async with world(tmp_path) as it:
        await it.serve()
        await it.runtime.stop_instance("web.1")
        await until(lambda: it.states() == [(1, "web.1", "down")])
        await until(lambda: "Process exited with status 143" in it.text("web.1"))
        assert (await it.get())[0] == 503
        await it.runtime.restart()
        await until(lambda: it.states() == [(1, "web.1", "up")])
        assert await it.get() == (200, b"v1")


@in_loop
async def test_maintenance_answers_for_the_app(tmp_path):
    async with world(tmp_path) as it:
        await it.serve()
        it.runtime.set_maintenance(True)
        assert (await it.get())[0] == 503
        assert "code=H80" in it.text("router")[-1]
        it.runtime.set_maintenance(False)
        assert await it.get() == (200, b"v1")


@in_loop
async def test_a_detached_one_off_is_listed_while_it_runs_and_speaks_to_the_log(tmp_path):
    async with world(tmp_path) as it:
        release = it.release(3, GREETING="hello")
        dyno = await it.runtime.run(
            'echo "$GREETING $MORE $DYNO"; sleep 0.1; exit 3', release, name="run.4821", env={"MORE": "there"}
        )
        await until(lambda: it.states() == [(3, "run.4821", "up")])
        assert await it.runtime.wait(dyno.id) == 3
        await until(lambda: it.states() == [])
        assert await it.runtime.wait(dyno.id) == 3
        lines = [line.render()[33:] for line in it.logs.tail("demo")]
        assert lines == [
            'heroku[run.4821]: Starting process with command `echo "$GREETING $MORE $DYNO"; sleep 0.1; exit 3`',
            "heroku[run.4821]: State changed from starting to up",
            "app[run.4821]: hello there run.4821",
            "heroku[run.4821]: Process exited with status 3",
            "heroku[run.4821]: State changed from up to complete",
        ]


@in_loop
async def test_an_attached_one_off_speaks_to_its_caller_and_not_to_the_log(tmp_path):
    async with world(tmp_path) as it:
        stdin, heard = asyncio.StreamReader(), bytearray()

        async def hear(data: bytes) -> None:
            heard.extend(data)

        dyno = await it.runtime.run("cat; exit 7", it.release(1), name="run.1", stdin=stdin, stdout=hear)
        stdin.feed_data(b"secret \x1b[0m\n")
        stdin.feed_eof()
        assert await it.runtime.wait(dyno.id) == 7
        assert heard == b"secret \x1b[0m\n"
        assert "secret" not in "".join(it.text())
        assert it.text("run.1")[-2:] == ["Process exited with status 7", "State changed from up to complete"]


@in_loop
async def test_a_one_off_that_is_stopped_reports_the_signal(tmp_path):
    async with world(tmp_path) as it:
        dyno = await it.runtime.run("exec sleep 60", it.release(1), name="run.1")
        await until(lambda: it.states() == [(1, "run.1", "up")])
        await it.runtime.stop_instance("run.1")
        assert await it.runtime.wait(dyno.id) == 143
        await until(lambda: it.states() == [])


@in_loop
async def test_a_one_off_that_cannot_start_has_ended_with_127(tmp_path):
    async with world(tmp_path) as it:
        dyno = await it.runtime.run("true", Runnable(1, tmp_path / "gone", {}, {}), name="run.1")
        assert await it.runtime.wait(dyno.id) == 127


@in_loop
async def test_an_unknown_dyno_has_no_exit_status(tmp_path):
    async with world(tmp_path) as it:
        assert await it.runtime.wait("no-such-id") is None


@in_loop
async def test_stop_ends_everything_even_what_ignores_it(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, grace=0.3)) as it:
        await it.serve(STUBBORN="1")
        await it.runtime.run("trap '' TERM; sleep 60", it.release(1), name="run.1")
        await it.runtime.switch(it.release(2, BOOT="30"), {"web": 2})
        await until(lambda: len(it.states()) == 4)
        async with asyncio.timeout(30):
            await it.runtime.stop()
        assert it.runtime.instances() == [] or {state for *_, state in it.states()} <= {"down"}
        said = it.text("web.1")
        assert (
            "Error R12 (Exit timeout) -> At least one process failed to exit within 0.3 seconds of SIGTERM"
            in said
        )
        assert "Process exited with status 137" in said


def test_a_server_that_is_cancelled_leaves_no_process(tmp_path):
    pids: list[int] = []

    async def scenario() -> None:
        async with world(tmp_path) as it:
            await it.serve(STUBBORN="1")
            pids.append(pid_of(it.dyno("web.1")))
            it.runtime.stop = it.runtime._router.stop  # as if it never came to the dynos

    asyncio.run(scenario())
    assert pids and str(pids[0]) not in children()
    assert not Path(f"/proc/{pids[0]}").exists()


@in_loop
async def test_stop_that_is_cancelled_kills_at_once(tmp_path):
    async with world(tmp_path, limits=replace(QUICK, grace=60.0)) as it:
        await it.serve(STUBBORN="1")
        pid = pid_of(it.dyno("web.1"))
        stopping = asyncio.create_task(it.runtime.stop())
        await until(lambda: "Stopping all processes with SIGTERM" in it.text("web.1"))
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await until(lambda: not Path(f"/proc/{pid}").exists(), 1)


@in_loop
async def test_a_chatty_process_keeps_no_request_waiting(tmp_path):
    async with world(tmp_path) as it, connected(it.port) as (reader, writer):
        await it.runtime.switch(it.release(1, {"web": "yes & exec python -I -S app.py"}), {"web": 1})
        await until(lambda: it.states() == [(1, "web.1", "up")])
        async with asyncio.timeout(30):
            for _ in range(10):
                assert await request(reader, writer) == (200, b"v1")
        sizes = [file.stat().st_size for file in (tmp_path / "logs").iterdir()]
        assert sum(sizes) <= 2 * 8 * 1024 * 1024
