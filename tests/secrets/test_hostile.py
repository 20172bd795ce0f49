"""What a platform, a proxy or a redirect does with a credential: it never comes back out of ours."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from canaries import Search, canary
from hostile import Answer, Asked, server

from roadworthy import http
from roadworthy.config import Duration, GitHub, Limits
from roadworthy.errors import CheckFailed, RoadworthyError
from roadworthy.facts.github import blockers, ci_state
from roadworthy.model import Claim, Maintenance, MissingFact, Package, ReleasePackage, RunCommand
from roadworthy.packages import engine
from roadworthy.platforms.heroku.driver import Heroku

KEY = canary("heroku")
LIMITS = Limits(http=Duration(0.2), release=Duration(0.2), boot=Duration(0.2), oneoff=Duration(0.2))
LEAKS = Search()
TOKEN = canary("github")


def driver(url: str) -> Heroku:
    return Heroku(url, KEY, limits=LIMITS, poll=0.01, urls={})


def calls(heroku: Heroku) -> dict[str, Callable[[], object]]:
    """Every verb of the driver."""
    said: list[str] = []
    package = Package("c" * 40, "d" * 64, 1)

    def apply(step: Any) -> Callable[[], object]:
        return lambda: (heroku.apply("app", step, token="t", progress=said.append), said)

    return {
        "url": lambda: heroku.url("app"),
        "observe": lambda: heroku.observe("app"),
        "find": lambda: heroku.find("app", Claim("t")),
        "query": lambda: heroku.query("app", "true"),
        "logs": lambda: heroku.logs("app", datetime.now(UTC) - timedelta(hours=1)),
        "config": lambda: heroku.config("app"),
        "release": apply(ReleasePackage(package, "slug")),
        "run": apply(RunCommand("true")),
        "maintenance": apply(Maintenance(True)),
    }


def told(call: Callable[[], object]) -> str:
    """All that a call gives or raises, with every chained cause and the lines where it was raised."""
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - what is looked at is what would be printed of it
        return "".join(traceback.format_exception(error))


def echo(status: int) -> Callable[[Asked], Answer]:
    """Answers that give the credential back wherever Heroku would put words of its own."""

    def answer(asked: Asked) -> Answer:
        said = f"you sent {asked.credential}"
        one = {"id": said, "message": said, "name": said, "web_url": said, "status": said, "version": said}
        one |= {"description": said, "created_at": said, "logplex_url": said, "checksum": said, said: said}
        return status, {"Content-Type": "application/json", "X-Said": said}, json.dumps(one).encode()

    return answer


@pytest.mark.later(3)
@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_platform_that_gives_the_key_back_does_not_make_us_say_it(status: int, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with server(echo(status)) as platform:
        heroku = driver(platform.url)
        said = {name: told(call) for name, call in calls(heroku).items()}
        assert any(KEY in asked.credential for asked in platform.asked)
        assert {name: near for name, text in said.items() if (near := LEAKS(text))} == {}
        assert LEAKS(json.dumps(heroku.take_attempts(), default=str)) == ""
        assert LEAKS("".join(capfd.readouterr())) == ""
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert LEAKS(caplog.text) == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_gets_no_credential(status: int):
    with server(echo(200)) as other:
        with server(lambda asked: (status, {"Location": other.url + asked.path}, b"")) as platform:
            heroku = driver(platform.url)
            for call in calls(heroku).values():
                told(call)
            assert any(KEY in asked.credential for asked in platform.asked)
        assert other.asked
        for asked in other.asked:
            assert "Authorization" not in asked.headers
            assert LEAKS(repr(asked)) == ""


def test_an_address_that_the_platform_hands_out_gets_no_credential():
    with server(lambda _: (200, {}, b"")) as other:

        def answer(asked: Asked) -> Answer:
            said = {"logplex_url": f"{other.url}/log", "config": {}}
            return 200, {}, json.dumps({} if asked.path.endswith("config-vars") else said).encode()

        with server(answer) as platform:
            told(calls(driver(platform.url))["logs"])
        assert [asked.path for asked in other.asked] == ["/log"]
        assert LEAKS(repr(other.asked)) == ""


PROXIES = [
    "http://user:{}@127.0.0.1:9",
    "http://user:{}@127.0.0.1:notaport",
    "http://user:{}@[::",
    "nonsense://user:{}@host",
    "socks5://user:{}@127.0.0.1:9",
    "user:{}@",
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(proxy: str, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.format(canary("proxy")))
    for name, call in calls(driver("https://api.example.invalid")).items():
        with pytest.raises(RoadworthyError) as caught:
            call()
        assert LEAKS(str(caught.value)) == "", name
    github = GitHub("owner/name", "test", api="https://api.example.invalid")
    with pytest.raises(MissingFact) as missing:
        ci_state(github, "c" * 40, TOKEN, http.session(0.2), within=0.2)
    assert LEAKS(str(missing.value)) == ""


@pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
def test_github_does_not_make_us_say_its_token(status: int, caplog):
    caplog.set_level(logging.DEBUG)

    def answer(asked: Asked) -> Answer:
        run = {
            "name": "test",
            "head_sha": "c" * 40,
            "status": "completed",
            "conclusion": f"not {asked.credential}",
            "app": {"id": 15368},
            "html_url": f"https://x/?{asked.credential}",
        }
        found: Any = {"total_count": 1, "check_runs": [run], "message": asked.credential}
        if asked.path.startswith("/repos/owner/name/issues"):
            found = [{"number": 1, "title": f"know {asked.credential}"}]
        return status, {}, json.dumps(found).encode()

    with server(answer) as api:
        github = GitHub("owner/name", "test", api=api.url)
        asking = (
            lambda: ci_state(github, "c" * 40, TOKEN, http.session(1), within=0.2),
            lambda: blockers(github, TOKEN, http.session(1), within=0.2),
        )
        for ask in asking:
            assert LEAKS(told(ask)) == ""
        assert all(TOKEN in asked.credential for asked in api.asked)
    assert LEAKS(caplog.text) == ""


@pytest.mark.parametrize("then", ["exit 1", "exec sleep 60"])
def test_an_engine_that_gives_its_password_back_does_not_make_us_say_it(then: str):
    """Also when it hangs: then what it said until then is quoted."""
    words = ("sh", "-c", f"cat; echo; {then}")
    with pytest.raises(CheckFailed, match="hidden") as caught:
        engine.run(words, {"PATH": os.environ["PATH"]}, 0.5, canary("dockerhub"))
    assert LEAKS(str(caught.value)) == ""


@pytest.mark.parametrize("then", ["exit 1", "exec sleep 60"])
def test_of_a_password_at_the_end_of_what_is_quoted_of_a_line_no_part_is_said(then: str):
    secret = canary("dockerhub")
    words = ("sh", "-c", f"printf '%0{300 - len(secret) + 1}d' 0; cat; echo; echo more; {then}")
    with pytest.raises(CheckFailed, match="more") as caught:
        engine.run(words, {"PATH": os.environ["PATH"]}, 0.5, secret)
    assert secret[:8] not in str(caught.value)


CRASH = """
import sys
from pathlib import Path
from roadworthy.commands.session import session, use
from roadworthy.config import Limits
from roadworthy.platforms.heroku.driver import Heroku

use(Path(sys.argv[1]))
with session(sys.argv[3:] == ["--json"]) as context:
    key = context.process_environ["HEROKU_API_KEY"]
    driver = Heroku(sys.argv[2], key, limits=Limits(), poll=0.01, urls={})
    try:
        driver.observe("app")
    except Exception as error:
        raise ValueError("a crash while looking") from error
"""


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("status", [200, 403])
def test_a_crash_with_its_causes_says_no_secret(status: int, more: tuple[str, ...], tmp_path: Path):
    environ = {**os.environ, "HEROKU_API_KEY": KEY, "GITHUB_TOKEN": TOKEN, "ROADWORTHY_DEBUG": "1"}
    with server(echo(status)) as platform:
        ran = subprocess.run(
            (sys.executable, "-X", "dev", "-c", CRASH, str(tmp_path), platform.url, *more),
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert any(KEY in asked.credential for asked in platform.asked)
    assert "a crash while looking" in ran.stderr
    assert "The above exception was the direct cause" in ran.stderr
    assert LEAKS(ran.stdout + ran.stderr) == ""
