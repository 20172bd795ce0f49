"""Anchor the head of a journal outside of its store, so that a cut tail or an old copy is noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RoadworthyError, UsageError
from ..model import Outcome, Result
from .holding import say_open

if TYPE_CHECKING:
    from ..world import World


def anchor(context: World, environment: str, to: str = "", timestamp: str = "") -> Result:
    """Anchor the head of an environment's journal: as a git tag, or in the file `to`, which the authority at
    the address `timestamp` may sign (RFC 3161).
    """
    from ..journal import anchor as anchors

    context.config.environment(environment)
    log = context.log(environment)
    say_open(context, log)
    head = log.head()
    if head is None:
        raise UsageError(f"the journal of {environment} is empty: there is nothing to anchor")
    if timestamp and not to:
        raise UsageError("a timestamp is of a file: say --to FILE")
    line = f"head {head.seq} {head.sha256[:12]} of {context.target}/{environment} is anchored"
    context.changes(f"anchor head {head.seq} of {environment} {f'in {to}' if to else 'as a git tag'}")
    if not to:
        return Result(Outcome.SUCCEEDED, f"{line}: tag {anchors.to_tag(head, context.paths.root)}")
    path = context.paths.root / Path(to).expanduser()
    anchors.to_file(head, path)
    stamped = f", timestamped in {anchors.timestamp(path, timestamp).name}" if timestamp else ""
    return Result(Outcome.SUCCEEDED, line + stamped, evidence=context.shown(path))


def anchor_head(context: World, environment: str) -> str:
    """After a completion on a live target, anchor the head as a git tag; what to tell people, "" for nothing.

    Never raises: a release that has succeeded stays one. The sandbox is anchored only when it is asked for.
    """
    if context.target == "sandbox":
        return ""
    try:
        return anchor(context, environment).line
    except (RoadworthyError, OSError, subprocess.SubprocessError, KeyboardInterrupt) as error:
        why = str(error) or type(error).__name__
        return f"NOT anchored: {why}. Try again: `invoke evidence.anchor --env {environment}`"
