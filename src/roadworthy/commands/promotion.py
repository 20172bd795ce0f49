"""A promotion's gates, each as a question of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Outcome, Result
from ..pipeline.gates import policy

if TYPE_CHECKING:
    from ..context import Context


def policy_gate(context: Context) -> Result:
    """Judge the files of the project. It fails with every reason."""
    context.screen.title(f"policy gate on {context.target}")
    found = policy.problems(context.paths.root)
    line = f"{len(found)} things stand against a promotion" if found else "the policy gate passes"
    outcome = Outcome.FAILED if found else Outcome.SUCCEEDED
    return Result(outcome, line, reasons=found, details={"problems": list(found)}, code=int(bool(found)))
