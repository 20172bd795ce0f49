"""A release that went the whole way: tested, certified in staging, deployed and migrated in prod."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roadworthy.journal.export import Release, gather, write
from roadworthy.journal.log import Log

from .making import log_of, record, signer_of

COMMIT = "4b" * 20
PACKAGE = b"the package's bytes"
NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
FAR = datetime(2096, 1, 1, tzinfo=UTC)
"""When the layouts of tests are signed, so that they do not expire under another clock."""


def did(
    log: Log,
    environment: str,
    action: str,
    kind: str = "end",
    said: Mapping[str, str] | None = None,
    **details: Any,
) -> None:
    """A start and what settles it; `said` is what they say otherwise than about PACKAGE."""
    about = {
        "environment": environment,
        "action": action,
        "stage": "verification" if action in ("test", "certify") else "deploy",
        "digest": hashlib.sha256(PACKAGE).hexdigest(),
        "verdicts": [{"guard": "tree_is_clean", "sha256": "ab" * 32, "outcome": "pass"}],
        **(said or {}),
    }
    start = log.append(record("start", **about))
    log.append(record(kind, settles=start.seq, **about, **details), attach={"log.txt": action.encode()})


def shipped(root: Path, number: int = 7) -> None:
    """Journals of a package, of staging and of prod; prod's release is v`number`, its journal number 4."""
    package, staging, prod = (log_of(root, place) for place in (f"package-{COMMIT}", "staging", "prod"))
    did(package, f"package-{COMMIT}", "test", command="python -m pytest")
    to = {"commit": COMMIT, "release": number}
    did(staging, "staging", "deploy", to={"commit": COMMIT, "release": 3})
    did(staging, "staging", "certify", certificate="x_certified")
    did(prod, "prod", "deploy", "failed")
    did(prod, "prod", "deploy", to=to)
    did(prod, "prod", "migrate")
    did(prod, "prod", "migrate", "failed")
    (root / "package.tgz").write_bytes(PACKAGE)


def gathered(root: Path, said: str = "v7") -> Release:
    return gather(lambda place: log_of(root, place).entries(), "prod", said, certified_in="staging")


def exported(root: Path, to: Path, said: str = "v7", now: datetime = FAR) -> Release:
    release = gathered(root, said)
    files = {product.file: root / product.file for product in release.products}
    write(release, to, signer_of(root), files=files, now=now)
    return release
