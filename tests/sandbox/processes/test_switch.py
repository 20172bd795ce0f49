"""Switching releases: under load nobody notices, and a bad release changes nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter

import pytest

from roadworthy.sandbox.processes.runtime import Runnable
from sandbox.processes.living import World, connected, in_loop, request, until, world


class Load:
    """Keep-alive clients that ask without a pause and keep account of what they got."""

    def __init__(self, it: World, clients: int) -> None:
        self._it, self._clients = it, clients
        self.answers: Counter[bytes] = Counter()
        self.failures: list[str] = []
        self._on = True

    @property
    def done(self) -> int:
        return self.answers.total()

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._on = False
        await asyncio.gather(*self._tasks)

    async def _client(self) -> None:
        async with connected(self._it.port) as (reader, writer):
            while self._on:
                try:
                    status, body = await asyncio.wait_for(request(reader, writer, "/"), 10)
                except (OSError, EOFError, TimeoutError) as error:
                    self.failures.append(repr(error))
                    return
                if status == 200:
                    self.answers[body] += 1
                else:
                    self.failures.append(f"{status} {body!r}")


async def switching_under_load(it: World, requests: int, web: int) -> tuple[Load, int]:
    """Switch again and again until so many requests are done."""
    version = 1
    await it.serve(version, web=web)
    async with Load(it, 8) as load:
        while load.done < requests and not load.failures:
            version += 1
            await it.runtime.switch(it.release(version), {"web": web})
            await until(lambda v=version: it.states() == [(v, f"web.{n + 1}", "up") for n in range(web)], 20)
            await until(lambda goal=load.done + 50: load.done >= goal or load.failures)
    return load, version


@in_loop
@pytest.mark.later
async def test_switching_under_load_fails_no_request(tmp_path):
    async with world(tmp_path) as it:
        load, version = await switching_under_load(it, 1500, web=1)
    assert load.failures == []
    assert load.done >= 1500 and version >= 4
    assert {f"v{number}".encode() for number in range(1, version)} <= set(load.answers)


@pytest.mark.slow
@in_loop
async def test_switching_under_load_fails_none_of_ten_thousand_requests(tmp_path):
    async with world(tmp_path) as it:
        began = time.monotonic()
        load, version = await switching_under_load(it, 10_000, web=2)
        print(f"{load.done} requests, {version - 1} switches, {load.done / (time.monotonic() - began):.0f}/s")
    assert load.failures == []
    assert load.done >= 10_000 and version > 10


@in_loop
async def test_a_long_request_is_finished_by_the_release_that_began_it(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        asking = asyncio.create_task(it.get("/slow/400"))
        await until(lambda: any(live.upstream and live.upstream._in_flight for live in it.runtime._all()))
        await it.runtime.switch(it.release(2), {"web": 1})
        await until(lambda: (2, "web.1", "up") in it.states())
        assert (1, "web.1", "up") in it.states()
        assert await it.get() == (200, b"v2")
        assert await asking == (200, b"v1")
        await until(lambda: it.states() == [(2, "web.1", "up")])


@in_loop
async def test_a_release_gets_traffic_only_when_all_its_web_processes_answer(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        # The second dyno of the new release boots later than the first.
        slow = "test $DYNO = web.1 || sleep 0.4; exec python -I -S app.py"
        await it.runtime.switch(it.release(2, {"web": slow}), {"web": 2})
        await until(lambda: (2, "web.1", "up") in it.states())
        assert await it.get() == (200, b"v1")
        assert it.states() == [(1, "web.1", "up"), (2, "web.1", "up"), (2, "web.2", "starting")]
        await until(lambda: (2, "web.2", "up") in it.states())
        assert {await it.get() for _ in range(4)} == {(200, b"v2")}


@in_loop
async def test_a_release_that_dies_while_booting_never_gets_traffic(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        async with Load(it, 2) as load:
            await it.runtime.switch(it.release(2, BOOT="0.1", DIE="3"), {"web": 2, "worker": 1})
            await until(
                lambda: (2, "web.1", "crashed") in it.states() or (2, "web.2", "crashed") in it.states()
            )
            await until(lambda: not any(name == "worker.1" for _, name, _ in it.states()))
            assert "Process exited with status 143" in it.text("worker.1")
            assert (1, "web.1", "up") in it.states()
        assert load.failures == [] and set(load.answers) == {b"v1"}
        crashed = [dyno for dyno in it.runtime.instances() if dyno.version == 2]
        assert crashed and {(dyno.state, dyno.exit_status) for dyno in crashed} == {("crashed", 3)}
        said = it.text(crashed[0].name)
        at = said.index("Process exited with status 3")
        assert "Traceback: no way" in said[:at]
        assert said[at + 1] == "State changed from starting to crashed"
        # It is not tried again by itself, and the next release clears it away.
        assert said.count("Starting process with command `exec python -I -S app.py`") <= 2
        await it.serve(3)
        assert await it.get() == (200, b"v3")


@in_loop
async def test_death_while_booting_is_seen(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        await it.runtime.switch(it.release(2, {"web": "echo $$ > pid; exec sleep 60"}), {"web": 1})
        file = it.folder / "pid"
        await until(lambda: file.exists() and file.read_text())
        os.kill(int(file.read_text()), signal.SIGKILL)
        await until(lambda: (2, "web.1", "crashed") in it.states())


@in_loop
async def test_a_failed_first_release_can_be_tried_again(tmp_path):
    async with world(tmp_path) as it:
        await it.runtime.switch(
            it.release(1, {"web": "test -e ready && exec python -I -S app.py"}), {"web": 1}
        )
        await until(lambda: it.states() == [(1, "web.1", "crashed")])
        assert (await it.get())[0] == 503
        assert "code=H10" in it.text("router")[-1]
        (it.folder / "ready").touch()
        await it.runtime.restart()
        await until(lambda: it.states() == [(1, "web.1", "up")])
        assert await it.get() == (200, b"v1")


@in_loop
async def test_a_switch_during_a_switch_ends_the_unfinished_one(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        await it.runtime.switch(it.release(2, BOOT="30"), {"web": 1})
        await until(lambda: (2, "web.1", "starting") in it.states())
        await it.runtime.switch(it.release(3), {"web": 1})
        await until(lambda: it.states() == [(3, "web.1", "up")])
        assert await it.get() == (200, b"v3")
        said = it.text("web.1")
        assert "State changed from starting to down" in said
        assert "State changed from starting to crashed" not in said
        assert said.count("Process exited with status 143") == 2


@in_loop
async def test_switches_in_quick_succession_end_at_the_last(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        async with Load(it, 2) as load:
            for version in range(2, 12):
                await it.runtime.switch(it.release(version), {"web": 1})
                await asyncio.sleep(0.005 * (version % 3))
            await until(lambda: it.states() == [(11, "web.1", "up")])
        assert load.failures == []
        assert await it.get() == (200, b"v11")


@in_loop
async def test_workers_move_with_the_release(tmp_path):
    async with world(tmp_path) as it:
        await it.runtime.switch(it.release(1), {"web": 1, "worker": 2})
        await until(lambda: {state for *_, state in it.states()} == {"up"})
        await it.runtime.switch(it.release(2), {"web": 1, "worker": 1})
        await until(lambda: it.states() == [(2, "web.1", "up"), (2, "worker.1", "up")])


@in_loop
async def test_a_process_type_that_left_the_procfile_ends(tmp_path):
    async with world(tmp_path) as it:
        await it.runtime.switch(it.release(1), {"web": 1, "worker": 1})
        await until(lambda: len(it.states()) == 2 and {state for *_, state in it.states()} == {"up"})
        await it.runtime.switch(it.release(2, {"web": "exec python -I -S app.py"}), {"web": 1, "worker": 1})
        await until(lambda: it.states() == [(2, "web.1", "up")])


@in_loop
async def test_a_release_without_web_processes_takes_the_app_off_the_router(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        await it.runtime.switch(it.release(2), {})
        assert (await it.get())[0] == 503
        assert "code=H14" in it.text("router")[-1]
        await until(lambda: it.states() == [])


@in_loop
async def test_scaling_during_a_switch_counts_for_both_releases(tmp_path):
    async with world(tmp_path) as it:
        await it.serve(1)
        await it.runtime.switch(it.release(2, BOOT="0.2"), {"web": 1})
        await it.runtime.scale({"web": 2})
        await until(lambda: it.states() == [(2, "web.1", "up"), (2, "web.2", "up")])


@in_loop
async def test_uvicorn_and_starlette_switch_without_a_failed_request(tmp_path):
    async with world(tmp_path) as it:
        (it.folder / "shop.py").write_text(
            "import os\n"
            "from starlette.applications import Starlette\n"
            "from starlette.responses import PlainTextResponse\n"
            "from starlette.routing import Route\n"
            "async def home(request): return PlainTextResponse(os.environ['V'])\n"
            "app = Starlette(routes=[Route('/', home)])\n"
        )

        def release(version: int) -> Runnable:
            web = "uvicorn shop:app --host 127.0.0.1 --port $PORT --no-access-log"
            return it.release(version, {"web": web})

        await it.runtime.switch(release(1), {"web": 1})
        await until(lambda: it.states() == [(1, "web.1", "up")], 10)
        async with Load(it, 4) as load:
            await it.runtime.switch(release(2), {"web": 1})
            await until(lambda: it.states() == [(2, "web.1", "up")], 10)
        assert load.failures == [] and set(load.answers) <= {b"v1", b"v2"}
        assert await it.get() == (200, b"v2")
        # A graceful end is no crash, whatever status it has.
        assert "Process exited with status 143" in it.text("web.1")
        assert not any("crashed" in text for text in it.text())
        assert sys.executable not in "".join(it.text())
