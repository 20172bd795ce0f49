"""One reader of Procfiles, and one way to start what they say: with bash's words and signals that arrive."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.packages import source, start_commands
from roadworthy.processes import group_is_alive
from roadworthy.sandbox.heroku import slugs
from roadworthy.trial import place

from .repository import Repository


def test_comments_empty_lines_crlf_and_blanks_are_fine() -> None:
    data = b"# don't fork\r\n\r\nweb: python -m app $PORT # don't\r\n  worker :\tsleep 1  \r\nrelease:echo hi\r\n"
    found = start_commands.processes(data)
    assert found == {"web": "python -m app $PORT # don't", "worker": "sleep 1", "release": "echo hi"}
    assert list(found) == ["web", "worker", "release"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"web: a\nworker: caf\xe9\n", "Procfile:2: byte 12 is not UTF-8"),
        ("\ufeffrelease: alembic upgrade head\n".encode(), "Procfile:1: begins with a byte order mark"),
        (b"web: a\nweb: b\n", "Procfile:2: 'web' is declared in line 1 already"),
        (
            b"release: a\n\nRelease: alembic upgrade head\n",
            "Procfile:3: 'Release' is declared in line 1 already",
        ),
        (b"web: x\x0brelease: alembic upgrade head\n", r"Procfile:1: holds the control character '\x0b'"),
        ("web: x\u2028release: y\n".encode(), r"Procfile:1: holds the control character '\u2028'"),
        (b"web: a\rrelease: b\n", r"Procfile:1: holds the control character '\r'"),
        (b"web: a\0\n", r"Procfile:1: holds the control character '\x00'"),
        (b"web\n", "Procfile:1: 'web' is not 'type: command'"),
        (b"web:\nx: y\n", "Procfile:1: 'web:' is not 'type: command'"),
        (b"w b: y\n", "Procfile:1: 'w b: y' is not 'type: command'"),
        (b"web: " + b"x" * (1 << 16), "at most 65536 are read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(data: bytes, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        start_commands.processes(data)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "bad", [b"\xef\xbb\xbfweb: x\n", b"web: caf\xe9\n", b"web: x\nweb: y\n", b"web: " + b"x" * 70_000]
)
def test_the_build_refuses_it_with_file_and_line(tmp_path: Path, bad: bytes) -> None:
    repository = Repository(tmp_path / "project")
    commit = repository.commit({"app/Procfile": bad})
    with pytest.raises(UsageError, match=r"^app/Procfile(:[12]: | has 70005 bytes)"):
        source.build(repository.root, commit, "app", file=tmp_path / "slug.tgz")
    assert not (tmp_path / "slug.tgz").exists()


def test_the_sandbox_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"web: a\r\n# x\r\nworker: b\r\n")
    assert slugs.processes(tmp_path) == {"web": "a", "worker": "b"}
    (tmp_path / "Procfile").write_bytes(b"web: a\nweb: b\n")
    with pytest.raises(UsageError, match="Procfile:2"):
        slugs.processes(tmp_path)


def run(command: str, folder: Path, **environ: str) -> place.Ran:
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **environ}
    return place.run(start_commands.words(command, folder), folder, environ, 10.0)


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("A=1 printenv A", b"1\n"),
        ("cd / && exec pwd", b"/\n"),
        ("echo $PORT # don't", b"7\n"),
        ("echo ${EXTRA:-none} > /dev/stdout 2>&1", b"none\n"),
        ("[[ a == a ]] && echo bash", b"bash\n"),
    ],
)
def test_words_mean_what_they_mean_in_bash(tmp_path: Path, command: str, output: bytes) -> None:
    assert run(command, tmp_path, PORT="7") == place.Ran("exited with 0", output)


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("exit 3", "exited with 3"),
        ("no-such-program", "exited with 127"),
        ("true; kill -TERM $$", "exited with 143"),
        ("bash -c 'kill -KILL $$'; exit $?", "exited with 137"),
        ("false && true", "exited with 1"),
        ("echo 'open", "exited with 2"),
    ],
)
def test_the_exit_status_is_the_commands_own(tmp_path: Path, command: str, how: str) -> None:
    assert run(command, tmp_path).how == how


def test_profile_scripts_come_first_as_on_a_dyno(tmp_path: Path) -> None:
    (tmp_path / ".profile.d").mkdir()
    (tmp_path / ".profile.d" / "b.sh").write_text('export SEEN="$SEEN b"')
    (tmp_path / ".profile.d" / "a.sh").write_text("export SEEN=a")
    (tmp_path / ".profile.d" / "no.txt").write_text("export SEEN=wrong")
    (tmp_path / ".profile").write_text('export SEEN="$SEEN profile"')
    assert run('echo "$SEEN"; exit 4', tmp_path) == place.Ran("exited with 4", b"a b profile\n")


def test_a_variables_value_is_on_no_command_line(tmp_path: Path) -> None:
    assert "s3cret" not in " ".join(start_commands.words('exec app "$TOKEN"', tmp_path))


PATIENT = """
import pathlib, signal, sys, time
def leave(*_):
    time.sleep(0.3)
    pathlib.Path("left").write_text("well")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path("ready").touch()
while True: time.sleep(0.01)
"""


@pytest.mark.parametrize("command", ["python app.py", "echo starting; python app.py", "python app.py | cat"])
def test_what_is_behind_the_shell_gets_its_sigterm_and_the_time_to_end(tmp_path: Path, command: str) -> None:
    (tmp_path / "app.py").write_text(PATIENT)
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    process = place.start(start_commands.words(command, tmp_path), tmp_path, environ, subprocess.DEVNULL)
    with place.ending(process):
        deadline = time.monotonic() + 10
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (tmp_path / "left").read_text() == "well"
    assert not group_is_alive(process.pid)
