"""scripts/smoke.sh: the playbook's checks in a plain POSIX shell, against real loopback servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GOOD: dict[str, tuple[Any, ...]] = {
    "/api/health": (200, {"status": "healthy", "db": "up"}),
    "/api/auth/csrf": (200, {}, "Set-Cookie: a=b", "set-cookie: csrf_token=x; Path=/"),
    "/api/version": (200, {"name": "app", "gitSha": COMMIT}),
}


def smoke(*words: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(root / "scripts/smoke.sh"), *words],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def app(serve: Any, reply: Any, **changed: Any) -> str:
    answers = {path: changed.get(path.rpartition("/")[2], good) for path, good in GOOD.items()}
    url: str = serve(lambda r: reply(*answers[r.path])).url
    return url


def test_three_good_answers_pass(serve: Any, reply: Any, root: Path) -> None:
    url = app(serve, reply)
    for words in ([url], [url + "/", COMMIT]):
        result = smoke(*words, root=root)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[-1] == f"smoke: 3 of 3 checks passed, {COMMIT} runs"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ("health", (200, {"status": "degraded"})),
        ("health", (200, {"status": "unhealthy"})),
        ("health", (200, {"note": "status healthy"})),
        ("health", (503, {"status": "healthy"})),
        ("health", (302, {"status": "healthy"}, "Location: /api/version")),
        ("csrf", (200, {}, "Set-Cookie: csrftoken=x")),
        ("csrf", (200, {}, "Set-Cookie: CSRF_TOKEN=x")),
        ("csrf", (200, {}, "Set-Cookie: csrf_token=; Max-Age=0")),
        ("csrf", (200, {}, "Set-Cookie: csrf_token=x; Path=/; max-age=-5")),
        ("csrf", (200, {}, "Set-Cookie: csrf_token=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/")),
        ("csrf", (200, {}, "Set-Cookie: csrf_token=x", "Set-Cookie: csrf_token=; Max-Age=0")),
        ("csrf", (200, {}, "X-Note: set-cookie: csrf_token=x")),
        ("csrf", (405, {}, "Set-Cookie: csrf_token=x")),
        ("version", (200, {"gitSha": COMMIT[:12]})),
        ("version", (200, {"gitSha": "f" * 40})),
        ("version", (200, {"gitSha": "unknown"})),
        ("version", (200, {"note": COMMIT})),
        ("version", (200, {"gitSha": COMMIT + "0"})),
        ("version", (200, b"<html>")),
        ("version", (200, b'{"gitSha": "%s"} {"a": 1}' % COMMIT.encode())),
        ("health", (200, b'{"status": "healthy"} and more')),
        ("health", (200, b'{"status": "healthy", "load": NaN}')),
    ],
)
def test_one_wrong_answer_fails_and_the_others_are_still_asked(
    check: str, answer: tuple[Any, ...], serve: Any, reply: Any, root: Path
) -> None:
    result = smoke(app(serve, reply, **{check: answer}), COMMIT, root=root)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["FAIL" if name == check else "ok", name] for name in ("health", "csrf", "version")
    ]
    assert lines[-1] == "smoke: 1 of 3 checks failed"


@pytest.mark.parametrize(
    "cookies",
    [
        ["csrf_token=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
        ["csrf_token=x; Expires=Fri, 31 Dec 9999 23:59:59 GMT; Secure"],
        ["csrf_token=x; Expires=whenever"],
        ["csrf_token=; Max-Age=0", "csrf_token=x"],
        ["csrf_token=x; Path=/", "csrf_token=; Path=/old; Max-Age=0"],
    ],
)
def test_a_cookie_that_stays_passes(cookies: list[str], serve: Any, reply: Any, root: Path) -> None:
    url = app(serve, reply, csrf=(200, {}, *(f"Set-Cookie: {cookie}" for cookie in cookies)))
    assert smoke(url, root=root).returncode == 0


def test_an_informational_answer_is_passed_over_and_its_cookies_do_not_count(
    serve: Any, reply: Any, root: Path
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: csrf_token=x\r\n\r\n"
    good = app(serve, lambda *answer: hints + reply(*answer))
    assert smoke(good, root=root).returncode == 0
    bad = app(serve, lambda *answer: hints + reply(*answer), csrf=(200, {}))
    assert "sets no cookie csrf_token" in smoke(bad, root=root).stdout


def test_an_unknown_version_is_no_match_even_without_a_commit_to_compare(
    serve: Any, reply: Any, root: Path
) -> None:
    assert smoke(app(serve, reply, version=(200, {"gitSha": "unknown"})), root=root).returncode == 1


def test_nobody_answers(serve: Any, reply: Any, root: Path) -> None:
    result = smoke(serve(lambda r: r.reset()).url, root=root)
    assert result.returncode == 1
    assert result.stdout.count("no answer (curl exit") == 3


@pytest.mark.parametrize(
    "words",
    [
        [],
        [""],
        ["127.0.0.1"],
        ["ftp://127.0.0.1"],
        ["http://"],
        ["http://x; touch /tmp/pwned"],
        ["http://x$(id)"],
        ["-o/tmp/x"],
        ["http://127.0.0.1", ""],
        ["http://127.0.0.1", "abc"],
        ["http://127.0.0.1", "unknown"],
        ["http://127.0.0.1", COMMIT.upper()],
        ["http://127.0.0.1", COMMIT, "more"],
    ],
)
def test_wrong_words_end_with_2_and_one_line_that_says_why(words: list[str], root: Path) -> None:
    result = smoke(*words, root=root)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("smoke: ")


def test_fault_12_a_missing_tool_is_no_skip(serve: Any, reply: Any, root: Path, tmp_path: Path) -> None:
    for tool in ("date", "grep", "mktemp", "mv", "rm", "sed", "tr"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    result = smoke(app(serve, reply), root=root, PATH=str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "smoke: curl is not installed, so nothing was checked\n"


def test_fault_12_nothing_with_a_fixed_name_is_written_and_nothing_is_left(
    serve: Any, reply: Any, root: Path, tmp_path: Path
) -> None:
    assert smoke(app(serve, reply), root=root, TMPDIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert smoke(app(serve, reply), root=root, TMPDIR=str(tmp_path / "none")).returncode == 2


def test_a_proxy_in_the_environment_is_not_asked_about_this_machine(
    serve: Any, reply: Any, root: Path
) -> None:
    assert smoke(app(serve, reply), root=root, http_proxy="http://127.0.0.1:9").returncode == 0
