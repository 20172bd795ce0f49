"""Packs save a fresh machine its journeys; whatever becomes of them, every verdict is that of the entries."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from roadworthy.commands import session as command
from roadworthy.errors import RoadworthyError, UsageError
from roadworthy.journal.entry import JournalError
from roadworthy.journal.packs import Packs
from roadworthy.journal.store import Folder

from . import packing
from .making import log_of, record
from .packing import PACKS, PLACE, SPOILT, Far, for_ever, packs, said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """101 entries, in three packs and five more."""
    root = packing.long(tmp_path_factory.mktemp("packs"))
    packing.packed(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


@pytest.fixture(scope="module")
def entries(made: Path) -> tuple[object, ...]:
    """What a reader makes of it without packs."""
    return said(log_of(made))


def error_of(store: Far, root: Path) -> str:
    with pytest.raises(RoadworthyError) as error:
        log_of(root, store=store).head()
    return str(error.value)


def test_a_fresh_machine_asks_for_packs_and_for_what_came_after_them(root: Path) -> None:
    store = Far(root / "journal")
    log = log_of(root, store=store)
    assert log.head() == log_of(root).head()
    tail = [f"{PLACE}/{seq:08d}.json" for seq in range(97, 102)]
    asked = [name for name in store.asked if name.startswith(PLACE)]
    assert asked == [*tail, f"{PLACE}/00000102.json"]
    assert [name for name in store.asked if name.startswith("packs")] == [
        f"{PACKS}/00000001-00000032",
        f"{PACKS}/00000033-00000064",
        f"{PACKS}/00000065-00000096",
    ]
    assert (
        sum(name.startswith("sandbox/package-") for name in store.asked) == 2 * 3
    )  # of the starts 97 and 99
    assert said(log_of(root, store=store)) == said(log_of(root))


def test_the_newest_entry_is_never_taken_from_a_pack(tmp_path: Path) -> None:
    root = packing.long(tmp_path, 64)
    store = packing.packed(root)
    assert [path.name for path in packs(root)] == ["00000001-00000032"]
    log = log_of(root, store=store)
    log.append(record("note"))
    assert log.pack(for_ever) == 1
    assert log.pack(for_ever) == 0


WRONG = [(how, 0) for how in SPOILT] + [(how, 2) for how in ("gone", "a line changed", "of another journal")]


@pytest.mark.parametrize(("how", "which"), WRONG)
def test_a_pack_that_is_wrong_is_as_if_it_were_not_there(
    root: Path, entries: tuple[object, ...], how: str, which: int
) -> None:
    SPOILT[how](root, packs(root)[which])
    assert said(log_of(root, store=Far(root / "journal"))) == entries


@pytest.mark.parametrize("how", ["gone", "cut short", "a bit", "lines gone"])
def test_a_pack_that_shows_its_harm_costs_only_its_own_entries(root: Path, how: str) -> None:
    SPOILT[how](root, packs(root)[1])
    store = Far(root / "journal")
    log_of(root, store=store).head()
    numbers = [int(name[-13:-5]) for name in store.asked if name.startswith(PLACE)]
    assert numbers == [*range(33, 65), *range(97, 103)]


def test_all_packs_of_another_journal_of_the_same_key_change_nothing(
    root: Path, entries: tuple[object, ...]
) -> None:
    for pack in packs(root):
        before = pack.read_bytes()
        SPOILT["of another journal"](root, pack)
        assert pack.read_bytes() != before
    assert said(log_of(root, store=Far(root / "journal"))) == entries


@pytest.mark.parametrize("denied", [f"{PACKS}/", PACKS])
def test_packs_that_may_not_be_read_or_listed_change_nothing(
    root: Path, entries: tuple[object, ...], denied: str
) -> None:
    assert said(log_of(root, store=Far(root / "journal", denied))) == entries


def _unlink(path: Path) -> None:
    path.unlink()


def _swap(path: Path) -> None:
    path.write_bytes(path.with_name("00000002.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("prod/00000007.json", _unlink),
        ("prod/00000099.json", _unlink),
        ("prod/00000099.json", _swap),
        ("prod/00000097.json", _swap),
        (f"package-{49:040x}/00000004.json", _unlink),
    ],
)
def test_what_is_wrong_with_the_log_is_said_as_without_packs(
    root: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(root / "journal" / "sandbox" / name)
    with pytest.raises(JournalError) as error:
        log_of(root).head()
    assert error_of(Far(root / "journal"), root) == str(error.value)


def test_packs_alone_are_no_journal(root: Path) -> None:
    shutil.rmtree(root / "journal" / PLACE)
    log = log_of(root, store=Far(root / "journal"))
    assert (log.head(), log.entries()) == (None, [])


def test_what_was_accepted_as_lost_is_not_packed(tmp_path: Path) -> None:
    from .test_loss import note

    root = packing.long(tmp_path, 40)
    log = log_of(root)
    log.append(note(60, on=1001))
    for _ in range(80):
        log.append(record("note"))
    store = packing.packed(root)
    assert [path.name[:8] for path in packs(root)] == ["00000001", "00001025"]
    assert said(log_of(root, store=store)) == said(log_of(root))


def test_who_may_not_put_packs_loses_nothing(root: Path) -> None:
    shutil.rmtree(root / "journal" / "packs")
    log = log_of(root, store=Far(root / "journal", PACKS))
    log.append(record("note"))
    with pytest.raises(RoadworthyError, match="403"):
        log.pack(for_ever)
    assert log.append(record("note")).seq == 103
    assert said(log_of(root, store=Far(root / "journal"))) == said(log_of(root))


def test_a_near_store_gets_no_packs(root: Path) -> None:
    shutil.rmtree(root / "journal" / "packs")
    log = log_of(root)
    log.head()
    assert log.pack(for_ever) == 0
    assert not (root / "journal" / "packs").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from journal import packing
from journal.making import log_of
link, left = os.link, [int(sys.argv[2])]
def dies(*args, **more):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return link(*args, **more)
os.link = dies
root = Path(sys.argv[1])
log = log_of(root, store=packing.Far(root / "journal"))
log.head()
log.pack(packing.for_ever)
"""


