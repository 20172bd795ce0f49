"""A journal that lost entries: who notices, the note that accepts it, and what readers and auditors make of it."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roadworthy.journal.anchor import anchor_of, newest, to_tag
from roadworthy.journal.audit import audited
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.index import Index
from roadworthy.journal.known import Head, JournalLost, Known, Memory
from roadworthy.journal.sign import Trust

from .auditing import TOOLS, both, path_of, run
from .making import log_of, needs, record


def note(last: int, sha256: str = "ab" * 32, on: int = 1001, **more: Any) -> Any:
    lost = {"seq": last, "sha256": sha256, "from": "the tag x anchors it"}
    said = {"lost": lost, "goes_on_at": on, "change": {"id": "", "why": "it was emptied"}}
    return record("note", stage="loss", action="accept-loss", subject="none", digest="", **{**said, **more})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five entries: start, end, start, end, note."""
    log = log_of(tmp_path)
    for number in (1, 3):
        log.append(record("start"), attach={"n": str(number).encode()})
        log.append(record("end", settles=number))
    log.append(record("note"))
    (tmp_path / "trust").symlink_to(tmp_path / "keys")
    return tmp_path


def cut(root: Path, left: int) -> list[Entry]:
    """Take entries away from the end; those that there were."""
    there = log_of(root).entries()
    for entry in there[left:]:
        path_of(root, entry.seq).unlink()
    return there


@pytest.mark.audit
@needs(*TOOLS.split())
@pytest.mark.parametrize("left", [0, 2, 3, 4])
def test_a_log_goes_on_after_a_loss_that_was_accepted(root: Path, path: str, left: int) -> None:
    """With an open start where the loss left one. Readers from the index, from the start and backwards agree."""
    lost = cut(root, left)[-1]
    anchor = root / "anchor.json"
    anchor.write_bytes(anchor_of(lost))
    assert both(path, root, anchors=[anchor])[1] == ("folder" if left == 0 else "anchor")
    log = log_of(root)
    accepted = log.append(note(5, lost.sha256))
    assert accepted.seq == left + 1
    assert both(path, root, anchors=[anchor]) == ("", "")
    if left == 3:
        assert log.append(record("end", settles=3)).seq == 1001
    for number in range(3):
        seq = log.append(record("start", number=number)).seq
        log.append(record("end", settles=seq))
    seqs = [entry.seq for entry in log_of(root).entries()]
    assert seqs == [*range(1, left + 2), *range(1001, 1001 + len(seqs) - left - 1)]
    assert [entry.seq for entry in log_of(root).backwards()] == seqs[::-1]
    assert [one.seq for one in log_of(root).backwards(log_of(root).settled()[-2])][-left - 1 :] == seqs[
        left::-1
    ]
    assert both(path, root, anchors=[anchor]) == ("", "")
    head = log_of(root).entries()[-1]
    anchor.write_bytes(anchor_of(head))
    assert both(path, root, anchors=[anchor]) == ("", "")
    path_of(root, head.seq).unlink()
    assert both(path, root, anchors=[anchor]) == (f"{head.seq:08d}.json", "anchor")
    whole = audited(root / "journal/sandbox/prod", root / "keys")
    assert whole.findings == []
    (loss,) = whole.losses
    assert (loss.seq, loss.last, loss.sha256, loss.why) == (left + 1, 5, lost.sha256, "it was emptied")


@pytest.mark.audit
@needs(*TOOLS.split())
def test_both_auditors_tell_of_an_accepted_loss_for_ever(root: Path, path: str) -> None:
    log = log_of(root)
    cut(root, 5)
    log.append(note(99))
    for _ in range(2):
        said = run(path, root / "journal/sandbox/prod", "--trust", root / "keys")
        first, last = said.stdout.splitlines()
        assert first == (
            f"audit: 00000006.json: lost: up to 99 {'ab' * 32}, known from the tag x anchors"
            ' it; goes on at 1001: "it was emptied"'
        )
        assert last.startswith(f"audit: {log.head().seq - 994 if log.head().seq > 6 else 6} entries, head ")
        log.append(record("note"))


BAD: tuple[dict[str, Any], ...] = (
    {"lost": None},
    {"lost": {"seq": 9, "sha256": "ab" * 32}},
    {"lost": {"seq": 9, "sha256": "ab" * 32, "from": "x", "more": 1}},
    {"lost": {"seq": 9, "sha256": "ab", "from": "x"}},
    {"lost": {"seq": 9, "sha256": "ab" * 32, "from": "é"}},
    {"lost": {"seq": 9, "sha256": "ab" * 32, "from": ""}},
    {"lost": {"seq": "9", "sha256": "ab" * 32, "from": "x"}},
    {"lost": {"seq": 5, "sha256": "ab" * 32, "from": "x"}},
    {"lost": {"seq": 1001, "sha256": "ab" * 32, "from": "x"}},
    {"goes_on_at": 9},
    {"goes_on_at": "1001"},
    {"goes_on_at": True},
    {"goes_on_at": 100_000_000},
    {"goes_on_at": None},
)


