"""The token in a remote's address: git needs it, and no command line holds it."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from canaries import Search, canary
from hostile import Answer, Asked, server

from roadworthy import git, git_objects
from roadworthy.errors import RoadworthyError, UsageError
from roadworthy.journal import anchor
from roadworthy.journal.entry import Record
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, create_key
from roadworthy.journal.store import Folder

LEAKS = Search()


def run(root: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(("git", "-C", str(root), *who, *words), capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    run(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text("hello\n")
    run(folder, "add", "file")
    run(folder, "commit", "-q", "-m", "first")
    return folder


def add_origin(root: Path, address: str) -> None:
    """Without a command line, as `git clone` with a helper or a CI machine would have left it."""
    with (root / ".git/config").open("a") as file:
        file.write(f'[remote "origin"]\n\turl = {address}\n\tpromisor = true\n')


def command_lines() -> bytes:
    """Of all processes now: whoever asks a server is alive while it waits for the answer."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return b"\n".join(found)


@pytest.mark.parametrize("login", ["x:{}", "{}", "x:{}%2Fmore"])
def test_an_anchor_is_pushed_with_a_login_that_no_command_line_holds(root: Path, tmp_path: Path, login: str):
    token, seen = canary("remote"), []

    def locked(asked: Asked) -> Answer:
        """Asks for a login, and then lets nobody in."""
        seen.append(command_lines())
        if "Authorization" in asked.headers:
            return 403, {}, b"no"
        return 401, {"WWW-Authenticate": 'Basic realm="git"'}, b""

    signer = create_key(tmp_path / "keys", "k")
    store, now = Folder(tmp_path / "journal"), lambda: datetime.now(UTC)
    trust = Trust.load(tmp_path / "keys")
    log = Log(store, environment="staging", target="sandbox", signer=signer, trust=trust, clock=now)
    entry = log.append(Record("note", "completion", "note", "staging", "sandbox", "none", "", {}))
    with server(locked) as remote:
        add_origin(root, remote.url.replace("//", f"//{login.format(token)}@") + "/repository.git")
        with pytest.raises(RoadworthyError, match="only in this clone") as caught:
            anchor.to_tag(entry, root)
    credentials = [asked.credential for asked in remote.asked]
    assert any(token in said for said in credentials), credentials
    assert b"git-remote-http" in seen[0]
    assert LEAKS(b"".join(seen)) == ""
    assert LEAKS(str(caught.value)) == ""


def test_reading_a_partial_clone_asks_no_remote(root: Path):
    with server(lambda _: (404, {}, b"")) as remote:
        add_origin(root, remote.url.replace("//", f"//x:{canary('remote')}@") + "/repository.git")
        run(root, "config", "extensions.partialClone", "origin")
        run(root, "config", "core.repositoryFormatVersion", "1")
        commit, blob = run(root, "rev-parse", "HEAD"), run(root, "rev-parse", "HEAD:file")
        (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
        with pytest.raises(UsageError, match="partial") as caught:
            list(git_objects.contents(root, [blob], 100))
        assert git.show(root, commit, "file") is None
        assert remote.asked == []
    assert LEAKS(str(caught.value)) == ""
