"""Two auditors that share no code, with the writer or with each other, agree about every kind of tampering."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadworthy.journal.audit import audit
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS, both, path_of, run
from .making import needs, record
from .tampering import lie, said

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]


def test_a_sound_log_passes_and_shows_its_head(path: str, root: Path) -> None:
    assert both(path, root) == both(path, root, "sandbox/staging") == ("", "")
    head = hashlib.sha256(path_of(root, 5).read_bytes()).hexdigest()
    for shell in ("dash", "bash", "sh"):
        done = run(
            path, root / "journal/sandbox/prod", shell=shell
        )  # trust beside the journal is the default
        assert (done.returncode, done.stdout, done.stderr) == (0, f"audit: 5 entries, head 5 {head}\n", "")
    assert audit(root / "journal/sandbox/prod") == []


def test_a_cut_tail_shows_only_in_the_head(path: str, root: Path) -> None:
    """What no format can reveal: this is why the head is anchored elsewhere."""
    path_of(root, 5).unlink()
    assert both(path, root) == ("", "")
    assert "head 4 " in run(path, root / "journal/sandbox/prod").stdout


def test_more_entries_than_one_batch(path: str, root: Path) -> None:
    """audit.sh judges 100 entries at a time; the state goes over from one batch to the next."""
    log = Log(
        Folder(root / "journal"),
        environment="prod",
        target="sandbox",
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime.now(UTC),
    )
    for seq in range(6, 100):
        log.append(record("note", number=seq))
    log.append(record("start"))
    log.append(record("end", settles=100))
    assert both(path, root) == ("", "")
    path_of(root, 101).write_bytes(b"{}")
    assert both(path, root) == ("00000101.json", "form")


def test_a_missing_tool_is_no_pass(path: str, root: Path, tmp_path: Path) -> None:
    poor = tmp_path / "bin"
    shutil.copytree(path, poor, symlinks=True)
    (poor / "openssl").unlink()
    done = run(str(poor), root / "journal/sandbox/prod")
    assert (done.returncode, done.stdout) == (2, "")
    assert "openssl is not installed" in done.stderr


def test_definitions_of_ones_own_for_jq_change_no_verdict(path: str, root: Path, tmp_path: Path) -> None:
    """jq loads ~/.jq before every program: there, whatever the script asks would be answered."""
    (tmp_path / ".jq").write_text("def test(x): true; def all(f): true; def IN(s): true; def select(f): .;\n")
    assert run(path, path_of(root, 1).parent, HOME=str(tmp_path)).returncode == 0
    lie(3, said(stage="build"))(root)
    assert both(path, root) == ("00000003.json", "stage")
    done = run(path, path_of(root, 1).parent, HOME=str(tmp_path))
    assert (done.returncode, done.stderr.split(": ")[:3]) == (1, ["audit", "00000003.json", "stage"])