def test_a_writer_that_is_killed_at_a_pack_leaves_a_journal_that_reads_the_same(root: Path) -> None:
    shutil.rmtree(root / "journal" / "packs")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), "2"], cwd=Path(__file__).parents[1], timeout=60, check=False
    )
    assert killed.returncode == -9
    assert [path.name for path in packs(root) if path.name[0] != "."] == ["00000065-00000096"]
    assert said(log_of(root, store=Far(root / "journal"))) == said(log_of(root))
    log = log_of(root, store=Far(root / "journal"))
    log.head()
    assert log.pack(for_ever) == 2


def test_two_writers_of_one_pack_write_the_same_bytes(root: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in packs(root)}
    shutil.rmtree(root / "journal" / "packs")
    first, second = (log_of(root, store=Far(root / "journal")) for _ in range(2))
    first.head(), second.head()
    assert first.pack(lambda: len([*(root / "journal").glob("packs/*/*/*")]) < 2) == 2
    assert second.pack(for_ever) == 1
    assert {path.name: path.read_bytes() for path in packs(root)} == before


def test_an_audit_names_a_pack_that_does_not_hold_the_entries(root: Path) -> None:
    def entry(name: str) -> bytes:
        return (root / "journal" / name).read_bytes()

    wrong = [*Packs(Far(root / "journal"), PLACE).wrong(entry)]
    assert wrong == []
    for how in ("a line changed", "too big", "cut short", "empty"):
        SPOILT[how](root, packs(root)[1])
        assert [*Packs(Far(root / "journal"), PLACE).wrong(entry)] == [f"{PACKS}/00000033-00000064"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose journal lies in a folder that is believed to be far."""
    (tmp_path / "release.toml").write_bytes((Path(__file__).parents[2] / "release.toml").read_bytes())
    monkeypatch.setattr(Folder, "far", True)
    command.use(tmp_path)
    return tmp_path


@pytest.mark.parametrize("ends", [None, UsageError("it was wrong"), KeyboardInterrupt()])
def test_a_command_puts_packs_after_its_last_line_however_it_ends(
    project: Path, ends: BaseException | None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / ".release/journal/packs/sandbox/prod"
    with contextlib.suppress(Exit), command.session(False) as context:
        log = context.log("prod")
        for _ in range(31):
            log.append(record("note"))
        start = log.append(record("start"))
        log.append(record("end", settles=start.seq))
        assert context.log("prod").head() == log.head()
        assert not folder.exists()
        if ends:
            raise ends
    assert [path.name for path in folder.iterdir()] == ["00000001-00000032"]
    assert ("it was wrong" in capsys.readouterr().err) == isinstance(ends, UsageError)


def test_a_command_that_cannot_pack_ends_as_it_would(project: Path) -> None:
    (project / ".release/journal").mkdir(parents=True)
    (project / ".release/journal/packs").write_text("in the way")
    with command.session(False) as context:
        log = context.log("prod")
        for _ in range(32):
            log.append(record("note"))
        start = log.append(record("start"))
        log.append(record("end", settles=start.seq))
    with command.session(False) as context:
        assert (head := context.log("prod").head()) and head.seq == 34
