"""A promotion's gates, each as a question of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import git
from ..model import Outcome, Result
from ..pipeline.gates import policy, request

if TYPE_CHECKING:
    from ..context import Context


def policy_gate(context: Context) -> Result:
    """Judge the files of the project. It fails with every reason."""
    context.screen.title(f"policy gate on {context.target}")
    found = policy.problems(context.paths.root)
    line = f"{len(found)} things stand against a promotion" if found else "the policy gate passes"
    outcome = Outcome.FAILED if found else Outcome.SUCCEEDED
    return Result(outcome, line, reasons=found, details={"problems": list(found)}, code=int(bool(found)))


def request_gate(
    context: Context, env: str, commit: str | None, skip: object, acknowledgement: str
) -> Result:
    """May this be asked for? A request that is rejected is refused, with every reason."""
    root, name = context.paths.root, context.config.name_of(env)
    full = git.resolve(root, commit)
    context.screen.title(f"request for {full[:12]} to {name} on {context.target}")
    asked = request.Asked(
        production=context.config.environment(name).production,
        on_main=request.is_on_main(root, full),
        skip=request.switch("skip-parity", skip),
        acknowledgement=acknowledgement,
    )
    found = request.refusals(asked)
    for reason in found.values():
        context.screen.line(f"  {reason}")
    details = {"environment": name, "commit": full, "reasonCodes": list(found), "paritySkipped": asked.skip}
    if found:
        line = f"refused: {', '.join(found)}"
        return Result(Outcome.REFUSED, line, reasons=tuple(found.values()), details=details, code=3)
    skipped = ", and parity is skipped: this package can never go to production" if asked.skip else ""
    return Result(Outcome.SUCCEEDED, f"{full[:12]} may be promoted to {name}{skipped}", details=details)
