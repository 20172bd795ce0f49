"""Approve: say, signed, that the committed policy may judge production. It changes nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import git
from ..errors import UsageError
from ..execution.signing import require
from ..model import Outcome, Result
from ..policy_files import FIELD, committed, differing, digests
from ..record import evidence_of

if TYPE_CHECKING:
    from ..context import Context


def approve(context: Context, environment: str, why: str) -> Result:
    """Note in an environment's journal that HEAD's policy is approved. Raises UsageError when files differ."""
    from ..journal import lock
    from ..journal.entry import Record

    head = git.resolve(context.paths.root, None)
    files = context.policy_files
    if differs := differing(files, committed(context.paths.root, head)):
        raise UsageError(
            f"{', '.join(differs[:3])} differs from commit {head[:12]}: commit it first: you approve a commit"
        )
    told = {
        "change": {"id": head[:12], "why": why},
        "actor": lock.this_process(),
        FIELD: {"commit": head, **digests(files)},
    }
    require(context, environment, ("approve",))
    context.changes(f"approve the policy of {head[:12]} for {environment}")
    record = Record("note", "policy", "approve", environment, context.target, "none", "", told)
    entry = context.log(environment).append(record)
    line = f"the policy of {head[:12]} is approved for {environment} by {entry.keyid}"
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=evidence_of(context, environment, entry))
