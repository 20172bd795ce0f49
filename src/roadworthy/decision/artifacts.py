"""The contract's files in `.artifacts/`: views of the journal for people and other tools (contracts, part B).

JSON, indented by two, with a newline at the end. Nothing reads them back as truth: what counts is the journal,
which holds the same bytes as evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..files import write_atomically

if TYPE_CHECKING:
    from ..journal.log import Log
    from ..world import World

COMMIT_STAGE: Final = "commit-stage/{commit}/result.json"
COMMIT_RUN: Final = "commit-stage/{commit}/evidence.json"
SCOPE: Final = "commit-stage/{commit}/scope.json"
DOCS_DRIFT: Final = "docs-drift/{commit}/result.json"
MANIFEST: Final = "release-package/{commit}/manifest.json"
ACCEPTANCE: Final = "acceptance/{commit}/result.json"
PRODUCTION: Final = "production/{commit}/result.json"
DECISION: Final = "release/{commit}/decision.json"
TIMING: Final = "pipeline/{commit}/timing.json"


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """The bytes of one of these files."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def path_of(context: World, name: str, commit: str) -> Path:
    """Where the file of that name lies for a commit (40 hex characters)."""
    return context.artifacts / name.format(commit=commit)


def restore(
    context: World, log: Log, evidence: Mapping[str, str], views: Mapping[str, str], commit: str
) -> None:
    """Bring back the files that are missing, or not what the journal holds: who wrote them may have been killed.

    `evidence` is the sha256 of each file that an entry of `log` attaches, `views` the name of its file here.
    """
    for attached, name in views.items():
        data, path = log.evidence(evidence[attached]), path_of(context, name, commit)
        if not path.is_file() or path.stat().st_size != len(data) or path.read_bytes() != data:
            write(context, name, commit, data)


def write(context: World, name: str, commit: str, data: bytes) -> Path:
    """Put the file in its place, whole or not at all. Raises UsageError when it cannot be written.

    When only planning it is left as it is.
    """
    path = path_of(context, name, commit)
    if not context.planning:
        write_atomically(path, data)
    return path
