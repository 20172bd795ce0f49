"""Evidence files on a real file system: whole or not at all, and never through a link."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.files import exclusive, write_atomically

SRC = Path(__file__).resolve().parents[2] / "src"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_mode_and_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "autorisen_certified"
    write_atomically(path, b"COMMIT=0123\n")
    assert path.read_bytes() == b"COMMIT=0123\n"
    assert path.stat().st_mode & 0o777 == 0o644
    write_atomically(path, b"", mode=0o600)
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(path.parent) == ["autorisen_certified"]


def test_a_full_disk_is_one_line_and_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "certified"
    write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # the system's own limit: the write ends half-way
    try:
        with pytest.raises(UsageError) as caught:
            write_atomically(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert str(caught.value) == f"certified cannot be written in {tmp_path.name}/: File too large"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["certified"]


@pytest.mark.parametrize("write", [lambda path: write_atomically(path, b"x"), exclusive])
def test_a_folder_that_is_none_is_one_line(write: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^a cannot be written in file/: (Not a directory|File exists)$"):
        write(tmp_path / "file" / "a")  # type: ignore[operator]


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)  # root may write everywhere, nobody may not
    try:
        with pytest.raises(UsageError, match=r"Permission denied$"):
            write_atomically(tmp_path / "a", b"x")
    finally:
        os.seteuid(me)
        tmp_path.chmod(0o700)


def test_a_read_only_file_system_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^roadworthy cannot be written in kernel/: "):
        write_atomically(Path("/sys/kernel/roadworthy"), b"x")


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    for name, to in (("link", target), ("dangling", tmp_path / "nowhere")):
        (tmp_path / name).symlink_to(to)
        with pytest.raises(UsageError, match="symbolic link"):
            write_atomically(tmp_path / name, b"x")
        with pytest.raises(UsageError, match="File exists"):
            exclusive(tmp_path / name)
    assert target.read_text() == "untouched"
    assert names(tmp_path) == ["dangling", "link", "target"]


def test_a_directory_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=r"Is a directory$"):
        write_atomically(tmp_path / "a", b"x")
    assert names(tmp_path) == ["a"]


def test_a_log_file_is_new_and_its_lines_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "ship.log"
    with exclusive(path) as log:
        log.write("naïve \udcff\n")
        assert path.read_bytes() == "naïve \\udcff\n".encode()
        with pytest.raises(UsageError, match=r"^ship.log cannot be written in logs/: File exists$"):
            exclusive(path)


def test_whoever_reads_while_it_is_written_and_killed_sees_a_whole_file(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(SRC)!r})
from pathlib import Path
from roadworthy.files import write_atomically
n = 0
while True:
    n += 1
    write_atomically(Path({str(tmp_path / "certified")!r}), bytes([65 + n % 26]) * 200_000)
"""
    path = tmp_path / "certified"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", code])
        seen: set[bytes] = set()
        deadline = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < deadline:
            if path.exists():
                data = path.read_bytes()
                assert data == data[:1] * 200_000
                seen.add(data[:1])
        writer.kill()
        writer.wait()
        assert len(seen) == 3
        assert len(set(path.read_bytes())) == 1
