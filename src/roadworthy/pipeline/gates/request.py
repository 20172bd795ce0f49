"""The request gate: who may ask for a promotion at all. A commit of main, and no skipped check in production.

The only check that may be skipped is parity, only before production, and only with the exact words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ... import git
from ...errors import UsageError
from ...git_objects import full, look

MAIN: Final = "main"
ACKNOWLEDGEMENT: Final = "I_ACCEPT_PARITY_SKIP"
_SAID: Final = {"true": True, "false": False, "": False}


class Asked(msgspec.Struct, frozen=True):
    """A request: is it for production, is its commit on main, is parity to be skipped, and with which words."""

    production: bool
    on_main: bool
    skip: bool
    acknowledgement: str


def refusals(asked: Asked) -> dict[str, str]:
    """Why a request is refused, by code; nothing when it may go on. The words count as they are, untrimmed."""
    found = {}
    if not asked.on_main:
        found["NOT_MAIN"] = f"the commit is not on {MAIN}: merge it first"
    if asked.skip and asked.production:
        found["SKIP_IN_PRODUCTION"] = "parity cannot be skipped for production: mend what fails"
    elif asked.skip and asked.acknowledgement != ACKNOWLEDGEMENT:
        found["SKIP_NOT_ACKNOWLEDGED"] = (
            f"to skip parity takes exactly --skip-parity-acknowledgement={ACKNOWLEDGEMENT}"
        )
    return found


def switch(name: str, said: object) -> bool:
    """A switch as a person gives it (a flag), or a workflow (`true`, `false` or nothing). Raises UsageError."""
    if isinstance(said, bool):
        return said
    if not isinstance(said, str) or said not in _SAID:
        raise UsageError(f"--{name} is {str(said)[:20]!r}: say it alone, or true or false")
    return _SAID[said]


def is_on_main(root: Path, commit: str) -> bool:
    """Whether main holds the commit: the remote's, where this clone knows it. Raises UsageError without any."""
    for name in (f"refs/remotes/origin/{MAIN}", f"refs/heads/{MAIN}"):
        (head,) = look(root, name)
        if head is not None:
            return git.is_ancestor(root, commit, full(head.oid))
    raise UsageError(f"this clone has no branch {MAIN}: git fetch origin {MAIN}")
