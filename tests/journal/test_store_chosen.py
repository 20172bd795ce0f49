"""Which store a command works with: one line of release.toml says it, and the sandbox's is never the live one."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest

from roadworthy import config
from roadworthy.context import Context
from roadworthy.errors import UsageError
from roadworthy.journal.objects import Bucket
from roadworthy.journal.store import Folder
from roadworthy.report.terminal import Screen

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "release.toml").read_text()
BUCKET = '[journal]\nstore = "s3://our-evidence/app"\n'


def context(root: Path, table: str, target: str = "sandbox", **environ: str) -> Context:
    text = TEXT.replace('target = "sandbox"', f'target = "{target}"', 1)
    (root / "release.toml").write_text(f"{text}\n{table}")
    return Context(root, Screen(json=True, stream=io.StringIO()), environ)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


def place(context: Context) -> str:
    store = context.store
    if isinstance(store, Folder):
        return str(store.root.relative_to(context.paths.root))
    assert isinstance(store, Bucket)
    return store.place


def test_without_a_line_it_is_the_folder(tmp_path: Path) -> None:
    assert place(context(tmp_path, "")) == ".release/journal"
    assert place(context(tmp_path, "", "live")) == ".release/journal"


def test_one_line_moves_the_live_journal_and_leaves_the_sandbox_in_its_folder(tmp_path: Path) -> None:
    assert place(context(tmp_path, BUCKET, "live")) == "s3://our-evidence/app"
    assert place(context(tmp_path, BUCKET)) == ".release/journal"


def test_a_sandbox_that_is_told_to_journals_beside_the_live_target_and_never_in_it(tmp_path: Path) -> None:
    both = f"{BUCKET}sandbox = true\n"
    assert place(context(tmp_path, both, "live")) == "s3://our-evidence/app"
    mine = place(context(tmp_path, both))
    assert re.fullmatch("s3://our-evidence/app/sandbox/[0-9a-f]{12}", mine)
    assert place(context(tmp_path, both)) == mine
    (other := tmp_path / "another machine").mkdir()
    assert place(context(other, both)) != mine, "each sandbox is a platform of its own"
    assert place(context(tmp_path, both, ROADWORTHY_STATE="elsewhere")) == "elsewhere/journal"


def test_a_command_opens_its_store_once(tmp_path: Path) -> None:
    opened = context(tmp_path, BUCKET, "live")
    assert opened.store is opened.store


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('store = "ftp://bucket/x"', "journal.store: 'ftp://bucket/x': expected s3://bucket/prefix"),
        ('store = "s3://"', "journal.store: 's3://': expected"),
        ('store = "s3://bucket/../other"', "expected s3://bucket/prefix"),
        ('store = "s3://bucket/a//b"', "expected s3://bucket/prefix"),
        ('store = "s3://user:secret@bucket/x"', "expected s3://bucket/prefix"),
        ('store = "az://container/x"', "az:// needs an endpoint"),
        ('store = "s3://bucket"\nendpoint = "http://minio.example.org"', "http:// only for this machine"),
        ('store = "s3://bucket"\nendpoint = "http://127.0.0.1.example.org"', "http:// only for this machine"),
        (
            'store = "s3://bucket"\nendpoint = "https://k:s@example.org"',
            "an address that begins with https://",
        ),
        ('store = "az://bucket"\nendpoint = "https://a.example.org/?sv=1&sig=x"', "begins with https://"),
        ('store = "gs://bucket"\nregion = "eu"', "expected a region of S3"),
        ('store = "s3://bucket"\nsecret_access_key = "x"', "journal.secret_access_key: unknown key"),
        ('endpoint = "https://example.org"', "journal.endpoint: the journal is a folder"),
        ("sandbox = true", "journal.sandbox: the journal is a folder"),
    ],
)
def test_what_names_no_store_is_refused_with_its_line(table: str, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        config.parse(f"{TEXT}\n[journal]\n{table}\n")
    assert problem in str(refused.value)
    assert int(str(refused.value).split(":")[1]) > TEXT.count("\n") + 1


@pytest.mark.parametrize(
    "table",
    [
        'store = "s3://our-evidence"',
        'store = "s3://our.evidence/team/app"\nregion = "eu-central-1"\nendpoint = "https://minio.example.org:9000"',
        'store = "gs://our_evidence/app"',
        'store = "az://journals/app"\nendpoint = "https://account.blob.core.windows.net"',
        'store = "az://journals/app"\nendpoint = "http://127.0.0.1:10000/devstoreaccount1"',
    ],
)
def test_what_names_a_store_is_taken(table: str) -> None:
    assert config.parse(f"{TEXT}\n[journal]\n{table}\n").journal.store


def test_nothing_in_the_package_forks() -> None:
    """The store's client has threads that a forked child would lack; subprocess and spawn start afresh."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "guards").rglob("*.py"), ROOT / "tasks.py"]
    assert len(files) > 50
    found = {(file.name, name) for file in files for name in forks(file.read_text())}
    assert found == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import os\nos.fork()", "fork"),
        ("from os import forkpty", "forkpty"),
        ("import subprocess\nsubprocess.run((), preexec_fn=print)", "preexec_fn"),
        ("import multiprocessing", "multiprocessing"),
        ("from multiprocessing import Process", "Process"),
        ("get_context()", "get_context"),
        ("get_context('fork')", "get_context"),
        ("ProcessPoolExecutor(2)", "ProcessPoolExecutor"),
    ],
)
def test_what_forks_would_be_found(text: str, name: str) -> None:
    assert name in forks(text)


def forks(text: str) -> set[str]:
    """What in this source forks, or may."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=name) | ast.alias(name=name):
                found |= {name} & {"fork", "forkpty", "preexec_fn", "pty", "multiprocessing"}
            case ast.ImportFrom(module="multiprocessing", names=names):
                found |= {alias.name for alias in names} - {"get_context"}
            case ast.Call(func=ast.Name(id="get_context"), args=args):
                if [ast.unparse(arg) for arg in args] != ["'spawn'"]:
                    found.add("get_context")
            case ast.Call(func=ast.Name(id="ProcessPoolExecutor"), keywords=said):
                if "mp_context" not in [keyword.arg for keyword in said]:
                    found.add("ProcessPoolExecutor")
    return {name for name in found if name}
