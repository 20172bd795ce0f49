"""What the journal's tests are made of: one package, and a log that speaks about it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.journal.entry import Record
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Signer, Trust, create_key, load_signer
from roadworthy.journal.store import Folder

PACKAGE = "slug:" + "4b" * 20
DIGEST = "9f" * 32


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip where a tool of the system is not installed, and say which."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def record(kind: str, **said: Any) -> Record:
    """A record about a deploy of PACKAGE to the sandbox's prod; `settles` and others go to the details."""
    names = {"stage", "action", "environment", "target", "subject", "digest", "evidence"}
    details = {key: value for key, value in said.items() if key not in names}
    given = {key: value for key, value in said.items() if key in names}
    usual = {"stage": "deploy", "action": "deploy", "environment": "prod", "target": "sandbox"}
    return Record(kind=kind, **{**usual, "subject": PACKAGE, "digest": DIGEST, **given}, details=details)


def signer_of(root: Path, name: str = "deployer") -> Signer:
    """The key of that name beside the journal, made at the first call."""
    return (
        load_signer(root / "keys" / name)
        if (root / "keys" / name).exists()
        else create_key(root / "keys", name)
    )


def secret_line(key: Path) -> str:
    """The line of a key made here that holds nearly all of its seed; those before it are no secret."""
    return key.read_text().splitlines()[4]


def log_of(root: Path, environment: str = "prod", **more: Any) -> Log:
    """A log under `root/journal` that every process may open again."""
    signer = signer_of(root)
    usual = {"target": "sandbox", "signer": signer, "trust": Trust.load(root / "keys")}
    store = more.pop("store", Folder(root / "journal"))
    return Log(store, environment=environment, clock=lambda: datetime.now(UTC), **{**usual, **more})