@pytest.mark.parametrize("said", BAD)
def test_a_note_that_does_not_say_what_was_lost_is_written_and_read_by_nobody(
    root: Path, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = note(9, **said)
    with pytest.raises(JournalError, match="what it says of the entries that were lost is malformed"):
        log_of(root).append(wrong)
    from roadworthy.journal import chain

    with monkeypatch.context() as careless:
        careless.setattr(chain, "goes_on_at", lambda record, seq: None)
        log_of(root).append(wrong)
    with pytest.raises(JournalError, match=r"00000006\.json: what it says of the entries"):
        log_of(root).head()


@pytest.mark.audit
@needs(*TOOLS.split())
def test_a_second_loss_is_accepted_on_top_of_the_first(root: Path, path: str) -> None:
    log = log_of(root)
    log.append(note(99))
    for _ in range(3):
        log.append(record("note"))
    path_of(root, 1003).unlink()
    log = log_of(root)
    assert log.append(note(1003, on=3001)).seq == 1003
    assert log.append(record("note")).seq == 3001
    seqs = [*range(1, 7), 1001, 1002, 1003, 3001]
    assert [entry.seq for entry in log_of(root).entries()] == seqs
    assert [entry.seq for entry in log_of(root).backwards()] == seqs[::-1]
    assert both(path, root) == ("", "")


def test_the_index_goes_on_after_an_accepted_loss(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from roadworthy.journal import log as logs

    monkeypatch.setattr(logs, "WORTH", 2)
    log_of(root).append(note(99))
    log_of(root).append(record("start"))
    index = Index(root / "state", "this", Trust.load(root / "keys"))
    assert log_of(root, index=index).head().seq == 1001  # type: ignore[union-attr]
    log_of(root).append(record("end", settles=1001))
    again = log_of(root, index=index)
    assert again.head().seq == 1002  # type: ignore[union-attr]
    assert [entry.seq for entry in again.backwards()] == [1002, 1001, *range(6, 0, -1)]


# ---- who notices ---------------------------------------------------------------------------------------------


def remembering(root: Path, **more: Any) -> Any:
    return log_of(root, known=Known(Memory(root / "state", ["here", "there"]), **more))


def test_what_this_machine_has_read_must_still_be_there(root: Path) -> None:
    assert remembering(root).head().seq == 5
    remembering(root).append(record("note"))
    six = path_of(root, 6).read_bytes()
    for left, said in ((6, "holds another #6"), (5, "ends at #5"), (0, "holds none of it")):
        path_of(root, 6).unlink(missing_ok=True)
        if left == 6:
            log_of(root).append(record("note", who="another"))
        for seq in range(left + 1, 6):
            path_of(root, seq).unlink(missing_ok=True)
        log = remembering(root)
        append = partial(log.append, record("note"))
        for use in (log.head, log.open_start, log.entries, append):
            with pytest.raises(
                JournalLost, match=f"lost entries up to #6: this machine has read it, and .* {said}"
            ):
                use()
        assert len(list((root / "journal/sandbox/prod").iterdir())) == left
    path_of(root, 6).write_bytes(six)
    with pytest.raises(JournalError, match="is missing"):
        remembering(root).head()


def test_memory_is_believed_only_where_it_is_this_users_own(root: Path) -> None:
    assert remembering(root).head().seq == 5
    files = sorted((root / "state").glob("*.head"))
    assert len(files) == 2
    cut(root, 3)
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"x")
    with pytest.raises(JournalLost):  # by the other name
        remembering(root).head()
    files[1].chmod(0o644)
    assert remembering(root).head().seq == 3


def test_a_planning_command_remembers_nothing(root: Path) -> None:
    log_of(root, known=Known(Memory(root / "state", ["here"], keep=False))).head()
    assert not (root / "state").exists()


def test_an_anchor_and_a_release_tell_of_a_loss(root: Path) -> None:
    head = log_of(root).head()
    assert head is not None
    tag = Head(head.seq, head.sha256, "the tag anchors it")
    token = Head(head.seq, head.sha256[:12], "release v3 carries its token")
    asked = []

    def released() -> Head:
        asked.append(1)
        return token

    assert log_of(root, known=Known(anchored=lambda: tag, released=released)).head() == head
    assert not asked, "the platform is asked of an empty log only"
    cut(root, 4)
    with pytest.raises(JournalLost, match="up to #5: the tag anchors it"):
        log_of(root, known=Known(anchored=lambda: tag)).head()
    assert not log_of(root).holds(token)
    cut(root, 0)
    for _ in range(2):
        with pytest.raises(JournalLost, match="up to #5: release v3 carries its token"):
            log_of(root, known=Known(released=released)).append(record("note"))
    log_of(root).append(note(5, token.sha256))
    assert log_of(root, known=Known(anchored=lambda: tag, released=released)).holds(token)


@needs("git")
def test_the_newest_tag_of_a_log_is_its_anchor(root: Path, tmp_path: Path) -> None:
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", root, *who, *words], check=True, timeout=60)
    assert newest(root, "sandbox/prod") is None
    log = log_of(root)
    for _ in range(6):
        log.append(record("note"))
    for entry in log.entries()[8:]:
        to_tag(entry, root)
    head = log.entries()[-1]
    assert newest(root, "sandbox/prod") == Head(
        11, head.sha256, "the tag roadworthy/sandbox/prod/11 anchors it"
    )
    assert newest(root, "sandbox/pro") is None
    wrong = json.loads(anchor_of(head)) | {"seq": 12}
    git = ["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(
        [*git, "tag", "-a", "-m", f"x\n\n{json.dumps(wrong)}", "roadworthy/sandbox/prod/13"], check=True
    )
    from roadworthy.journal.anchor import AnchorError

    with pytest.raises(AnchorError, match="roadworthy/sandbox/prod/13 is no anchor of sandbox/prod"):
        newest(root, "sandbox/prod")
